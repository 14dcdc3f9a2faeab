import pytest

from gateway.api.sessions import LIFE_S, Sessions
from gateway.store.ended_sessions import EndedSessions
from gateway.store.secrets import Signer
from tests.support.books import Clock


@pytest.fixture
def sessions(redis_client):
    """Give a function that makes the sessions of a worker; all have one Redis."""
    return lambda *args, **changes: made(redis_client, *args, **changes)


def made(redis, admin_key="admin", signing_key=b"key", clock=None):
    async def signer():
        return Signer(signing_key)

    return Sessions(admin_key, signer=signer, ended=EndedSessions(redis), clock=clock or Clock(1000.5))


async def test_a_session_is_read_back_until_it_ends(sessions):
    clock = Clock(1000.5)
    ours = sessions(clock=clock)
    cookie = await ours.open()

    assert 1000 + LIFE_S == (await ours.read(cookie)).expires
    clock.now += LIFE_S
    assert await ours.read(cookie) is None


async def test_a_session_that_was_ended_is_over_for_every_worker(sessions, redis_client):
    """And no other with it; it is remembered for as long as it could have lived."""
    cookies = [await sessions().open(), await sessions().open()]
    one, other = [await sessions().read(cookie) for cookie in cookies]
    await sessions(clock=Clock(1000.5 + LIFE_S - 60)).end(one)

    assert await sessions().read(cookies[0]) is None
    assert await sessions().read(cookies[1]) == other
    (remembered,) = await redis_client.keys("ended-session:*")
    assert 50 < await redis_client.ttl(remembered) <= 60


@pytest.mark.parametrize("changed", [{"admin_key": "another"}, {"signing_key": b"another"}])
async def test_another_key_ends_all_sessions(changed, *, sessions):
    """Whichever of the two is changed; the tokens go with them."""
    cookie = await sessions().open()
    session = await sessions().read(cookie)

    assert await sessions(**changed).read(cookie) is None
    assert not await sessions(**changed).is_token(session, await sessions().token(session))


async def test_a_token_is_that_of_one_session(sessions):
    """And is not what the cookie holds."""
    ours = sessions()
    cookies = [await ours.open(), await ours.open()]
    one, other = [await ours.read(cookie) for cookie in cookies]
    token = await ours.token(one)

    assert await ours.is_token(one, token)
    assert not await ours.is_token(other, token)
    assert not await ours.is_token(one, "")
    assert not await ours.is_token(one, "\u00e9")
    assert token not in cookies[0]


@pytest.mark.parametrize(
    "cookie", ["", ".", "..", "a.1.b.c", "a.-1.b", "a.1e3.b", "a." + "9" * 40 + ".b", "\u0660.1.b"]
)
async def test_what_is_no_cookie_of_ours_is_no_session(cookie, *, sessions):
    assert await sessions().read(cookie) is None


async def test_only_the_admin_key_opens(sessions):
    assert sessions("g\u00fcn").opens("g\u00fcn")
    assert not sessions("g\u00fcn").opens("gun")
    assert not sessions("g\u00fcn").opens("")

import re

import pytest

from gateway.store.redis_url import FORMS, read_url


def test_a_single_server_is_left_to_redis_py():
    """With TLS, with a database, or on a unix socket."""
    for url in ("redis://h", "rediss://u:p@h:1/2", "unix:///s?db=1"):
        where = read_url(url)
        assert (where.kind, where.plain) == ("single", url)


def test_a_cluster_has_nodes_and_a_login():
    """Names, IPv4 and IPv6; the login is every node's, its special characters written as %XX."""
    where = read_url("redis+cluster://us%40er:p%2Fa%2Css@a.example:1,10.0.0.1:65535,[::1]:3/")
    assert where.kind == "cluster"
    assert where.addresses == (("a.example", 1), ("10.0.0.1", 65535), ("::1", 3))
    assert where.options == {"username": "us@er", "password": "p/a,ss", "ssl": False}
    assert read_url("redis+cluster://:p@h:1").options == {"password": "p", "ssl": False}


def test_sentinels_have_a_service_and_a_database():
    """The login is the servers'; the Sentinels' own stands in the query, for most have none."""
    where = read_url("redis+sentinel://u:p@h:1,i:2/art-1.x/3?sentinel_username=s&sentinel_password=%2F")
    assert (where.kind, where.addresses, where.service) == ("sentinel", (("h", 1), ("i", 2)), "art-1.x")
    assert where.options == {"username": "u", "password": "p", "ssl": False, "db": 3}
    assert where.sentinel_options == {"username": "s", "password": "/", "ssl": False}
    assert read_url("redis+sentinel://h:1/art").options == {"ssl": False, "db": 0}


def test_tls_has_certificates():
    """They are the servers' and the Sentinels'."""
    query = "ssl_ca_certs=/ca.pem&ssl_check_hostname=no"
    tls = {"ssl": True, "ssl_ca_certs": "/ca.pem", "ssl_check_hostname": False}
    assert read_url(f"rediss+cluster://h:1?{query}").options == tls
    where = read_url(f"rediss+sentinel://h:1/art?{query}")
    assert where.options == tls | {"db": 0}
    assert where.sentinel_options == tls


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://",
        "redis+cluster://secret",
        "redis+cluster://secret@h:1",
        "redis+cluster://:sec/ret@h:1",
        "redis+cluster://:sec#ret@h:1",
        "redis+cluster://:secret@h",
        "redis+cluster://:secret@h:0",
        "redis+cluster://:secret@h:65536",
        "redis+cluster://:secret@h:1,",
        "redis+cluster://:secret@h:1;i:2",
        "redis+cluster://:secret@h:1/0",
        "redis+cluster://:secret@h:1?socket_timeout=9",
        "redis+cluster://:secret@h:1?ssl_ca_certs=/ca.pem",
        "rediss+cluster://:secret@h:1?sentinel_password=secret",
        "rediss+cluster://:secret@[::1:1",
        "redis+sentinel://:secret@h:1",
        "redis+sentinel://:secret@h:1/",
        "redis+sentinel://:secret@h:1/art/secret",
        "redis+sentinel://:secret@h:1/art/0/0",
        "redis+sentinel://:secret@h:1/a rt",
        "redis+sentinel://:secret@h:1/art#0",
    ],
)
def test_a_malformed_url_is_told_its_form_and_never_repeated(url):
    """For it may hold a password."""
    with pytest.raises(ValueError, match="A Redis URL that cannot be read") as refused:
        read_url(url)
    assert FORMS[url.partition("://")[0]] in str(refused.value)
    assert re.search("sec|ret", str(refused.value)) is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("form", FORMS.values())
def test_every_form_that_is_told_can_be_read(form):
    """Nobody is sent from one error to the next."""
    assert read_url(form).kind


@pytest.mark.parametrize("option", ["foo=1", "foo", "db=0&foo=secret"])
def test_an_option_that_there_is_not_is_named(option):
    """Its value is not repeated, and redis-py never sees it."""
    with pytest.raises(ValueError, match=r"with the option 'foo', which is none of client_name, db,") as refused:
        read_url(f"redis://:secret@h:1/0?{option}")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["redis://:secret@h:1/x", "redis://:secret@h:1/2/3", "unix:///s?db=x", "redis://h?db="])
def test_a_database_that_is_no_number_is_named_as_the_fault(url):
    """It would be taken for 0, or for another number."""
    with pytest.raises(ValueError, match="A Redis URL whose database is no number: use the form") as refused:
        read_url(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["redis://:1?sec=ret@h:1", "redis://:1#secret@h:1", "redis://:1/secret@h:1"])
def test_a_password_that_cuts_the_url_short_is_not_repeated(url):
    """Its special characters are written as %XX; read as it stands, it would lead to another server."""
    with pytest.raises(ValueError, match="A Redis URL that cannot be read") as refused:
        read_url(url)
    assert re.search("sec|ret", str(refused.value)) is None

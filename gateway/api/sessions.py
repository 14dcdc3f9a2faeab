"""Sessions of people who have logged in with the admin key: a signed cookie, and a token that only our pages know."""

import hashlib
import hmac
import math
import secrets
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gateway.store.ended_sessions import EndedSessions
from gateway.store.secrets import Signer

COOKIE = "gateway_session"
TOKEN_HEADER = "x-csrf-token"  # noqa: S105  a name, not a secret
LIFE_S = 12 * 3600


class Session(NamedTuple):
    """A log-in, until `expires` (unix seconds)."""

    id: str
    expires: int


class Sessions:
    """Opens, checks and ends sessions; only ended ones are stored, and another admin key or signing key ends them all.

    `signer` is asked for on first use and may raise Unavailable, and so may every method. `clock` gives unix seconds.
    """

    def __init__(
        self,
        admin_key: str,
        *,
        signer: Callable[[], Awaitable[Signer]],
        ended: EndedSessions,
        clock: Callable[[], float],
    ) -> None:
        self._key = hashlib.sha256(admin_key.encode()).hexdigest()
        self._signer = signer
        self._ended = ended
        self._clock = clock

    def opens(self, admin_key: str) -> bool:
        """Tell, in constant time, whether this is the admin key."""
        return hmac.compare_digest(hashlib.sha256(admin_key.encode()).hexdigest(), self._key)

    async def open(self) -> str:
        """Begin a session of LIFE_S seconds; returns the cookie's value."""
        session = Session(secrets.token_hex(16), int(self._clock()) + LIFE_S)
        signature = (await self._signer()).sign(self._named("session", session), session.expires)
        return f"{session.id}.{session.expires}.{signature}"

    async def read(self, cookie: str) -> Session | None:
        """Tell whose session a cookie's value is; None where it is not ours, or over."""
        name, _, rest = cookie.partition(".")
        expires, _, signature = rest.partition(".")
        if not (name.isalnum() and name.isascii() and expires.isascii() and expires.isdecimal() and len(expires) < 13):
            return None
        session = Session(name, int(expires))
        name_signed = self._named("session", session)
        genuine = (await self._signer()).verify(name_signed, session.expires, signature, self._clock())
        return session if genuine and not await self._ended.has(session.id) else None

    async def end(self, session: Session) -> None:
        """End a session before its time, for every worker and every copy of its cookie."""
        await self._ended.add(session.id, left_s=max(1, math.ceil(session.expires - self._clock())))

    async def token(self, session: Session) -> str:
        """Make what the pages of a session send in TOKEN_HEADER with whatever changes something."""
        return (await self._signer()).sign(self._named("csrf", session), session.expires)

    async def is_token(self, session: Session, presented: str) -> bool:
        """Tell, in constant time, whether this is the session's token."""
        return hmac.compare_digest((await self.token(session)).encode(), presented.encode())

    def _named(self, purpose: str, session: Session) -> str:
        return f"{purpose}:{self._key}:{session.id}"

"""Answers as ASGI sends them, all with status 200; a framework's responses cost more than to make what is in them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack

from litestar.types import Message, Receive, Scope, Send


class Reply:
    """A whole body."""

    def __init__(self, body: bytes, media_type: str, headers: Mapping[str, str]) -> None:
        self.body = body
        self.media_type = media_type
        self.headers = {**headers, "content-length": str(len(body))}

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        await send(_head(self.media_type, self.headers))
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class StreamedReply:
    """A body that comes in pieces; `held` is held until the last of them is sent, or there is no more to come.

    Who watches for the client to leave is whoever makes the pieces.
    """

    def __init__(
        self, pieces: AsyncIterator[bytes], media_type: str, headers: Mapping[str, str], held: ExitStack
    ) -> None:
        self._pieces = pieces
        self._media_type = media_type
        self._headers = headers
        self._held = held

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        with self._held:
            await send(_head(self._media_type, self._headers))
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _head(media_type: str, headers: Mapping[str, str]) -> Message:
    told = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": [(b"content-type", media_type.encode()), *told]}

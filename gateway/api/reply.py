"""An answer that is ready, as ASGI sends it."""

from collections.abc import Mapping

from litestar.types import Receive, Scope, Send

JSON = "application/json"


class Reply:
    """A whole body with status 200; a framework's response of headers, cookies and tasks costs more than to make it."""

    def __init__(self, body: bytes, media_type: str, headers: Mapping[str, str]) -> None:
        self.body = body
        self.media_type = media_type
        self.headers = headers

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        head = {"content-type": self.media_type, "content-length": str(len(self.body)), **self.headers}
        headers = [(name.encode(), value.encode()) for name, value in head.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})

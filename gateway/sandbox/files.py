"""Signed, short-lived links to pictures, as the providers' object stores give them."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.sandbox.drills import Drills, take
from gateway.sandbox.pictures import Picture
from gateway.sandbox.wire import Ending, Reply, Request

_MOST_FILES = 10_000


@dataclass(slots=True)
class _File:
    picture: Picture
    expires: float
    drills: Drills


class Files:
    """Every link given out, by its exact spelling."""

    def __init__(self, base_url: str, life: float, clock: Callable[[], float]) -> None:
        self._base_url = base_url
        self._life = life
        self._clock = clock
        self._files: OrderedDict[str, _File] = OrderedDict()

    def publish(self, picture: Picture, drills: Drills) -> str:
        """Make a new link to a picture; it lives for the set number of seconds."""
        expires = self._clock() + drills.get("url-life", self._life)
        # A client that decodes and re-encodes a link changes at least one of %2F, ~, %2B and %3D, and breaks it.
        signature = f"v1%2F{secrets.token_hex(8)}~{secrets.token_hex(8)}%2B{secrets.token_hex(4)}%3D%3D"
        name = f"{picture.serial:06d}-{secrets.token_hex(4)}.{picture.extension}"
        target = f"/files/{name}?X-Expires={expires:.3f}&x-process=image%2Fnone&sig={signature}"
        self._files[target] = _File(picture, expires, drills)
        if len(self._files) > _MOST_FILES:
            self._files.popitem(last=False)
        return self._base_url + target

    async def download(self, request: Request) -> Reply:
        """Answer a GET on a link: 400 with credentials, 403 unless spelled exactly as given and alive."""
        if "authorization" in request.headers:
            return _failure(400, "InvalidArgument", "Only one auth mechanism allowed; the link is already signed")
        file = self._files.get(request.target)
        if file is None:
            return _failure(403, "SignatureDoesNotMatch", "The request signature does not match this link")
        if self._clock() >= file.expires:
            return _failure(403, "AccessDenied", "Request has expired")
        return _drilled(file.drills) or await self._content(file)

    async def _content(self, file: _File) -> Reply:
        reply = Reply(body=await file.picture.bytes(), content_type=file.picture.media_type)
        if take(file.drills, "download-truncated"):
            reply.ending = Ending.HALF
        return reply


def _drilled(drills: Drills) -> Reply | None:
    if take(drills, "download-404"):
        return _failure(404, "NoSuchKey", "The specified key does not exist")
    if take(drills, "download-500"):
        return _failure(500, "InternalError", "We encountered an internal error, please try again")
    if take(drills, "download-reset"):
        return Reply(ending=Ending.RESET)
    return None


def _failure(status: int, code: str, message: str) -> Reply:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Reply(status=status, body=body.encode(), content_type="application/xml")

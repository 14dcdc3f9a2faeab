"""Reading a reply's body into memory, up to a limit."""

from typing import cast

import httpx


class TooLarge(Exception):
    """A body longer than its limit; reading stopped there."""


async def read_capped(response: httpx.Response, max_bytes: int) -> bytes:
    """Read the decoded body of a streamed `response`.

    Raises `TooLarge` past `max_bytes`, and `httpx.HTTPError` where the body breaks off or cannot be decoded.
    """
    encoded = "content-encoding" in response.headers
    chunks: list[bytes] = []
    size = 0
    # Without an encoding the stream is the body: httpx's way to it is longer than the rest of the reading.
    async for chunk in response.aiter_bytes() if encoded else cast("httpx.AsyncByteStream", response.stream):
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge
        chunks.append(chunk)
    return b"".join(chunks)  # the one copy

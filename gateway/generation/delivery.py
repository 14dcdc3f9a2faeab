"""From what upstream hands over, bytes or a short-lived URL, to the pictures that the client gets."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.dialects.base import Image
from gateway.errors import UpstreamFailed
from gateway.generation.pictures import Picture, Pictures
from gateway.generation.plan import Encoding
from gateway.telemetry.events import DownloadFinished, DownloadRetried, Emit
from gateway.upstream.download import Downloader, DownloadFailed

_LONGEST_PAUSE_S = 5.0


class Delivery:
    """Fetches, checks and encodes pictures that are already paid for.

    A download that may fare better later is tried again until `patience_s` seconds have passed.
    """

    def __init__(
        self,
        downloader: Downloader,
        pictures: Pictures,
        *,
        patience_s: float,
        backoff_s: float,
        clock: Callable[[], float],
        emit: Emit,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._downloader = downloader
        self._pictures = pictures
        self._patience_s = patience_s
        self._backoff_s = backoff_s
        self._clock = clock
        self._emit = emit
        self._sleep = sleep

    async def receive(self, images: list[Image], encoding: Encoding) -> list[Picture]:
        """Bring in the pictures of one part; some may fail as long as one comes through.

        Raises:
            GatewayError: not one of them could be had.

        """
        done = await asyncio.gather(*(self._one(image, encoding) for image in images), return_exceptions=True)
        pictures = [item for item in done if isinstance(item, Picture)]
        if pictures:
            return pictures
        for item in done:
            if isinstance(item, BaseException):
                raise item
        raise UpstreamFailed("Upstream delivered no picture.")

    async def _one(self, image: Image, encoding: Encoding) -> Picture:
        data = image.data if image.data is not None else await self._fetch(image.url or "")
        picture = self._pictures.inspect(data, image.revised_prompt)
        return await self._pictures.encode(picture, encoding)

    async def _fetch(self, url: str) -> bytes:
        started = self._clock()
        pause = self._backoff_s
        while True:
            try:
                data = await self._downloader.fetch(url)
            except DownloadFailed as failure:
                if not failure.retryable or self._clock() - started + pause > self._patience_s:
                    self._emit(DownloadFinished(failure.reason, self._clock() - started))
                    raise UpstreamFailed(
                        f"The picture was made, but could not be fetched from where upstream keeps it "
                        f"({failure.reason}). It was probably charged; the request is not sent again.",
                        code="download_failed",
                    ) from failure
                self._emit(DownloadRetried(failure.reason))
                await self._sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                self._emit(DownloadFinished("ok", self._clock() - started))
                return data

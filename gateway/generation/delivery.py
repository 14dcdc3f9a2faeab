"""From what upstream hands over, bytes or a short-lived URL, to the pictures that the client gets."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from gateway.dialects.base import Image
from gateway.errors import UpstreamFailed
from gateway.generation.pictures import NoPicture, Picture, Pictures
from gateway.generation.plan import Encoding
from gateway.telemetry.events import DownloadFinished, DownloadRetried, Emit, PictureLost, fault_in, outcome_of
from gateway.telemetry.phases import Phases
from gateway.upstream.download import Downloader, DownloadFailed

T = TypeVar("T")

_LONGEST_PAUSE_S = 5.0
_LOOKS_AT_NO_PICTURE = 3


class Delivery:
    """Fetches, checks and encodes pictures that are already paid for.

    A download that may fare better later is tried again until `patience_s` seconds have passed; one that brings
    something else than a whole picture, twice.
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

    async def receive(self, images: list[Image], encoding: Encoding, phases: Phases | None = None) -> list[Picture]:
        """Bring in the pictures of one part; some may fail as long as one comes through. `phases` hears of each step.

        Raises:
            GatewayError: not one of them could be had.

        """
        heard = phases or Phases()
        done = await together([self._one(image, encoding, heard) for image in images])
        pictures = [item for item in done if isinstance(item, Picture)]
        if pictures:
            return pictures
        for item in done:
            if isinstance(item, Exception):
                raise item
        raise UpstreamFailed("Upstream delivered no picture.")

    async def _one(self, image: Image, encoding: Encoding, phases: Phases) -> Picture | Exception:
        began = self._clock()
        try:
            if image.data is not None:
                picture = await self._pictures.read(image.data, image.revised_prompt)
            else:
                picture = await self._fetch(image.url or "", image.revised_prompt, phases)
                began = self._clock()
            encoded = await self._pictures.encode(picture, encoding)
        except Exception as error:  # noqa: BLE001  whatever it is, the other pictures are paid for
            self._emit(PictureLost(outcome_of(error), fault_in(error)))
            return error
        if encoded is not picture:
            phases.lap("transcode", began, self._clock())
        return encoded

    async def _fetch(self, url: str, revised_prompt: str | None, phases: Phases) -> Picture:
        began = self._clock()
        try:
            return await self._fetched(url, revised_prompt)
        finally:
            phases.lap("download", began, self._clock())

    async def _fetched(self, url: str, revised_prompt: str | None) -> Picture:
        started = self._clock()
        pause = self._backoff_s
        looks = 0
        while True:
            try:
                picture = await self._pictures.read(await self._downloader.fetch(url), revised_prompt)
            except DownloadFailed as failure:
                if not failure.retryable or self._clock() - started + pause > self._patience_s:
                    self._emit(DownloadFinished(failure.reason, self._clock() - started, failure.status))
                    raise _not_fetched(failure) from failure
                self._emit(DownloadRetried(failure.reason, failure.status))
            except NoPicture:
                looks += 1
                if looks == _LOOKS_AT_NO_PICTURE:
                    self._emit(DownloadFinished("no_picture", self._clock() - started))
                    raise
                self._emit(DownloadRetried("no_picture"))
            else:
                self._emit(DownloadFinished("ok", self._clock() - started))
                return picture
            await self._sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)


def _not_fetched(failure: DownloadFailed) -> UpstreamFailed:
    why = failure.reason if failure.status is None else f"HTTP status {failure.status}"
    return UpstreamFailed(
        f"The picture was made, but could not be fetched from where upstream keeps it ({why}). "
        "It was probably charged; the request is not sent again.",
        code="download_failed",
    )


async def together(work: list[Coroutine[Any, Any, T]]) -> list[T]:
    """Wait for all of it at once; a single piece needs no task of its own."""
    return [await work[0]] if len(work) == 1 else await asyncio.gather(*work)

"""Pictures under URLs of our own: signed, expiring, never listed."""

from collections.abc import Awaitable, Callable

from gateway.generation.pictures import EXTENSIONS, Picture
from gateway.store.blobs import Blobs
from gateway.store.secrets import Signer

PREFIX = "/v1/images/files/"


class Hosting:
    """Keeps pictures for `life_s` seconds and signs the paths that lead to them.

    `signer` is asked for on first use, since the signing key may lie in Redis. `clock` gives unix seconds.
    """

    def __init__(
        self,
        blobs: Blobs,
        *,
        signer: Callable[[], Awaitable[Signer]],
        life_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._blobs = blobs
        self._signer = signer
        self._life_s = life_s
        self._clock = clock

    async def publish(self, picture: Picture) -> str:
        """Store a picture and return its path with the signature, to be put behind the gateway's public URL.

        Raises:
            Unavailable, RedisTrouble: the store does not answer; the caller still holds the picture.

        """
        signer = await self._signer()
        await self._blobs.keep(picture.sha256, picture.data, self._life_s)
        path = f"{PREFIX}{picture.sha256}.{EXTENSIONS[picture.format]}"
        expires = int(self._clock() + self._life_s)
        return f"{path}?expires={expires}&signature={signer.sign(path, expires)}"

    async def open(self, path: str, expires: int, signature: str) -> bytes | None:
        """Return a picture's bytes; None where the signature is wrong, has expired, or the bytes are gone."""
        signer = await self._signer()
        if not signer.verify(path, expires, signature, self._clock()):
            return None
        return await self._blobs.get(path.removeprefix(PREFIX).partition(".")[0])

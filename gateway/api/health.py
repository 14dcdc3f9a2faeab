"""`/healthz` (alive), `/readyz` (fit for traffic), `/metrics`."""

from collections.abc import Awaitable, Callable

import msgspec
from litestar import MediaType, Response, Router, get
from redis.exceptions import ResponseError

from gateway.telemetry.exposition import Exposition


class Readiness:
    """Ready once Redis took a write and until draining begins. `try_write` raises while it takes none."""

    def __init__(self, try_write: Callable[[], Awaitable[object]]) -> None:
        self._try_write = try_write
        self._was_reached = False
        self.draining = False

    async def state(self) -> tuple[bool, dict[str, object]]:
        """Tell whether to send traffic here, and why."""
        try:
            await self._try_write()
        except ResponseError:
            redis = "refuses_writes"
        except Exception:  # noqa: BLE001  whatever it is, the answer is the same
            redis = "unreachable"
        else:
            redis, self._was_reached = "ok", True
        ready = self._was_reached and not self.draining
        return ready, {"ready": ready, "redis": redis, "draining": self.draining}


def health_router(*, readiness: Readiness, exposition: Exposition | None) -> Router:
    """Make the handlers; without an exposition there are no metrics here."""

    @get("/healthz")
    async def alive() -> Response[bytes]:
        return Response(b'{"alive":true}', media_type=MediaType.JSON)

    @get("/readyz")
    async def ready() -> Response[bytes]:
        is_ready, state = await readiness.state()
        return Response(msgspec.json.encode(state), status_code=200 if is_ready else 503, media_type=MediaType.JSON)

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        body, content_type = await exposition.render() if exposition else (b"", "")
        # Litestar would add the charset, which the type has already, to the media type, but not to a header.
        return Response(body, headers={"content-type": content_type})

    return Router("/", route_handlers=[alive, ready, *([metrics] if exposition else [])])

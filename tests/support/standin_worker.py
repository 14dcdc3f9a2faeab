"""A worker with a stand-in app: `/` tells its process id, `/hold` answers once the file `release` exists.

Both files that it speaks through lie in the directory that HOLD_DIR names. BROKEN makes it fail to start.
"""

import asyncio
import os
from pathlib import Path

from gateway.processes import StartFailed
from gateway.worker import serve

HOLD_DIR = Path(os.environ.get("HOLD_DIR", "/nonexistent"))


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for _ in range(2):
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
        return
    if scope["path"] == "/hold":
        (HOLD_DIR / "held").touch()
        while not (HOLD_DIR / "release").exists():  # noqa: ASYNC110  another process makes it
            await asyncio.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})


def make(settings):
    if os.environ.get("BROKEN"):
        raise StartFailed(f"no {settings.images.default_model} today")
    return app


if __name__ == "__main__":
    serve(make)

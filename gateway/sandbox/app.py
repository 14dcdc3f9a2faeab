"""The simulated Aihubmix as an ASGI application on three addresses."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from gateway.sandbox.control import PREFIX, control
from gateway.sandbox.envelope import failure
from gateway.sandbox.models import MODELS
from gateway.sandbox.paid import sell
from gateway.sandbox.record import Call
from gateway.sandbox.wire import (
    Ending,
    Origin,
    Receive,
    Refused,
    Reply,
    Request,
    Send,
    deliver,
    json_reply,
    read_request,
)
from gateway.sandbox.world import Origins, Settings, World


class Sandbox:
    """Answers on the address a request came in by: the API, the tasks, or the one that nobody may call."""

    def __init__(self, settings: Settings, origins: Origins, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._origins = origins
        self._clock = clock
        self._origin_of: dict[int | None, Origin] = {
            urlsplit(origins.api).port: "api",
            urlsplit(origins.tasks).port: "tasks",
            urlsplit(origins.polling).port: "polling",
        }
        self.world = World(settings, origins, clock)

    def reset(self) -> None:
        """Forget everything, and let held replies go."""
        self.world.release()
        self.world = World(self._settings, self._origins, self._clock)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        request = await read_request(scope, receive, self._origin_of[scope["server"][1]])
        await deliver(await self._answer(request), scope, receive, send)

    async def _answer(self, request: Request) -> Reply:
        # A request that outlives a reset must not touch the new world.
        world = self.world
        if request.origin == "api" and request.path.startswith(PREFIX):
            if (request.method, request.path) == ("POST", f"{PREFIX}reset"):
                self.reset()
                return json_reply({})
            return control(world, request)
        call = world.record.open(request, self._clock())
        # Taken on arrival: whoever sees the call in the record can release it, however long its picture takes.
        released = world.released
        why = None
        try:
            reply = await _route(world, request, call)
        except Refused as refused:
            reply, why = refused.reply, str(refused)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.held:
            await released.wait()
        answered = reply.ending in (Ending.WHOLE, Ending.HALF)
        world.record.close(call, reply.status if answered else None, why)
        return reply


async def _route(world: World, request: Request, call: Call) -> Reply:
    method, path = request.method, request.path
    if request.origin == "polling":
        return failure(403, "This address belongs to another company, and was sent a key that it must never see")
    if request.origin == "api" and method == "GET" and path.startswith("/files/"):
        return await world.files.download(request)
    if request.origin == "tasks" and method == "GET" and path.startswith("/v1/tasks/"):
        _authenticate(world, request)
        return world.tasks.poll(unquote(path.removeprefix("/v1/tasks/")))
    if request.origin == "api" and (method, path) == ("GET", "/v1/models"):  # Aihubmix shows it to everybody
        return json_reply({"object": "list", "data": [{"id": model.name, "object": "model"} for model in MODELS]})
    predictions = path.startswith("/v1/models/") and path.endswith("/predictions")
    if request.origin == "api" and method == "POST" and (predictions or path == "/v1/images/generations"):
        call.billable = True
        _authenticate(world, request)
        return await sell(world, request, call)
    raise Refused(failure(404, f"Invalid URL ({method} {path})", code="not_found"), "no such route")


def _authenticate(world: World, request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    expected = world.settings.api_key
    if scheme != "Bearer" or (key != expected if expected else not key.startswith("sk-") or key == "sk-"):
        reply = failure(401, "Invalid token: send 'Authorization: Bearer sk-...'", code="invalid_api_key")
        raise Refused(reply, "authorization")

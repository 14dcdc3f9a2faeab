"""The sandbox's own endpoints, beside those it simulates: the record, the drills, reset and release."""

import msgspec

from gateway.sandbox.drills import DRILLS
from gateway.sandbox.envelope import failure
from gateway.sandbox.models import find
from gateway.sandbox.wire import Reply, Request, json_reply
from gateway.sandbox.world import World

PREFIX = "/_sandbox/"


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """A drill for the next `times` paid calls of a model, `*` for every model."""

    model: str
    drill: str
    times: int = 1


def control(world: World, request: Request) -> Reply:
    """Answer a control request (a reset is the application's own)."""
    match request.method, request.path.removeprefix(PREFIX):
        case "GET", "calls":
            return json_reply(list(world.record.calls))
        case "GET", "stats":
            return json_reply(world.record.stats)
        case "GET", "drills":
            return json_reply({"known": sorted(DRILLS), "armed": world.armed.left()})
        case "POST", "drills":
            return _arm(world, request.body)
        case "DELETE", "drills":
            world.armed.disarm()
        case "DELETE", "calls":
            world.record.clear()
        case "POST", "release":
            world.release()
        case _:
            return failure(404, f"The sandbox has no {request.method} {request.path}")
    return json_reply({})


def arm(world: World, order: Order) -> None:
    """Arm a drill; raises ValueError for an unknown model or drill."""
    model = find(order.model)
    if model is None and order.model != "*":
        raise ValueError(f"unknown model {order.model!r}")
    world.armed.arm(model.name if model else "*", order.drill, order.times)


def _arm(world: World, body: bytes) -> Reply:
    try:
        arm(world, msgspec.json.decode(body, type=Order))
    except (ValueError, msgspec.DecodeError) as error:
        return failure(400, str(error))
    return json_reply({"armed": world.armed.left()})

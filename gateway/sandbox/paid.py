"""The calls that cost money: admission, drawing, billing, and the reply in the model's shape."""

from dataclasses import replace
from typing import Any

import msgspec

from gateway.sandbox.drills import Drills, in_prompt
from gateway.sandbox.envelope import failure, model_unknown
from gateway.sandbox.models import MODELS, Model
from gateway.sandbox.pictures import Picture
from gateway.sandbox.record import Call, without_images
from gateway.sandbox.refusals import gateway_timeout, refusal
from gateway.sandbox.shapes import SHAPES, Shape, Shown
from gateway.sandbox.wire import Ending, Refused, Reply, Request, json_reply
from gateway.sandbox.world import World

_BY_PATH = {f"/v1/models/{model.path}/predictions": model for model in MODELS if model.path}
_ONE_STEP = {model.name: model for model in MODELS if not model.path}
_LONGEST_MESSAGE = 400


async def sell(world: World, request: Request, call: Call) -> Reply:
    """Answer a predictions or one-step call; raises Refused."""
    body = _body(request)
    model, given = _one_step(body) if request.path == "/v1/images/generations" else _prediction(request, body)
    call.model = model.name
    call.body = {"input": without_images(given)} if model.path else without_images(given)
    if problem := model.contract.problem(given):
        param, wrong = problem
        raise Refused(_bad(f"Invalid value for '{param}': it {wrong}", param), f"{param} {wrong}")
    call.drills = drills = _drills(world, model, given)
    if refused := refusal(model, drills):
        return _late(refused, world, drills)
    return await _deliver(world, call, model, given)


def _body(request: Request) -> dict[str, Any]:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refused(_bad("Content-Type must be application/json"), "content type")
    try:
        return msgspec.json.decode(request.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(_bad(f"The body is not a JSON object: {error}"), "not a JSON object") from error


def _one_step(body: dict[str, Any]) -> tuple[Model, dict[str, Any]]:
    model = _ONE_STEP.get(str(body.get("model")))
    if model is None:
        raise Refused(model_unknown(), f"unknown model {body.get('model')!r}")
    return model, body


def _prediction(request: Request, body: dict[str, Any]) -> tuple[Model, dict[str, Any]]:
    model = _BY_PATH.get(request.path)
    if model is None:
        raise Refused(model_unknown(), f"unknown model path {request.path}")
    if set(body) != {"input"} or not isinstance(body["input"], dict):
        raise Refused(_bad('The body must be {"input": {...}} and nothing else', "input"), f"body keys {list(body)}")
    return model, body["input"]


def _bad(message: str, param: str | None = None) -> Reply:
    return failure(400, message[:_LONGEST_MESSAGE], kind="invalid_request_error", param=param, code="invalid_parameter")


def _drills(world: World, model: Model, given: dict[str, Any]) -> Drills:
    try:
        return {**world.armed.use(model.name), **in_prompt(given["prompt"])}
    except ValueError as error:
        raise Refused(_bad(str(error), "prompt"), str(error)) from error


async def _deliver(world: World, call: Call, model: Model, given: dict[str, Any]) -> Reply:
    drills = call.drills
    pictures = _pictures(world, model, given, drills)
    # An upstream charges from here on, whatever becomes of the connection. BFL does not charge what it moderates.
    free = model.asynchronous and drills.keys() & {"moderated", "moderated-output", "task-error"}
    world.record.bill(call, 0 if free else len(pictures))
    if model.asynchronous:
        reply = _submitted(world, pictures, drills)
    else:
        form = next((name for name in drills if name.startswith("form-")), model.shape)
        reply = await _shaped(world, SHAPES[form], pictures, given, drills)
    return _late(_spoiled(reply, drills), world, drills)


def _pictures(world: World, model: Model, given: dict[str, Any], drills: Drills) -> list[Picture]:
    count = max(0, model.count(given) - int(drills.get("fewer", 0)) + int(drills.get("more", 0)))
    width, height = model.size(given)
    quality = given.get("output_compression", given.get("outputOptions", {}).get("compressionQuality", 90))
    pictures = [
        Picture(
            serial=world.next_serial(),
            model=model.name,
            prompt=given["prompt"],
            width=width,
            height=height,
            encoding=model.encoding(given),
            quality=quality,
            transparent=given.get("background") == "transparent",
            bogus="not-an-image" in drills,
        )
        for _ in range(count)
    ]
    return [picture.mislabelled() for picture in pictures] if "mislabelled" in drills else pictures


def _submitted(world: World, pictures: list[Picture], drills: Drills) -> Reply:
    output = []
    for picture in pictures:
        task_id = world.tasks.submit(picture, dict(drills))
        polling_url = f"{world.origins.polling}/v1/get_result?id={task_id.removeprefix('api.us1.bfl.')}"
        output.append({"polling_url": polling_url, "taskId": task_id})
    return json_reply({"output": output})


async def _shaped(world: World, shape: Shape, pictures: list[Picture], given: dict[str, Any], drills: Drills) -> Reply:
    if shape.inline:
        shown = [Shown(picture, content=await picture.bytes()) for picture in pictures]
    else:
        shown = [Shown(picture, url=world.files.publish(picture, dict(drills))) for picture in pictures]
    answer = shape.render(shown, given)
    if isinstance(answer, bytes):
        return Reply(body=answer, content_type=pictures[0].media_type if pictures else "image/png")
    return json_reply(answer)


def _spoiled(reply: Reply, drills: Drills) -> Reply:
    if "garbage" in drills:
        return replace(reply, body=b'{"output":[{"url":')
    if "empty-body" in drills:
        return replace(reply, body=b"")
    if "wrong-shape" in drills:
        return json_reply({"output": [{"state": "done"}]})
    if "http-504" in drills:
        return gateway_timeout()
    endings = {"processed-then-reset": Ending.RESET, "half-body": Ending.HALF, "silence": Ending.SILENCE}
    ending = next((ending for name, ending in endings.items() if name in drills), Ending.WHOLE)
    return replace(reply, ending=ending)


def _late(reply: Reply, world: World, drills: Drills) -> Reply:
    return replace(reply, delay=drills.get("slow", world.settings.delay), held="hold" in drills)

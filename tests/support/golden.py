"""Golden cases of the dialects: a request, the calls and replies in order, the result.

    # what the case shows
    {"model": "flux-kontext-pro", "prompt": "a fox"}          what the client POSTs
    ----------
    > POST /v1/models/bfl/flux-kontext-pro/predictions        what goes upstream
    {"input": {"prompt": "a fox", "aspect_ratio": "1:1"}}
    < 200                                                     what comes back; also `< 502 text/html`, `< 429 retry-after=7`
    {"output": [{"taskId": "api.us1.bfl.1"}]}
    ~ wait                                                    a pause
    > GET tasks /v1/tasks/api.us1.bfl.1                       a call on the origin of the tasks
    ...
    ----------
    {"images": ["https://..."]}                               what the client gets, or the error

`<png>`, `<jpeg2>`, `<webp>` and the like stand for the base64 of an image; where they stand alone as a body, for its bytes.
"""

import base64
import json
import re

from gateway.catalog import load_catalog
from gateway.dialects.base import Call, Reply, Task, Wait
from gateway.errors import GatewayError
from gateway.generation.plan import Planner
from gateway.settings import shipped

LINE = "-" * 10
MAGIC = {
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff\xe0",
    "webp": b"RIFF\x00\x00\x00\x00WEBP",
    "gif": b"GIF89a",
    "bmp": b"BM",
}
_TOKEN = re.compile(rf"<({'|'.join(MAGIC)})(\d?)>")
_REPLY = re.compile(r"< (?P<status>\d{3})(?: (?P<type>\w+/[\w+-]+))?(?: retry-after=(?P<retry_after>\d+))?")

CATALOG = load_catalog(shipped("models.toml"))
PLANNER = Planner(CATALOG, default_model="gpt-image-1", strict_params=False)


def image(kind, number=""):
    """Make the bytes that a token such as `<png2>` stands for."""
    return MAGIC[kind] + f"picture {number}".encode()


def tried(call, *args):
    """Call; give the result and None, or None and the error that a client would get. Any other exception is a bug."""
    try:
        return call(*args), None
    except GatewayError as error:
        return None, error


def replay(text):
    """Run a case and write it down again: the same text, if it is true."""
    head, script, _ = text.split(f"\n{LINE}\n")
    replies = iter([part for part in _parts(script) if part.startswith("<")])
    happened = []
    result = _result(_request(head), replies, happened)
    return f"\n{LINE}\n".join([head, "\n".join(happened), _pretty(result)])


def _parts(script):
    return re.split(r"\n(?=[<>~] )", script)


def _request(head):
    return json.loads(_expand("\n".join(line for line in head.splitlines() if not line.startswith("#"))))


def _result(fields, replies, happened):
    try:
        plan = PLANNER.plan(fields)
    except GatewayError as error:
        return {"error": _error(error)}
    images, usage, errors = [], None, []
    for part in plan.parts:
        try:
            result = _buy(plan, part, replies, happened)
        except GatewayError as error:
            errors.append(_error(error))
            continue
        images += [_shown(picture) for picture in result.images]
        if result.usage:
            usage = result.usage + usage if usage else result.usage
    told = {"images": images} if images else {"error": errors.pop(0)}
    told |= {"usage": {name: getattr(usage, name) for name in usage.__struct_fields__}} if usage else {}
    encoding = {"format": plan.encoding.format, "compression": plan.encoding.compression}
    told |= {"to encode": {name: value for name, value in encoding.items() if value is not None}}
    told |= {"failed parts": errors, "adjusted": plan.adjusted, "ignored": list(plan.ignored)}
    return {name: value for name, value in told.items() if value}


def _buy(plan, part, replies, happened):
    bought = _drive(plan.dialect.submit(plan.model, part.payload), replies, happened)
    if isinstance(bought, Task):
        return _drive(plan.dialect.collect(plan.model, bought.id), replies, happened)
    return bought


def _drive(steps, replies, happened):
    reply = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as stop:
            return stop.value
        if isinstance(step, Wait):
            happened.append("~ wait")
            reply = None
            continue
        happened.append(_call(step))
        written = next(replies)
        happened.append(written)
        reply = _reply(written)


def _call(call: Call):
    assert call.billable is (call.method == "POST")
    line = f"> {call.method} {'' if call.origin == 'api' else call.origin + ' '}{call.path}"
    return line if call.body is None else f"{line}\n{_collapse(json.dumps(call.body, ensure_ascii=False))}"


def _reply(written):
    line, _, body = written.partition("\n")
    told = _REPLY.fullmatch(line)
    token = _TOKEN.fullmatch(body)
    content = image(*token.groups()) if token else _expand(body).encode()
    retry_after = told["retry_after"] and float(told["retry_after"])
    return Reply(int(told["status"]), content, told["type"] or "application/json", retry_after)


def _shown(picture):
    shown = picture.url or _collapse(base64.b64encode(picture.data).decode())
    return {"image": shown, "revised_prompt": picture.revised_prompt} if picture.revised_prompt else shown


def _error(error):
    names = ("status", "type", "code", "param", "message", "should_retry", "retry_after")
    return {name: getattr(error, name) for name in names if getattr(error, name) is not None}


def _pretty(result):
    """Write one line per key, and one per item of a list."""
    lines = []
    for name, value in result.items():
        if isinstance(value, list) and len(value) > 1:
            lines.append(f"{name}:\n" + "\n".join(f"  {_json(item)}" for item in value))
        elif name == "error":
            lines.append(f"{name}:\n" + "\n".join(f"  {key}: {_json(item)}" for key, item in value.items()))
        else:
            lines.append(f"{name}: {_json(value[0] if isinstance(value, list) else value)}")
    return "\n".join(lines) + "\n"


def _json(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _expand(text):
    return _TOKEN.sub(lambda token: base64.b64encode(image(*token.groups())).decode(), text)


def _collapse(text):
    for kind in MAGIC:
        for number in ("", *"123456789"):
            text = text.replace(base64.b64encode(image(kind, number)).decode(), f"<{kind}{number}>")
    return text

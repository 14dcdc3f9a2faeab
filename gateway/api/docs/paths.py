"""The routes, as OpenAPI describes them."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from gateway.api.docs.errors import FAILURES, Failure
from gateway.api.docs.wording import REQUEST_HEADERS, TEXT, WHOLE

Schema = dict[str, Any]

_ALWAYS = ("x-request-id", "openai-processing-ms", "openai-version")
_ON_IMAGES = ("x-gateway-generation-id", "x-gateway-cost-usd", "x-gateway-cache", "age",
              "x-gateway-adjusted", "x-gateway-ignored")  # fmt: skip
_ON_LIMITED = tuple(
    f"x-ratelimit-{what}-{unit}" for unit in ("requests", "images") for what in ("limit", "remaining", "reset")
)
_ON_ERRORS = ("retry-after", "retry-after-ms", "x-should-retry")


_ANY = {"type": "object"}
_ALIVE = {"type": "object", "properties": {"alive": {"type": "boolean", "description": "Always true."}}}
_STATE: dict[str, Schema] = {
    "ready": {"type": "boolean", "description": "The verdict."},
    "redis": {
        "type": "string",
        "enum": ["ok", "refuses_writes", "unreachable"],
        "description": "Whether Redis takes writes just now.",
    },
    "draining": {"type": "boolean", "description": "Whether it is shutting down."},
}
_READINESS = {"type": "object", "required": list(_STATE), "properties": _STATE}


def paths() -> dict[str, Schema]:
    """Describe every route of the gateway."""
    return {**_images(), **_models(), **_operation()}


def _images() -> dict[str, Schema]:
    ref = {"$ref": "#/components/schemas/ImagesRequest"}
    elsewhere = {"not_found", "method_not_allowed"}
    generate = {
        "tags": ["Images"],
        "operationId": "createImage",
        "summary": "Make images",
        "description": "Waits until the images are there, on every model. A client that leaves early stops nothing. "
        "An identical request of the same team, within the hour, gets the same images unless it says otherwise.",
        "parameters": [
            _parameter(name, "header", meaning, required=False) for name, meaning in REQUEST_HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref}}},
        "responses": {
            "200": _ok("The images.", _json("ImagesResponse"), (*_ON_IMAGES, *_ON_LIMITED)),
            **_failures((row for row in FAILURES if row.code not in elsewhere), _ON_LIMITED),
        },
    }
    show = {
        "tags": ["Images"],
        "operationId": "showImageFile",
        "summary": "Fetch an image by its URL",
        "description": "The URLs that `response_format: url` returns. Each is signed and expires.",
        "security": [],
        "parameters": [
            _parameter("file", "path", "The image's name and extension."),
            _parameter("expires", "query", "When the URL ends, in unix seconds.", WHOLE),
            _parameter("signature", "query", "The gateway's signature."),
        ],
        "responses": {
            "200": _ok("The image.", {f"image/{kind}": {} for kind in ("png", "jpeg", "webp", "gif")}),
            **_failures(_coded("not_found", "internal_error", "redis_unavailable")),
        },
    }
    return {"/v1/images/generations": {"post": generate}, "/v1/images/files/{file}": {"get": show}}


def _models() -> dict[str, Schema]:
    listing = _get(
        "Models", "listModels", "List the models", _ok("OpenAI's list object.", _json("ModelList")),
        _coded(None, "invalid_api_key", "internal_error", "redis_unavailable"),
    )  # fmt: skip
    showing = _get(
        "Models", "showModel", "Look a model up", _ok("The model.", _json("ModelObject")),
        _coded(None, "invalid_api_key", "model_not_found", "internal_error", "redis_unavailable"),
    )  # fmt: skip
    showing["parameters"] = [_parameter("model_id", "path", "An id or alias; it may contain `/`, or `%2F`.")]
    return {"/v1/models": {"get": listing}, "/v1/models/{model_id}": {"get": showing}}


def _operation() -> dict[str, Schema]:
    def public(identifier: str, summary: str, description: str, media: str, schema: Schema) -> Schema:
        operation = _get("Operation", identifier, summary, _ok(description, {media: {"schema": schema}}))
        return {"get": operation | {"security": []}}

    return {
        "/healthz": public("healthz", "Tell whether it is alive", "The process answers.", "application/json", _ALIVE),
        "/readyz": {"get": _readiness()},
        "/metrics": public(
            "metrics",
            "Measure it",
            "Prometheus' text, of all workers; not here where they have a port of their own.",
            "text/plain",
            TEXT,
        ),
        "/openapi.json": public("openapi", "Describe it to programs", "OpenAPI 3.1.", "application/json", _ANY),
        "/docs": public("docs", "Describe it to people", "The same as a page.", "text/html", TEXT),
    }


def _readiness() -> Schema:
    content = {"application/json": {"schema": _READINESS}}
    operation = _get("Operation", "readyz", "Tell whether it is fit for requests", _ok("Send requests here.", content))
    operation["responses"]["503"] = _ok("Send none: Redis took no write yet, or it is shutting down.", content)
    return operation | {"security": []}


def _get(tag: str, identifier: str, summary: str, success: Schema, failures: Iterable[Failure] = ()) -> Schema:
    responses = {"200": success, **_failures(failures)}
    return {"tags": [tag], "operationId": identifier, "summary": summary, "responses": responses}


def _parameter(name: str, place: str, description: str, schema: Schema = TEXT, *, required: bool = True) -> Schema:
    return {"name": name, "in": place, "required": required, "description": description, "schema": schema}


def _json(name: str) -> Schema:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _ok(description: str, content: Schema, headers: Iterable[str] = ()) -> Schema:
    return {"description": description, "headers": _headers([*headers, *_ALWAYS]), "content": content}


def _headers(names: Iterable[str]) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _coded(*codes: str | None) -> list[Failure]:
    return [row for row in FAILURES if row.code in codes]


def _failures(rows: Iterable[Failure], headers: Iterable[str] = ()) -> Schema:
    """Group the errors of a route by status."""
    return {
        str(status): {
            "description": "\n".join(f"`{row.code or 'null'}`: {row.when}" for row in group),
            "headers": _headers([*_ALWAYS, *_ON_ERRORS, *headers]),
            "content": _json("Error"),
        }
        for status, group in groupby(sorted(rows, key=lambda row: row.status), key=lambda row: row.status)
    }

"""The body of a request to `/admin`, and its answer: one JSON object each, read strictly."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from litestar import MediaType, Request, Response

from gateway.api.json_body import decode_object
from gateway.catalog import Catalog
from gateway.errors import InvalidRequest, NotFound
from gateway.store.key_record import KeyChanges
from gateway.store.limits import KINDS, read_limits
from gateway.store.objects import encode

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
RIGHTS = ("name", "models", "expires", "no_cache", "cache_ttl_s", *KINDS)


async def read_object(
    request: Request[Any, Any, Any], known: Iterable[str], *, is_needed: bool = False
) -> dict[str, Any]:
    """Read the body: an object of no other fields than `known`, decimals as Decimal.

    An empty body is an empty object, unless one `is_needed` since it replaces what there is.

    Raises:
        InvalidRequest: it is something else; `param` names a field that is unknown or given twice.

    """
    body = await request.body()
    if is_needed and not body.strip():
        raise InvalidRequest("The body is empty. Expected a JSON object; {} lifts all.", code="invalid_json")
    fields = decode_object(body, _DECODER.decode) if body.strip() else {}
    names = tuple(known)
    for name in fields:
        if name not in names:
            raise InvalidRequest(
                f"There is no field '{name[:80]}' here; there are: {', '.join(names)}.",
                code="unknown_parameter",
                param=name[:80],
            )
    return fields


def read_rights(fields: Mapping[str, Any], catalog: Catalog) -> KeyChanges:
    """Read what a key is to become; null is what a new key has. Raises InvalidRequest."""
    changes: dict[str, Any] = {"limits": read_limits({name: fields[name] for name in KINDS if name in fields})}
    if "name" in fields:
        changes["name"] = text(fields, "name") or ""
    if "models" in fields:
        changes["models"] = _models(fields["models"], catalog)
    if "expires" in fields:
        changes["expires"] = whole(fields, "expires", "a time in whole unix seconds, or null for never")
    if "no_cache" in fields:
        changes["no_cache"] = _flag(fields, "no_cache")
    if "cache_ttl_s" in fields:
        changes["cache_ttl_s"] = whole(fields, "cache_ttl_s", "whole seconds, or null for the default")
    return KeyChanges(**changes)


def text(fields: Mapping[str, Any], name: str) -> str | None:
    """Take a text, None where it is null or absent. Raises InvalidRequest."""
    value: str | None = _typed(fields, name, lambda value: isinstance(value, str), "a text")
    return value


def whole(fields: Mapping[str, Any], name: str, right: str) -> int | None:
    """Take a whole number, None where it is null or absent. Raises InvalidRequest, which says what is `right`."""
    value: int | None = _typed(
        fields, name, lambda value: isinstance(value, int) and not isinstance(value, bool), right
    )
    return value


def answer(value: object, status: int = 200) -> Response[bytes]:
    """Answer with JSON."""
    return Response(encode(value), status_code=status, media_type=MediaType.JSON)


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    return bool(_typed(fields, name, lambda value: isinstance(value, bool), "true or false"))


def _models(names: object, catalog: Catalog) -> tuple[str, ...]:
    if names is None:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidRequest("models: expected a list of model names.", code="invalid_type", param="models")
    if not names:  # a filter that found nothing must not open every model
        raise InvalidRequest("models is empty: name some, or leave it out, or send null, for all.", param="models")
    try:
        return tuple(dict.fromkeys(catalog.resolve(name).id for name in names))
    except NotFound as error:
        raise InvalidRequest(error.message, param="models") from None


def _typed(fields: Mapping[str, Any], name: str, is_right: Callable[[Any], bool], right: str) -> Any:
    value = fields.get(name)
    if value is not None and not is_right(value):
        raise InvalidRequest(f"{name}: expected {right}.", code="invalid_type", param=name)
    return value

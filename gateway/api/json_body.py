"""The JSON object that the body of a request is, read strictly."""

import json
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.errors import InvalidRequest


def decode_object(body: bytes, decode: Callable[[bytes], Any]) -> dict[str, Any]:
    """Decode a JSON object with `decode`, which is msgspec's.

    Raises:
        InvalidRequest: it is no JSON, JSON of another kind, or names a field twice, which `param` tells.

    """
    try:
        fields = decode(body)
        if isinstance(fields, dict):
            json.loads(body, object_pairs_hook=_once, parse_int=str, parse_float=str)  # which cannot fail
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.", code="invalid_json") from None
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not valid UTF-8.", code="invalid_json") from None
    except msgspec.DecodeError as error:
        told = "it has half of a surrogate pair, which is no character" if _has_half_a_pair(body) else error
        raise InvalidRequest(f"The body could not be parsed as JSON: {told}", code="invalid_json") from None
    if not isinstance(fields, dict):
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    return fields


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)[:80]
        raise InvalidRequest(f"The field '{twice}' is given more than once.", code="invalid_json", param=twice)
    return fields


def _has_half_a_pair(body: bytes) -> bool:
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False

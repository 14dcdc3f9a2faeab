"""The interface as an OpenAPI 3.1 document, built from the wire types, the catalogue and the table of errors."""

from typing import Any

import msgspec

from gateway import __version__
from gateway.api.docs import models
from gateway.api.docs.errors import FAILURES
from gateway.api.docs.parameters import request_schema
from gateway.api.docs.paths import paths
from gateway.api.docs.wording import FIELDS, HEADERS
from gateway.api.models import ModelList
from gateway.api.wire import ImagesResponse
from gateway.catalog import Catalog

Schema = dict[str, Any]


def describe(catalog: Catalog) -> Schema:
    """Make the document; `x-gateway-models` and `x-gateway-errors` hold the tables that OpenAPI has no place for."""
    schemas = _response_schemas()
    schemas["ImagesRequest"] = request_schema(catalog)
    schemas["Error"] = _error_schema()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Aihubmix image gateway",
            "version": __version__,
            "summary": "Every image model of Aihubmix behind OpenAI's images interface.",
            "description": "Point an OpenAI SDK's `base_url` at this address followed by `/v1`, and use a key of this "
            "gateway. Paths work with a trailing slash and with `//v1`, too; every answer allows any origin (CORS).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This gateway."}],
        "security": [{"key": []}],
        "tags": [{"name": "Images"}, {"name": "Models"}, {"name": "Operation"}],
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer sk-gw-...`"}
            },
            "headers": {name: {"description": text, "schema": schema} for name, (text, schema) in HEADERS.items()},
            "schemas": schemas,
        },
        "x-gateway-models": [models.row(model) for model in catalog.models],
        "x-gateway-errors": msgspec.to_builtins(FAILURES),
    }


def _response_schemas() -> dict[str, Schema]:
    """Take the schemas of the wire types, with every field described."""
    _, schemas = msgspec.json.schema_components([ImagesResponse, ModelList], ref_template="#/components/schemas/{name}")
    schemas["ImageItem"]["properties"]["b64_json"] = {"type": "string", "contentEncoding": "base64"}
    for name, schema in schemas.items():
        for field, text in FIELDS[name].items():
            schema["properties"][field]["description"] = text
    return schemas


def _error_schema() -> Schema:
    text_or_null = {"type": ["string", "null"]}
    fields = {
        "message": {"type": "string", "description": "What was wrong, with which value, and what would be right."},
        "type": {"type": "string", "enum": sorted({row.type for row in FAILURES}), "description": "The kind of error."},
        "param": text_or_null | {"description": "The parameter at fault, if there is one."},
        "code": text_or_null | {"enum": [row.code for row in FAILURES], "description": "The error, for programs."},
    }
    error = {"type": "object", "required": list(fields), "properties": fields, "description": "All four keys, always."}
    return {
        "type": "object",
        "description": "The body of every answer that is not a success.",
        "required": ["error"],
        "properties": {"error": error},
    }

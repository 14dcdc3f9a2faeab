"""`GET /v1/models` and `GET /v1/models/{id}`: what SDKs list."""

from pathlib import Path
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, Router, get
from litestar.params import FromPath

from gateway.api.auth import authenticate, permit
from gateway.catalog import Catalog, Model
from gateway.store.keys import Keys


class ModelObject(msgspec.Struct, frozen=True):
    """OpenAI's model object; `created` is in unix seconds."""

    id: str
    created: int
    owned_by: str
    object: str = "model"


class ModelList(msgspec.Struct, frozen=True):
    """All models."""

    data: list[ModelObject]
    object: str = "list"


def models_router(*, keys: Keys, catalog: Catalog) -> Router:
    """Make the handlers."""

    @get("/")
    async def list_models(request: Request[Any, Any, Any]) -> Response[bytes]:
        principal = await authenticate(request, keys)
        allowed = [model for model in catalog.models if not principal.models or model.id in principal.models]
        return _json(ModelList([_object(model) for model in allowed]))

    @get("/{model_id:path}")
    async def show_model(request: Request[Any, Any, Any], model_id: FromPath[Path]) -> Response[bytes]:
        principal = await authenticate(request, keys)
        model = catalog.resolve(str(model_id).lstrip("/"))
        permit(principal, model)
        return _json(_object(model))

    return Router("/v1/models", route_handlers=[list_models, show_model])


def _object(model: Model) -> ModelObject:
    return ModelObject(model.id, model.created, model.owner)


def _json(value: msgspec.Struct) -> Response[bytes]:
    return Response(msgspec.json.encode(value), media_type=MediaType.JSON)

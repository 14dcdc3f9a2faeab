"""`/admin/models`: what each model can be asked for, as a form needs to know it."""

from typing import Any

from litestar import Response, Router, get

from gateway.api.admin.fields import answer
from gateway.api.docs import models as words
from gateway.api.docs.parameters import OPENAI, Schema, own_parameters, own_schema
from gateway.catalog import Catalog, FreeSizes, Model, RatioRange, SizeList
from gateway.dialects import DIALECTS
from gateway.dialects.ask import Ask
from gateway.errors import InvalidRequest

_ON_EVERY_MODEL = ("n", "output_format", "output_compression")
_ON_SOME = {
    "quality": "How much care is taken; it may set the price.",
    "style": "How far from life the picture may be.",
    "background": "Transparent needs PNG or WebP.",
    "moderation": "Low is less strict.",
}
_OTHER_SPELLINGS = {"aspectRatio", "numberOfImages", "input_image", "refer_image"}
_PICTURE = "https://example.com/picture.png"


def models_router(*, catalog: Catalog, default_model: str) -> Router:
    """Make the handler; what it answers is made here, once."""
    told = {"default": catalog.resolve(default_model).id, "data": [_object(model) for model in catalog.models]}

    @get("/")
    async def list_models() -> Response[bytes]:
        return answer(told)

    return Router("/models", route_handlers=[list_models])


def _object(model: Model) -> dict[str, Any]:
    """Tell of a model; `parameters` are JSON schemas by name, each parameter in one spelling."""
    own = [name for name in own_parameters(model) if name not in _OTHER_SPELLINGS]
    parameters = (
        _shape(model)
        | {name: OPENAI[name] for name in _ON_EVERY_MODEL}
        | {
            name: {"type": "string", "enum": values, "description": description}
            for name, description in _ON_SOME.items()
            if (values := _honoured(model, name))
        }
        | {name: own_schema(name) for name in own if name != "aspect_ratio"}
    )
    return {
        "id": model.id,
        "owner": model.owner,
        "sizes": words.sizes(model),
        "price": words.price(model.price),
        "reference_image": {"use": model.reference.use, "max": model.reference.max},
        "prompt_max_chars": model.prompt_max_chars,
        "parameters": parameters,
    }


def _shape(model: Model) -> dict[str, Schema]:
    """Name the parameter by which a model is told the picture's shape; `examples` are some of many values."""
    sizes = model.sizes
    if isinstance(sizes, SizeList):
        return {"size": {"type": "string", "enum": list(sizes.values), "description": "Width and height, in pixels."}}
    if isinstance(sizes, FreeSizes):
        return {
            "size": OPENAI["size"] | {"examples": [*sizes.names, *sizes.recommended], "description": words.sizes(model)}
        }
    values = sizes.common if isinstance(sizes, RatioRange) else sizes.values
    closed = {} if isinstance(sizes, RatioRange) else {"enum": list(values)}
    words_for_it = {"description": "Width to height.", "examples": list(values)}
    return {"aspect_ratio": own_schema("aspect_ratio") | words_for_it | closed}


def _honoured(model: Model, name: str) -> list[str]:
    """Name the values of a field of OpenAI's that the model takes as they are."""
    return [value for value in OPENAI[name]["enum"] if value != "auto" and _takes(model, name, value)]


def _takes(model: Model, name: str, value: str) -> bool:
    reference = {"image": _PICTURE} if model.reference.use == "needs" else {}
    try:
        ask = Ask(model, {"prompt": "a picture", name: value, **reference})
        DIALECTS[model.dialect].draft(ask)
    except InvalidRequest:
        return False
    return name not in ask.adjusted and name not in ask.ignored()

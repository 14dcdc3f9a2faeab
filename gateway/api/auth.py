"""Who is asking: the bearer key of a request."""

from typing import Any

from litestar import Request

from gateway.catalog import Model
from gateway.errors import Forbidden
from gateway.store.keys import Keys, Principal


async def authenticate(request: Request[Any, Any, Any], keys: Keys) -> Principal:
    """Check the request's key and note its team for the log.

    Raises:
        Unauthenticated: no key, or not a good one.
        Unavailable: the store does not answer.

    """
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    principal = await keys.authenticate(presented.strip() if scheme.lower() == "bearer" else "")
    request.scope["state"]["facts"] |= {"team": principal.team, "key_id": principal.key_id}
    return principal


def permit(principal: Principal, model: Model) -> None:
    """Check that a key may use a model.

    Raises:
        Forbidden: it is restricted to others.

    """
    if principal.models and model.id not in principal.models:
        raise Forbidden(
            f"Your key may not use the model '{model.id}'. It may use: {', '.join(principal.models)}.", param="model"
        )

"""`/admin/keys`: make, list, change, end and replace API keys."""

from collections.abc import Callable
from typing import Any

from litestar import Request, Response, Router, delete, get, patch, post
from litestar.params import FromPath

from gateway.api.admin.fields import RIGHTS, answer, read_object, read_rights, text, whole
from gateway.catalog import Catalog
from gateway.errors import InvalidRequest
from gateway.store.key_record import KeyRecord
from gateway.store.keys import Keys
from gateway.store.objects import key_object


def keys_router(*, keys: Keys, catalog: Catalog, clock: Callable[[], float]) -> Router:
    """Make the handlers. `clock` gives unix seconds."""

    def told(key: KeyRecord, status: int = 200) -> Response[bytes]:
        return answer(key_object(key, clock()), status)

    @get("/", query=("team",))
    async def list_keys(request: Request[Any, Any, Any]) -> Response[bytes]:
        found = await keys.list(request.query_params.get("team"))
        return answer({"data": [key_object(key, clock()) for key in found]})

    @post("/")
    async def create_key(request: Request[Any, Any, Any]) -> Response[bytes]:
        fields = await read_object(request, ("team", *RIGHTS))
        team = text(fields, "team")
        if team is None:
            raise InvalidRequest("'team' is missing: whose key is it?", code="missing_required_parameter", param="team")
        return told(await keys.add(team, read_rights(fields, catalog)), 201)

    @get("/{key_id:str}")
    async def show_key(key_id: FromPath[str]) -> Response[bytes]:
        return told(await keys.show(key_id))

    @patch("/{key_id:str}")
    async def change_key(request: Request[Any, Any, Any], key_id: FromPath[str]) -> Response[bytes]:
        fields = await read_object(request, RIGHTS)
        return told(await keys.change(key_id, read_rights(fields, catalog)))

    @delete("/{key_id:str}", status_code=200)
    async def revoke_key(key_id: FromPath[str]) -> Response[bytes]:
        return told(await keys.revoke(key_id))

    @post("/{key_id:str}/rotate")
    async def rotate_key(request: Request[Any, Any, Any], key_id: FromPath[str]) -> Response[bytes]:
        fields = await read_object(request, ("grace_s",))
        return told(await keys.rotate(key_id, whole(fields, "grace_s", "whole seconds") or 0), 201)

    return Router("/keys", route_handlers=[list_keys, create_key, show_key, change_key, revoke_key, rotate_key])

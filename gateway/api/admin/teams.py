"""`/admin/teams`: list teams, and set their limits."""

from typing import Any

from litestar import Request, Response, Router, get, put
from litestar.params import FromPath

from gateway.api.admin.fields import answer, read_object
from gateway.store.limits import KINDS, NO_LIMITS, as_changes, read_limits
from gateway.store.objects import team_object
from gateway.store.teams import Teams


def teams_router(*, teams: Teams) -> Router:
    """Make the handlers."""

    @get("/")
    async def list_teams() -> Response[bytes]:
        return answer({"data": [team_object(team) for team in await teams.list()]})

    @get("/{team:str}")
    async def show_team(team: FromPath[str]) -> Response[bytes]:
        return answer(team_object(await teams.show(team)))

    @put("/{team:str}")
    async def put_team(request: Request[Any, Any, Any], team: FromPath[str]) -> Response[bytes]:
        limits = as_changes(NO_LIMITS) | read_limits(await read_object(request, KINDS, is_needed=True))
        return answer(team_object(await teams.set(team, limits)))

    return Router("/teams", route_handlers=[list_teams, show_team, put_team])

"""Whether Aihubmix can be reached and takes the key, without buying anything."""

import msgspec

from gateway.cli.checks.finding import Finding, ok, problem, warning
from gateway.parts import make_upstream
from gateway.settings import Settings
from gateway.upstream.client import Answer, Origin, Upstream
from gateway.upstream.failures import CallFailed

_MODELS = "/v1/models"
_NO_TASK = "/v1/tasks/gateway-check"  # the list of models is public: only a poll tells what becomes of the key
_PATIENCE_S = 10.0
_REFUSED = {401, 403}


async def check_upstream(settings: Settings) -> list[Finding]:
    """Ask for the list of models, then for a task that never was."""
    try:
        upstream = make_upstream(settings, None)
    except ValueError as error:
        return [problem("upstream", f"cannot be asked: {error}; check AIHUBMIX_API_KEY")]
    try:
        return [
            await _ask(upstream, "api", "AIHUBMIX_BASE_URL", settings.upstream.base_url, _MODELS),
            await _ask(upstream, "tasks", "AIHUBMIX_TASKS_URL", settings.upstream.tasks_url, _NO_TASK),
        ]
    finally:
        await upstream.aclose()


async def _ask(upstream: Upstream, origin: Origin, variable: str, url: str, path: str) -> Finding:
    try:
        answer = await upstream.request("GET", origin, path, content=None, timeout_s=_PATIENCE_S)
    except CallFailed as failed:
        told = f"{url} cannot be reached ({failed.reason}): check {variable}, and the way out of this host"
        return problem("upstream", told)
    if answer.status_code in _REFUSED:
        return problem("upstream", f"{url} refuses the key (HTTP {answer.status_code}): check AIHUBMIX_API_KEY")
    if origin == "api" and not _lists_models(answer):
        told = f"{url}{path} answered HTTP {answer.status_code} without a list of models: "
        return warning("upstream", f"{told}is {variable} right?")
    if answer.status_code >= 500:
        return warning("upstream", f"{url} answered HTTP {answer.status_code}: see Aihubmix's status")
    return ok("upstream", f"{url} answers" + (", and does not refuse the key" if origin == "tasks" else ""))


def _lists_models(answer: Answer) -> bool:
    try:
        return answer.status_code == 200 and isinstance(msgspec.json.decode(answer.content)["data"], list)
    except (msgspec.DecodeError, TypeError, KeyError):
        return False

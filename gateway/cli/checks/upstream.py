"""Whether Aihubmix can be reached and takes the key, without buying anything."""

from gateway.cli.checks.finding import Finding, ok, problem, warning
from gateway.dialects.base import Reply
from gateway.dialects.refusals import lacks_credit
from gateway.parts import make_upstream
from gateway.settings import Settings
from gateway.upstream.client import Origin, Upstream
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
    reply = Reply(answer.status_code, answer.content)
    if reply.status >= 400 and lacks_credit(reply):
        told = f"{url} says that the account has no balance left (HTTP {reply.status}): top it up at Aihubmix"
        return problem("upstream", told)
    if reply.status in _REFUSED:
        return problem("upstream", f"{url} refuses the key (HTTP {reply.status}): check AIHUBMIX_API_KEY")
    return _models(url, reply) if origin == "api" else _no_task(url, reply)


def _models(url: str, reply: Reply) -> Finding:
    if reply.status == 200 and isinstance(reply.json, dict) and isinstance(reply.json.get("data"), list):
        return ok("upstream", f"{url} answers")
    told = f"{url}{_MODELS} answered HTTP {reply.status} without a list of models: is AIHUBMIX_BASE_URL right?"
    return warning("upstream", told)


def _no_task(url: str, reply: Reply) -> Finding:
    """Judge the answer to a poll: without a true one, nothing that is paid for as a task can be collected."""
    if reply.status in {200, 404} and _status(reply) == "task not found":
        return ok("upstream", f"{url} answers, and does not refuse the key")
    told = f"{url}{_NO_TASK} answered HTTP {reply.status}"
    if reply.status == 429:
        return warning("upstream", f"{told}: it is asked too often to tell whether it knows tasks; check again later")
    if reply.status >= 500:
        return warning("upstream", f"{told}: see Aihubmix's status")
    told += ', not as one does that knows tasks, in JSON with the status "Task not found": is AIHUBMIX_TASKS_URL right?'
    # A refusal in JSON may be Aihubmix's own: how it words this one has not been seen.
    return warning("upstream", told) if reply.status >= 400 and reply.json is not None else problem("upstream", told)


def _status(reply: Reply) -> str:
    return str(reply.json.get("status")).lower() if isinstance(reply.json, dict) else ""

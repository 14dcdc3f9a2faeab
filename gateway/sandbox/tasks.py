"""Flux tasks: a submit answers at once, the picture comes later (BFL reference, the status list of `get_result`)."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from gateway.sandbox.drills import Drills, take
from gateway.sandbox.envelope import failure
from gateway.sandbox.files import Files
from gateway.sandbox.pictures import Picture
from gateway.sandbox.wire import Ending, Reply, json_reply

_MOST_TASKS = 10_000


@dataclass(slots=True)
class _Task:
    picture: Picture
    started: float
    drills: Drills


class Tasks:
    """Every task submitted, by its id; `delay` is in seconds."""

    def __init__(self, files: Files, delay: float, clock: Callable[[], float]) -> None:
        self._files = files
        self._delay = delay
        self._clock = clock
        self._tasks: OrderedDict[str, _Task] = OrderedDict()

    def submit(self, picture: Picture, drills: Drills) -> str:
        """Start a task; returns its id."""
        task_id = f"api.us1.bfl.{uuid4()}" + ("/a b?c#d%2F+" if "task-odd-id" in drills else "")
        self._tasks[task_id] = _Task(picture, self._clock(), drills)
        if len(self._tasks) > _MOST_TASKS:
            self._tasks.popitem(last=False)
        return task_id

    def release(self) -> None:
        """Let every held task go on."""
        for task in self._tasks.values():
            task.drills.pop("task-hold", None)

    def poll(self, task_id: str) -> Reply:
        """Answer with the present state of a task."""
        task = self._tasks.get(task_id)
        if task is None or "task-gone" in task.drills:
            return json_reply(_state(task_id, "Task not found"), 404)
        return _failed_poll(task.drills) or json_reply(self._report(task_id, task))

    def _report(self, task_id: str, task: _Task) -> dict[str, Any]:
        status = self._status(task)
        if status == "Ready":
            url = self._files.publish(task.picture, task.drills)
            return _ready(task_id, url, task.drills)
        details: dict[str, Any] | None = None
        if status.endswith("Moderated"):
            details = {"Moderation Reasons": ["Safety Filter"]}
        if status == "Error":
            details = {"error": "The generation failed"}
        return _state(task_id, status, details=details)

    def _status(self, task: _Task) -> str:
        if "task-lost" in task.drills or take(task.drills, "task-late"):
            return "Task not found"
        delay = task.drills.get("task-delay", self._delay)
        progress = (self._clock() - task.started) / delay if delay > 0 else 1.0
        for share, status in ((0.25, "Pending"), (0.5, "Reasoning"), (1.0, "Generating")):
            if progress < share:
                return status
        return _end(task.drills)


def _end(drills: Drills) -> str:
    ends = {
        "task-stuck": "Pending",
        "task-hold": "Generating",
        "task-error": "Error",
        "moderated": "Request Moderated",
        "moderated-output": "Content Moderated",
    }
    return next((status for drill, status in ends.items() if drill in drills), "Ready")


def _failed_poll(drills: Drills) -> Reply | None:
    if take(drills, "poll-500"):
        return failure(500, "Internal server error")
    if take(drills, "poll-429"):
        reply = failure(429, "Rate limit reached, please slow down", code="rate_limit_exceeded")
        reply.headers["retry-after"] = "1"
        return reply
    if take(drills, "poll-reset"):
        return Reply(ending=Ending.RESET)
    if take(drills, "poll-garbage"):
        return Reply(body=b"<html>", content_type="text/html")
    return None


def _state(task_id: str, status: str, *, result: Any = None, details: Any = None) -> dict[str, Any]:
    # The reason stands under `detail` at Aihubmix and under `details` at BFL.
    return {"id": task_id, "status": status, "result": result, "detail": details, "details": details}


def _ready(task_id: str, url: str, drills: Drills) -> dict[str, Any]:
    if "task-samples" in drills:
        return _state(task_id, "Ready", result={"samples": [url]})
    if "task-output" in drills:
        return {**_state(task_id, "Ready"), "output": [{"url": url}]}
    return _state(task_id, "Ready", result={"sample": url})

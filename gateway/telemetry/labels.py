"""The closed sets that labels come from, and what is not in them."""

import fcntl
from collections.abc import Callable, Iterable
from functools import cache
from http import HTTPStatus
from pathlib import Path

OTHER = "other"

REJECTIONS = ("upstream_auth", "upstream_quota")
UNKNOWN_CAUSES = ("answer", "worker")
LOST_OUTCOMES = ("download_failed", "upstream_error", "internal_error")
VERDICTS = ("lead", "join", "hit", "replay", "unknown", "gone", "conflict", "denied", "refused")
CACHE_VERDICTS = ("hit", "miss", "joined", "bypass")
RETRY_REASONS = ("upstream_unavailable", "server_overloaded")
RECOVERED = ("delivered", "void", "unknown", "failed")
REDIS_WRITES = ("admit", "mark", "settle", "expire", "replay")
REDIS_REFUSALS = ("refused", "unconfirmed")
CHORES = ("renew", "sweep", "brake", "heal", "book", "measure", "listen")
IMAGE_ROUTE = "/v1/images/generations"

_CLIENT_ERRORS = (
    "invalid_request invalid_json missing_required_parameter invalid_type invalid_value empty_string "
    "string_above_max_length integer_below_min_value integer_above_max_value decimal_below_min_value "
    "decimal_above_max_value array_above_max_length invalid_png_output_compression unknown_parameter "
    "moderation_blocked content_policy_violation no_key invalid_api_key model_not_allowed model_not_priced "
    "model_switched_off model_not_found not_found method_not_allowed request_timeout idempotency_key_reused "
    "idempotency_result_gone request_too_large unsupported_media_type headers_too_large rate_limit_exceeded "
    "insufficient_quota not_in_dispute csrf_token_missing client_left error"
).split()
_OUR_ERRORS = (
    "internal_error upstream_error upstream_auth upstream_quota download_failed result_lost outcome_unknown "
    "upstream_unavailable model_unavailable server_overloaded redis_unavailable lease_lost draining timeout"
).split()
_ENDS = ["ok", "delivered", "cancelled", "handed_over", "void", "unknown", "failed"]
OUTCOMES = frozenset([*_CLIENT_ERRORS, *_OUR_ERRORS, *_ENDS])
"""How requests and generations end."""

_STATUSES = frozenset([*map(int, HTTPStatus), 499, *range(520, 531)])


def member_of(names: Iterable[str]) -> Callable[[str], str]:
    """Make the function that gives a name as a label: "other" where it is not among `names`, and not empty."""
    known = frozenset([*names, ""])
    return lambda name: name if name in known else OTHER


outcome_label = member_of(OUTCOMES)


@cache
def _known_status(status: int) -> str:
    return str(status)


def status_label(status: int) -> str:
    """Give an HTTP status as a label: one that nobody knows, by its class."""
    return _known_status(status) if status in _STATUSES else _known_status(status // 100 * 100) + "s"


class TeamLabels:
    """Gives the first `most` teams a label each, and "other" to those that come later.

    With a `file`, which all workers share, these are the same teams in every worker.
    """

    def __init__(self, most: int, file: Path | None = None) -> None:
        self._most = most
        self._file = file
        self._known = {""}

    def __call__(self, team: str) -> str:
        """Give the label of a team; "" stays what it is."""
        if team in self._known:
            return team
        if len(self._known) > self._most:
            return OTHER
        try:
            self._learn(team)
        except OSError:  # a metric is not worth a request
            return OTHER
        return team if team in self._known else OTHER

    def _learn(self, team: str) -> None:
        if self._file is None:
            self._known.add(team)
            return
        with self._file.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            self._known |= set(file.read().split("\n"))
            if team not in self._known and len(self._known) <= self._most:
                file.write(f"{team}\n")
                self._known.add(team)

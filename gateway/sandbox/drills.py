"""Everything that can go wrong upstream, on demand.

A drill is named in the prompt (`[[sandbox:moderated]]`, `[[sandbox:slow=2]]`, several may stand together), or armed
for the next paid calls of a model: `POST /_sandbox/drills {"model": "V3", "drill": "http-503", "times": 2}`. The model
`*` is every model. A drill takes one number, `=1` without one.

Refusals, nothing is billed:
  moderated              the provider refuses the prompt, in its own words
  moderated-output       the provider refuses the finished picture, in its own words
  unknown-model-400, unknown-model-404, unknown-model-503    the model is not there, in three spellings
  no-adaptor             400 get_adaptor_failed
  http-401, http-403     the key is refused; the account's quota is used up
  http-429=S             too many requests, retry after S seconds
  http-500, http-502, http-503    plain failures; 502 is a proxy's HTML page
  error-200              an error under status 200
  reset                  a TCP reset before the call was processed

The connection, billed:
  slow=S                 the answer is ready, but leaves S seconds later
  hold                   the answer is ready, but leaves after POST /_sandbox/release
  silence                the answer never leaves
  processed-then-reset   a TCP reset instead of the answer
  half-body              half of the answer, then the connection closes
  http-504               a proxy gave up waiting for an answer that was paid for

The answer, billed:
  garbage, empty-body    not JSON; nothing at all under status 200
  wrong-shape            JSON without a picture in it
  fewer=K, more=K        K pictures fewer or more than asked for, billed as delivered
  not-an-image           bytes that are no picture
  mislabelled            a picture under the label of another encoding
  form-base64_json, form-bytesBase64Encoded, form-data-url, form-url-strings, form-url-objects, form-content-url,
  form-output-strings, form-data-urls, form-object, form-image-body    the same pictures in another reply shape

Tasks:
  task-error             ends as Error, not billed
  task-stuck             stays Pending for ever, billed
  task-hold              stays Generating until POST /_sandbox/release
  task-lost, task-gone   always Task not found, billed; under status 200, under status 404
  task-late=K            Task not found for the first K polls
  task-delay=S           ready after S seconds
  task-odd-id            an id that needs percent-encoding
  task-samples, task-output    the result as `result.samples`, as `output`
  poll-500=K, poll-429=K, poll-reset=K, poll-garbage=K    the first K polls fail

Downloads:
  download-404=K, download-500=K, download-reset=K, download-truncated=K    the first K downloads of each picture fail
  url-life=S             the link lives for S seconds
"""

import re
from collections.abc import Mapping

Drills = dict[str, float]

DRILLS = frozenset(
    """
    moderated moderated-output unknown-model-400 unknown-model-404 unknown-model-503 no-adaptor
    http-401 http-403 http-429 http-500 http-502 http-503 error-200 reset
    slow hold silence processed-then-reset half-body http-504
    garbage empty-body wrong-shape fewer more not-an-image mislabelled
    form-base64_json form-bytesBase64Encoded form-data-url form-url-strings form-url-objects form-content-url
    form-output-strings form-data-urls form-object form-image-body
    task-error task-stuck task-hold task-lost task-gone task-late task-delay task-odd-id task-samples task-output
    poll-500 poll-429 poll-reset poll-garbage
    download-404 download-500 download-reset download-truncated url-life
    """.split()
)
_MARKER = re.compile(r"\[\[sandbox:([^\]]*)\]\]")


def parse(text: str) -> tuple[str, float]:
    """Name and number of a drill such as `slow=2`; raises ValueError for one that does not exist."""
    name, _, number = text.strip().partition("=")
    if name not in DRILLS:
        raise ValueError(f"unknown drill {name!r}; known are {', '.join(sorted(DRILLS))}")
    try:
        return name, float(number or 1)
    except ValueError:
        raise ValueError(f"the drill {name!r} takes a number, not {number!r}") from None


def in_prompt(prompt: str) -> Drills:
    """Find the drills that a prompt names; raises ValueError for one that does not exist."""
    return dict(parse(marker) for marker in _MARKER.findall(prompt))


def take(drills: Drills, name: str) -> bool:
    """Whether a counted drill is still due; uses one up."""
    if drills.get(name, 0) < 1:
        return False
    drills[name] -= 1
    return True


class Armed:
    """The drills that wait for the next paid calls of a model."""

    def __init__(self) -> None:
        self._left: dict[tuple[str, str, float], int] = {}

    def arm(self, model: str, drill: str, times: int) -> None:
        """Let a drill happen to the next so many paid calls of a model, or of every model for `*`."""
        self._left[(model, *parse(drill))] = times

    def disarm(self) -> None:
        """Forget all of them."""
        self._left.clear()

    def use(self, model: str) -> Drills:
        """Count down and return the drills due for this call."""
        due: Drills = {}
        for (wanted, name, number), left in list(self._left.items()):
            if wanted in (model, "*") and left > 0:
                due[name] = number
                self._left[(wanted, name, number)] = left - 1
        return due

    def left(self) -> Mapping[str, int]:
        """Tell how often each armed drill is still due, by `model drill=number`."""
        return {f"{model} {name}={number:g}": left for (model, name, number), left in self._left.items() if left}

"""The vocabulary that dialects and their driver share: what is asked, answered and returned."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from gateway.catalog import Model
from gateway.dialects.ask import Ask


@dataclass(frozen=True, slots=True)
class Call:
    """One request to upstream. A billable one is never repeated once it may have been accepted."""

    path: str
    body: dict[str, Any] | None = None
    method: Literal["GET", "POST"] = "POST"
    origin: Literal["api", "tasks"] = "api"
    billable: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause of so many seconds, to which the driver adds its jitter."""

    seconds: float


@dataclass(frozen=True)
class Reply:
    """Upstream's answer to a call, whatever its status."""

    status: int
    content: bytes
    content_type: str = "application/json"
    retry_after: float | None = None

    @cached_property
    def json(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return msgspec.json.decode(self.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Image:
    """One picture: its bytes, or the URL that they can be fetched from for a while."""

    data: bytes | None = None
    url: str | None = None
    revised_prompt: str | None = None


class Usage(msgspec.Struct, frozen=True):
    """Tokens as upstream counted them, in OpenAI's terms."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    text_input_tokens: int = 0
    image_input_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        """Sum two parts of one request."""
        return Usage(
            *(a + b for a, b in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True))
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What one call bought. `usage` is None where upstream reports none."""

    images: list[Image]
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """An accepted, paid task whose pictures are still being made. The id is opaque and may hold any character."""

    id: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A request in a model's own words: one part's payload without its count, and what is known of the result.

    `quality` and `size` are what is priced, in OpenAI's words; None where the request leaves it open.
    `compressed` tells that upstream itself honours `output_compression`.
    """

    payload: dict[str, Any]
    quality: Literal["low", "medium", "high"] | None = None
    size: str | None = None
    compressed: bool = False


T = TypeVar("T")
Steps = Generator[Call | Wait, Reply, T]


class Dialect(Protocol):
    """How one family spells "make me an image": pure translation, no I/O, no clock, no chance."""

    def draft(self, ask: Ask) -> Draft:
        """Translate a request; what is not read from `ask` is disclosed as ignored.

        Raises:
            InvalidRequest: naming the parameter, before anything is spent.

        """
        ...

    def submit(self, model: Model, payload: dict[str, Any]) -> Steps[Result | Task]:
        """Buy one part's pictures, or the task that will hold them."""
        ...

    def collect(self, model: Model, task: str) -> Steps[Result]:
        """Wait for a task that was bought earlier, perhaps by another process."""
        ...

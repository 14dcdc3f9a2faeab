"""One request as a dialect reads it: what is read is honoured, what is left over is disclosed."""

from collections.abc import Mapping
from typing import Any, TypeVar

from gateway.catalog import Model
from gateway.dialects import readers
from gateway.dialects.readers import Reader
from gateway.errors import InvalidRequest

T = TypeVar("T")
MAX_IMAGES = 10

OPENAI_FIELDS: dict[str, Reader[Any]] = {
    "prompt": readers.text(min_chars=1, max_chars=32_000),
    "n": readers.integer(1, MAX_IMAGES),
    "model": readers.text(),
    "size": readers.size,
    "quality": readers.choice("low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"),
    "response_format": readers.choice("url", "b64_json"),
    "output_format": readers.choice("png", "jpeg", "webp"),
    "output_compression": readers.integer(0, 100),
    "background": readers.choice("transparent", "opaque", "auto"),
    "moderation": readers.choice("low", "auto"),
    "style": readers.choice("vivid", "natural"),
    "stream": readers.boolean,
    "partial_images": readers.integer(0, 3),
    "user": readers.text(max_chars=512),
    "safety_identifier": readers.text(max_chars=512),
}
"""OpenAI's own fields, in the order in which its API finds fault; a wrong value is wrong on every model."""

HONOURED_BY_GATEWAY = frozenset({
    "prompt", "model", "response_format", "output_format", "output_compression", "stream", "partial_images",
})  # fmt: skip

_LEFT_TO_THE_MODEL = frozenset({"size", "quality", "background", "moderation"})
"""Fields whose value `auto` leaves the choice to the model, which every model honours."""


class Ask:
    """The parameters of one request to one model, nulls taken as absent.

    Raises:
        InvalidRequest: a field of OpenAI's has an impossible type or value.

    """

    def __init__(self, model: Model, fields: Mapping[str, Any]) -> None:
        self.model = model
        self.adjusted: dict[str, str] = {}
        self._fields = {name: value for name, value in fields.items() if value is not None}
        self._read: set[str] = set()
        for name, reader in OPENAI_FIELDS.items():
            if name in self._fields:
                reader(name, self._fields[name])
            elif name == "prompt":
                raise readers.missing("prompt")
        self.prompt: str = readers.text(max_chars=model.prompt_max_chars)("prompt", self._fields["prompt"])
        self.n = self._count()

    def _count(self) -> int:
        native = self.model.count_field
        if not native or native not in self._fields:
            return self.field("n") or 1
        count = self.read(native, readers.integer(1, MAX_IMAGES)) or 1
        if self.peek("n") == count:
            self._read.add("n")
        return count

    @property
    def parts(self) -> int:
        """How many upstream calls the count needs."""
        return -(-self.n // self.model.native_n)

    def __contains__(self, name: str) -> bool:
        """Whether the request says anything about a parameter."""
        return name in self._fields

    def read(self, name: str, reader: Reader[T]) -> T | None:
        """Take a parameter, if it is given; from here on it counts as honoured."""
        if name not in self._fields:
            return None
        self._read.add(name)
        return reader(name, self._fields[name])

    def field(self, name: str) -> Any:
        """Take one of OpenAI's own fields."""
        return self.read(name, OPENAI_FIELDS[name])

    def chosen(self, name: str) -> Any:
        """Take one of OpenAI's own fields unless it says `auto`."""
        value = self.field(name)
        return None if value == "auto" else value

    def native(self, params: Mapping[str, Reader[Any]]) -> dict[str, Any]:
        """Take those of a family's own parameters that the model's row names; an empty text says nothing."""
        taken = {name: self.read(name, params[name]) for name in self.model.params if name in params}
        return {name: value for name, value in taken.items() if value not in {None, ""}}

    def seed(self, low: int, high: int) -> int | None:
        """Take the seed, which parallel parts raise by one each."""
        return self.read("seed", readers.integer(low, high - self.parts + 1))

    def refuse(self, name: str, message: str) -> InvalidRequest:
        """Make the error for a value that this model cannot take."""
        return InvalidRequest(message, code="invalid_value", param=name)

    def peek(self, name: str) -> Any:
        """Look at a parameter without honouring it."""
        return self._fields.get(name)

    def ignored(self) -> list[str]:
        """Name what is not honoured, in the request's order."""
        return [
            name
            for name, value in self._fields.items()
            if name not in self._read
            and name not in HONOURED_BY_GATEWAY
            and not (name in _LEFT_TO_THE_MODEL and value == "auto")
        ]

"""From a request's fields to the upstream calls that it needs, before anything is spent."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from gateway.catalog import Catalog, CatalogError, Model
from gateway.dialects import DIALECTS, readers
from gateway.dialects.ask import Ask
from gateway.dialects.base import Dialect, Draft
from gateway.errors import InvalidRequest, NotFound

_PIXEL = "iVBORw0KGgo="  # enough of a PNG for a dry run


@dataclass(frozen=True, slots=True)
class Part:
    """One upstream call and the number of images that it buys."""

    payload: dict[str, Any]
    count: int


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoding that was asked for; None leaves the picture as the model made it.

    `compression` is the encoder's quality, 0 to 100; `compressed_upstream` where upstream is asked to apply it.
    """

    format: Literal["png", "jpeg", "webp"] | None = None
    compression: int | None = None
    compressed_upstream: bool = False


@dataclass(frozen=True, slots=True)
class Brief:
    """What it takes to collect, deliver and price a plan's pictures: no prompt, no reference image.

    `counts` are the images of each part.
    """

    model: str
    counts: tuple[int, ...]
    encoding: Encoding
    quality: Literal["low", "medium", "high"] | None
    size: str | None

    @property
    def n(self) -> int:
        """The number of images asked for."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a generation needs to know; made without I/O.

    `adjusted` maps an OpenAI field to what was made of it, `ignored` names fields that are not honoured.
    `wished_size` is the request's own word, `size` what is priced.
    `estimate` is in micro-dollars, at the dearest reading of the request; None where the model has no price.
    """

    model: Model
    dialect: Dialect
    parts: tuple[Part, ...]
    encoding: Encoding
    response_format: Literal["url", "b64_json"]
    stream: bool
    quality: Literal["low", "medium", "high"] | None
    size: str | None
    wished_size: str | None
    wants_transparency: bool
    adjusted: Mapping[str, str]
    ignored: tuple[str, ...]

    @property
    def n(self) -> int:
        """The number of images asked for."""
        return sum(part.count for part in self.parts)

    @property
    def estimate(self) -> int | None:
        """Micro-dollars to reserve: every image at the dearest reading of the request."""
        price = self.model.price
        return None if price is None else price.dearest(self.quality, self.size) * self.n

    @property
    def brief(self) -> Brief:
        """What another worker would need."""
        counts = tuple(part.count for part in self.parts)
        return Brief(self.model.id, counts, self.encoding, self.quality, self.size)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over what makes the picture: every part's first call, the encoding, the row's version.

        The parts' calls differ in count and seed alone, so that one call tells the rest of all.
        """
        canonical = [
            self.model.id,
            self.model.version,
            next(self.dialect.submit(self.model, self.parts[0].payload)),
            [(part.count, part.payload.get("seed")) for part in self.parts],
            (self.encoding.format, self.encoding.compression),
        ]
        return hashlib.sha256(msgspec.json.encode(canonical, order="deterministic")).hexdigest()


class Planner:
    """Makes plans for the models of a catalogue.

    Raises:
        CatalogError: a row and its dialect do not fit together, or the default model is none.

    """

    def __init__(self, catalog: Catalog, *, default_model: str, strict_params: bool) -> None:
        self._catalog = catalog
        self._default_model = default_model
        self._strict_params = strict_params
        for model in catalog.models:
            _rehearse(model)
        try:
            catalog.resolve(default_model)
        except NotFound as error:
            raise CatalogError(f"images.default_model: {error}") from None

    def plan(self, fields: Mapping[str, Any]) -> Plan:
        """Translate a request.

        Raises:
            NotFound: the model is unknown or unsupported.
            InvalidRequest: naming the parameter at fault.

        """
        name = fields.get("model")
        model = self._catalog.resolve(self._default_model if name is None else readers.text(min_chars=1)("model", name))
        dialect = DIALECTS[model.dialect]
        ask = Ask(model, fields)
        encoding = _encoding(ask)
        stream = _stream(ask)
        draft = dialect.draft(ask)
        ignored = ask.ignored()
        if self._strict_params and ignored:
            raise readers.unknown(ignored[0])
        parts = _parts(ask, draft)
        return Plan(
            model=model,
            dialect=dialect,
            parts=parts,
            encoding=replace(encoding, compressed_upstream=draft.compressed),
            response_format="b64_json" if stream else _response_format(ask),
            stream=stream,
            quality=draft.quality,
            size=draft.size,
            wished_size=ask.peek("size"),
            wants_transparency=ask.peek("background") == "transparent",
            adjusted=ask.adjusted,
            ignored=tuple(ignored),
        )


def _rehearse(model: Model) -> None:
    if model.dialect not in DIALECTS:
        raise CatalogError(f"{model.id}: unknown dialect '{model.dialect}'; there are {readers.join(list(DIALECTS))}.")
    fields: dict[str, Any] = {"prompt": "?"}
    if model.reference.use == "needs":
        fields["image"] = _PIXEL
    DIALECTS[model.dialect].draft(Ask(model, fields))


def _parts(ask: Ask, draft: Draft) -> tuple[Part, ...]:
    """Pack the native count first; parallel parts with a seed get seed, seed + 1, ..., disclosed."""
    counts = [min(ask.model.native_n, ask.n - done) for done in range(0, ask.n, ask.model.native_n)]
    seed = draft.payload.get("seed", -1)
    varied = len(counts) > 1 and seed >= 0
    if varied:
        ask.adjusted["seed"] = f"{seed}..{seed + len(counts) - 1}"
    return tuple(
        Part(
            draft.payload
            | ({ask.model.count_field: count} if ask.model.count_field else {})
            | ({"seed": seed + index} if varied else {}),
            count,
        )
        for index, count in enumerate(counts)
    )


def _encoding(ask: Ask) -> Encoding:
    wanted = ask.field("output_format")
    compression: int | None = ask.field("output_compression")
    if ask.peek("background") == "transparent" and wanted == "jpeg":
        raise InvalidRequest(
            "Invalid value: 'transparent'. JPEG knows no transparency: set 'output_format' to 'png' or 'webp', "
            "or 'background' to 'opaque'.",
            param="background",
        )
    if compression == 100 and wanted in {None, "png"}:
        compression = None
    if compression is not None and wanted in {None, "png"}:
        raise InvalidRequest(
            f"Invalid 'output_compression': PNG is not compressed with loss. Expected 100 or an 'output_format' of "
            f"'jpeg' or 'webp', but got {compression}.",
            code="invalid_png_output_compression",
            param="output_compression",
        )
    return Encoding(wanted, compression)


def _stream(ask: Ask) -> bool:
    """Take `stream`; one picture at a time, in base64, is what the events can carry. No partial images are sent."""
    ask.field("partial_images")
    if not ask.field("stream"):
        return False
    if ask.n > 1:
        raise InvalidRequest("Streaming is only supported with n=1.", param="n")
    if ask.peek("response_format") == "url":
        raise InvalidRequest(
            "Invalid value: 'url'. A stream carries the picture as 'b64_json'.", param="response_format"
        )
    return True


def _response_format(ask: Ask) -> Literal["url", "b64_json"]:
    """Take the explicit wish; else what clients expect of the name, be it the model's or the one they asked for."""
    explicit: Literal["url", "b64_json"] | None = ask.field("response_format")
    names = (ask.model.id, ask.peek("model") or "")
    return explicit or ("url" if any(name.casefold().startswith("dall-e") for name in names) else "b64_json")

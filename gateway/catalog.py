"""The models this gateway can reach: one row of `config/models.toml` each, data without code."""

import math
from collections.abc import Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from gateway.errors import NotFound

Name = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Money = Annotated[float, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Pixels = Annotated[str, msgspec.Meta(pattern="^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$")]
Ratio = Annotated[str, msgspec.Meta(pattern="^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$")]
NonEmpty = msgspec.Meta(min_length=1)


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the catalogue; an unknown key in it is an error."""


class SizeList(Row, frozen=True, tag="list", tag_field="kind"):
    """Exactly these WIDTHxHEIGHT and no others."""

    values: Annotated[tuple[Pixels, ...], NonEmpty]


class Ratios(Row, frozen=True, tag="ratios", tag_field="kind"):
    """A closed list of aspect ratios; pixels are the model's own choice."""

    values: Annotated[tuple[Ratio, ...], NonEmpty]


class RatioRange(Row, frozen=True, tag="ratio-range", tag_field="kind"):
    """Any aspect ratio from `widest` to `tallest`; requests very near a `common` one are given that one."""

    widest: Ratio
    tallest: Ratio
    common: Annotated[tuple[Ratio, ...], NonEmpty]


class FreeSizes(Row, frozen=True, tag="free", tag_field="kind"):
    """Any WIDTHxHEIGHT within the limits; others are moved to the nearest `recommended` size.

    `names` are sizes that the model knows by a word, `default` is sent when the request names none.
    """

    recommended: Annotated[tuple[Pixels, ...], NonEmpty]
    min_side: int = 1
    max_side: int = 65_535
    min_pixels: int = 1
    max_pixels: int = 2**32
    max_ratio: float = math.inf
    names: tuple[str, ...] = ()
    default: str = ""


Sizes = SizeList | Ratios | RatioRange | FreeSizes


class Reference(Row, frozen=True):
    """What the model does with a reference image, and the upstream field that carries it.

    `inline` is how image bytes travel: as a `data:` URL or as plain base64. `max` counts images.
    """

    use: Literal["takes", "needs", "refuses"]
    field: str = ""
    inline: Literal["data-url", "base64"] = "data-url"
    max: Count = 1
    max_url_chars: Count = 8_192

    def __post_init__(self) -> None:
        """Refuse a rule that could not be followed."""
        if self.use != "refuses" and not self.field:
            raise ValueError("`field` is missing: the model would never get its reference image")


class Poll(Row, frozen=True):
    """When to ask for an asynchronous task: first after `first_s`, then ever `factor` later, up to `max_s`."""

    first_s: Positive
    factor: Annotated[float, msgspec.Meta(ge=1)]
    max_s: Positive


class PerImage(Row, frozen=True):
    """The price of one image, in the price's currency; an absent quality or size means any."""

    amount: Money
    quality: Literal["low", "medium", "high"] | None = None
    size: str | None = None


class PerMillionTokens(Row, frozen=True):
    """Token prices, in the price's currency, where upstream reports usage."""

    text_input: Money = 0.0
    image_input: Money = 0.0
    output: Money = 0.0


@cache
def _micro_usd(amount: float, usd: float) -> int:
    """Convert one of a catalogue's amounts in units of `usd` dollars each; decimals, which are exact, are slow."""
    return int((Decimal(str(amount)) * Decimal(str(usd)) * 1_000_000).to_integral_value())


class Price(Row, frozen=True):
    """What upstream charges. `usd` converts one unit of `currency`; `verified` means seen at Aihubmix itself."""

    currency: str
    source: str
    date: str
    verified: bool
    images: Annotated[tuple[PerImage, ...], NonEmpty]
    usd: Positive = 1.0
    usd_date: str = ""
    tokens: PerMillionTokens | None = None

    def __post_init__(self) -> None:
        """Refuse a foreign price that would count as dollars."""
        if self.currency != "USD" and not self.usd_date:
            raise ValueError(f"a price in {self.currency} needs `usd`, what one unit is worth, and its `usd_date`")

    def dearest(self, quality: str | None, size: str | None) -> int:
        """Micro-dollars of one image at the dearest reading of what is known about it."""
        admissible = [
            entry.amount
            for entry in self.images
            if (entry.quality is None or quality is None or entry.quality == quality)
            and (entry.size is None or size is None or entry.size == size)
        ] or [entry.amount for entry in self.images]
        return _micro_usd(max(admissible), self.usd)

    def of_tokens(self, text_input: int, image_input: int, output: int) -> int | None:
        """Micro-dollars of so many tokens; None where the row prices images alone."""
        if self.tokens is None:
            return None
        amount = (
            Decimal(str(self.tokens.text_input)) * text_input
            + Decimal(str(self.tokens.image_input)) * image_input
            + Decimal(str(self.tokens.output)) * output
        )  # a price per million tokens, so micro-units of the currency
        return int((amount * Decimal(str(self.usd))).to_integral_value())


class Model(Row, frozen=True):
    """One model: what clients call it, where it lives, what it can do and what it costs.

    `native_n` images come from one upstream call; more are made by parallel calls. `count_field` carries the count
    ("" where the model knows none). `params` are the native parameters it takes. `output_formats` are the encodings
    it makes itself. `max_in_flight` is upstream's own limit (0: none known). `version` is part of every fingerprint:
    raise it when the same call has come to mean another picture. `cache_ttl_s` is how long its pictures are replayed
    (0: never; absent: as the settings say). Requests of at
    least `two_k_from_pixels` ask for the model's 2K picture (0: it has none).
    """

    id: Name
    owner: str
    created: int
    dialect: str
    path: Name
    native_n: Annotated[int, msgspec.Meta(ge=1, le=10)]
    sizes: Sizes
    reference: Reference
    time_limit_s: Positive
    aliases: tuple[str, ...] = ()
    count_field: str = ""
    params: tuple[str, ...] = ()
    output_formats: tuple[Literal["png", "jpeg", "webp"], ...] = ()
    prompt_max_chars: Count = 32_000
    two_k_from_pixels: Annotated[int, msgspec.Meta(ge=0)] = 0
    version: int = 1
    max_in_flight: Annotated[int, msgspec.Meta(ge=0)] = 0
    cache_ttl_s: Annotated[int, msgspec.Meta(ge=0)] | None = None
    poll: Poll | None = None
    price: Price | None = None

    def __post_init__(self) -> None:
        """Refuse a row by which upstream would be asked for another count than is paid for."""
        if self.native_n > 1 and not self.count_field:
            raise ValueError(f"{self.id}: `native_n` of {self.native_n} needs a `count_field` that says how many")


class Unsupported(Row, frozen=True):
    """Names that the API document calls unsupported, as shell patterns, and what to say of them."""

    names: tuple[str, ...]
    reason: str


class _File(Row, frozen=True):
    models: tuple[Model, ...]
    unsupported: tuple[Unsupported, ...] = ()


class CatalogError(ValueError):
    """The catalogue's file cannot be used; the message is one line for the operator."""


class Catalog:
    """Every model by every name it answers to."""

    def __init__(
        self,
        models: tuple[Model, ...],
        unsupported: tuple[Unsupported, ...] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.models = models
        self._unsupported = unsupported
        self._by_name: dict[str, Model] = {}
        self._by_folded: dict[str, Model] = {}
        for model in models:
            for name in (model.id, *model.aliases):
                self._add(name, model)
        for alias, target in (aliases or {}).items():
            if target not in self._by_name:
                raise CatalogError(f"images.aliases: {alias!r} points at {target!r}, which is no model.")
            self._add(alias, self._by_name[target])

    def _add(self, name: str, model: Model) -> None:
        self._by_name[name] = model
        owner = self._by_folded.setdefault(name.casefold(), model)
        if owner is not model:
            raise CatalogError(f"The name {name!r} belongs to both {owner.id} and {model.id}.")

    def resolve(self, name: str) -> Model:
        """Find a model by id or alias, exactly or else ignoring case.

        Raises:
            NotFound: no such model; names that Aihubmix does not support are told so.

        """
        model = self._by_name.get(name) or self._by_folded.get(name.casefold())
        if model is not None:
            return model
        for group in self._unsupported:
            if any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in group.names):
                raise NotFound(
                    f"The model '{name[:100]}' is not supported: {group.reason}",
                    code="model_not_found",
                    param="model",
                )
        raise NotFound(
            f"The model '{name[:100]}' does not exist or you do not have access to it. "
            "GET /v1/models lists the models there are.",
            code="model_not_found",
            param="model",
        )


def load_catalog(path: Path, aliases: Mapping[str, str] | None = None) -> Catalog:
    """Read a catalogue.

    Raises:
        CatalogError: the file is missing, is not TOML, a row is wrong or a name is taken; the message names the place.

    """
    try:
        file = msgspec.toml.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: {error}") from error
    return Catalog(file.models, file.unsupported, aliases)

"""The catalogue: the shipped rows, names, and what is said of a broken file."""

import re

import pytest
from msgspec import structs

from gateway.catalog import Catalog, CatalogError, load_catalog
from gateway.errors import NotFound
from gateway.settings import shipped

CATALOG = load_catalog(shipped("models.toml"))
TEXT = shipped("models.toml").read_text(encoding="utf-8")

# Of the API document: every model, the path it is called at, the dialect, the native count.
ROWS = {
    "gpt-image-1": ("opanai/gpt-image-1", "openai", 10),
    "dall-e-3": ("opanai/dall-e-3", "openai", 1),
    "imagen-4.0-ultra-generate-001": ("google/imagen-4.0-ultra-generate-001", "imagen", 1),
    "imagen-4.0-generate-001": ("google/imagen-4.0-generate-001", "imagen", 4),
    "imagen-4.0-fast-generate-001": ("google/imagen-4.0-fast-generate-001", "imagen", 4),
    "imagen-4.0-fast-generate-preview-06-06": ("google/imagen-4.0-fast-generate-preview-06-06", "imagen", 4),
    "imagen-3.0-generate-002": ("google/imagen-3.0-generate-002", "imagen", 4),
    "flux-kontext-max": ("bfl/flux-kontext-max", "flux", 1),
    "flux-kontext-pro": ("bfl/flux-kontext-pro", "flux", 1),
    "FLUX.1-Kontext-pro": ("FLUX.1-Kontext-pro", "flux_one_step", 1),
    "FLUX-1.1-pro": ("FLUX-1.1-pro", "flux_one_step", 1),
    "Qwen-Image": ("qianfan/qwen-image", "qianfan", 1),
    "Qwen-Image-Edit": ("qianfan/qwen-image-edit", "qianfan", 1),
    "doubao-seedream-4-0-250828": ("doubao/doubao-seedream-4-0-250828", "seedream", 1),
    "V3": ("ideogram/V3", "ideogram", 1),
    "Stable-Diffusion-3-5-Large": ("stability/Stable-Diffusion-3-5-Large", "stability", 1),
    "irag-1.0": ("qianfan/irag-1.0", "qianfan", 4),
    "ernie-irag-edit": ("qianfan/ernie-irag-edit", "qianfan", 1),
}
# Of the price sheet: micro-dollars of one image by (quality, size); None is what a request leaves open.
PRICES = {
    "gpt-image-1": {
        ("low", "1024x1024"): 11_000, ("medium", "1024x1024"): 42_000, ("high", "1024x1024"): 167_000,
        ("low", "1536x1024"): 16_000, ("medium", "1024x1536"): 63_000, ("high", "1536x1024"): 250_000,
        (None, "1024x1024"): 167_000, ("low", None): 16_000, (None, None): 250_000,
    },
    "dall-e-3": {
        ("medium", "1024x1024"): 40_000, ("medium", "1792x1024"): 80_000, ("high", "1024x1024"): 80_000,
        ("high", "1024x1792"): 120_000,
    },
    "imagen-4.0-ultra-generate-001": {(None, None): 60_000},
    "imagen-4.0-generate-001": {(None, None): 40_000},
    "imagen-4.0-fast-generate-001": {(None, None): 20_000},
    "imagen-4.0-fast-generate-preview-06-06": {(None, None): 20_000},
    "imagen-3.0-generate-002": {(None, None): 30_000},
    "flux-kontext-max": {(None, None): 80_000},
    "flux-kontext-pro": {(None, None): 40_000},
    "FLUX.1-Kontext-pro": {(None, None): 40_000},
    "FLUX-1.1-pro": {(None, None): 40_000},
    "Qwen-Image": {(None, None): 35_000},  # 0.25 CNY
    "Qwen-Image-Edit": {(None, None): 42_000},  # 0.30 CNY
    "doubao-seedream-4-0-250828": {(None, None): 30_000, (None, "4096x4096"): 30_000},
    "V3": {("low", None): 30_000, ("medium", None): 60_000, ("high", "1x1"): 90_000, (None, None): 90_000},
    "Stable-Diffusion-3-5-Large": {(None, None): 65_000},
    "irag-1.0": {(None, None): 19_600},  # 0.14 CNY
    "ernie-irag-edit": {(None, None): 19_600},
}  # fmt: skip
REFERENCES = {
    "gpt-image-1": ("takes", "image", 16),
    "flux-kontext-max": ("takes", "input_image", 1),
    "Qwen-Image": ("takes", "refer_image", 1),
    "Qwen-Image-Edit": ("needs", "refer_image", 3),
    "irag-1.0": ("takes", "refer_image", 1),
    "ernie-irag-edit": ("needs", "refer_image", 1),
    "doubao-seedream-4-0-250828": ("takes", "image", 10),
}


def test_the_rows_are_those_of_the_document():
    """All eighteen, no more, each at its path."""
    assert {row.id: (row.path, row.dialect, row.native_n) for row in CATALOG.models} == ROWS
    assert len(CATALOG.models) == 18


def test_reference_images():
    """Which models take one, need one, under which field; all others refuse."""
    taking = {
        row.id: (row.reference.use, row.reference.field, row.reference.max)
        for row in CATALOG.models
        if row.reference.use != "refuses"
    }
    assert taking == REFERENCES


def test_tasks_at_once():
    """The known limits of upstream on calls at once."""
    limits = {row.id: row.max_in_flight for row in CATALOG.models if row.max_in_flight}
    assert limits == {"flux-kontext-max": 6, "flux-kontext-pro": 24}


@pytest.mark.parametrize("row", CATALOG.models, ids=lambda row: row.id)
def test_prices(row):
    """Every model has a price with its source and date; open qualities and sizes count as the dearest."""
    assert row.price.source
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", row.price.date)
    for (quality, size), micro in PRICES[row.id].items():
        assert row.price.dearest(quality, size) == micro


def test_prices_seen_at_aihubmix_itself():
    """Only those are marked as verified."""
    verified = {row.id for row in CATALOG.models if row.price.verified}
    assert verified == {"gpt-image-1", *(name for name in ROWS if name.startswith("imagen-") and "preview" not in name)}


def test_a_size_without_a_price_counts_as_the_dearest():
    """What a request cannot be told apart from costs as much as it may."""
    assert CATALOG.resolve("gpt-image-1").price.dearest("low", "512x512") == 250_000


@pytest.mark.parametrize("row", CATALOG.models, ids=lambda row: row.id)
def test_every_name_resolves(row):
    """Each model answers to its id, its path and its aliases, in any case."""
    vendor = "bfl/" if row.dialect == "flux_one_step" else ""
    for name in (row.id, vendor + row.path, *row.aliases):
        for spelled in (name, name.upper(), name.lower()):
            assert CATALOG.resolve(spelled) is row


@pytest.mark.parametrize(
    "name", ["openai/gpt-image-1", "openai/dall-e-3", "ERNIE iRAG", "ernie irag edit", "ideogram/V3"]
)
def test_further_names(name):
    """The names of newer pages and of the document's own lists."""
    assert CATALOG.resolve(name)


def test_case_tells_models_apart_only_where_it_must():
    """Names that differ in more than case stay different models."""
    assert CATALOG.resolve("flux.1-kontext-pro").id == "FLUX.1-Kontext-pro"
    assert CATALOG.resolve("FLUX-KONTEXT-PRO").id == "flux-kontext-pro"


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o-image", "gpt-4o-image-vip", "GPT-4o-Image", "opanai/gpt-4o-image", "openai/gpt-4o-image-vip",
        "gemini-2.5-flash-image", "google/gemini-3-pro", "V_1", "V_1_TURBO", "V_2", "v_2_turbo", "V_2A", "V_2A_TURBO",
        "V2", "ideogram/V_2",
    ],
)  # fmt: skip
def test_unsupported_names(name):
    """What the document excludes is told to be unsupported, not just absent."""
    with pytest.raises(NotFound, match="is not supported: ") as caught:
        CATALOG.resolve(name)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize("name", ["gpt-9", "", "imagen", "V33", "x" * 500])
def test_unknown_names(name):
    """An unknown name is a 404 that tells where the known ones are listed, and is not echoed at length."""
    with pytest.raises(NotFound, match="GET /v1/models") as caught:
        CATALOG.resolve(name)
    assert len(caught.value.message) < 300


V3, GPT = CATALOG.resolve("V3"), CATALOG.resolve("gpt-image-1")


def test_operators_aliases():
    """An operator's alias leads to its model, by id or alias, in any case; it may revive an unsupported name."""
    catalog = load_catalog(shipped("models.toml"), {"dall-e-2": "gpt-image-1", "pics": "ideogram/V3", "V_2": "V3"})

    assert [catalog.resolve(name).id for name in ("DALL-E-2", "pics", "V_2")] == ["gpt-image-1", "V3", "V3"]


@pytest.mark.parametrize(
    ("aliases", "says"),
    [
        ({"pics": "gpt-9"}, "images.aliases: 'pics' points at 'gpt-9', which is no model."),
        ({"V3": "gpt-image-1"}, "'V3' belongs to both V3 and gpt-image-1."),
        ({"v3": "gpt-image-1"}, "'v3' belongs to both V3 and gpt-image-1."),
    ],
)
def test_wrong_aliases(aliases, says):
    """An alias to nowhere, or onto another model's name in any case, stops the start."""
    with pytest.raises(CatalogError, match=re.escape(says)):
        load_catalog(shipped("models.toml"), aliases)


@pytest.mark.parametrize("name", ["gpt-image-1", "OPANAI/GPT-image-1"])
def test_duplicate_names(name):
    """Two models cannot share a name, in any case."""
    with pytest.raises(CatalogError, match="belongs to both gpt-image-1 and V3"):
        Catalog((GPT, structs.replace(V3, aliases=(name,))))
    with pytest.raises(CatalogError, match="belongs to both"):
        Catalog((GPT, structs.replace(V3, id=name)))


def broken(tmp_path, text):
    path = tmp_path / "models.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError) as caught:
        load_catalog(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ('id = "gpt-image-1"\n', "", "`id`"),
        ('id = "gpt-image-1"', "id = 5", "`$.models[0].id`"),
        ('id = "gpt-image-1"', 'id = ""', "`$.models[0].id`"),
        ('path = "opanai/gpt-image-1"', 'pfad = "opanai/gpt-image-1"', "`pfad`"),
        ("native_n = 10", "native_n = 0", ">= 1"),
        ("native_n = 10", "native_n = 11", "<= 10"),
        ("native_n = 10", 'native_n = "ten"', "`$.models[0].native_n`"),
        ('count_field = "n"', 'count_field = ""', "gpt-image-1: `native_n` of 10 needs a `count_field`"),
        ('kind = "list"', 'kind = "lists"', "lists"),
        ('values = ["1024x1024", "1024x1536", "1536x1024"]', "values = []", "length >= 1"),
        ('values = ["1024x1024", "1024x1536", "1536x1024"]', 'values = ["big"]', "`$.models[0].sizes.values[0]`"),
        ('widest = "21:9"', 'widest = "21/9"', "sizes.widest"),
        ('values = ["1:1", "3:4"', 'values = ["1x1", "3:4"', "sizes.values[0]"),
        (
            'reference = { use = "takes", field = "image", max = 16 }',
            'reference = { use = "takes" }',
            "`field` is missing",
        ),
        ('use = "takes", field = "image", max = 16', 'use = "wants", field = "image"', "wants"),
        ("max = 16", "max = 0", ">= 1"),
        ("time_limit_s = 360", "time_limit_s = 0", "> 0"),
        ("factor = 1.15", "factor = 0.5", ">= 1"),
        ("first_s = 0.6", "first_s = 0", "> 0"),
        ("amount = 0.011", "amount = -1", ">= 0"),
        ('quality = "low", size', 'quality = "lowest", size', "lowest"),
        ("usd = 0.14", "usd = 0", "> 0"),
        ('usd = 0.14, usd_date = "2026-11-22", ', "", "a price in CNY needs `usd`"),
        ("images = [{ amount = 0.06 }]", "images = []", "length >= 1"),
        ("created = 1745452800", "created_at = 1745452800", "created_at"),
        ("[[models]]", "[[models]", ""),
        ("prompt_max_chars = 4000", "prompt_max_chars = 0", ">= 1"),
    ],
)
def test_broken_rows(tmp_path, was, becomes, says):
    """A broken row stops the start with one line that names the file, the place and the fault."""
    text = TEXT.replace(was, becomes, 1)

    assert text != TEXT
    assert says in broken(tmp_path, text)


def test_no_file(tmp_path):
    """A missing file, and one that is no text, are told by their path."""
    with pytest.raises(CatalogError, match="No such file"):
        load_catalog(tmp_path / "none.toml")
    path = tmp_path / "models.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CatalogError, match=re.escape(str(path))):
        load_catalog(path)

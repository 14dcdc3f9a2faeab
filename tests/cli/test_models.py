import pytest

from gateway.catalog import PerImage, Price, load_catalog
from gateway.cli.prices import basis, span
from gateway.settings import shipped


def test_a_model_tells_its_price_and_how_far_that_is_known(command):
    """Seen at Aihubmix or not, and converted or not."""
    lines = command("models").stdout.splitlines()
    (imagen,) = (line for line in lines if line.startswith("imagen-4.0-generate-001 "))
    assert imagen.split()[1:] == ["0.04", "verified", "2026-11-22"]
    at = next(number for number, line in enumerate(lines) if line.startswith("Qwen-Image "))
    assert lines[at].endswith("unverified 2026-11-22")
    assert lines[at + 1] == "    converted from CNY at 0.14 USD of 2026-11-22"


def test_the_list_fits_on_a_terminal_and_has_every_name(command):
    """Of 100 columns; the other names of a model stand beneath it."""
    told = command("models").stdout
    assert max(len(line) for line in told.splitlines()) <= 100
    names = {name for model in load_catalog(shipped("models.toml")).models for name in (model.id, *model.aliases)}
    assert [name for name in names if name not in " ".join(told.split())] == []


@pytest.mark.parametrize(
    ("price", "told"),
    [
        (None, ("-", "missing")),
        (
            Price("USD", "s", "2026-01-01", True, (PerImage(0.04), PerImage(0.125))),
            ("0.04 to 0.125", "verified 2026-01-01"),
        ),
        (Price("USD", "s", "2026-01-01", False, (PerImage(0.04),)), ("0.04", "unverified 2026-01-01")),
    ],
)
def test_a_price_is_a_span_and_a_basis(price, told):
    assert (span(price), basis(price)) == told

import pytest

from gateway.catalog import PerImage, Price
from gateway.cli.prices import basis, span


def test_a_model_tells_its_price_and_how_far_that_is_known(command):
    """Seen at Aihubmix or not, and converted or not."""
    lines = {line.split()[0]: line for line in command("models").stdout.splitlines()}
    assert " 0.04 " in lines["imagen-4.0-generate-001"]
    assert " verified 2026-11-22 " in lines["imagen-4.0-generate-001"]
    assert " unverified 2026-11-22, CNY at 0.14 USD of 2026-11-22 " in lines["Qwen-Image"]


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

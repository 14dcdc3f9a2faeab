"""How long a request waits."""

import pytest

from gateway.api.patience import deadline_s


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, 600),
        ({"x-stainless-read-timeout": "600"}, 595),
        ({"x-stainless-read-timeout": "60.5"}, 55.5),
        ({"x-stainless-read-timeout": "2"}, 1),
        ({"x-stainless-read-timeout": "9999"}, 600),
        ({"x-stainless-read-timeout": "soon"}, 600),
        ({"x-stainless-read-timeout": "0"}, 600),
        ({"x-stainless-read-timeout": "-4"}, 600),
        ({"x-stainless-read-timeout": "nan"}, 600),
        ({"x-stainless-read-timeout": "inf"}, 600),
    ],
)
def test_deadline(said, expected):
    """Five seconds less than the SDK waits, half of a short wait, and never longer than the setting."""
    assert expected == deadline_s(said, 600)

"""The list of models is the document's."""

import pytest

from gateway.sandbox.models import MODELS as ROWS
from gateway.sandbox.models import find
from tests.support.sandbox_calls import MODELS


def test_the_models_are_those_of_the_document():
    """All eighteen stand at the paths of the document."""
    assert {row.name: row.path for row in ROWS} == {name: path for name, (path, _) in MODELS.items()}
    assert len(ROWS) == 18


@pytest.mark.parametrize(
    ("name", "found"),
    [("IDEOGRAM/v3", "V3"), ("qwen-image", "Qwen-Image"), ("flux-1.1-pro", "FLUX-1.1-pro"), ("gpt-4o-image", None)],
)
def test_a_model_is_found_by_name_or_path(name, found):
    """Whatever the case; None for what is not there."""
    model = find(name)
    assert (model.name if model else None) == found

import pytest

from gateway.api.admin.models import _object
from gateway.catalog import load_catalog
from gateway.errors import GatewayError
from gateway.generation.plan import Planner
from gateway.settings import shipped
from tests.support.gateway import RunningGateway, settings_for

CATALOG = load_catalog(shipped("models.toml"))
PLANNER = Planner(CATALOG, default_model="gpt-image-1", strict_params=True)
MODELS = {model.id: _object(model) for model in CATALOG.models}
PICTURE = "https://example.com/a.png"


def values(schema):
    """Give some values that a field's schema allows."""
    if "enum" in schema:
        return schema["enum"]
    if schema.get("examples"):
        return schema["examples"]
    if schema.get("type") in {"integer", "number"}:
        return [max(schema["minimum"], 1)]
    return [True] if schema.get("type") == "boolean" else ["a text"]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_honours_whatever_the_form_offers(name):
    """Even where the gateway refuses all that a model cannot honour; each value is tried, one at a time."""
    told = MODELS[name]
    for parameter, schema in told["parameters"].items():
        needs_image = told["reference_image"]["use"] == "needs" or parameter in {"input_fidelity", "feature"}
        image = {"image": PICTURE} if needs_image else {}
        for value in values(schema):
            asked = {"model": name, "prompt": "a fox", parameter: value, **image}
            if parameter == "output_compression":
                asked["output_format"] = "jpeg"
            try:
                plan = PLANNER.plan(asked)
            except GatewayError as error:
                pytest.fail(f"{parameter}={value}: {error.message}")
            assert parameter not in plan.adjusted or parameter == "seed", (parameter, value)


def test_each_model_can_be_told_its_shape_in_one_way():
    shapes = {name: {"size", "aspect_ratio"} & set(told["parameters"]) for name, told in MODELS.items()}
    assert {1} == {len(shape) for shape in shapes.values()}
    assert {"size"} == shapes["gpt-image-1"]
    assert {"aspect_ratio"} == shapes["V3"]


def test_fields_are_offered_where_they_mean_something():
    assert ["low", "medium", "high"] == MODELS["gpt-image-1"]["parameters"]["quality"]["enum"]
    assert ["standard", "hd"] == MODELS["dall-e-3"]["parameters"]["quality"]["enum"]
    assert "style" in MODELS["dall-e-3"]["parameters"]
    assert "style" not in MODELS["V3"]["parameters"]
    assert "negative_prompt" in MODELS["V3"]["parameters"]


def test_the_models_are_told_to_who_administers(sandbox, valkey_url):
    """With the one that a request gets which names none."""
    with (
        RunningGateway(
            settings_for(sandbox, valkey_url, server__admin_key="secret", images__default_model="v3")
        ) as gateway,
        gateway.http("secret") as http,
    ):
        told = http.get("/admin/models").json()
        assert "V3" == told["default"]
        assert list(MODELS) == [model["id"] for model in told["data"]]

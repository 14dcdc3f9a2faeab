import pytest

from gateway.api.docs.parameters import IMAGE, NATIVE, OPENAI, own_parameters, request_schema
from gateway.catalog import load_catalog
from gateway.dialects.ask import OPENAI_FIELDS
from gateway.errors import InvalidRequest
from gateway.generation.plan import Planner
from gateway.settings import shipped

CATALOG = load_catalog(shipped("models.toml"))
PLANNER = Planner(CATALOG, default_model="gpt-image-1", strict_params=False)
PIXEL = "iVBORw0KGgo="


def good_values(name, schema):
    """Give values at the edges of what a schema allows."""
    kind = schema.get("type")
    if "enum" in schema:
        return schema["enum"]
    if kind == "boolean":
        return [True, False]
    if "minimum" in schema:
        return [schema["minimum"], schema["maximum"]]
    if "ratio" in name.lower():
        return ["16:9", "1x1"]
    if name == "size":
        return ["auto", "4K", "1024x1024", "99999x1"]
    return ["x" * schema.get("minLength", 1), "x" * schema.get("maxLength", 10)]


def bad_values(schema):
    """Give values just outside of what a schema allows."""
    kind = schema.get("type")
    wrong_type = {"string": 42, "boolean": "true", "integer": "1", "number": "1"}[kind]
    bad = [wrong_type]
    if "enum" in schema:
        bad += ["nonsense", ""]
    if "minimum" in schema:
        bad += [schema["minimum"] - 1, schema["maximum"] + 1]
    if "pattern" in schema:
        bad += ["", "3K", "0x5", "16/9"]
    if "maxLength" in schema:
        bad += ["x" * (schema["maxLength"] + 1)]
    if schema.get("minLength"):
        bad += [""]
    return bad


def test_the_openai_fields_are_those_that_are_read():
    assert list(OPENAI) != []
    assert set(OPENAI) == set(OPENAI_FIELDS)


@pytest.mark.parametrize("name", OPENAI)
def test_an_openai_field_takes_what_its_schema_says_and_nothing_else(name):
    read = OPENAI_FIELDS[name]
    for value in good_values(name, OPENAI[name]):
        assert read(name, value) == value
    for value in bad_values(OPENAI[name]):
        with pytest.raises(InvalidRequest):
            read(name, value)


@pytest.mark.parametrize("name", [name for name, schema in OPENAI.items() if "enum" in schema])
def test_no_choice_of_an_openai_field_is_left_out(name):
    with pytest.raises(InvalidRequest) as refusal:
        OPENAI_FIELDS[name](name, "nonsense")
    assert [word for word in OPENAI[name]["enum"] if f"'{word}'" not in str(refusal.value)] == []
    assert str(refusal.value).count("'") // 2 == len(OPENAI[name]["enum"]) + 1  # the wrong value itself is quoted, too


def takers(name):
    return [model for model in CATALOG.models if name in own_parameters(model)]


def takes(model, name, value):
    """Tell whether a model honours a value of a parameter."""
    fields = {"prompt": "a cat", "model": model.id, name: value}
    if model.reference.use == "needs" or name == "input_fidelity":
        fields["image"] = PIXEL
    try:
        plan = PLANNER.plan(fields)
    except InvalidRequest as refusal:
        if refusal.param != name:
            raise
        return False
    assert name not in plan.ignored
    return True


@pytest.mark.parametrize("name", NATIVE)
def test_a_models_own_parameter_takes_what_its_schema_says_and_nothing_else(name):
    """Each good value is taken by at least one of its models, and a bad one by none."""
    models = takers(name)
    assert models, f"no model takes {name}: drop it"
    for value in good_values(name, NATIVE[name]):
        assert [model.id for model in models if takes(model, name, value)], value
    for value in bad_values(NATIVE[name]):
        assert [model.id for model in models if takes(model, name, value)] == [], value


def test_every_parameter_of_every_model_is_described():
    known = {*NATIVE, "input_image", "refer_image", "numberOfImages"}
    assert {name for model in CATALOG.models for name in own_parameters(model)} == known


@pytest.mark.parametrize("model", CATALOG.models, ids=lambda model: model.id)
def test_the_models_own_spelling_of_the_reference_image_and_of_the_count_is_taken(model):
    for name, value in ((model.reference.field, PIXEL), (model.count_field, 2)):
        if name in own_parameters(model):
            assert takes(model, name, value)


def test_every_field_but_the_prompt_may_be_null():
    """SDKs send null for what was not set."""
    schema = request_schema(CATALOG)
    assert schema["required"] == ["prompt"]
    for name, field in schema["properties"].items():
        options = [option["type"] for option in field.get("anyOf", [])] or field["type"]
        assert ("null" in options) is (name != "prompt"), name
        assert None in field.get("enum", [None]) or name == "prompt"
    PLANNER.plan({"prompt": "a cat"} | dict.fromkeys(set(schema["properties"]) - {"prompt"}))


def test_image_stands_for_one_or_several():
    assert {option["type"] for option in IMAGE["anyOf"]} == {"string", "array"}

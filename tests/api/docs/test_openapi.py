import msgspec
import pytest

from gateway.api.docs.openapi import describe
from gateway.api.docs.wording import HEADERS
from gateway.catalog import load_catalog
from gateway.settings import shipped
from gateway.store.limits import Limits

DOCUMENT = describe(load_catalog(shipped("models.toml")))
FRAMEWORKS_OWN = {"date", "server", "content-type", "content-length", "cache-control", "x-content-type-options"}


def test_every_field_of_every_schema_is_described():
    schemas = DOCUMENT["components"]["schemas"]
    bare = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        if name != "Error"
        for field, told in schema["properties"].items()
        if not told.get("description")
    ]
    assert bare == []


LIMITED = {"limits": Limits(requests_per_minute=100, images_per_day=5)}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"prompt": "a cat", "model": "V3", "n": 6}, "429"),
        ({"prompt": "a cat", "model": "V3", "size": "1792x1024", "style": "vivid", "response_format": "url"}, "200"),
        ({"prompt": "a cat", "n": 11}, "400"),
        ({"prompt": "[[sandbox:http-401]]"}, "502"),
    ],
)
def test_what_is_answered_is_what_is_described(gateway, body, status):
    """Every key of the body and every header of ours stands in the document, on a repetition as well."""
    with gateway.http(gateway.key(**LIMITED)) as client:
        client.post("/v1/images/generations", json=body)
        response = client.post("/v1/images/generations", json=body)
    assert str(response.status_code) == status
    described = DOCUMENT["paths"]["/v1/images/generations"]["post"]["responses"][status]
    ours = {name for name in response.headers if not name.startswith("access-control-")} - FRAMEWORKS_OWN
    assert ours <= set(described["headers"]) <= set(HEADERS)
    assert_described(response.json(), described["content"]["application/json"]["schema"])


def assert_described(value, schema):
    """Check that an answer has no key beyond its schema, and lacks none that is required."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        for item in value:
            assert_described(item, schema["items"])
    if isinstance(value, dict):
        assert set(schema.get("required", [])) <= set(value) <= set(schema["properties"])
        for name, item in value.items():
            assert_described(item, schema["properties"][name])


def test_what_a_request_may_say_in_headers_is_described():
    """Those that the code reads, none of which is required."""
    told = DOCUMENT["paths"]["/v1/images/generations"]["post"]["parameters"]
    assert [(p["name"], p["in"], p["required"]) for p in told] == [
        ("Cache-Control", "header", False),
        ("Idempotency-Key", "header", False),
    ]


def test_every_word_for_the_cache_is_explained():
    text, schema = HEADERS["x-gateway-cache"]
    assert schema["enum"]
    assert [word for word in schema["enum"] if f"`{word}`" not in text] == []


def test_the_document_is_json():
    assert msgspec.json.decode(msgspec.json.encode(DOCUMENT))["info"]["title"] == DOCUMENT["info"]["title"]

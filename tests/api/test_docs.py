import base64
import hashlib
import re
from html import escape
from html.parser import HTMLParser

import msgspec
import openapi_spec_validator
import pytest

from gateway.api.docs import page
from gateway.api.docs.openapi import describe
from gateway.app import create_app
from gateway.catalog import Catalog, load_catalog
from gateway.settings import load_settings, shipped

CATALOG = load_catalog(shipped("models.toml"))


def routes_of_the_app():
    """List every route that the app serves, as OpenAPI spells it."""
    settings = load_settings({}, {"upstream.api_key": "sk-none", "redis.url": "unix:///nowhere"})
    app = create_app(settings)._app._app
    return {
        (re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path), method.lower())
        for route in app.routes
        for method in route.methods - {"OPTIONS"}
    }


def test_every_route_of_the_app_is_described_and_no_other():
    described = {(path, method) for path, methods in describe(CATALOG)["paths"].items() for method in methods}
    assert described == routes_of_the_app()


def test_openapi_is_served_valid(gateway):
    """A program can read `/openapi.json`, without a key, and it is valid OpenAPI 3.1."""
    with gateway.http() as client:
        response = client.get("/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert document["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(document)
    assert [row["id"] for row in document["x-gateway-models"]] == [model.id for model in CATALOG.models]


def test_the_page_is_served_with_a_policy_that_admits_its_own_style_alone(gateway):
    with gateway.http() as client:
        response = client.get("/docs")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    policy = response.headers["content-security-policy"]
    [style] = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ")[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]
    assert "unsafe" not in policy


class Tags(HTMLParser):
    """Collects every tag with its attributes, all ids, and whether tags close in order."""

    VOID = frozenset({"meta", "br", "link", "img", "input"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.open = [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_loads_nothing_and_its_links_lead_somewhere():
    found = Tags(page.render(describe(CATALOG)))
    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "link", "img", "iframe", "object", "form"})
    assert not [attrs for _, attrs in found.tags if "style" in attrs or "src" in attrs]
    assert len(found.ids) == len(set(found.ids))
    links = [attrs["href"] for tag, attrs in found.tags if tag == "a"]
    assert [link for link in links if link != "openapi.json" and link.removeprefix("#") not in found.ids] == []


def test_the_page_tells_every_route_field_header_error_and_model():
    document = describe(CATALOG)
    text = page.render(document)
    schemas, headers = document["components"]["schemas"], document["components"]["headers"]
    named = {*document["paths"], *headers, *schemas["ImagesRequest"]["properties"]}
    named |= {row["code"] or "null" for row in document["x-gateway-errors"]}
    named |= {name for row in document["x-gateway-models"] for name in (row["id"], *row["aliases"], *row["parameters"])}
    assert sorted(name for name in named if f"<code>{name}</code>" not in text) == []


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><b>', "`<b>`", "&lt;b>"])
def test_an_operators_catalogue_cannot_put_markup_into_the_page(hostile):
    """Whatever an id, alias or parameter holds is text."""
    plain = CATALOG.models[0]
    model = msgspec.structs.replace(plain, id=hostile, aliases=(hostile + "2",), params=(hostile,))
    text = page.render(describe(Catalog((model,))))
    assert f"<code>{escape(hostile)}</code>" in text
    assert {tag for tag, _ in Tags(text).tags}.isdisjoint({"script", "b"})

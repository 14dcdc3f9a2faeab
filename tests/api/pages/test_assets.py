import re
from pathlib import Path

import pytest

import gateway.api.pages
from gateway.api.pages.assets import Assets

FOLDER = Path(gateway.api.pages.__file__).parent / "static"
PAGES = sorted(path.stem for path in FOLDER.glob("*.html"))
VALUES = {"token": "t", "next": "/dashboard", "complaint": ""}


@pytest.fixture(scope="module")
def assets():
    return Assets()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_nothing_inline_and_names_only_files_that_there_are(assets, name):
    """The policy would block it, and nobody would see why."""
    html = assets.render(name, **VALUES).decode()

    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", html) == []
    loaded = re.findall(rf'(?:src|href)="/pages/{assets.version}/([^"]+)"', html)
    assert len(loaded) >= 2
    assert all(assets.file(file) for file in loaded)


def test_modules_import_modules_that_there_are(assets):
    imported = {name for path in FOLDER.glob("*.js") for name in re.findall(r'from "\./([^"]+)"', path.read_text())}
    assert imported
    assert {name for name in imported if assets.file(name) is None} == set()


def test_what_is_filled_in_is_escaped(assets):
    assert b"&lt;script&gt;&quot;" in assets.render("login", next='<script>"', complaint="")


def test_files_are_served_under_their_version_for_good(pages):
    """And under no other, so that a page never runs with the scripts of another gateway."""
    path = re.search(r'href="(/pages/\w+/style\.css)"', pages.http.get("/login").text)[1]
    style = pages.http.get(path)

    assert (200, "text/css; charset=utf-8") == (style.status_code, style.headers["content-type"])
    assert "immutable" in style.headers["cache-control"]
    assert (FOLDER / "style.css").read_bytes() == style.content
    version = path.split("/")[2]
    for other in (path.replace(version, "0" * 12), f"/pages/{version}/login.html", f"/pages/{version}/..%2fshow.py"):
        assert pages.http.get(other).status_code == 404, other

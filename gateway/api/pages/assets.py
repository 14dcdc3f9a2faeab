"""The pages' files: templates of HTML, and what they load, under a path that changes with it."""

import hashlib
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

_FOLDER = Path(__file__).parent / "static"
_MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of every page: nothing from elsewhere, nothing inline."""


class Asset(NamedTuple):
    """A file as it is served."""

    data: bytes
    media_type: str


class Assets:
    """Reads every file once."""

    def __init__(self) -> None:
        paths = sorted(path for path in _FOLDER.iterdir() if path.suffix in {*_MEDIA_TYPES, ".html"})
        read = {path: path.read_bytes() for path in paths}
        self._files = {
            path.name: Asset(data, _MEDIA_TYPES[path.suffix]) for path, data in read.items() if path.suffix != ".html"
        }
        self._templates = {path.stem: Template(data.decode()) for path, data in read.items() if path.suffix == ".html"}
        self.version = hashlib.sha256(b"".join(read.values())).hexdigest()[:12]

    def file(self, name: str) -> Asset | None:
        """Give a file by its name."""
        return self._files.get(name)

    def render(self, name: str, **values: str) -> bytes:
        """Fill a template in: `values` are escaped, `$assets` is the path of the files."""
        filled = {key: escape(value) for key, value in values.items()}
        return self._templates[name].substitute(filled, assets=f"/pages/{self.version}").encode()

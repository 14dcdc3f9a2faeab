"""The OpenAPI document as one page of HTML that loads nothing and runs no script."""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

Schema = Mapping[str, Any]

_STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The page's Content-Security-Policy: its own style and nothing else."""

_EXAMPLE = """\
client = openai.OpenAI(
    base_url="https://THIS-GATEWAY/v1",
    api_key="sk-gw-...",
)
client.images.generate(
    model="gpt-image-1",
    prompt="A lighthouse at dawn",
)"""


def render(document: Schema) -> str:
    """Render an OpenAPI document of `gateway.api.docs.openapi`; whatever it says is escaped."""
    info = document["info"]
    body = "".join(
        [
            _header(info, document["tags"]),
            "<main>",
            f"<h2 id=start>Start</h2><pre><code>{escape(_EXAMPLE)}</code></pre>",
            "".join(_tag(tag["name"], document) for tag in document["tags"]),
            _models(document["x-gateway-models"]),
            _errors(document),
            "</main><footer><a href=openapi.json>openapi.json</a> holds all of this for programs.</footer>",
        ]
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    )


def _header(info: Schema, tags: Iterable[Schema]) -> str:
    places = [("start", "Start"), *((tag["name"].lower(), tag["name"]) for tag in tags)]
    places += [("table-of-models", "Table of models"), ("errors", "Errors")]
    links = "".join(f"<li><a href=#{place}>{name}</a></li>" for place, name in places)
    return (
        f"<header><h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>"
        f"<p>{_prose(info['summary'])} {_prose(info['description'])}</p>"
        f"<nav aria-label=Contents><ul>{links}</ul></nav></header>"
    )


def _tag(name: str, document: Schema) -> str:
    routes = "".join(
        _operation(method, path, operation, document)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if name in operation["tags"]
    )
    return f"<h2 id={name.lower()}>{escape(name)}</h2>{routes}"


def _operation(method: str, path: str, operation: Schema, document: Schema) -> str:
    key = "No key needed." if operation.get("security") == [] else "Needs a key."
    parts = [
        f"<h3 id={operation['operationId']}><span class=method>{method.upper()}</span><code>{escape(path)}</code></h3>",
        f"<p>{escape(operation['summary'])}. {_prose(operation.get('description', ''))} <i>{key}</i></p>",
    ]
    if "parameters" in operation:
        rows = [(_code(p["name"]), p["in"], _prose(p["description"])) for p in operation["parameters"]]
        parts += ["<h4>Parameters</h4>", _table(("Name", "Where", "Meaning"), rows)]
    if "requestBody" in operation:
        parts.append(_request(document["components"]["schemas"]["ImagesRequest"]))
    parts += [_answer(status, reply, document) for status, reply in operation["responses"].items() if status < "300"]
    parts.append(_failures(operation["responses"]))
    return "".join(parts)


def _request(schema: Schema) -> str:
    fields = schema["properties"]
    common = [
        _field(name, field, " (required)" if name in schema["required"] else "")
        for name, field in fields.items()
        if "x-models" not in field
    ]
    own = [
        (*_field(name, field), ", ".join(map(_code, field["x-models"])))
        for name, field in fields.items()
        if "x-models" in field
    ]
    return (
        f"<h4>Request body, JSON</h4><p>{_prose(schema['description'])}</p>"
        + _table(("Field", "Value", "Meaning"), common)
        + "<h4>Parameters of some models</h4>"
        + _table(("Field", "Value", "Meaning", "Models"), own)
    )


def _answer(status: str, reply: Schema, document: Schema) -> str:
    parts = [
        f"<h4>Answer {status}: {', '.join(map(escape, reply['content']))}</h4><p>{_prose(reply['description'])}</p>"
    ]
    for content in reply["content"].values():
        rows = _rows(content.get("schema", {}), document["components"]["schemas"])
        if rows:
            parts.append(_table(("Field", "Value", "Meaning"), rows))
    headers = document["components"]["headers"]
    own = [name for name in reply["headers"] if name.startswith("x-gateway-")]
    if own:
        told = [(_code(name), _prose(headers[name]["description"])) for name in reply["headers"]]
        parts += ["<h4>Its headers</h4>", _table(("Header", "Meaning"), told)]
    return "".join(parts)


def _rows(schema: Schema, schemas: Schema, prefix: str = "") -> list[tuple[str, ...]]:
    """List the fields of an object and of what lies in it, by their paths."""
    known = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    rows: list[tuple[str, ...]] = []
    for name, field in known.get("properties", {}).items():
        inner = field.get("items", field)
        place = f"{prefix}{name}{'[]' if 'items' in field else ''}"
        rows += [(_code(place), _value(field), _prose(field.get("description", "")))]
        rows += _rows(inner, schemas, f"{place}.")
    return rows


def _failures(responses: Schema) -> str:
    """Render a route's errors, folded: the whole table stands at the page's end."""
    rows = [
        (status, "<br>".join(map(_prose, reply["description"].split("\n"))))
        for status, reply in responses.items()
        if status >= "400"
    ]
    return f"<details><summary>Errors</summary>{_table(('Status', 'Codes'), rows)}</details>" if rows else ""


def _models(rows: Iterable[Schema]) -> str:
    table = [
        (
            _code(row["id"]) + "".join(f"<small>{_code(alias)}</small>" for alias in row["aliases"]),
            escape(row["sizes"]),
            str(row["native_n"]),
            escape(row["reference_image"]),
            escape(row["price"]),
            ", ".join(map(_code, row["parameters"])),
        )
        for row in rows
    ]
    head = ("Model, aliases", "Sizes", "Images per call", "Reference image", "Price per image", "Own parameters")
    note = (
        "More images than fit in one call are made by parallel calls. A tilde marks a price that was not seen on "
        "Aihubmix's own pages."
    )
    return f"<h2 id=table-of-models>Table of models</h2><p>{note}</p>{_table(head, table)}"


def _errors(document: Schema) -> str:
    retry = {True: "<code>true</code>", False: "<code>false</code>", None: ""}
    table = [
        (
            str(row["status"]),
            _code(row["code"] or "null"),
            _code(row["type"]),
            retry[row["should_retry"]],
            _prose(row["when"]),
        )
        for row in document["x-gateway-errors"]
    ]
    head = ("Status", "Code", "Type", "x-should-retry", "When")
    form = '{"error": {"message": "...", "type": "...", "param": null, "code": "..."}}'
    headers = document["components"]["headers"]
    advice = ("retry-after", "retry-after-ms", "x-should-retry")
    told = [(_code(name), _prose(headers[name]["description"])) for name in advice]
    return (
        f"<h2 id=errors>Errors</h2><pre><code>{escape(form)}</code></pre>{_table(head, table)}"
        f"<h3>Their headers</h3>{_table(('Header', 'Meaning'), told)}"
    )


def _field(name: str, field: Schema, note: str = "") -> tuple[str, str, str]:
    return _code(name), _value(field) + note, _prose(field.get("description", ""))


def _value(field: Schema) -> str:
    """Say in a few words what a field can hold; that null means absent is said once, in the text."""
    if "enum" in field:
        values = [str(value) for value in field["enum"] if value is not None]
        shown = ", ".join(values if len(values) <= 12 else [*values[:3], f"... ({len(values)} values)"])
        return escape(shown)
    if "anyOf" in field:
        kinds = [_kind(option) for option in field["anyOf"]]
        return escape(" or ".join(kind for kind in kinds if kind != "null"))
    limits = f", {field['minimum']} to {field['maximum']}" if "minimum" in field else ""
    return escape(_kind(field) + limits)


def _kind(field: Schema) -> str:
    kinds = field.get("type", "object")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return " or ".join(kind for kind in kinds if kind != "null" or len(kinds) == 1)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Render a table of cells that are HTML already; on a phone each row becomes a card."""
    top = "".join(f"<th scope=col>{escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr><th scope=row>{cells[0]}</th>"
        + "".join(f'<td data-name="{escape(name)}">{cell}</td>' for name, cell in zip(head[1:], cells[1:], strict=True))
        + "</tr>"
        for cells in rows
    )
    return (
        f'<div class=scroll tabindex=0 role=region aria-label="{escape(", ".join(head))}">'
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _prose(text: str) -> str:
    """Escape a text and set what stands in `backticks` as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))

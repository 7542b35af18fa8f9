"""The reference for people: one page of HTML, written from the OpenAPI document.

It loads nothing from anywhere and runs no script, so its policy can forbid both.
"""

import gzip
import json
import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billfold.door.examples import Examples, curl, schema_of
from billfold.door.openapi import INDEPENDENT, Schema, document
from billfold.door.operations import Operation
from billfold.door.templates import templates

PAGES = Path(__file__).parent / "pages"

GATES = {
    "public": "needs no session",
    "signed in": "needs a session",
    "trusted": "needs a trusted session (MFA)",
    "signed in, or a partner": "needs a session, or a partner's",
    "partner": "needs a partner's session",
    "partner on a child": "needs a partner's session; for one of its organizations",
    "downloads": "needs a session, and no key",
    "partner, or in the body": "needs a partner's session",
    "events": "needs a session, a partner's or an API token (webhooks)",
    "control": "sandbox only, from the same machine or with its token",
}
NONE = Examples()

# After min and max: what is counted.
LIMITS = {"Length": " characters", "Items": " items", "imum": ""}


@dataclass(slots=True)
class Line:
    """A field or parameter, in words."""

    name: str
    type: str
    required: bool
    place: str = ""
    description: str = ""
    notes: list[str] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)
    inner: list["Line"] = field(default_factory=list)


def route(operations: Iterable[Operation], examples: Examples = NONE, path: str = "/docs") -> Route:
    """The page on the web; written when it is first asked for, and kept."""

    @cache
    def written() -> tuple[bytes, bytes]:
        html = page(operations, examples).encode()
        return html, gzip.compress(html, mtime=0)

    headers = {"content-security-policy": _policy(), "vary": "accept-encoding"}

    # Not async: Starlette then writes the page in a thread, beside the server's loop.
    def reference(request: Request) -> Response:
        html, small = written()
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(
                small, headers=headers | {"content-encoding": "gzip"}, media_type="text/html"
            )
        return Response(html, headers=headers, media_type="text/html")

    return Route(path, reference)


def page(operations: Iterable[Operation], examples: Examples = NONE) -> str:
    said = document(operations)
    html = templates(PAGES, prose=_prose)
    reader = _Reader(said["components"]["schemas"])
    entries: dict[str, list[dict]] = {tag["name"]: [] for tag in said["tags"]}
    for path, methods in said["paths"].items():
        for method, each in methods.items():
            entries[each["tags"][0]].append(_entry(reader, examples, method.upper(), path, each))
    return html.get_template("reference.html").render(
        info=said["info"],
        independent=INDEPENDENT,
        css=_css(),
        tags=said["tags"],
        examples=examples,
        entries=entries,
        errors=reader.line("", {"$ref": "#/components/schemas/Errors"}),
    )


def _css():
    from markupsafe import Markup

    return Markup((PAGES / "reference.css").read_text())


def _policy() -> str:
    style = b64encode(sha256(_css().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _prose(text: str):
    """Docstrings: paragraphs, and names in backticks."""
    from markupsafe import Markup, escape

    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]
    return Markup("").join(
        Markup("<p>%s</p>") % Markup(re.sub(r"`+([^`]+)`+", r"<code>\1</code>", str(escape(each))))
        for each in paragraphs
    )


def _entry(reader: "_Reader", examples: Examples, method: str, path: str, each: dict) -> dict[str, Any]:
    responses = dict(each["responses"])
    status = next(iter(responses))
    answer = responses.pop(status)
    request = each.get("requestBody")
    return {
        "id": each["operationId"],
        "method": method,
        "path": path,
        "summary": each["summary"],
        "description": each.get("description", ""),
        "gate": GATES.get(each["x-gate"], each["x-gate"]),
        "guarded": bool(each["security"]),
        "parameters": [reader.parameter(parameter) for parameter in each["parameters"]],
        "request": reader.line("", schema_of(request), request["required"]) if request else None,
        "status": status,
        "answer": reader.line("", schema_of(answer)) if "content" in answer else None,
        "refusals": {code: refusal["x-problems"] for code, refusal in responses.items()},
        "curl": curl(examples, reader.plain, method, path, each),
    }


class _Reader:
    """Reads schemas as lines for people."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self.schemas = schemas

    def parameter(self, said: dict) -> Line:
        line = self.line(said["name"], said["schema"], said.get("required", False))
        line.place, line.description = said["in"], said.get("description", line.description)
        return line

    def line(
        self, name: str, schema: Schema, required: bool = True, above: frozenset[str] = frozenset()
    ) -> Line:
        """`above` are the types we stand in: one that holds itself is not unfolded again."""
        found = self.plain(schema)
        line = Line(name, self._type(found), required, description=found.get("description", ""))
        line.notes += _limits(core := found)
        while isinstance(kept := core.get("items", core.get("additionalProperties")), dict):
            core = self.plain(kept)
            line.notes += _limits(core)
        line.choices = [str(each) for each in core.get("enum", ())]
        title, must = core.get("title"), core.get("required", ())
        if title in above:
            line.notes.append("as above")
            return line
        inside = above | {title} if title else above
        for inner, part in core.get("properties", {}).items():
            line.inner += [self.line(inner, part, inner in must, inside)]
        for way in core.get("anyOf", ()):
            line.inner += [self.line(self._type(self.plain(way)), way, False, inside)]
        return line

    def plain(self, schema: Schema) -> Schema:
        """Names looked up and "or null" taken away; what stands beside a name goes before it."""
        while True:
            if "$ref" in schema:
                rest = {key: part for key, part in schema.items() if key != "$ref"}
                schema = self.schemas[schema["$ref"].rpartition("/")[2]] | rest
                continue
            some = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
            if len(some) != 1:
                return schema | {"anyOf": some} if some else schema
            schema = some[0] | {key: part for key, part in schema.items() if key != "anyOf"}

    def _type(self, found: Schema) -> str:
        if found.get("anyOf"):
            return " or ".join(self._type(self.plain(part)) for part in found["anyOf"])
        kind = found.get("type")
        if kind == "array":
            return f"list of {self._type(self.plain(found['items']))}"
        if isinstance(found.get("additionalProperties"), dict):
            return f"map to {self._type(self.plain(found['additionalProperties']))}"
        if "enum" in found:
            return "enum"
        return found.get("format") or (found.get("title") if kind == "object" else kind) or "any value"


def _limits(found: Schema) -> Iterable[str]:
    for name, counted in LIMITS.items():
        least, most = found.get(f"min{name}"), found.get(f"max{name}")
        if least is not None and most is not None:
            yield f"{least} to {most}{counted}"
        elif most is not None:
            yield f"at most {most}{counted}"
        elif least is not None:
            yield f"at least {least}{counted}"
    if pattern := found.get("pattern"):
        yield f"matches {pattern}"
    if found.get("default") not in (None, [], {}):
        yield f"default {json.dumps(found['default'])}"

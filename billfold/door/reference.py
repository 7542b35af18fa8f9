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

from billfold.door.openapi import INDEPENDENT, Schema, document
from billfold.door.operations import Operation
from billfold.kit.ids import PREFIXES, SHARD

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
    "events": "needs a session (webhooks)",
    "control": "sandbox only, from the same machine",
}
SHELL_NAMES = {
    "sessionId": "$SESSION", "devKey": "$DEVKEY", "appKey": "$APPKEY", "organizationId": "$CHILD",
}  # fmt: skip

# After min and max: what is counted.
LIMITS = {"Length": " characters", "Items": " items", "imum": ""}

# What an example says, by the end of the field's name and by format; then whatever fits a pattern.
SAID = {
    "email": "ap@example.com", "username": "ap@example.com", "phone": "+14155550100",
    "date": "2026-01-06", "time": "2026-01-06T09:00:00Z", "country": "US", "currency": "USD",
    "code": "94105", "token": "123456", "routingnumber": "021000021", "accountnumber": "123456789",
    "number": "1001", "onaccount": "Acme Supplies",
    "name": "Acme Supplies", "city": "San Francisco", "line1": "1 Market Street",
    "url": "https://example.com/hook",
}  # fmt: skip
FORMATS = {"date-time": SAID["time"], "date": SAID["date"], "time": "09:00:00Z",
           "uuid": "6f1c1e5e-0f3a-4a55-9b1e-2f6a1c0d9b7e"}  # fmt: skip
FITTING = ("US", "USD", "1", "1234", "123456", "021000021", "94105", "2026-01-06", *SAID.values())
ID_TAIL = f"{SHARD}KJ2M4P6RT8Vabcd"


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


def route(operations: Iterable[Operation], path: str = "/docs") -> Route:
    """The page on the web; written when it is first asked for, and kept."""

    @cache
    def written() -> tuple[bytes, bytes]:
        html = page(operations).encode()
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


def page(operations: Iterable[Operation]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    said = document(operations)
    html = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    html.filters["prose"] = _prose
    reader = _Reader(said["components"]["schemas"])
    entries: dict[str, list[dict]] = {tag["name"]: [] for tag in said["tags"]}
    for path, methods in said["paths"].items():
        for method, each in methods.items():
            entries[each["tags"][0]].append(_entry(reader, method.upper(), path, each))
    return html.get_template("reference.html").render(
        info=said["info"],
        independent=INDEPENDENT,
        css=_css(),
        tags=said["tags"],
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


def _entry(reader: "_Reader", method: str, path: str, each: dict) -> dict[str, Any]:
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
        "request": reader.line("", _schema(request), request["required"]) if request else None,
        "status": status,
        "answer": reader.line("", _schema(answer)) if "content" in answer else None,
        "refusals": {code: refusal["x-problems"] for code, refusal in responses.items()},
        "curl": _curl(reader, method, path, each),
    }


def _schema(said: dict) -> Schema:
    """Of a body or an answer, which has one form only: JSON, or a file's."""
    (form,) = said["content"].values()
    return form["schema"]


def _curl(reader: "_Reader", method: str, path: str, each: dict) -> str:
    asked = []
    for parameter in each["parameters"]:
        value = reader.example(parameter["name"], parameter["schema"])
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(value))
        elif parameter.get("required"):
            asked.append(f"{parameter['name']}={value}")
    query = f"?{'&'.join(asked)}" if asked else ""
    lines = [f'curl {"" if method == "GET" else f"-X {method} "}"$BILLFOLD{path}{query}"']
    for name in (name for together in each["security"] for name in together):
        lines.append(f'-H "{name}: {SHELL_NAMES.get(name, f"${name.upper()}")}"')
    if request := each.get("requestBody"):
        body = reader.example("", _schema(request))
        if body or request["required"]:
            said = json.dumps(body, indent=2, ensure_ascii=False).replace("'", "'\\''")
            lines += ['-H "Content-Type: application/json"', f"-d '{said}'"]
    return " \\\n  ".join(lines)


class _Reader:
    """Reads schemas: as lines for people, and as examples that hold to them where that is easy."""

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
        found = self._plain(schema)
        line = Line(name, self._type(found), required, description=found.get("description", ""))
        line.notes += _limits(core := found)
        while isinstance(kept := core.get("items", core.get("additionalProperties")), dict):
            core = self._plain(kept)
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
            line.inner += [self.line(self._type(self._plain(way)), way, False, inside)]
        return line

    def example(self, name: str, schema: Schema, above: frozenset[str] = frozenset()) -> Any:
        found = self._plain(schema)
        title = found.get("title", "")
        if likely := found.get("examples") or found.get("enum"):
            return likely[0]
        if found.get("anyOf"):
            return self.example(name, found["anyOf"][0], above)
        match found.get("type"):
            case "object":
                parts = found.get("properties", {}) if title not in above else {}
                # Something to change, where nothing must be sent.
                shown = found.get("required") or sorted(parts, key=lambda part: part != "amount")[:1]
                return {part: self.example(part, parts[part], above | {title}) for part in shown}
            case "array":
                item = self.example(name.removesuffix("s"), found.get("items", {}), above)
                return [item] * found.get("minItems", 1)
            case "boolean":
                return found.get("default", True)
            case "integer" | "number" as kind:
                usual = 1 if kind == "integer" else 142.5
                least, most = found.get("minimum", usual), found.get("maximum", usual)
                return min(max(usual, least), most)
            case "string":
                return _text(name, found)
        return "anything"

    def _plain(self, schema: Schema) -> Schema:
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
            return " or ".join(self._type(self._plain(part)) for part in found["anyOf"])
        kind = found.get("type")
        if kind == "array":
            return f"list of {self._type(self._plain(found['items']))}"
        if isinstance(found.get("additionalProperties"), dict):
            return f"map to {self._type(self._plain(found['additionalProperties']))}"
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


def _text(name: str, found: Schema) -> str:
    """A text that looks like the field and, where one is known, fits it."""
    if found.get("format") in FORMATS:
        return FORMATS[found["format"]]
    noun = re.sub("([A-Z])", r"_\1", name.removesuffix("Id")).lower()
    if name.endswith("Id") and noun in PREFIXES:
        return PREFIXES[noun] + ID_TAIL
    words = re.sub("([A-Z])", r" \1", name).lower() or "text"
    usual = next((text for end, text in SAID.items() if name.lower().endswith(end)), words)
    usual = usual[: found.get("maxLength")].ljust(found.get("minLength", 0), "x")
    fits = re.compile(found.get("pattern", "")).search
    least, most = found.get("minLength", 0), found.get("maxLength", 9_999)
    return next(
        (text for text in (usual, *FITTING) if least <= len(text) <= most and fits(text)), usual
    )

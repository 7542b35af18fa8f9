"""The examples of the reference: a line for the shell for each operation, right as it is printed.

What a field says follows from its type and its name, where `Examples` does not tell more. A text that
begins with a dollar, as $BILL, is a variable of the reader's shell: an id that only an answer knows.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from billfold.door.openapi import Schema

SHELL_NAMES = {
    "sessionId": "$SESSION", "devKey": "$DEVKEY", "appKey": "$APPKEY", "organizationId": "$CHILD",
    "X-Idempotent-Key": "$(uuidgen)",
}  # fmt: skip
VARIABLE = re.compile(r"\$([A-Z_]+)")

# What an example says, by the end of the field's name and by format; then whatever fits a pattern.
SAID = {
    "email": "ap@supplies.example", "username": "ap@supplies.example", "phone": "+14155550100",
    "date": "2026-01-06", "time": "2026-01-06T09:00:00Z", "country": "US", "currency": "USD",
    "code": "94105", "token": "123456", "routingnumber": "021000021", "accountnumber": "123456789",
    "phonenumber": "4155550100", "number": "1001", "onaccount": "Acme Supplies",
    "firstname": "Robin", "lastname": "Rivers", "name": "Acme Supplies",
    "city": "San Francisco", "line1": "1 Market Street", "url": "https://hooks.example/billfold",
}  # fmt: skip
FORMATS = {"date-time": SAID["time"], "date": SAID["date"], "time": "09:00:00Z",
           "uuid": "6f1c1e5e-0f3a-4a55-9b1e-2f6a1c0d9b7e"}  # fmt: skip
FITTING = ("US", "USD", "1", "1234", "123456", "021000021", "94105", "2026-01-06", *SAID.values())


@dataclass(frozen=True, slots=True)
class Examples:
    """What the types cannot know, because it depends on what the server holds."""

    # Variables whose text is the same for everybody.
    known: Mapping[str, str] = field(default_factory=dict)
    # The others: the operation whose answer says it, and where in the answer it stands.
    made: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict)
    # By the name of a field or a parameter, everywhere; else for one tag.
    values: Mapping[str, Any] = field(default_factory=dict)
    of_tag: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # The same for one operation; its example then says these fields even where they may be left out.
    of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


Plain = Callable[[Schema], Schema]


def curl(examples: Examples, plain: Plain, method: str, path: str, each: dict) -> str:
    """The operation `each` of the document in one call of curl, on several lines."""
    written = Example(examples, plain, each)
    asked, headers = [], [name for together in each["security"][:1] for name in together]
    for parameter in each["parameters"]:
        name, place = parameter["name"], parameter["in"]
        if place == "path":
            path = path.replace(f"{{{name}}}", str(written.value(name, parameter["schema"])))
        elif parameter.get("required") and place == "header":
            headers.append(name)
        elif parameter.get("required"):
            asked.append(f"{name}={written.value(name, parameter['schema'])}")
    query = f"?{'&'.join(asked)}" if asked else ""
    lines = [f'curl {"" if method == "GET" else f"-X {method} "}"$BILLFOLD{path}{query}"']
    shell = SHELL_NAMES | ({"sessionId": "$PARTNER_SESSION"} if "appKey" in headers else {})
    lines += [f'-H "{name}: {shell.get(name, f"${name.upper()}")}"' for name in headers]
    if request := each.get("requestBody"):
        body = written.value("", schema_of(request))
        if body or request["required"]:
            said = json.dumps(body, indent=2, ensure_ascii=False).replace("'", "'\\''")
            # The shell looks into no single quotes: they end before a variable and begin again.
            said = VARIABLE.sub(r"'$\1'", said)
            lines += ['-H "Content-Type: application/json"', f"-d '{said}'"]
    return " \\\n  ".join(lines)


def schema_of(said: dict) -> Schema:
    """Of a body or an answer, which has one form only: JSON, or a file's."""
    (form,) = said["content"].values()
    return form["schema"]


class Example:
    """What one operation's example says; it holds to the schemas where that is easy."""

    def __init__(self, examples: Examples, plain: Plain, operation: dict) -> None:
        self.plain = plain
        self.own = examples.of.get(operation["operationId"], {})
        (tag,) = operation["tags"]
        self.told = {**examples.values, **examples.of_tag.get(tag, {}), **self.own}

    def value(self, name: str, schema: Schema, above: frozenset[str] = frozenset()) -> Any:
        """`above` are the types we stand in: one that holds itself is not unfolded again."""
        if name in self.told:
            return self.told[name]
        found = self.plain(schema)
        if likely := found.get("examples") or found.get("enum"):
            return likely[0]
        if found.get("anyOf"):
            return self.value(name, found["anyOf"][0], above)
        match found.get("type"):
            case "object":
                return self._object(found, above)
            case "array":
                item = self.value(name.removesuffix("s"), found.get("items", {}), above)
                return [item] * found.get("minItems", 1)
            case "boolean":
                return found.get("default", True)
            case "integer" | "number" as kind:
                usual = 1 if kind == "integer" else 142.5
                least, most = found.get("minimum", usual), found.get("maximum", usual)
                return min(max(usual, least), most)
            case "string":
                return usual_text(name, found)
        return "anything"

    def _object(self, found: Schema, above: frozenset[str]) -> dict[str, Any]:
        title = found.get("title", "")
        parts = found.get("properties", {}) if title not in above else {}
        shown = {*found.get("required", ()), *self.own}
        some = [part for part in parts if part in shown]
        # Something to change, where nothing must be sent.
        some = some or sorted(parts, key=lambda part: part != "amount")[:1]
        return {part: self.value(part, parts[part], above | {title}) for part in some}


def usual_text(name: str, found: Schema) -> str:
    """A text that looks like the field and, where one is known, fits it."""
    if found.get("format") in FORMATS:
        return FORMATS[found["format"]]
    if name.endswith("Id"):
        return "$" + re.sub("([A-Z])", r"_\1", name.removesuffix("Id")).upper()
    words = re.sub("([A-Z])", r" \1", name).lower() or "text"
    usual = next((text for end, text in SAID.items() if name.lower().endswith(end)), words)
    usual = usual[: found.get("maxLength")].ljust(found.get("minLength", 0), "x")
    fits = re.compile(found.get("pattern", "")).search
    least, most = found.get("minLength", 0), found.get("maxLength", 9_999)
    return next(
        (text for text in (usual, *FITTING) if least <= len(text) <= most and fits(text)), usual
    )

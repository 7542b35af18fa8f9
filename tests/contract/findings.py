"""What answers had in them: per operation and status the fields, their JSON types and some values."""

import os
import re
from collections.abc import Iterable

from tests.contract.nodes import Node

DATE = re.compile(r"\d{4}-\d\d-\d\d")
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")
KINDS = {
    type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string",
    list: "array", dict: "object",
}  # fmt: skip

# {operation: {status: {"fields": {path: {kind: test}}, "values": {path: {value: test}}}}}
Findings = dict[str, dict[str, dict[str, dict[str, dict[str, str]]]]]


class Seen:
    """What was seen at one place of an answer; grows only when something new is seen."""

    __slots__ = ("fields", "form", "items", "kinds", "node", "values")

    def __init__(self, node: Node | None) -> None:
        # None: the place is not documented, so what is inside says nothing more.
        self.node = node
        self.kinds: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.fields: dict[str, Seen] = {}
        self.items: Seen | None = None
        kinds = node.kinds if node else ()
        self.form = DATE if "date" in kinds else DATE_TIME if "date-time" in kinds else None

    def note(self, value: object) -> None:
        kind = KINDS[type(value)]
        if kind == "string" and self.form and self.form.fullmatch(value):
            kind = "date" if self.form is DATE else "date-time"
        self.note_kind(kind)
        if self.node is None:
            return
        if kind == "string":
            if self.node.keeps and value not in self.values:
                self.note_value(value)
        elif kind == "object":
            self._note_fields(value)
        elif kind == "array" and self.node.items:
            self._note_items(value)

    def note_kind(self, kind: str) -> None:
        if kind not in self.kinds:
            self.kinds[kind] = running_test()

    def note_value(self, value: str) -> None:
        self.values.setdefault(value, running_test())

    def _note_fields(self, value: dict) -> None:
        documented = self.node.fields
        if documented is None:
            return
        for name, child in value.items():
            seen = self.fields.get(name)
            if seen is None:
                seen = self.fields[name] = Seen(documented.get(name))
            seen.note(child)

    def _note_items(self, value: list) -> None:
        if value and self.items is None:
            self.items = Seen(self.node.items)
        for element in value:
            self.items.note(element)

    def walk(self, path: str = "") -> Iterable[tuple[str, "Seen"]]:
        yield path, self
        for name, child in self.fields.items():
            yield from child.walk(f"{path}.{name}".lstrip("."))
        if self.items:
            yield from self.items.walk(f"{path}[]")

    def dump(self) -> dict:
        places = dict(self.walk())
        fields = {path: seen.kinds for path, seen in places.items()}
        return {"fields": fields, "values": {path: s.values for path, s in places.items() if s.values}}


def running_test() -> str:
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]


def merge(many: Iterable[Findings]) -> Findings:
    """One union; of two tests that saw the same the first by name is kept, so order plays no part."""
    union: Findings = {}
    for findings in many:
        for operation, statuses in findings.items():
            for status, parts in statuses.items():
                place = union.setdefault(operation, {}).setdefault(status, {"fields": {}, "values": {}})
                for part, paths in parts.items():
                    for path, seen in paths.items():
                        _add(place[part].setdefault(path, {}), seen)
    return union


def _add(kept: dict[str, str], seen: dict[str, str]) -> None:
    for what, test in seen.items():
        kept[what] = min(kept.get(what, test), test)

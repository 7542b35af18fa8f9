"""The documented tree of an answer: names, JSON types and whole enums, from YAML and shapes.json."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

WORDS = {"string", "number", "integer", "boolean", "object", "array", "date", "date-time", "null"}
FORMATS = {"date", "date-time"}
KEYWORDS = {
    "type", "$ref", "allOf", "extends", "items", "fields", "enum", "enum_ref", "note", "src",
    "prefix", "format", "required", "default", "deprecated", "min", "max", "min_items",
    "max_items", "min_length", "max_length", "also",
}  # fmt: skip


class ContractError(Exception):
    """A fact of the contract that cannot be read."""


@dataclass(frozen=True, slots=True)
class Node:
    kinds: frozenset[str]
    # None: nothing is known of the inside, so anything goes.
    fields: dict[str, "Node"] | None = None
    items: "Node | None" = None
    # The whole enum; empty when the contract does not give one.
    values: tuple[str, ...] = ()
    source: str = "D"
    # Whether the strings seen here are worth remembering.
    keeps: bool = False

    def accepts(self, kind: str) -> bool:
        return (
            kind in self.kinds
            or "any" in self.kinds
            or (kind == "integer" and "number" in self.kinds)
            or (kind in ("date", "date-time") and "string" in self.kinds)
        )


ANY = Node(frozenset({"any"}))
NOTHING = Node(frozenset({"nothing", "object"}), fields={})


def of_kind(*kinds: str, **more) -> Node:
    return Node(frozenset(kinds), **more)


def paths(node: Node, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Every named field and every list element: `results`, `results[]`, `results[].id`."""
    inside = [(f"{prefix}.{name}".lstrip("."), child) for name, child in (node.fields or {}).items()]
    if node.items:
        inside.append((f"{prefix}[]", node.items))
    for path, child in inside:
        yield path, child
        yield from paths(child, path)


class SchemaReader:
    """Reads the YAML spelling of a schema: `$ref`, `enum_ref`, `fields`, bare words, wrappers."""

    def __init__(self, files: dict[str, dict]) -> None:
        self.files = files
        self._reading: list[tuple[str, str]] = []

    def answer(self, spec: object, file: str) -> Node:
        """A response: `{}` and a note of an empty body mean no body, any other lone note anything."""
        if isinstance(spec, dict) and set(spec) <= {"note"}:
            return NOTHING if "empty body" in spec.get("note", "empty body").lower() else ANY
        if isinstance(spec, dict) and "wrapping unknown" in str(spec.get("note")):
            return ANY
        return self.node(spec, file)

    def schema(self, name: str, file: str) -> Node:
        if ".yaml#" in name:
            file, name = name.split(".yaml#")
        spec = (self.files.get(file, {}).get("schemas") or {}).get(name)
        if spec is None:
            raise ContractError(f"{file}.yaml: no schema {name}")
        if (file, name) in self._reading:
            return ANY
        self._reading.append((file, name))
        try:
            return self.node(spec, file)
        finally:
            self._reading.pop()

    def node(self, spec: object, file: str) -> Node:
        if isinstance(spec, str):
            return self._word(spec, file)
        if isinstance(spec, list) and len(spec) == 1:
            return of_kind("array", items=self.node(spec[0], file))
        if not isinstance(spec, dict):
            raise ContractError(f"{file}.yaml: {spec!r} is no schema")
        if is_described(spec):
            return self._described(spec, file)
        fields = {name: child for name, child in spec.items() if not is_remark(name, child)}
        return self._object(fields, file) if fields else ANY

    def _word(self, text: str, file: str) -> Node:
        """`string`, `string, once UPLOADED`, or the name of an enum of the file."""
        first = text.replace(",", " ").split()[0]
        if first in WORDS:
            return of_kind(first)
        if first in (self.files[file].get("enums") or {}):
            return of_kind("string", values=self._enum(first, file), keeps=True)
        raise ContractError(f"{file}.yaml: {text!r} is no type")

    def _object(self, fields: dict, file: str) -> Node:
        nodes = {name: self.node(child, file) for name, child in fields.items()}
        return of_kind("object", fields=nodes)

    def _described(self, spec: dict, file: str) -> Node:
        kinds = kinds_of(spec)
        named = spec.get("enum_ref") or spec.get("enum", ())
        # `enum: RoleType` names one of the file's, as `enum_ref` does.
        values = self._enum(named, file) if isinstance(named, str) else tuple(map(str, named))
        values += (str(spec["also"]),) if values and "also" in spec else ()
        node = Node(kinds, values=values, keeps=bool(values), source=spec.get("src", "D"))
        inline = spec.get("fields") or {}
        if "array" in kinds:
            # One list spells its elements' members as `fields` of the list itself.
            items = spec.get("items") or inline
            return replace(node, items=self.node(items, file) if items else ANY)
        parents = [self.schema(name, file) for name in parents_of(spec)]
        if len(parents) == 1 and "object" not in parents[0].kinds:
            return parents[0]
        own = inline | {name: child for name, child in spec.items() if name not in KEYWORDS}
        fields = {name: child for parent in parents for name, child in (parent.fields or {}).items()}
        fields |= {name: self.node(child, file) for name, child in own.items()}
        return replace(node, fields=fields or None)

    def _enum(self, name: str, file: str) -> tuple[str, ...]:
        values = (self.files[file].get("enums") or {}).get(name)
        if not values:
            raise ContractError(f"{file}.yaml: no enum {name}")
        return tuple(str(value) for value in values)


def is_described(spec: dict) -> bool:
    """Told apart from an object that has a FIELD named type or items: those are never strings."""
    strings = any(isinstance(spec.get(key), str) for key in ("type", "$ref", "enum_ref", "extends"))
    return strings or any(isinstance(spec.get(key), list) for key in ("enum", "allOf"))


def is_remark(name: str, child: object) -> bool:
    return name in ("note", "src") and isinstance(child, str) and child not in WORDS


def parents_of(spec: dict) -> list[str]:
    named = [spec[key] for key in ("$ref", "extends") if key in spec]
    parts = [part["$ref"] if isinstance(part, dict) else part for part in spec.get("allOf", ())]
    return named + parts


def kinds_of(spec: dict) -> frozenset[str]:
    """`string | null` is two kinds; prose after the word is a remark; a format narrows a string."""
    text = spec.get("type")
    if text is None:
        return frozenset({"object" if parents_of(spec) else "string"})
    kinds = {part.split()[0] for part in text.replace(",", "|").split("|")}
    if not kinds <= WORDS:
        raise ContractError(f"{text!r} is no type")
    form = str(spec.get("format", "")).split(" ")[0]
    form = "date-time" if form.startswith("yyyy-MM-dd'T'") else form
    if kinds == {"string"} and form in FORMATS:
        kinds = {form}
    return frozenset(kinds)


def read_shape(tree: object) -> Node:
    """shapes.json: null and {} say nothing; `enum:A|B` are samples, never the whole enum."""
    if tree is None or tree == "null" or tree == {}:
        return ANY
    if isinstance(tree, str):
        return of_kind("string" if tree.startswith("enum:") else tree)
    if isinstance(tree, list):
        return of_kind("array", items=read_shape(tree[0]) if tree else ANY)
    return of_kind("object", fields={name: read_shape(child) for name, child in tree.items()})


def merge(yaml: Node, shape: Node) -> Node:
    """Names of both. Types: shapes.json wins over a YAML fact that is inferred, else the YAML does."""
    if "any" in shape.kinds:
        return yaml
    if "any" in yaml.kinds or yaml == NOTHING:
        return shape
    kinds = yaml.kinds
    narrows = kinds == {"string"} and not yaml.values and shape.kinds <= {"date", "date-time"}
    if yaml.source == "I" or narrows:
        kinds = shape.kinds
    fields, items = _merge_fields(yaml, shape), _merge_items(yaml, shape)
    return replace(yaml, kinds=kinds, fields=fields, items=items)


def _merge_fields(yaml: Node, shape: Node) -> dict[str, Node] | None:
    if yaml.fields is None or shape.fields is None:
        return yaml.fields if shape.fields is None else shape.fields
    shared = yaml.fields.keys() & shape.fields.keys()
    both = {name: merge(yaml.fields[name], shape.fields[name]) for name in shared}
    return yaml.fields | shape.fields | both


def _merge_items(yaml: Node, shape: Node) -> Node | None:
    if yaml.items and shape.items:
        return merge(yaml.items, shape.items)
    return yaml.items or shape.items

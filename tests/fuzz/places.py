"""The fields of a type, by the path that a fault begins with: `billLineItems[3].amount`."""

import re

from msgspec import inspect

from tests.fuzz.bodies import described

FAULT = re.compile(
    r"(body|[\w-]+(?:\[\d+\])?(?:\.\w+(?:\[\d+\])?)*|\[\d+\](?:\.\w+(?:\[\d+\])?)*): ", re.ASCII
)


def is_told_of_a_field(text: str, kind: object) -> bool:
    """Whether a fault's text begins with a place that this type has."""
    found = FAULT.match(text)
    return found is not None and (found[1] == "body" or _has(described(kind), found[1]))


def _has(kind: inspect.Type, path: str) -> bool:
    kinds = [kind]
    for step in re.findall(r"[\w-]+|\[\d+\]", re.sub(r"\[(\d+)\]", r".[\1]", path)):
        kinds = [inner for each in kinds for inner in _inside(each, step)]
    return bool(kinds)


def _inside(kind: inspect.Type, step: str) -> list[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        return _inside(kind.type, step)
    if isinstance(kind, inspect.UnionType):
        return [inner for each in kind.types for inner in _inside(each, step)]
    if isinstance(kind, inspect.StructType):
        return [field.type for field in kind.fields if field.encode_name == step]
    if isinstance(kind, inspect.DictType):
        return [kind.value_type]
    item = getattr(kind, "item_type", None)
    return [item] if item and step.startswith("[") else []

"""v2.yaml in the spelling of the other files, and what is around every answer of v2."""

import json
from dataclasses import replace

from tests.contract.nodes import ANY, KEYWORDS, Node, of_kind

HOST = "v2"
BASE = "/api/v2/"
CODE = "response_data.error_code"
# Which requests have the field, its one value, where it leads, its value when fresh, in words.
MARKS = {"in", "const", "ref", "fresh", "meaning"}
FAILURE = {"error_code": "string", "error_message": "string"}
STATUS = {"response_status": "integer", "response_message": "string"}


def plain(spec):
    """The same with `enum: Name` as a reference, without marks, and with envelopes written out."""
    if isinstance(spec, list):
        return [plain(part) for part in spec]
    if not isinstance(spec, dict):
        return spec
    if set(spec) == {"envelope of"}:
        # Each item of a bulk is done or refused for itself.
        return STATUS | {"response_data": plain(spec["envelope of"]) | FAILURE}
    if isinstance(spec.get("type"), str) or isinstance(spec.get("$ref"), str):
        fresh = spec.get("fresh")
        spec = {name: part for name, part in spec.items() if name not in MARKS}
        unread = spec.keys() - KEYWORDS
        assert not unread, f"v2.yaml: what is {unread}?"
        if spec.get("type") in ("unknown", "any"):
            return {"note": "anything"}
        if isinstance(spec.get("enum"), str):
            spec["enum_ref"] = spec.pop("enum")
            if fresh is not None:
                # Seen on the wire (T), also where the enum does not know it.
                spec["also"] = fresh
    return {name: plain(part) for name, part in spec.items()}


def envelope(answer: Node) -> Node:
    """Around what a call answers, where an absent value is null."""
    return _envelope("Success", replace(_nullable(answer), kinds=answer.kinds))


def failure() -> Node:
    code = of_kind("string", keeps=True)
    fields = {"error_code": code, "error_message": of_kind("string")}
    return _envelope("Error", of_kind("object", fields=fields))


def refuses(content: bytes) -> bool:
    """Whether an answer is a refusal, which its HTTP status does not say."""
    try:
        answer = json.loads(content)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("response_status") == 1


def _envelope(message: str, data: Node) -> Node:
    said = of_kind("string", values=(message,), keeps=True)
    status = of_kind("integer")
    fields = {"response_status": status, "response_message": said, "response_data": data}
    return of_kind("object", fields=fields)


def _nullable(node: Node) -> Node:
    if node == ANY:
        return node
    fields = node.fields and {name: _nullable(child) for name, child in node.fields.items()}
    items = node.items and replace(_nullable(node.items), kinds=node.items.kinds)
    return replace(node, kinds=node.kinds | {"null"}, fields=fields, items=items)

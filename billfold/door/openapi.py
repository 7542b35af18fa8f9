"""The OpenAPI 3.1 document, written from the operation table."""

import inspect
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

import msgspec

from billfold import VERSION
from billfold.access import roles
from billfold.door.limits import BODY_BYTES_MAX
from billfold.door.operations import JSON_MEDIA, Operation, in_path
from billfold.door.problems import BdcError
from billfold.kit.errors import (
    BAD_DEVELOPER_KEY,
    BROKEN,
    CONTROL_TOKEN,
    FILTER_FIELD,
    FILTER_OPERATOR,
    IN_FLIGHT,
    INVALID_FIELD,
    INVALID_PARAMETER,
    INVALID_SUBSCRIPTION,
    INVALID_VALUE,
    MALFORMED,
    MISSING_HEADER,
    NO_SUCH_API,
    NOT_FOUND,
    NOT_JSON,
    NOT_POSSIBLE,
    RATE_REACHED,
    SESSION_INVALID,
    TOO_LARGE,
    TOO_MANY_AT_ONCE,
    UNAVAILABLE,
    UNTRUSTED,
    WRONG_KEY,
    Problem,
)
from billfold.kit.idempotency import HEADER, KEPT
from billfold.kit.listing import FILTERS_MAX, MAX_DEFAULT, MAX_LIMIT, OPERATORS, SORTS_MAX

Schema = dict[str, Any]

TEMPLATE = "#/components/schemas/{name}"
ERRORS = "Errors"

INDEPENDENT = (
    "Billfold is an independent project, compatible with BILL's public APIs. It is not made, endorsed "
    "or supported by BILL, whose names are trademarks of their owner. Billfold moves no money itself."
)
INFO = {
    "title": "Billfold",
    "version": VERSION,
    "summary": "An open, self-hosted accounts-payable server",
    "description": INDEPENDENT,
    "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
}

HEADERS = {
    "sessionId": "The session, as login answered it; it works only with the key it was opened with.",
    "devKey": "The developer key.",
    "appKey": "The application key of a partner account.",
    "apiToken": "A token of Spend & Expense.",
    "organizationId": "Which of the partner's organizations is meant.",
}
TAGS = {"control": "For sandboxes only, and only from the machine the server runs on."}

LIST_GRAMMAR: dict[str, tuple[str, Schema]] = {
    "max": (
        "How many a page holds.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": MAX_DEFAULT},
    ),
    "page": (
        "`nextPage` or `prevPage` of an answer before; `sort` and `filters` stay as they were.",
        {"type": "string"},
    ),
    "sort": (
        f"`field:asc` or `field:desc`, up to {SORTS_MAX} with commas between. "
        "Without it: by what the filters look for, else by creation, oldest first.",
        {"type": "string", "examples": ["createdTime:desc"]},
    ),
    "filters": (
        f"`field:operator:value`, up to {FILTERS_MAX} with commas between; all must hold. "
        f"Operators: {', '.join(OPERATORS)}. A value with a comma stands in double quotes.",
        {"type": "string", "examples": ["archived:eq:false"]},
    ),
}

IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "required": True,
    "description": "A UUID of version 4 that the client draws. Sent again within "
    f"{KEPT // timedelta(hours=1)} hours, it is answered like the first time, and nothing is done.",
    "schema": {"type": "string", "format": "uuid"},
}

# What of the catalog is said only when it happens, as it can be said beforehand.
MEANINGS = {
    MALFORMED: "The request does not have the shape described here. One element for each field, "
    "without a code; its message begins with the field.",
    MISSING_HEADER: "A header is missing. One element for each, without a code; its message begins "
    "with the header.",
    WRONG_KEY: "The devKey, appKey or apiToken is not valid here; the message says which.",
    INVALID_FIELD: "A field has a value that is not possible; the message says which.",
    INVALID_SUBSCRIPTION: "No such subscription is possible, or not now; the message says why.",
    INVALID_VALUE: "A value is not possible; the message says which and why.",
    NOT_POSSIBLE: "The books do not allow it; the message says why.",
    TOO_LARGE: f"The body is larger than {BODY_BYTES_MAX} bytes.",
    NO_SUCH_API: "There is no such API: this is no sandbox, or the caller is not on its machine.",
}

OF_GATE = {
    "partner on a child": (MISSING_HEADER, SESSION_INVALID, BAD_DEVELOPER_KEY, NOT_FOUND),
    "downloads": (SESSION_INVALID,),
    "events": (MISSING_HEADER, SESSION_INVALID, WRONG_KEY),
    "control": (CONTROL_TOKEN, NO_SUCH_API),
}
# Where BILL's documented rates hold (`strict`).
OF_TRAFFIC = (RATE_REACHED, TOO_MANY_AT_ONCE)
OF_KEY = (MISSING_HEADER, MALFORMED, IN_FLIGHT)
OF_LIST = (INVALID_PARAMETER, FILTER_FIELD, FILTER_OPERATOR)
OF_QUERY = (MALFORMED, INVALID_PARAMETER)
OF_BODY = (MALFORMED, NOT_JSON, TOO_LARGE)
OF_OURSELVES = (BROKEN, UNAVAILABLE)


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    shown = [each for each in operations if not each.older]
    schema_of, components = _schemas(shown)
    paths: dict[str, dict] = {}
    for each in shown:
        path = re.sub(r"{(\w+)}", lambda name: f"{{{_camel(name[1])}}}", each.path)
        paths.setdefault(path, {})[each.method.lower()] = _operation(each, schema_of, components)
    _assert_unique(said["operationId"] for path in paths.values() for said in path.values())
    for query in {repr(each.query): each.query for each in shown if each.query}.values():
        # Its fields stand among the parameters of its operations.
        del components[schema_of[repr(query)]["$ref"].rpartition("/")[2]]
    headers = dict.fromkeys((*HEADERS, *(name for each in shown for name in each.gate.headers)))
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": "/"}],
        "tags": [_tag(name) for name in dict.fromkeys(each.tag for each in shown)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {name: _key(name) for name in headers},
        },
    }


def _schemas(operations: list[Operation]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """The schema of each type that is sent or answered, by its repr; and the named ones, by name."""
    kinds = [
        kind for each in operations for kind in (each.body, each.answer, each.query) if kind is not None
    ]
    schemas, components = msgspec.json.schema_components(
        [*kinds, list[BdcError]], ref_template=TEMPLATE
    )
    names = {TEMPLATE.format(name=name): TEMPLATE.format(name=_short(name)) for name in components}
    *described, errors = (_money_is_a_number(_renamed(schema, names)) for schema in schemas)
    components = {
        _short(name): _money_is_a_number(_renamed(schema, names)) for name, schema in components.items()
    }
    assert len(components) == len(names), "two schemas have one name"
    components[ERRORS] = {"title": ERRORS, "minItems": 1, **errors}
    return dict(zip(map(repr, kinds), described, strict=True)), components


def _short(name: str) -> str:
    """Of a name that several types have msgspec says the module: the resource is enough."""
    *modules, last = name.split(".")
    resource = modules[-1].removesuffix("_v3").removesuffix("_shapes") if modules else ""
    return "".join(word.capitalize() for word in resource.split("_")) + last


def _renamed(schema: Any, names: dict[str, str]) -> Any:
    """With other references."""
    if isinstance(schema, list):
        return [_renamed(part, names) for part in schema]
    if isinstance(schema, dict):
        return {name: _renamed(part, names) for name, part in schema.items()}
    return names.get(schema, schema) if isinstance(schema, str) else schema


def _operation(each: Operation, schema_of: dict[str, Schema], components: dict[str, Schema]) -> dict:
    summary, description = _words(each)
    said: dict[str, Any] = {
        "operationId": _camel(each.name),
        "tags": [each.tag],
        "summary": summary,
    }
    if description:
        said["description"] = description
    said |= {
        "security": [{name: [] for name in some} for some in _headers(each)],
        "x-gate": each.gate.name,
        "parameters": _parameters(each, schema_of, components),
    }
    if each.body is not None:
        required = not each.body_may_be_empty
        said["requestBody"] = {"required": required, **_json(schema_of[repr(each.body)])}
    answer: dict[str, Any] = {"description": "Done; the answer has no body."}
    if each.answer is not None:
        answer = {"description": "Done.", **_json(schema_of[repr(each.answer)])}
    if each.media != JSON_MEDIA:
        answer = {
            "description": "Done.",
            "content": {each.media.decode(): {"schema": {"type": "string"}}},
        }
    said["responses"] = {str(each.status): answer, **_refusals(each)}
    return said


def _words(each: Operation) -> tuple[str, str]:
    """The first sentence of the docstring, without its full stop, and the rest."""
    text = inspect.cleandoc(each.do.__doc__ or "") or f"{_camel(each.name)}."
    found = re.match(r"(.+?)(?:\.(?=\s|$)|\n\n|$)", text, re.DOTALL)
    assert found, f"{each.name}: a docstring that begins with a full stop"
    return " ".join(found[1].split()), text[found.end() :].strip()


def _parameters(each: Operation, schema_of: dict, components: dict) -> list[dict]:
    """Those of the path, then a header beside those of the gate, then of the query string."""
    found: list[dict] = [
        {"name": _camel(name), "in": "path", "required": True, "schema": {"type": "string"}}
        for name in in_path(each.path)
    ]
    if each.idempotent:
        found.append(IDEMPOTENCY_KEY)
    if each.asks:
        found += [
            {"name": name, "in": "query", "description": words, "schema": schema}
            for name, (words, schema) in LIST_GRAMMAR.items()
        ]
    if each.query:
        struct = components[schema_of[repr(each.query)]["$ref"].rpartition("/")[2]]
        found += [
            {"name": name, "in": "query", "required": name in struct["required"],
             "schema": _never_null(schema)}
            for name, schema in struct["properties"].items()
        ]  # fmt: skip
    return found


def _refusals(each: Operation) -> dict[str, dict]:
    """One answer for each status that can be reached; all problems of that status are in it."""
    by_status: dict[int, dict[tuple[str | None, str], None]] = {}
    for problem in _problems(each):
        problem = each.dialect.otherwise.get(problem, problem)
        meaning = MEANINGS.get(problem) or problem.text.format("…").rstrip(".") + "."
        by_status.setdefault(problem.status, {})[(problem.code, meaning)] = None
    return {
        str(status): {
            "description": "\n".join(
                f"- `{code}`: {meaning}" if code else f"- {meaning}" for code, meaning in found
            ),
            **_json({"$ref": TEMPLATE.format(name=ERRORS)}),
            "x-problems": [{"code": code, "meaning": meaning} for code, meaning in found],
        }
        for status, found in sorted(by_status.items())
    }


def _headers(each: Operation) -> list[tuple[str, ...]]:
    """The sets of headers of which any lets in."""
    return [some for some in (each.gate.headers, *each.gate.others) if some]


def _problems(each: Operation) -> Iterator[Problem]:
    """In the order in which they are looked for."""
    of_session = (SESSION_INVALID, BAD_DEVELOPER_KEY) if each.gate.headers else ()
    yield from OF_GATE.get(each.gate.name, of_session)
    if each.gate.headers:
        yield from OF_TRAFFIC
    yield from _of_role(each)
    if each.gate.trusted:
        yield UNTRUSTED
    if each.idempotent:
        yield from OF_KEY
    if each.asks:
        yield from OF_LIST
    if each.query:
        yield from OF_QUERY
    if each.body is not None:
        yield from OF_BODY
    if in_path(each.path):
        yield NOT_FOUND
    yield from each.refuses
    yield from OF_OURSELVES


def _of_role(each: Operation) -> Iterator[Problem]:
    """How those are refused whose role, or whose token, does not allow it."""
    for syncs in (False, True):
        if each.may and not all(roles.may(role, each.may, syncs) for role in roles.RoleType):
            yield roles.refusal_of(each.may, syncs, each.gate.trusted)


def _money_is_a_number(schema):
    """msgspec describes a Decimal as the text it would be by default; our encoder writes numbers."""
    if isinstance(schema, list):
        return [_money_is_a_number(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") != "decimal":
        return {name: _money_is_a_number(part) for name, part in schema.items()}
    number = {name: part for name, part in schema.items() if name != "format"} | {"type": "number"}
    if isinstance(number.get("default"), str):
        number["default"] = msgspec.json.decode(number["default"])
    return number


def _never_null(schema: Schema) -> Schema:
    """A query string leaves out what it does not ask; it cannot say null."""
    schema = {name: part for name, part in schema.items() if (name, part) != ("default", None)}
    some = [part for part in schema.pop("anyOf", ()) if part != {"type": "null"}]
    return schema | (some[0] if len(some) == 1 else {"anyOf": some} if some else {})


def _json(schema: Schema) -> dict:
    return {"content": {"application/json": {"schema": schema}}}


def _tag(name: str) -> dict[str, str]:
    return {"name": name, "description": TAGS[name]} if name in TAGS else {"name": name}


def _key(header: str) -> dict[str, str]:
    key = {"type": "apiKey", "in": "header", "name": header}
    return {**key, "description": HEADERS[header]} if header in HEADERS else key


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _assert_unique(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        assert name not in seen, f"two operations are called {name}"
        seen.add(name)

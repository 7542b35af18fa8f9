"""The contract as plain objects: every documented operation with its rules, errors and answer."""

import functools
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from tests.contract import spelling_v2
from tests.contract.nodes import Node, SchemaReader, merge, of_kind, read_shape

HERE = Path(__file__).parent
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
API = "/v3/"
PREFIXES = {"connect": "connect", "connect-events": "events"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

TOLERATED = {
    # The Spend & Expense pages print the test call as GET; webhooks.yaml lets a server tolerate it.
    ("GET", "events", "/v3/subscriptions/{subscriptionId}/test"):
    ("POST", "events", "/v3/subscriptions/{subscriptionId}/test"),
    # GET by `common.yaml`, POST by `v2.yaml`.
    ("GET", "v2", "/api/v2/Errors.json"): ("POST", "v2", "/api/v2/Errors.json"),
}  # fmt: skip

# `(I)`, `(T, live)`, `(src I)`, `(422, code I)`.
SOURCE = re.compile(r"\bsrc:? ([TI])\b|\(([TI])\b(?!-)|\b([TI])\)")
HEADING = re.compile(r"### (.+) — \d+ — (\S+)\.yaml")
LISTED = re.compile(r"- (GET|POST|PUT|PATCH|DELETE) (/v3/\S+)( \(connect-events host\))? · (\w+) · ")

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Rule:
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class DocumentedError:
    # None where the contract documents an error without a code, or without saying which.
    code: str | None
    http: int
    when: str
    # False where the file gives it for all its operations.
    own: bool


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    # The heading of INDEX.md, and the YAML file without its ending.
    resource: str
    file: str
    method: str
    host: str
    path: str
    auth: str
    mfa: bool | str
    status: int
    errors: tuple[DocumentedError, ...]
    rules: tuple[Rule, ...]
    answer: Node

    @property
    def key(self) -> Key:
        return key_of(self.method, self.host, self.path)

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}" + (" (events)" if self.host == "events" else "")


def key_of(method: str, host: str, path: str) -> Key:
    """Parameters count by position, not by name; security_key and security-key are one word."""
    return method, host, re.sub(r"{[^}]*}", "{}", path).replace("_", "-")


def split_host(path: str) -> tuple[str, str] | None:
    """`/connect/v3/bills` is ("connect", "/v3/bills"), a call of v2 ("v2", its whole path); None for
    what is neither."""
    if path.startswith(spelling_v2.BASE):
        return spelling_v2.HOST, path.partition("?")[0]
    _, first, *rest = path.partition("?")[0].split("/", 2)
    tail = "/" + rest[0] if rest else ""
    return (PREFIXES[first], tail) if first in PREFIXES and tail.startswith(API) else None


class Contract:
    def __init__(self, files: dict[str, dict], shapes: dict[str, dict], index: str) -> None:
        self.files = files
        self.schemas = SchemaReader(files)
        self.shapes = {shape_key(name, shape): shape for name, shape in shapes.items()}
        self.index = read_index(index)
        self.operations: dict[Key, Operation] = {}
        for read in (self._from_yaml, self._from_shapes, self._from_index):
            for operation in read():
                self.operations.setdefault(operation.key, operation)
        self.errors = dict.fromkeys(PREFIXES.values(), self._error_envelope())
        self.errors[spelling_v2.HOST] = spelling_v2.failure()
        self._routes = self._make_routes()

    def find(self, method: str, host: str, path: str) -> Operation | None:
        """The operation of a concrete or a templated path; literals go before parameters."""
        found = self._routes.get((method, host), {})
        for segment in filter(None, path.split("/")):
            literal = found.get(segment) or found.get(segment.replace("_", "-"))
            found = literal or found.get("{}")
            if found is None:
                return None
        return found.get("")

    def of_server(self, method: str, path: str) -> Operation | None:
        """The operation behind a route of ours, `/connect/v3/bills/{bill_id}`."""
        split = split_host(path)
        return split and self.find(*key_of(method, *split))

    def schema(self, file: str, name: str) -> Node:
        """A schema of a YAML file with what shapes.json adds where it is answered unwrapped."""
        file = file.removesuffix(".yaml")
        node = self.schemas.schema(name, file)
        for spec in self.files[file]["operations"]:
            shape = self.shapes.get(key_of(spec["method"], self._host(file), spec["path"]))
            if shape and spec.get("response") == {"$ref": name}:
                node = merge(node, shape_of(shape))
        return node

    def _host(self, file: str) -> str:
        return self.files[file]["host"]

    def _from_yaml(self) -> list[Operation]:
        """Not what v3's files say of v2, and not the one call that goes to another company's host."""
        return [
            self._operation(file, spec)
            for file, content in self.files.items()
            for spec in content["operations"]
            if spec["path"].startswith(API) or file == spelling_v2.HOST
        ]

    def _operation(self, file: str, spec: dict) -> Operation:
        host = self._host(file)
        key = key_of(spec["method"], host, spec["path"])
        answer = self.schemas.answer(spec["response"], file)
        if key in self.shapes:
            answer = merge(answer, shape_of(self.shapes[key]))
        if host == spelling_v2.HOST:
            answer = spelling_v2.envelope(answer)
        rules = tuple(Rule(text, source_of(text)) for text in spec.get("rules") or ())
        return Operation(
            id=spec["id"], resource=self._resource(key, file), file=file, method=spec["method"],
            host=host, path=spec["path"], auth=spec["auth"], mfa=spec["mfa"], status=spec["status"],
            errors=tuple(self._errors(file, spec)), rules=rules, answer=answer,
        )  # fmt: skip

    def _resource(self, key: Key, file: str) -> str:
        """The heading that lists the operation, else the first one of its file."""
        headings = [heading for heading, of_file, _, _ in self.index.values() if of_file == file]
        return self.index[key][0] if key in self.index else [*headings, file][0]

    def _errors(self, file: str, spec: dict) -> list[DocumentedError]:
        content = self.files[file]
        shared = content.get("common_errors") or (content.get("error_refs") or {}).get("common") or []
        # A YAML alias makes the common list the operation's own: it is common all the same.
        given = [error for error in spec.get("errors") or () if "$ref" not in error]
        own = [error for error in given if error not in shared]
        return [documented_error(e, True) for e in own] + [documented_error(e, False) for e in shared]

    def _from_shapes(self) -> list[Operation]:
        """Operations that only the collection has."""
        found = []
        for key, shape in self.shapes.items():
            if key in self.index and key not in self.operations:
                heading, file, path, id = self.index[key]
                auth = "session" if "sessionId" in shape["headers"] else "apiToken"
                status = int(next(iter(shape["responses"])))
                found.append(Operation(
                    id, heading, file, *key[:2], path, auth, False, status, (), (), shape_of(shape)
                ))  # fmt: skip
        return found

    def _from_index(self) -> list[Operation]:
        """The index lists the health of the second host, which answers like the first one's."""
        found = []
        for key, (heading, _, path, id) in self.index.items():
            twin = self.operations.get((key[0], "connect", key[2]))
            if key not in self.operations and twin:
                found.append(replace(twin, id=id, resource=heading, host=key[1], path=path))
        return found

    def _error_envelope(self) -> Node:
        fields = self.files["common"]["error_envelope_v3"]["BdcError"]
        error = self.schemas.node(fields, "common")
        code = replace(error.fields["code"], keeps=True)
        return of_kind("array", items=replace(error, fields=error.fields | {"code": code}))

    def _make_routes(self) -> dict:
        routes: dict = {}
        aliases = {key_of(*name): self.operations[key_of(*of)] for name, of in TOLERATED.items()}
        for key, operation in (self.operations | self._aliases() | aliases).items():
            place = routes.setdefault(key[:2], {})
            for segment in key[2].strip("/").split("/"):
                place = place.setdefault(segment, {})
            place[""] = operation
        return routes

    def _aliases(self) -> dict[Key, Operation]:
        found = {}
        for file, content in self.files.items():
            for spec in content["operations"]:
                for alias in spec.get("aliases", ()):
                    host, method = self._host(file), spec["method"]
                    operation = self.operations[key_of(method, host, spec["path"])]
                    found[key_of(method, host, alias.split()[0])] = operation
        return found


def documented_error(spec: dict, own: bool) -> DocumentedError:
    code = str(spec.get("code"))
    return DocumentedError(code if code.startswith("BDC_") else None, spec["http"], spec["when"], own)


def source_of(text: str) -> str:
    """D unless the text itself says T or I; the weakest mark counts."""
    marks = {mark for match in SOURCE.findall(text) for mark in match if mark}
    return "I" if "I" in marks else "T" if "T" in marks else "D"


def shape_key(name: str, shape: dict) -> Key:
    method, path = name.split()
    return key_of(method, PREFIXES[shape["host"]], path)


def shape_of(shape: dict) -> Node:
    return read_shape(next(iter(shape["responses"].values()), None))


def read_index(text: str) -> dict[Key, tuple[str, str, str, str]]:
    """Key → heading, file, path and id, in the order of the page."""
    found, heading, file = {}, "", ""
    for line in text.splitlines():
        if match := HEADING.match(line):
            heading, file = match.groups()
        elif match := LISTED.match(line):
            method, path, other_host, id = match.groups()
            host = "events" if other_host or file == "webhooks" else "connect"
            found[key_of(method, host, path)] = heading, file, path, id
    return found


def read_yaml(path: Path) -> dict:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)


@functools.cache
def contract() -> Contract:
    files = {path.stem: read_yaml(path) for path in sorted(HERE.glob("*.yaml"))}
    files["v2"] = spelling_v2.plain(files["v2"])
    shapes = json.loads((HERE / "shapes.json").read_text(encoding="utf-8"))
    return Contract(files, shapes, (HERE / "INDEX.md").read_text(encoding="utf-8"))

"""The operation table: method, path, gate, body, answer, status and the function that does it.

    @operations.post("/connect/v3/bills", SIGNED_IN, refuses=[DUPLICATE_INVOICE])
    def create_bill(work: Work, request: BillRequest) -> BillView:

A row is read from the decorator and the signature. Routing, decoding, gates and the OpenAPI
document come from the table. A plain function gets the Work of its one unit: `get` reads, the
others write unless they say `reads`. An `async` one gets the Environment and opens its own units,
because it must wait.

What a parameter is follows from its type: a Query is read from the query string, Asked is the list
grammar, Arrival the request itself; names of the path are texts; what is left is the body.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from billfold.access.roles import Permission
from billfold.door.arrival import Arrival
from billfold.door.dialects import V3, Dialect
from billfold.door.gates import Gate
from billfold.door.wire import Query, decoder
from billfold.kit.errors import Problem
from billfold.kit.listing import Asked

JSON_MEDIA = b"application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    gate: Gate
    status: int
    do: Callable
    tag: str
    refuses: tuple[Problem, ...]
    # What the role of the user must allow; None where no user of an organization asks.
    may: Permission | None = None

    # Read from the signature.
    body_name: str | None = None
    body: object = None
    body_default: object = None
    body_may_be_empty: bool = False
    decoder: Any = None
    query_name: str | None = None
    query: type | None = None
    arrival_name: str | None = None
    asks: bool = False
    answer: object = None
    waits: bool = False

    # Left out of the OpenAPI document, which describes v3: an older spelling of another path, or an
    # older version.
    older: bool = field(default=False)
    # What its answer is; an answer of bytes is sent as it is.
    media: bytes = JSON_MEDIA
    # Whatever its method, it changes nothing.
    reads: bool = field(default=False)
    # Needs a key of the client's, with which it is done once however often it is asked.
    idempotent: bool = field(default=False)
    dialect: Dialect = V3

    @property
    def writes(self) -> bool:
        return self.method != "GET" and not self.reads

    @property
    def reads_first(self) -> bool:
        """Its credentials may stand in the body, which is therefore read before the gate looks."""
        return self.dialect.reads_first or self.gate.reads_body

    @property
    def name(self) -> str:
        return self.do.__name__


class Operations(list[Operation]):
    """The operations of one resource."""

    def __init__(self, tag: str, dialect: Dialect = V3) -> None:
        super().__init__()
        self.tag = tag
        self.dialect = dialect
        self.not_served: list[str] = []

    def leaves_out(self, *paths: str) -> None:
        """Documented paths that are not built yet, where an id of another path would be read in their
        place: they answer that there is no such API, not that there is no such object."""
        self.not_served += paths

    def get(self, path: str, gate: Gate, **more) -> Callable:
        return self._add("GET", path, gate, 200, **more)

    def post(self, path: str, gate: Gate, status: int = 201, **more) -> Callable:
        return self._add("POST", path, gate, status, **more)

    def patch(self, path: str, gate: Gate, **more) -> Callable:
        return self._add("PATCH", path, gate, 200, **more)

    def put(self, path: str, gate: Gate, **more) -> Callable:
        return self._add("PUT", path, gate, 200, **more)

    def delete(self, path: str, gate: Gate, status: int = 200, **more) -> Callable:
        return self._add("DELETE", path, gate, status, **more)

    def _add(
        self, method: str, path: str, gate: Gate, status: int,
        refuses: Sequence[Problem] = (), older: bool = False, may: Permission | None = None,
        reads: bool = False, media: bytes = JSON_MEDIA, idempotent: bool = False,
        dialect: Dialect | None = None,
    ) -> Callable:  # fmt: skip
        """`dialect` is that of a path which does not speak the resource's."""
        speaks = dialect or self.dialect

        def note(do: Callable) -> Callable:
            signature = inspect.signature(do)
            _, *rest = signature.parameters.values()
            read: dict = {}
            for parameter in rest:
                kind = parameter.annotation
                if parameter.name in in_path(path):
                    continue
                if kind is Asked:
                    read["asks"] = True
                elif kind is Arrival:
                    read["arrival_name"] = parameter.name
                elif isinstance(kind, type) and issubclass(kind, Query):
                    read |= {"query_name": parameter.name, "query": kind}
                else:
                    assert "body" not in read, f"{do.__name__}: what is {parameter.name}?"
                    read |= {
                        "body_name": parameter.name, "body": kind, "decoder": decoder(kind),
                        "body_default": parameter.default,
                        "body_may_be_empty": parameter.default is not parameter.empty,
                    }  # fmt: skip
            self.append(
                Operation(
                    method,
                    path,
                    gate,
                    status,
                    do,
                    self.tag,
                    tuple(refuses),
                    may,
                    older=older or not speaks.described,
                    reads=reads,
                    media=media,
                    idempotent=idempotent,
                    dialect=speaks,
                    answer=signature.return_annotation,
                    waits=inspect.iscoroutinefunction(do),
                    **read,
                )
            )
            return do

        return note


def in_path(path: str) -> list[str]:
    return re.findall(r"{(\w+)}", path)

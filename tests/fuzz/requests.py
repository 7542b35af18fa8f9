"""Whole requests made from the operation table: a path with ids that exist, query, body, caller."""

import re
from random import Random
from typing import NamedTuple
from urllib.parse import quote
from uuid import UUID

import msgspec
from msgspec import UNSET

from billfold.door.operations import Operation
from billfold.kit.idempotency import HEADER
from tests.fuzz.bodies import Bodies
from tests.fuzz.mistakes import Mistakes
from tests.fuzz.pool import Pool, camel
from tests.fuzz.queries import Queries
from tests.fuzz.sessions import Sessions

# No slash: it would make another path.
ODD_IDS = (
    "%00", "%ff%fe", "%ed%a0%80", "%F0%9F%8E%BB", "x" * 300, "%2e%2e", "%20", "'", "%22", "-1", "0",
    "null", "00901NOBODYHERE00none", "6f1c1e5e-0f3a-4a55-9b1e-2f6a1c0d9b7e", "undefined", "٣",
)  # fmt: skip


class Request(NamedTuple):
    operation: Operation
    path: str
    headers: dict[str, str]
    query: bytes = b""
    body: bytes | None = None

    @property
    def url(self) -> str:
        return f"{self.path}?{self.query.decode('latin-1')}" if self.query else self.path

    def __str__(self) -> str:
        """Enough to send it again."""
        return f"{self.operation.method} {self.url} {self.headers} {self.body!r}"


class Requests:
    """`made(operation)` is a request to it; most are as they should be."""

    def __init__(self, random: Random, pool: Pool, sessions: Sessions) -> None:
        self.random = random
        self.pool = pool
        self.sessions = sessions
        self.bodies = Bodies(random, pool)
        self.mistakes = Mistakes(random)
        self.queries = Queries(random, self.bodies)

    def made(self, operation: Operation) -> Request:
        path = re.sub(r"{(\w+)}", lambda name: self._id(camel(name[1])), operation.path)
        query = self.queries.sent(operation) if operation.query or operation.asks else b""
        return Request(operation, path, self._headers(operation), query, self._body(operation))

    def _id(self, name: str) -> str:
        chance = self.random.random()
        known = self.pool.pick(self.random, name if chance < 0.9 else "id")
        if chance > 0.95 or known is None:
            return quote(self.random.choice(ODD_IDS), safe="%")
        return quote(str(known), safe="")

    def _headers(self, operation: Operation) -> dict[str, str]:
        """A few strangers among them; those without a body send none of its type."""
        headers = dict(self.sessions.headers(operation.gate))
        if headers and self.random.random() < 0.03:
            headers.pop(self.random.choice(list(headers)))
        elif headers and self.random.random() < 0.01:
            headers[self.random.choice(list(headers))] = "invented"
        key = UUID(int=self.random.getrandbits(128), version=4)
        headers[HEADER] = str(key) if self.random.random() < 0.9 else "again"
        if operation.body_name:
            headers["content-type"] = "application/json"
        return headers

    def _body(self, operation: Operation) -> bytes | None:
        if not operation.body_name:
            return None
        accepted = self.pool.bodies.get(operation.name)
        like = self.random.choice(accepted) if accepted and self.random.random() < 0.6 else UNSET
        made = self.bodies.body(operation.body, like)
        return msgspec.json.encode(made) if self.random.random() < 0.4 else self.mistakes.sent(made)

"""Dialects: how a version of the API is heard and how it speaks; gates and rules are common."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from billfold.door import problems
from billfold.door.arrival import Arrival
from billfold.door.wire import decode, encode, read_query
from billfold.kit.errors import (
    NO_SUCH_API,
    RATE_REACHED,
    TOO_MANY_AT_ONCE,
    WRONG_METHOD,
    Problem,
    Refusal,
)

if TYPE_CHECKING:
    from billfold.door.operations import Operation


class Dialect:
    """v3's, and of everything that has no other: credentials in headers, JSON both ways, an array of
    errors with a status of their own. Another version says what it does otherwise."""

    # How the paths of this version begin, also those that lead nowhere; v3 has all that are left.
    paths = re.compile("/")
    arrival: type[Arrival] = Arrival
    # Its credentials stand in the body, so that is read before anybody asks for them.
    reads_first = False
    # Whether the OpenAPI document describes it.
    described = True
    # Problems that it knows as others.
    otherwise: Mapping[Problem, Problem] = {}

    def query(self, operation: "Operation", arrival: Arrival) -> Any:
        return read_query(operation.query, arrival.asked()) if operation.query else None

    def body(self, operation: "Operation", arrival: Arrival) -> Any:
        if operation.body_may_be_empty and not arrival.body.strip():
            return operation.body_default
        return decode(operation.decoder, arrival.body)

    def said(self, answer: object) -> bytes:
        if isinstance(answer, bytes):
            return answer
        return b"" if answer is None else encode(answer)

    def refused(self, refusal: Refusal, now: datetime) -> tuple[int, bytes]:
        """HTTP status and body; a crash, and a database that does not answer, are refusals here."""
        said = [(self.otherwise.get(problem, problem), about) for problem, about in refusal.problems]
        return problems.refused(Refusal.of(said), now)


class _Webhooks(Dialect):
    """v3's, but for what `webhooks.yaml` says otherwise: a wrong method is no such API, like a wrong
    path, and who asks too much is told so by the status too."""

    paths = re.compile("/+connect-events(?:/|$)")
    otherwise = {
        WRONG_METHOD: NO_SUCH_API,
        **{limit: replace(limit, status=429) for limit in (RATE_REACHED, TOO_MANY_AT_ONCE)},
    }


V3, WEBHOOKS = Dialect(), _Webhooks()

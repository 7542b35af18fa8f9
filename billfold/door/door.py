"""The door: a request comes in, is admitted, read, done in one unit of work, and answered.

Plain ASGI. Paths are found in a tree of segments, so that the three-hundredth operation is found
as fast as the first.
"""

import asyncio
import re
from collections.abc import Iterable
from datetime import datetime
from time import perf_counter

from billfold.access import sessions
from billfold.access.sessions import Session
from billfold.door import problems
from billfold.door.arrival import Arrival
from billfold.door.limits import ClientLeft, read_body
from billfold.door.operations import Operation
from billfold.door.watch import Watch
from billfold.door.wire import decode, encode, read_query
from billfold.kit.environment import Environment
from billfold.kit.errors import (
    INVALID_PARAMETER,
    NO_SUCH_API,
    WRONG_METHOD,
    InDoubt,
    Refusal,
    Unavailable,
)
from billfold.kit.listing import Asked
from billfold.kit.work import Work

NOTHING_ASKED = Asked()
JSON = (b"content-type", b"application/json")
RETRY_AFTER = (b"retry-after", b"1")


class Door:
    def __init__(
        self, environment: Environment, operations: list[Operation], watch: Watch,
        not_served: Iterable[str] = (),
    ) -> None:  # fmt: skip
        self.environment = environment
        self.watch = watch
        self.uses = sessions.Uses(environment)
        self.paths: dict = {}
        for operation in operations:
            self._hang(operation)
        for path in not_served:
            self._place_for(path, [])

    async def __call__(self, scope, receive, send) -> None:
        began = perf_counter()
        arrival = Arrival.of(scope)
        headers = [JSON]
        error: Exception | None = None
        try:
            status, body = await self._answer(arrival, receive)
        except Refusal as refusal:
            status, body = problems.refused(refusal, self.environment.clock.now())
            if status == WRONG_METHOD.status:
                allowed = ", ".join(self._methods(arrival.path))
                headers.append((b"allow", allowed.encode()))
        except Unavailable as trouble:
            error = trouble
            status, body = problems.unavailable(self.environment.clock.now(), trouble)
            headers.append(RETRY_AFTER)
        except ClientLeft:
            return
        except asyncio.CancelledError:
            # The server stops and its time of grace is over. Whoever still waits is told; what was
            # handed to the database may yet be committed, so nothing is promised about it.
            status, body = problems.unavailable(self.environment.clock.now(), InDoubt())
        except Exception as crash:
            error = crash
            status, body = problems.broken(self.environment.clock.now())
        request_id = self.watch.note(arrival, status, perf_counter() - began, error)
        headers += [(b"content-length", b"%d" % len(body)), (b"x-request-id", request_id)]
        if not body:
            del headers[0]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, arrival: Arrival, receive) -> tuple[int, bytes]:
        operation, arguments = self._find(arrival.method, arrival.path)
        arrival.route = operation.path
        if operation.asks:
            arguments["asked"] = _asked(arrival) if arrival.query else NOTHING_ASKED
        if operation.arrival_name:
            arguments[operation.arrival_name] = arrival
        try:
            if operation.writes or operation.waits:
                return operation.status, await self._write(operation, arrival, arguments, receive)
            return operation.status, await self._read(operation, arrival, arguments)
        except Refusal as refusal:
            if refusal.after is not None:
                await self.environment.write(refusal.after, arrival.caller)
            raise

    async def _read(self, operation: Operation, arrival: Arrival, arguments: dict) -> bytes:
        """Gate and rule in one unit: there is no body that could be looked at too early."""
        admitted: tuple[Session, datetime] | None = None

        def unit(work: Work) -> bytes:
            nonlocal admitted
            if session := operation.gate.admit(work, arrival, operation.may, self.uses.check):
                admitted = session, work.now
            if operation.query_name and operation.query:
                arguments[operation.query_name] = read_query(operation.query, arrival.asked())
            return _said(operation.do(work, **arguments))

        answer = await self.environment.read(unit)
        if admitted:
            self.uses.note(*admitted)
        return answer

    async def _write(self, operation: Operation, arrival: Arrival, arguments: dict, receive) -> bytes:
        """The gate looks on its own: who is not admitted never stands in the writers' line."""

        def admit(work: Work) -> tuple[Session, datetime] | None:
            if session := operation.gate.admit(work, arrival, operation.may, self.uses.check):
                return session, work.now
            return None

        if operation.gate.reads_body:
            arrival.body = await read_body(receive, arrival.declared_length)
        if admitted := await self.environment.glance(admit):
            self.uses.note(*admitted)
        if operation.query_name and operation.query:
            arguments[operation.query_name] = read_query(operation.query, arrival.asked())
        if operation.body_name:
            arguments[operation.body_name] = await self._body(operation, arrival, receive)
        if operation.waits:
            return _said(await operation.do(self.environment, **arguments))
        # Said inside the unit: an answer that cannot be said is rolled back.
        return await self.environment.write(
            lambda work: _said(operation.do(work, **arguments)), arrival.caller
        )

    async def _body(self, operation: Operation, arrival: Arrival, receive):
        if not operation.gate.reads_body:
            arrival.body = await read_body(receive, arrival.declared_length)
        if operation.body_may_be_empty and not arrival.body.strip():
            return operation.body_default
        return decode(operation.decoder, arrival.body)

    def _hang(self, operation: Operation) -> None:
        names: list[str] = []
        methods = self._place_for(operation.path, names)
        assert operation.method not in methods, f"twice: {operation.method} {operation.path}"
        methods[operation.method] = operation, names

    def _place_for(self, path: str, names: list[str]) -> dict:
        """The methods of a path, which are none at first; the names in it are added to `names`."""
        place = self.paths
        for segment in path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                segment = ""
            place = place.setdefault(segment, {})
        return place.setdefault(None, {})

    def _find(self, method: str, path: str) -> tuple[Operation, dict]:
        methods, values = self._place(path)
        if method not in methods:
            raise Refusal(WRONG_METHOD if methods else NO_SUCH_API, f"{method} {path}")
        operation, names = methods[method]
        return operation, dict(zip(names, values, strict=True))

    def _place(self, path: str) -> tuple[dict, list[str]]:
        """The methods of a path and the values in it; double and trailing slashes say nothing."""
        place, values = self.paths, []
        if "\0" in path:
            return {}, []  # No id holds one, and PostgreSQL takes it in no text.
        for segment in path.split("/"):
            if not segment:
                continue
            if segment in place:
                place = place[segment]
            elif "" in place:
                place = place[""]
                values.append(segment)
            else:
                return {}, []
        return place.get(None, {}), values

    def _methods(self, path: str) -> list[str]:
        return sorted(self._place(path)[0])


def _said(answer: object) -> bytes:
    return b"" if answer is None else encode(answer)


def _asked(arrival: Arrival) -> Asked:
    asked = arrival.asked()
    known = {name: asked[name] for name in ("filters", "sort", "page") if name in asked}
    most = asked.get("max", str(NOTHING_ASKED.max))
    if not re.fullmatch(r"[0-9]{1,4}", most):
        raise Refusal(INVALID_PARAMETER, "max")
    return Asked(**known, max=int(most))

"""The door: a request comes in, is admitted, read, done in one unit of work, and answered.

Plain ASGI. Paths are found in a tree of segments, so that the three-hundredth operation is found
as fast as the first.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from time import perf_counter

from billfold.access import sessions
from billfold.access.sessions import Session
from billfold.door import problems
from billfold.door.arrival import Arrival
from billfold.door.dialects import V3, Dialect
from billfold.door.limits import ClientLeft, read_body
from billfold.door.operations import JSON_MEDIA, Operation
from billfold.door.traffic import Traffic
from billfold.door.watch import Watch
from billfold.kit.environment import Environment
from billfold.kit.errors import (
    IN_FLIGHT,
    INVALID_PARAMETER,
    NO_SUCH_API,
    WRONG_METHOD,
    InDoubt,
    Refusal,
    Unavailable,
)
from billfold.kit.idempotency import HEADER, one_spelling
from billfold.kit.listing import Asked
from billfold.kit.work import Work

NOTHING_ASKED = Asked()
# Whose body takes longer to arrive is admitted again: their session may have ended meanwhile.
ADMITTED_SECONDS_MAX = 1.0
JSON = (b"content-type", JSON_MEDIA)
RETRY_AFTER = (b"retry-after", b"1")


class Paths:
    """The operation table as a tree of segments, for the doors of all environments."""

    def __init__(self, operations: list[Operation], not_served: Iterable[str] = ()) -> None:
        self.tree: dict = {}
        self.others = {each.dialect for each in operations} - {V3}
        for operation in operations:
            self._hang(operation)
        for path in not_served:
            self._place_for(path, [])

    def dialect(self, path: str) -> Dialect:
        """Known before the operation is, because paths that lead nowhere are refused as well."""
        for other in self.others:
            if other.paths.match(path):
                return other
        return V3

    def find(self, method: str, path: str) -> tuple[Operation, dict]:
        methods, values = self._place(path)
        if method not in methods:
            raise Refusal(WRONG_METHOD if methods else NO_SUCH_API, f"{method} {path}")
        operation, names = methods[method]
        return operation, dict(zip(names, values, strict=True))

    def methods(self, path: str) -> list[str]:
        return sorted(self._place(path)[0])

    def _hang(self, operation: Operation) -> None:
        assert operation.dialect is self.dialect(operation.path), f"not of here: {operation.path}"
        names: list[str] = []
        methods = self._place_for(operation.path, names)
        assert operation.method not in methods, f"twice: {operation.method} {operation.path}"
        methods[operation.method] = operation, names

    def _place_for(self, path: str, names: list[str]) -> dict:
        """The methods of a path, which are none at first; the names in it are added to `names`."""
        place = self.tree
        for segment in path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                segment = ""
            place = place.setdefault(segment, {})
        return place.setdefault(None, {})

    def _place(self, path: str) -> tuple[dict, list[str]]:
        """The methods of a path and the values in it; double and trailing slashes say nothing."""
        place, values = self.tree, []
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


class Door:
    def __init__(self, environment: Environment, paths: Paths, watch: Watch) -> None:
        self.environment = environment
        self.paths = paths
        self.watch = watch
        self.uses = sessions.Uses(environment)
        self.traffic = Traffic() if environment.policy.limits_rates else None
        # Requests with a key of their client's that are being done: path, who asks, key.
        self.keyed: set[tuple[str, str, str]] = set()

    async def __call__(self, scope, receive, send) -> None:
        dialect = self.paths.dialect(scope["path"])
        arrival = dialect.arrival.of(scope)
        await self._respond(dialect, arrival, send, self._answer(arrival, receive))

    async def refuse(self, scope, send, trouble: Exception) -> None:
        """Answer a request with this, whatever it asks."""

        async def answer() -> tuple[int, bytes, bytes]:
            raise trouble

        dialect = self.paths.dialect(scope["path"])
        await self._respond(dialect, dialect.arrival.of(scope), send, answer())

    async def _respond(self, dialect: Dialect, arrival: Arrival, send, answer: Awaitable) -> None:
        began = perf_counter()
        refusal: Refusal | None = None
        headers = [JSON]
        error: Exception | None = None
        try:
            status, body, media = await answer
            headers = [(b"content-type", media)]
        except Refusal as refused:
            refusal = refused
        except Unavailable as trouble:
            error, refusal = trouble, problems.unavailable(trouble)
            headers.append(RETRY_AFTER)
        except ClientLeft:
            return
        except asyncio.CancelledError:
            # The server stops and its time of grace is over. Whoever still waits is told; what was
            # handed to the database may yet be committed, so nothing is promised about it.
            refusal = problems.unavailable(InDoubt())
        except Exception as crash:
            error, refusal = crash, problems.broken()
        if refusal:
            status, body = dialect.refused(refusal, self.environment.clock.now())
            if status == WRONG_METHOD.status:
                allowed = ", ".join(self.paths.methods(arrival.path))
                headers.append((b"allow", allowed.encode()))
        request_id = self.watch.note(arrival, status, perf_counter() - began, error)
        headers += [(b"content-length", b"%d" % len(body)), (b"x-request-id", request_id)]
        if not body:
            del headers[0]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, arrival: Arrival, receive) -> tuple[int, bytes, bytes]:
        operation, arguments = self.paths.find(arrival.method, arrival.path)
        arrival.route = operation.path
        if operation.arrival_name:
            arguments[operation.arrival_name] = arrival
        if operation.reads_first:
            arrival.body = await read_body(receive, arrival.declared_length)
        try:
            if operation.writes or operation.waits:
                body = await self._write(operation, arrival, arguments, receive)
            else:
                body = await self._read(operation, arrival, arguments)
            return operation.status, body, operation.media
        except Refusal as refusal:
            if refusal.after is not None:
                await self.environment.write(refusal.after, arrival.caller)
            raise
        finally:
            if self.traffic:
                self.traffic.leave(arrival)
            # Also by a call that was refused: the session itself was accepted.
            if arrival.session and arrival.admitted:
                self.uses.note(arrival.session, arrival.admitted)

    async def _read(self, operation: Operation, arrival: Arrival, arguments: dict) -> bytes:
        """Gate and rule in one unit: there is no body that would have to be waited for."""
        dialect = operation.dialect

        def unit(work: Work) -> bytes:
            with work.connection.apart():
                self._admit(work, operation, arrival)
            if operation.asks:
                arguments["asked"] = _asked(arrival) if arrival.query else NOTHING_ASKED
            if operation.query_name:
                arguments[operation.query_name] = dialect.query(operation, arrival)
            if operation.body_name:
                arguments[operation.body_name] = dialect.body(operation, arrival)
            return dialect.said(operation.do(work, **arguments))

        return await self.environment.read(unit, kind=operation.do)

    async def _write(self, operation: Operation, arrival: Arrival, arguments: dict, receive) -> bytes:
        """The gate looks on its own: who is not admitted never stands in the writers' line."""
        admit = lambda work: self._admit(work, operation, arrival)
        await self.environment.glance(admit)
        if not operation.idempotent:
            return await self._write_admitted(operation, arrival, arguments, receive, admit)
        assert arrival.caller is not None, "who needs a key is somebody"
        key = one_spelling(arrival.header(HEADER))
        keyed = arrival.path, arrival.caller.organization_id, key
        # Of another process' the database knows.
        if keyed in self.keyed:
            raise Refusal(IN_FLIGHT)
        self.keyed.add(keyed)
        try:
            return await self._write_admitted(operation, arrival, arguments, receive, admit)
        finally:
            self.keyed.discard(keyed)

    async def _write_admitted(
        self, operation: Operation, arrival: Arrival, arguments: dict, receive, admit: Callable
    ) -> bytes:
        dialect = operation.dialect
        if operation.query_name:
            arguments[operation.query_name] = dialect.query(operation, arrival)
        if operation.body_name:
            if not operation.reads_first:
                began = perf_counter()
                arrival.body = await read_body(receive, arrival.declared_length)
                if perf_counter() - began > ADMITTED_SECONDS_MAX:
                    await self.environment.glance(admit)
            arguments[operation.body_name] = dialect.body(operation, arrival)
        if operation.waits:
            return dialect.said(await operation.do(self.environment, **arguments))
        # Said inside the unit: an answer that cannot be said is rolled back.
        return await self.environment.write(
            lambda work: dialect.said(operation.do(work, **arguments)), arrival.caller
        )

    def _admit(self, work: Work, operation: Operation, arrival: Arrival) -> None:
        fresh = self.uses.check
        if traffic := self.traffic:

            def fresh(session: Session, now: datetime) -> None:
                self.uses.check(session, now)
                traffic.enter(arrival, session, now)

        operation.gate.admit(work, arrival, operation.may, fresh)


def _asked(arrival: Arrival) -> Asked:
    asked = arrival.asked()
    known = {name: asked[name] for name in ("filters", "sort", "page") if name in asked}
    most = asked.get("max", str(NOTHING_ASKED.max))
    if not re.fullmatch(r"[0-9]{1,4}", most):
        raise Refusal(INVALID_PARAMETER, "max")
    return Asked(**known, max=int(most))

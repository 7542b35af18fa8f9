"""PostgreSQL: a rule runs in a thread that has a connection to itself, in one transaction, which a
read that asks one thing does without.

Many processes may do so at once: rows are locked before they are changed, and a unit of work
that lost a race is run again from its beginning, which is safe because it touches only the database.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from queue import Empty, LifoQueue
from threading import local
from time import monotonic
from typing import TypeVar

import psycopg
from psycopg.errors import DeadlockDetected, SerializationFailure, UniqueViolation

from billfold.kit.database import Connection
from billfold.kit.errors import Conflict, Unavailable
from billfold.kit.policy import Limits
from billfold.kit.postgres_connection import (
    ANY_NUMBER,
    NEVER,
    NeedsTransaction,
    PostgresConnection,
)

ATTEMPTS_MAX = 4
PREPARED_MAX = 1_000
# How long a statement may go unanswered beyond its own time: then nobody is there any more.
SILENCE_SECONDS = 3
QUEUE_SECONDS_MAX = 10.0
# How long a server that stops waits for what still runs.
LAST_SECONDS = 2.0
STOPPING = "the database is stopping here"
# After how long a thread that has the server's answer asks the one that runs for its turn. Python's
# own five milliseconds, after each of some ten statements, are more than the statements take.
TURN_SECONDS = 0.001

# One snapshot for all that a read reads: a bill and its lines are of one moment.
BEGIN_READ = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# A lock that was waited for shows the row as it is then, whatever isolation the server prefers.
BEGIN_WRITE = b"BEGIN ISOLATION LEVEL READ COMMITTED"
# The disk is not waited for; whoever commits after it and waits takes it along.
BEGIN_HASTY = BEGIN_WRITE + b"; SET LOCAL synchronous_commit = off"

# A process that is lost with its machine is mostly noticed within a minute, and keeps no connection.
ALIVE = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
# A statement that reads everything takes long, and between two of them a file is read.
PATIENT = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0"

# Not the request's fault and not ours. Internal are, to psycopg, a server that may only be read
# (another has become the first), broken storage, and a time-out of the server's own; not supported
# is a statement that was prepared before its table changed.
TROUBLE = (
    psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError,
    psycopg.NotSupportedError,
)  # fmt: skip

T = TypeVar("T")


class PostgresDatabase:
    alone = False
    # A unit waits for the server at each statement, and for the threads that are at work meanwhile.
    batch_most = 384

    def __init__(self, url: str, limits: Limits) -> None:
        self.url = url
        self.limits = limits
        # What each thread works with just now; and those nobody does, the last one used on top.
        self._mine = local()
        self._idle: LifoQueue[PostgresConnection] = LifoQueue()
        self._open: set[PostgresConnection] = set()
        # The kinds of reads of which one has needed a transaction.
        self._transacted: set[Hashable] = set()
        self._last: asyncio.TimerHandle | None = None
        self._over = False

    async def start(self) -> None:
        sys.setswitchinterval(min(sys.getswitchinterval(), TURN_SECONDS))
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(self.limits.connections, "unit")
        self._watcher = asyncio.create_task(self._watch())
        self._over = False

    async def close(self) -> None:
        """What was accepted is finished; nothing new is accepted."""
        await asyncio.to_thread(self._threads.shutdown)
        self._watcher.cancel()
        if self._last:
            self._last.cancel()
            self._last = None
        for connection in self._open:
            connection.driver.close()

    def hurry(self) -> None:
        if self._last is None:
            self._last = self._loop.call_later(LAST_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._over = True
        for connection in list(self._open):
            if connection.asked != NEVER:
                connection.cut()

    def glance(self, do: Callable[[Connection], T]) -> Awaitable[T]:
        return self._in_thread(self._glance, do)

    def read(self, do: Callable[[Connection], T], kind: Hashable = None) -> Awaitable[T]:
        if kind is None or kind in self._transacted:
            return self._in_thread(self._read, do)
        return self._in_thread(partial(self._read_outside, kind), do)

    def write(self, do: Callable[[Connection], T], durable: bool = True) -> Awaitable[T]:
        return self._in_thread(partial(self._write, BEGIN_WRITE if durable else BEGIN_HASTY), do)

    def _in_thread(self, way: Callable, do: Callable[[Connection], T]) -> Awaitable[T]:
        try:
            return self._loop.run_in_executor(self._threads, self._unit, way, do, monotonic())
        except RuntimeError:  # The threads have ended.
            raise Unavailable(STOPPING) from None

    async def read_at_length(self, do: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._at_length, BEGIN_READ, do)

    async def write_at_length(self, do: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._at_length, BEGIN_WRITE, do)

    def _at_length(self, begin: bytes, do: Callable[[Connection], T]) -> T:
        try:
            with closing(self._dial(PATIENT)) as driver:
                connection = PostgresConnection(driver)
                connection.command(begin)
                return connection.transaction(do)
        except psycopg.IntegrityError as error:
            raise Conflict(str(error).splitlines()[0]) from error
        except TROUBLE as error:
            raise Unavailable(str(error)) from error

    async def _watch(self) -> None:
        """Statements have a time of their own, which the server keeps; one that is frozen, or that the
        network lost, does not, and nobody shall wait for it for ever."""
        silence = self.limits.statement_seconds + SILENCE_SECONDS
        while True:
            await asyncio.sleep(1)
            for connection in list(self._open):
                if monotonic() - connection.asked > silence:
                    connection.cut()

    def _unit(self, way: Callable, do: Callable[[Connection], T], waits_since: float) -> T:
        if monotonic() - waits_since > QUEUE_SECONDS_MAX:
            raise Unavailable("all connections to the database were taken for too long")
        self._check_open()
        try:
            return way(do)
        except TROUBLE as error:
            raise Unavailable(str(error)) from error
        finally:
            self._give_back()

    def _glance(self, do: Callable[[Connection], T]) -> T:
        try:
            return self._outside(do, ANY_NUMBER)
        except NeedsTransaction:
            raise AssertionError("who only glances writes nothing") from None

    def _read_outside(self, kind: Hashable, do: Callable[[Connection], T]) -> T:
        """Begin and end are two journeys, as many as the gate and one statement take. A read that needs
        them is run anew, and the next of its kind begins at once."""
        try:
            return self._outside(do, most=1)
        except NeedsTransaction:
            self._transacted.add(kind)
        self._give_back()
        return self._read(do)

    def _outside(self, do: Callable[[Connection], T], most: int) -> T:
        """On a new connection where the server has let go of the one that was idle."""
        connection = self._connection()
        try:
            return connection.outside(do, most)
        except TROUBLE:
            if not connection.was_gone:
                raise
        return self._connect().outside(do, most)

    def _read(self, do: Callable[[Connection], T]) -> T:
        return self._begun(BEGIN_READ).transaction(do)

    def _write(self, begin: bytes, do: Callable[[Connection], T]) -> T:
        """Again where a race was lost, at once: the victim of a deadlock has waited a second until it
        was found, and whoever won goes on meanwhile. An id that is taken is a race, too: while the
        clock stands still nothing but chance parts what several processes make."""
        for _ in range(ATTEMPTS_MAX - 1):
            with suppress(DeadlockDetected, SerializationFailure, UniqueViolation):
                return self._begun(begin).transaction(do)
        return self._begun(begin).transaction(do)

    def _begun(self, begin: bytes) -> PostgresConnection:
        """A connection in a new transaction; made anew when the server has let go of it."""
        connection = self._connection()
        try:
            connection.command(begin)
        except TROUBLE:
            connection.driver.close()
            if connection.was_cut:  # It is silent, or gives way to the end: it is not waited for twice.
                raise
            connection = self._connect()
            connection.command(begin)
        return connection

    def _connection(self) -> PostgresConnection:
        """An idle one, else a new one; where PostgreSQL gives no more, the next that is idle."""
        with suppress(Empty):
            return self._use(self._idle.get_nowait())
        try:
            return self._connect()
        except TROUBLE:
            if self._open:
                with suppress(Empty):
                    return self._use(self._idle.get(timeout=self.limits.connect_seconds))
            raise

    def _check_open(self) -> None:
        if self._over:
            raise Unavailable(STOPPING)

    def _connect(self) -> PostgresConnection:
        self._give_back()
        self._check_open()
        statement = self.limits.statement_seconds
        # What a unit does between two statements takes no time: one that says nothing is nobody's, and
        # holds its locks.
        idle = statement + SILENCE_SECONDS
        driver = self._dial(
            f"-c statement_timeout={statement}s -c idle_in_transaction_session_timeout={idle}s"
        )
        connection = PostgresConnection(driver)
        self._open.add(connection)
        self._use(connection)
        self._check_open()
        return connection

    def _dial(self, more: str) -> psycopg.Connection:
        limits = self.limits
        options = f"-c timezone=UTC {more} -c lock_timeout={limits.lock_seconds}s {ALIVE}"
        if not limits.durable:
            options += " -c synchronous_commit=off"
        driver = psycopg.connect(
            self.url, autocommit=True, options=options, connect_timeout=limits.connect_seconds
        )
        driver.prepared_max = PREPARED_MAX
        return driver

    def _use(self, connection: PostgresConnection) -> PostgresConnection:
        self._give_back()
        self._mine.connection = connection
        return connection

    def _give_back(self) -> None:
        """What this thread worked with is another's now; one that is closed is nobody's any more."""
        connection = getattr(self._mine, "connection", None)
        self._mine.connection = None
        if connection is None:
            return
        connection.asked = NEVER
        if connection.driver.closed:
            self._open.discard(connection)
        else:
            self._idle.put(connection)

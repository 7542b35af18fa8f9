"""PostgreSQL: a rule runs in a thread that has a connection of its own, in one transaction.

Many processes may do so at once: rows are locked before they are changed, and a unit of work
that lost a race is run again from its beginning, which is safe because it touches only the database.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import inf
from threading import local
from time import monotonic
from typing import TypeVar

import psycopg
from psycopg import pq
from psycopg.errors import DeadlockDetected, SerializationFailure, error_from_result
from psycopg.pq.abc import PGresult
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect

from billfold.kit.database import Connection
from billfold.kit.errors import InDoubt, Unavailable
from billfold.kit.policy import Limits

ATTEMPTS_MAX = 4
PREPARED_MAX = 1_000
# How long a statement may go unanswered beyond its own time: then nobody is there any more.
SILENCE_SECONDS = 3
QUEUE_SECONDS_MAX = 10.0
NEVER = inf

# One snapshot for all that a read reads: a bill and its lines are of one moment.
BEGIN_READ = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
BEGIN_WRITE = b"BEGIN"

T = TypeVar("T")
DIALECT = psycopg_dialect.dialect(paramstyle="format")


class PostgresConnection(Connection):
    def __init__(self, driver: psycopg.Connection) -> None:
        super().__init__(driver, DIALECT)
        self.cursor = driver.cursor()
        # When the server was last asked; never, while nobody waits for it.
        self.asked = NEVER

    def fetch(self, text, arguments):
        self.asked = monotonic()
        return self.cursor.execute(text, arguments, prepare=True).fetchall()

    def execute(self, text, arguments):
        self.asked = monotonic()
        self.driver.execute(text, arguments, prepare=True)

    def execute_many(self, text, rows):
        self.asked = monotonic()
        for row in rows:  # Prepared, and on their way together.
            self.driver.execute(text, row, prepare=True)

    def together(self):
        return self.driver.pipeline()

    def cut(self) -> None:
        """End the connection under whoever waits for it, who is then told that it is lost."""
        with (
            suppress(OSError, psycopg.Error),
            socket.socket(fileno=os.dup(self.driver.fileno())) as end,
        ):
            end.shutdown(socket.SHUT_RDWR)

    def transaction(self, do: Callable[[Connection], T]) -> T:
        """Run `do` in the transaction that was begun, and end it."""
        try:
            answer = do(self)
        except BaseException as error:
            if isinstance(error, psycopg.Error):
                self.driver.close()  # What it has prepared cannot be trusted any more.
            else:
                self.command(b"ROLLBACK")
            raise
        self._commit()
        return answer

    def _commit(self) -> None:
        """What the server answers is certain; when it answers nothing, nobody knows what it did."""
        self.asked = monotonic()
        result = self.driver.pgconn.exec_(b"COMMIT")
        if result.status == pq.ExecStatus.COMMAND_OK and result.command_status == b"COMMIT":
            return
        lost = self._is_lost(result)
        self.driver.close()
        if lost:
            raise InDoubt("the connection was lost while committing")
        # After a failed statement PostgreSQL answers a COMMIT with ROLLBACK, and no error.
        raise Unavailable("the transaction had failed")

    def command(self, text: bytes) -> None:
        """Past psycopg, which takes twice as long and at each ROLLBACK forgets all it has prepared."""
        self.asked = monotonic()
        result = self.driver.pgconn.exec_(text)
        if result.status != pq.ExecStatus.COMMAND_OK:
            lost = self._is_lost(result)
            self.driver.close()
            raise psycopg.OperationalError("connection lost") if lost else error_from_result(result)

    def _is_lost(self, result: PGresult) -> bool:
        """Whether the connection is gone. An error without SQLSTATE is none of the server's: libpq
        still calls a connection good to whose other end it could not write any more."""
        if self.driver.pgconn.status != pq.ConnStatus.OK:
            return True
        failed = result.status == pq.ExecStatus.FATAL_ERROR
        return failed and result.error_field(pq.DiagnosticField.SQLSTATE) is None


class PostgresDatabase:
    alone = False

    def __init__(self, url: str, limits: Limits) -> None:
        self.url = url
        self.limits = limits
        self._mine = local()
        self._open: set[PostgresConnection] = set()

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(self.limits.connections, "unit")
        self._watcher = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """What was accepted is finished; nothing new is accepted."""
        await asyncio.to_thread(self._threads.shutdown)
        self._watcher.cancel()
        for connection in self._open:
            connection.driver.close()

    def glance(self, do: Callable[[Connection], T]) -> Awaitable[T]:
        return self._loop.run_in_executor(self._threads, self._unit, self._glance, do, monotonic())

    def read(self, do: Callable[[Connection], T]) -> Awaitable[T]:
        return self._loop.run_in_executor(self._threads, self._unit, self._read, do, monotonic())

    def write(self, do: Callable[[Connection], T]) -> Awaitable[T]:
        return self._loop.run_in_executor(self._threads, self._unit, self._write, do, monotonic())

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
        try:
            return way(do)
        finally:
            if connection := getattr(self._mine, "connection", None):
                connection.asked = NEVER

    def _glance(self, do: Callable[[Connection], T]) -> T:
        try:
            connection = self._connection()
            try:
                return do(connection)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if not connection.driver.closed:
                    raise
                # The server has let go of it since it was last used; nothing was begun.
                return do(self._connection())
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Unavailable(str(error)) from error

    def _read(self, do: Callable[[Connection], T]) -> T:
        try:
            return self._begun(BEGIN_READ).transaction(do)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise Unavailable(str(error)) from error

    def _write(self, do: Callable[[Connection], T]) -> T:
        for attempt in range(ATTEMPTS_MAX):
            try:
                return self._begun(BEGIN_WRITE).transaction(do)
            except (DeadlockDetected, SerializationFailure) as error:
                if attempt == ATTEMPTS_MAX - 1:
                    raise Unavailable(str(error)) from error
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                raise Unavailable(str(error)) from error
        raise AssertionError("unreachable")

    def _begun(self, begin: bytes) -> PostgresConnection:
        """This thread's connection in a new transaction; made anew when the server has let go of it."""
        connection = self._connection()
        try:
            connection.command(begin)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            connection.driver.close()
            connection = self._connection()
            connection.command(begin)
        return connection

    def _connection(self) -> PostgresConnection:
        mine = getattr(self._mine, "connection", None)
        if mine is None or mine.driver.closed:
            if mine is not None:
                self._open.discard(mine)
            limits = self.limits
            options = (
                f"-c timezone=UTC -c statement_timeout={limits.statement_seconds}s"
                f" -c lock_timeout={limits.lock_seconds}s"
            )
            driver = psycopg.connect(
                self.url, autocommit=True, options=options, connect_timeout=limits.connect_seconds
            )
            driver.prepared_max = PREPARED_MAX
            mine = self._mine.connection = PostgresConnection(driver)
            self._open.add(mine)
        return mine

"""PostgreSQL: a rule runs in a thread that has a connection of its own, in one transaction.

Many processes may do so at once: rows are locked before they are changed, and a unit of work
that lost a race is run again from its beginning, which is safe because it touches only the database.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import TypeVar

import psycopg
from psycopg import pq
from psycopg.errors import DeadlockDetected, SerializationFailure, error_from_result
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect

from billfold.kit.database import Connection
from billfold.kit.errors import InDoubt, Unavailable

THREADS = 8
ATTEMPTS_MAX = 4
PREPARED_MAX = 1_000
CONNECT_SECONDS = 5
# A statement that takes longer is a mistake of ours; a lock held longer is somebody's crash.
OPTIONS = "-c timezone=UTC -c statement_timeout=10s -c lock_timeout=5s"

# One snapshot for all that a read reads: a bill and its lines are of one moment.
BEGIN_READ = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
BEGIN_WRITE = b"BEGIN"

T = TypeVar("T")
DIALECT = psycopg_dialect.dialect(paramstyle="format")


class PostgresConnection(Connection):
    def __init__(self, driver: psycopg.Connection) -> None:
        super().__init__(driver, DIALECT)
        self.cursor = driver.cursor()

    def fetch(self, text, arguments):
        return self.cursor.execute(text, arguments, prepare=True).fetchall()

    def execute(self, text, arguments):
        self.driver.execute(text, arguments, prepare=True)

    def execute_many(self, text, rows):
        for row in rows:  # Prepared, and on their way together.
            self.driver.execute(text, row, prepare=True)

    def together(self):
        return self.driver.pipeline()

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
        result = self.driver.pgconn.exec_(b"COMMIT")
        if result.status == pq.ExecStatus.COMMAND_OK and result.command_status == b"COMMIT":
            return
        lost = self.driver.pgconn.status != pq.ConnStatus.OK
        self.driver.close()
        if lost:
            raise InDoubt("the connection was lost while committing")
        # After a failed statement PostgreSQL answers a COMMIT with ROLLBACK, and no error.
        raise Unavailable("the transaction had failed")

    def command(self, text: bytes) -> None:
        """Past psycopg, which takes twice as long and at each ROLLBACK forgets all it has prepared."""
        result = self.driver.pgconn.exec_(text)
        if result.status != pq.ExecStatus.COMMAND_OK:
            self.driver.close()
            raise error_from_result(result)


class PostgresDatabase:
    def __init__(self, url: str) -> None:
        self.url = url
        self._mine = local()
        self._open: set[psycopg.Connection] = set()

    async def start(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "unit")

    async def close(self) -> None:
        """What was accepted is finished; nothing new is accepted."""
        await asyncio.to_thread(self._threads.shutdown)
        for driver in self._open:
            driver.close()

    async def glance(self, do: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._glance, do)

    async def read(self, do: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, do)

    async def write(self, do: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._write, do)

    def _glance(self, do: Callable[[Connection], T]) -> T:
        connection = self._connection()
        try:
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
                self._open.discard(mine.driver)
            driver = psycopg.connect(
                self.url, autocommit=True, options=OPTIONS, connect_timeout=CONNECT_SECONDS
            )
            driver.prepared_max = PREPARED_MAX
            self._open.add(driver)
            mine = self._mine.connection = PostgresConnection(driver)
        return mine

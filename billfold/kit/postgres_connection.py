"""A connection to PostgreSQL: what a unit of work asks of it, and how it begins and ends.

Without a transaction a unit may only read: what one statement finds is of one moment by itself.
"""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from time import monotonic
from typing import TypeVar

import psycopg
from psycopg import pq
from psycopg.errors import QueryCanceled, error_from_result
from psycopg.pq.abc import PGresult

from billfold.kit.database import BETWEEN, IN_ONE, Connection
from billfold.kit.errors import InDoubt, Unavailable
from billfold.kit.postgres_rows import DIALECT, FEW, as_json, insert_all, update_all_of

NEVER = inf
ANY_NUMBER = sys.maxsize

T = TypeVar("T")


class NeedsTransaction(BaseException):
    """What was asked outside a transaction needs one. No rule may take it for a failure."""


class PostgresConnection(Connection):
    def __init__(self, driver: psycopg.Connection) -> None:
        super().__init__(driver, DIALECT)
        self.cursor = driver.cursor()
        # When the server was last asked; never, while nobody waits for it.
        self.asked = NEVER
        # Whether somebody here has ended it; and whether the server had, when it was asked next.
        self.was_cut = self.was_gone = False
        # Whether the server has answered who reads outside a transaction.
        self._answered = False
        # How many statements may still be asked outside a transaction.
        self._left: int | None = None

    def fetch(self, text, arguments):
        self._asks(text)
        found = self.cursor.execute(text, arguments, prepare=True).fetchall()
        self._answered = True
        return found

    def execute(self, text, arguments):
        self._asks()
        self.driver.execute(text, arguments, prepare=True)

    def named(self, ids, most=0):
        text = BETWEEN.join(ids)
        # What a client calls an id may hold anything.
        if len(ids) > FEW and text.count(BETWEEN) == len(ids) - 1:
            yield IN_ONE, {"ids": text}
        else:
            yield from super().named(ids, most)

    def insert(self, record, rows):
        if len(rows) > FEW:
            self.execute(insert_all(record), [as_json(rows)])
        else:
            super().insert(record, rows)

    def update_all(self, record, names, rows):
        if len(rows) <= FEW:
            return super().update_all(record, names, rows)
        ids = [row["id"] for row in rows]
        if len({as_json([row[name] for name in names]) for row in rows}) == 1:
            self.set_all(record, ids, {name: rows[0][name] for name in names})
        else:
            self.execute(update_all_of(record, *names), [as_json(rows), BETWEEN.join(ids)])

    def execute_many(self, text, rows):
        self._asks()
        self.cursor.executemany(text, rows)  # Prepared, and on their way together.

    def try_lock(self, name):
        self._asks()  # Outside a transaction it would be let go of at once.
        text = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"
        ((locked,),) = self.fetch(text, [name])
        return locked

    def outside(self, do: Callable[[Connection], T], most: int) -> T:
        """Run `do` outside a transaction. It may only read, and ask so often at `most`, but for what it
        asks `apart`. Raises NeedsTransaction where it wants more."""
        self._left, self._answered = most, False
        try:
            return do(self)
        except psycopg.Error as error:
            self.was_gone = self.driver.closed and not (self._answered or self.was_cut)
            if not isinstance(error, QueryCanceled):
                self.driver.close()  # What it has prepared cannot be trusted any more.
            raise
        finally:
            self._left = None

    @contextmanager
    def apart(self) -> Iterator[None]:
        left = self._left
        self._left = None if left is None else ANY_NUMBER
        try:
            yield
        finally:
            self._left = left

    def _asks(self, text: str = "") -> None:
        """What locks by a function says so by asking without its text."""
        if self._left is not None:
            if not (self._left and text.startswith("SELECT") and " FOR " not in text):
                raise NeedsTransaction
            self._left -= 1
        self.asked = monotonic()

    def make_durable(self):
        self.command(b"SET LOCAL synchronous_commit TO DEFAULT")

    def together(self):
        return self.driver.pipeline()

    def cut(self) -> None:
        """End the connection under whoever waits for it, who is then told that it is lost."""
        self.was_cut = True
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
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise error_from_result(result)
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

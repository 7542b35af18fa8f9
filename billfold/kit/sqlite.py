"""SQLite: rules run on the event loop's thread, and writes that are ready together share a commit.

A write that is refused leaves the others alone. Mostly it has written nothing when it is; if it has,
the group is run again, which is safe because units touch only the database, and this time each in
a savepoint of its own. To keep a page as it was before each write costs a tenth of a bill.

COMMIT, with its fsync, runs in a thread while the loop goes on; an answer leaves only after the
commit that holds it. If that fails, every request of the group fails and nothing of theirs remains.

Reads use a second connection that sees committed rows only. Nobody hears what is not durable.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import chain
from math import inf
from time import monotonic
from typing import TypeVar

import apsw
from sqlalchemy.dialects import sqlite

from billfold.kit.database import Connection
from billfold.kit.errors import Conflict, InDoubt, Unavailable, Unusable
from billfold.kit.sqlite_log import LONG_PAGES, Log

# Older libraries can corrupt a WAL database: sqlite.org/wal.html#the_wal_reset_bug
SQLITE_VERSION_MIN = (3, 51, 3)
# While the writes of a group run, nobody else is heard; while they are committed, everybody is.
GROUP_MAX = 64
GROUP_SECONDS_MAX = 0.02
READ_SECONDS_MAX = 1.0
WRITE_SECONDS_MAX = 5.0
# How long writes wait for another connection's; in steps, between which the loop turns.
OTHERS_SECONDS_MAX = 5.0
OTHERS_PAUSE_SECONDS = 0.02
LAST_SECONDS = 1.0  # And when the server stops.
NEVER = inf
CACHE_KIB = 8 * 1024
# The last ones that ran. The driver looks through them one by one, so many cost each statement time.
STATEMENTS_KEPT = 128
# Rows that one INSERT takes: the driver puts a statement back among the kept ones after each run of it,
# so that fifty runs would push fifty others out.
HANDFUL = 8
PROGRESS_STEPS = 20_000  # How often a running statement looks at the time.

# Not the request's fault and not ours: a full disk, a broken file, a query out of time.
TROUBLE = (
    apsw.FullError, apsw.IOError, apsw.BusyError, apsw.LockedError, apsw.InterruptError,
    apsw.ReadOnlyError, apsw.CantOpenError, apsw.CorruptError, apsw.NotADBError, apsw.NoMemError,
)  # fmt: skip

T = TypeVar("T")
DIALECT = sqlite.dialect(paramstyle="qmark")


class CommitFailed(Unavailable):
    """The group could not be made durable: nothing of it happened."""


class CommitInDoubt(CommitFailed, InDoubt):
    """What the disk has not confirmed is undone here, but may lie in the log whole: whoever opens the
    file before more is written takes it for committed."""


class Entangled(Exception):
    """A write failed after it had written, and its rows lie among those of the others."""


class SqliteConnection(Connection):
    def __init__(self, driver: apsw.Connection) -> None:
        super().__init__(driver, DIALECT)
        # One for all: what a statement found is fetched before the next begins.
        self.cursor = driver.cursor()

    def fetch(self, text, arguments):
        return self.cursor.execute(text, arguments).fetchall()

    def execute(self, text, arguments):
        self.cursor.execute(text, arguments)

    def try_lock(self, name):
        return True  # One unit after the other.

    def execute_many(self, text, rows):
        if text.startswith("INSERT") and len(rows) >= HANDFUL:
            whole = len(rows) // HANDFUL * HANDFUL
            handfuls = (rows[start : start + HANDFUL] for start in range(0, whole, HANDFUL))
            self.cursor.executemany(_of_a_handful(text), (list(chain(*some)) for some in handfuls))
            rows = rows[whole:]
        self.cursor.executemany(text, rows)


@lru_cache(STATEMENTS_KEPT)
def _of_a_handful(insert: str) -> str:
    _, _, values = insert.rpartition(" VALUES ")
    return insert + f", {values}" * (HANDFUL - 1)


class SqliteDatabase:
    """One writing process; `_group` is what its next transaction will hold."""

    alone = True
    # While a unit is at work here, nothing else in the process is.
    batch_most = 128

    def __init__(self, path: str, version: str | None = None, durable: bool = True) -> None:
        version = version or apsw.sqlite_lib_version()
        if tuple(map(int, version.split("."))) < SQLITE_VERSION_MIN:
            raise Unusable(f"SQLite {version} can corrupt this database; need {SQLITE_VERSION_MIN}")
        self.path = path
        self._durable = durable
        self._group: deque[tuple[asyncio.Future, Callable]] = deque()
        self._running = False
        self._closing = False
        self._read_until = self._write_until = self._others_until = NEVER
        self._lost = self._apart = False

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._committer = ThreadPoolExecutor(1, "commit")
        self._idle = asyncio.Event()
        self._idle.set()
        self._log = Log(self.path)
        self._open_writer()
        self.reader = SqliteConnection(open_driver(self.path, writes=False))
        read_late = lambda: monotonic() > self._read_until
        self.reader.driver.set_progress_handler(read_late, PROGRESS_STEPS)

    def _open_writer(self) -> None:
        driver = open_driver(self.path, True, self._durable)
        driver.set_busy_timeout(0)  # Waiting in it would hold up everybody (`_begins`).
        # Not for COMMIT, which runs beside reads and may have been done when it is stopped.
        driver.set_progress_handler(lambda: monotonic() > self._write_until, PROGRESS_STEPS)
        self._log.follow(driver)
        self.writer, self._lost = SqliteConnection(driver), False

    def hurry(self) -> None:
        self._others_until = min(self._others_until, monotonic() + LAST_SECONDS)

    async def close(self) -> None:
        """What was accepted is finished; nothing new is accepted."""
        self._closing = True
        await self._idle.wait()
        self._committer.shutdown()
        await asyncio.to_thread(self._log.close)  # A copy on its way holds up nobody else.
        self.reader.driver.close()
        self.writer.driver.close()

    async def glance(self, do: Callable[[Connection], T]) -> T:
        self._check_open()
        self._read_until = monotonic() + READ_SECONDS_MAX
        try:
            return do(self.reader)
        except TROUBLE as error:
            raise Unavailable(str(error)) from error
        finally:
            self._read_until = NEVER

    async def read(self, do: Callable[[Connection], T], kind: Hashable = None) -> T:
        self._check_open()
        self._read_until = monotonic() + READ_SECONDS_MAX
        reader = self.reader
        try:
            reader.execute("BEGIN", [])  # One snapshot: a bill and its lines are of one moment.
            return do(reader)
        except TROUBLE as error:
            raise Unavailable(str(error)) from error
        finally:
            self._read_until = NEVER  # Ending the read is not stopped, however late it is.
            if reader.driver.in_transaction:
                reader.execute("COMMIT", [])

    async def write(self, do: Callable[[Connection], T], durable: bool = True) -> T:
        self._check_open()
        answer = self._loop.create_future()
        self._group.append((answer, do))
        if not self._running:
            self._running = True
            self._idle.clear()
            self._gather(0)
        return await answer

    async def read_at_length(self, do: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(_at_length, self.path, "BEGIN", do)

    async def write_at_length(self, do: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(_at_length, self.path, "BEGIN IMMEDIATE", do)

    def _check_open(self) -> None:
        if self._closing:
            raise Unavailable("the database is stopping here")

    def _gather(self, seen: int) -> None:
        """Let the loop turn for as long as each turn brings more writes: a commit costs the same for
        one as for many, and requests that have arrived need some turns to become writes."""
        waiting = len(self._group)
        if waiting == seen or waiting >= GROUP_MAX:
            self._run_group()
        else:
            self._loop.call_soon(self._gather, waiting)

    def _run_group(self) -> None:
        group: list[tuple[asyncio.Future, Callable]] = []
        try:
            if not self._begins():
                self._loop.call_later(OTHERS_PAUSE_SECONDS, self._run_group)
                return
            group = [self._group.popleft() for _ in range(min(len(self._group), GROUP_MAX))]
            done = self._run_all(group, self._run_apart if self._apart else self._run_among)
        except Entangled:
            self._undo()
            self._group.extendleft(reversed(group))
            self._apart = True
            self._run_group()
        except Exception as failure:
            # Who could not even begin would have to wait as long again.
            failed = group or [self._group.popleft() for _ in range(len(self._group))]
            self._finish([(answer, False, None) for answer, _ in failed], failure)
        else:
            self._apart = False
            self._commit().add_done_callback(
                lambda commit: self._finish(done, commit.exception(), committing=True)
            )

    def _begins(self) -> bool:
        """Whether the group's transaction has begun; not while another connection writes. Raises what
        that says once it has been waited for long enough."""
        try:
            if self._lost:
                self._open_writer()
            self.writer.execute("BEGIN IMMEDIATE", [])
        except apsw.BusyError:
            self._others_until = min(self._others_until, monotonic() + OTHERS_SECONDS_MAX)
            wanted = any(not answer.done() for answer, _ in self._group)
            if wanted and monotonic() < self._others_until:
                return False
            self._others_until = NEVER
            raise
        self._others_until = NEVER
        return True

    def _run_all(self, group: list, run_one: Callable) -> list[tuple[asyncio.Future, bool, object]]:
        until = monotonic() + GROUP_SECONDS_MAX
        done = []
        for place, (answer, do) in enumerate(group):
            if place and monotonic() > until:
                self._group.extendleft(reversed(group[place:]))  # For the next group, ahead of others.
                break
            if not answer.done():  # A client who left before its turn wants nothing any more.
                self._write_until = monotonic() + WRITE_SECONDS_MAX
                done.append((answer, *run_one(do)))
        self._write_until = NEVER
        return done

    def _run_among(self, do: Callable) -> tuple[bool, object]:
        driver = self.writer.driver
        before = driver.total_changes()
        try:
            return True, do(self.writer)
        except Exception as error:
            # Also for an id that is taken: apart it is run once more, and gets another.
            again = driver.total_changes() != before or isinstance(error, apsw.ConstraintError)
            if driver.in_transaction and again:
                raise Entangled from error
            return self._failed(error)

    def _run_apart(self, do: Callable) -> tuple[bool, object]:
        writer = self.writer
        writer.execute("SAVEPOINT request", [])
        try:
            outcome = True, do(writer)
        except Exception as error:
            outcome = self._failed(error)
            writer.execute("ROLLBACK TO request", [])
        writer.execute("RELEASE request", [])
        return outcome

    def _failed(self, error: Exception) -> tuple[bool, object]:
        if not self.writer.driver.in_transaction:
            # A full disk, an I/O error, or a change that is stopped in its midst makes SQLite roll back
            # everything, the others too.
            raise error
        return False, Unavailable(str(error)) if isinstance(error, TROUBLE) else error

    def _commit(self) -> asyncio.Future[None]:
        if self._durable:
            return self._loop.run_in_executor(self._committer, self._commit_now)
        done: asyncio.Future[None] = self._loop.create_future()  # No thread to wait for no disk.
        try:
            self._commit_now()
            done.set_result(None)
        except Exception as error:
            done.set_exception(error)
        return done

    def _commit_now(self) -> None:
        self.writer.driver.execute("COMMIT")

    def _finish(self, done: list, failure: BaseException | None, committing: bool = False) -> None:
        """Answer everyone of the group, then begin the next."""
        if failure:
            self._undo()
        # A disk that is full takes no commit; one that fails at it may have taken all of it.
        kind = CommitInDoubt if committing and isinstance(failure, apsw.IOError) else CommitFailed
        for answer, well, outcome in done:
            if answer.done():
                continue  # The client left; its work stays, as if the answer was lost on the way.
            if failure:
                answer.set_exception(_because_of(failure, kind))
            elif well:
                answer.set_result(outcome)
            else:
                answer.set_exception(outcome)
        if self._group:
            self._loop.call_soon(self._gather, 0)
        else:
            self._running = False
            self._idle.set()

    def _undo(self) -> None:
        """Nothing of a group that has failed is left in the connection, or the next opens another."""
        self._write_until = NEVER
        try:
            if self.writer.driver.in_transaction:
                self.writer.driver.execute("ROLLBACK")
        except apsw.Error:
            # Nothing is known of this one any more; what it held is not committed.
            self.writer.driver.close(True)
            self._lost = True


def _because_of(cause: BaseException, kind: type[CommitFailed]) -> CommitFailed:
    failed = kind(str(cause))
    failed.__cause__ = cause
    return failed


def _at_length(path: str, begin: str, do: Callable[[Connection], T]) -> T:
    """What grows out of the cache goes to the log on the disk, where it is nothing without a COMMIT."""
    connection = SqliteConnection(open_driver(path, writes=begin != "BEGIN"))
    try:
        connection.execute(begin, [])
        answer = do(connection)
        connection.execute("COMMIT", [])
        return answer
    except apsw.ConstraintError as error:
        raise Conflict(str(error)) from error
    except TROUBLE as error:
        raise Unavailable(str(error)) from error
    finally:
        connection.driver.close()


def open_driver(path: str, writes: bool, durable: bool = True) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(
        path, flags=flags if writes else apsw.SQLITE_OPEN_READONLY, statementcachesize=STATEMENTS_KEPT
    )
    connection.set_busy_timeout(5_000)
    # Without this SQLite plans a statement anew whenever another value is bound to it.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    if writes:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        # Who writes for everybody is followed by `Log` instead, which this would end.
        connection.execute(f"PRAGMA wal_autocheckpoint={LONG_PAGES}")
        connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection

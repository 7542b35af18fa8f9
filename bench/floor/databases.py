"""The databases of the floor: a transaction is `one`, `run`, `many` and `together`."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from functools import lru_cache

import apsw

from bench.floor.tables import DDL, POSTGRES, PRAGMAS, insert

THREADS = 8  # As many as Billfold has for PostgreSQL.


class SqliteTx:
    def __init__(self, path: str) -> None:
        driver = apsw.Connection(path, statementcachesize=128)
        driver.set_busy_timeout(5000)
        for pragma in PRAGMAS:
            driver.execute(f"PRAGMA {pragma}")
        self.run, self.many = driver.execute, driver.executemany
        self.together = nullcontext
        self.close = driver.close

    def one(self, text: str, values: tuple) -> tuple | None:
        return self.run(text, values).fetchone()


class Sqlite:
    """Reads on the loop. Writes that are ready together have a savepoint each and one COMMIT, which
    runs in a thread; they are answered after it."""

    def __init__(self, url: str) -> None:
        self.path = url.removeprefix("sqlite:")

    async def start(self) -> None:
        self.reader, self.writer = SqliteTx(self.path), SqliteTx(self.path)
        self.loop, self.committer = asyncio.get_running_loop(), ThreadPoolExecutor(1)
        self.group: list[tuple] = []
        self.running = False

    async def read(self, do, *more):
        return do(self.reader, *more)

    async def write(self, do, *more):
        answer = self.loop.create_future()
        self.group.append((answer, do, more))
        if not self.running:
            self.running = True
            self.loop.call_soon(self._run_group)
        return await answer

    def _run_group(self) -> None:
        group, self.group = self.group, []
        run, done = self.writer.run, []
        run("BEGIN IMMEDIATE")
        for answer, do, more in group:
            run("SAVEPOINT request")
            try:
                done.append((answer, answer.set_result, do(self.writer, *more)))
            except Exception as error:
                run("ROLLBACK TO request")
                done.append((answer, answer.set_exception, error))
            run("RELEASE request")
        commit = self.loop.run_in_executor(self.committer, run, "COMMIT")
        commit.add_done_callback(lambda commit: self._answer(done, commit.exception()))

    def _answer(self, done: list, failure: BaseException | None) -> None:
        for answer, give, outcome in done:
            if answer.done():
                continue
            if failure:
                answer.set_exception(failure)
            else:
                give(outcome)
        if self.group:
            self.loop.call_soon(self._run_group)
        else:
            self.running = False


@lru_cache(512)
def numbered(text: str) -> str:
    return text.replace("?", "%s")


class PostgresTx:
    def __init__(self, url: str) -> None:
        import psycopg

        self.driver = psycopg.connect(url, autocommit=True, prepare_threshold=0)
        self.cursor = self.driver.cursor()
        self.together, self.transaction = self.driver.pipeline, self.driver.transaction
        self.close = self.driver.close

    def one(self, text: str, values: tuple) -> tuple | None:
        return self.cursor.execute(numbered(text), values, prepare=True).fetchone()

    def run(self, text: str, values: tuple = ()) -> None:
        self.driver.execute(numbered(text), values, prepare=True)

    def many(self, text: str, rows: list[tuple]) -> None:
        for row in rows:
            self.run(text, row)


class Postgres:
    """Each operation in a thread that has a connection of its own."""

    def __init__(self, url: str) -> None:
        self.url, self.mine = url, threading.local()

    async def start(self) -> None:
        self.loop, self.threads = asyncio.get_running_loop(), ThreadPoolExecutor(THREADS)

    async def read(self, do, *more):
        return await self.loop.run_in_executor(self.threads, self._read, do, *more)

    async def write(self, do, *more):
        return await self.loop.run_in_executor(self.threads, self._write, do, *more)

    def _read(self, do, *more):
        return do(self._tx(), *more)

    def _write(self, do, *more):
        tx = self._tx()
        with tx.transaction():
            return do(tx, *more)

    def _tx(self) -> PostgresTx:
        try:
            return self.mine.tx
        except AttributeError:
            self.mine.tx = PostgresTx(self.url)
            return self.mine.tx


def _begun(url: str) -> SqliteTx | PostgresTx:
    return SqliteTx(url.removeprefix("sqlite:")) if url.startswith("sqlite:") else PostgresTx(url)


def seed(url: str, sessions: list[tuple], vendors: list[tuple]) -> None:
    """A new database with these rows."""
    ddl, tx = DDL, _begun(url)
    if isinstance(tx, PostgresTx):
        for here, there in POSTGRES.items():
            ddl = ddl.replace(here, there)
    with closing(tx):
        tx.run("BEGIN")
        for statement in filter(str.strip, ddl.split(";")):
            tx.run(statement)
        with tx.together():
            tx.many(insert("sessions"), sessions)
            tx.many(insert("vendors"), vendors)
        tx.run("COMMIT")

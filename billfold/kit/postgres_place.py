"""PostgreSQL: the databases of an installation's environments, on the server of its first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote, urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

from billfold.kit.database import Connection
from billfold.kit.errors import Unavailable, Unusable
from billfold.kit.policy import LIMITS
from billfold.kit.postgres import TROUBLE
from billfold.kit.postgres_connection import PostgresConnection
from billfold.kit.tables import Record, changing, metadata

NAME_BYTES_MAX = 63
# How long a table is waited for that is to be replaced.
LOCK_SECONDS_MAX = 10
# Any number: the first half of the locks that claim a database.
CLAIMS = 8_024_002
# How many connections the server, the database and the role leave to anybody at most.
ROOM = """
    SELECT least(
        current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int,
        nullif(datconnlimit, -1), nullif(rolconnlimit, -1)
    ) FROM pg_database, pg_roles WHERE datname = current_database() AND rolname = current_user
"""


def room_of(url: str) -> int:
    with psycopg.connect(url, connect_timeout=LIMITS.connect_seconds) as connection:
        ((room,),) = connection.execute(ROOM)
    return room


def check_room(url: str, wanted: int) -> None:
    """Raises Unusable for more connections than could ever be had: each beyond would be a 503."""
    room = room_of(url)
    if wanted > room:
        raise Unusable(
            f"{wanted} connections are wanted (workers x connections) and PostgreSQL gives {room}:"
            " lower them, or raise its max_connections"
        )


class PostgresPlace:
    """The server of the first database; those of other environments are named after it."""

    copies_schema = False

    def __init__(self, url: str) -> None:
        self.url = url

    def beside(self, name: str) -> str:
        first = psycopg.conninfo.conninfo_to_dict(self.url).get("dbname") or ""
        made = f"{first}_{name}"
        if len(made.encode()) > NAME_BYTES_MAX:
            raise Unusable(
                f"{name}: with {first}_ before it, it is too long for a database of PostgreSQL"
            )
        url = urlsplit(self.url)._replace(path=f"/{quote(made)}").geturl()
        if _name_in(url) != made:
            raise Unusable("the database's URL must name it in its path, for others to lie beside it")
        return url

    def exists(self, url: str) -> bool:
        with self._connected() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_name_in(url)])
            return found.fetchone() is not None

    def room(self) -> int:
        with _telling():
            return room_of(self.url)

    def claim(self, url: str) -> "PostgresClaim | None":
        """A lock that PostgreSQL itself lets go of when the process dies."""
        with _telling():
            connection = psycopg.connect(
                self.url, autocommit=True, connect_timeout=LIMITS.connect_seconds
            )
            name = _name_in(url)
            lock = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
            ((got,),) = connection.execute(lock, [CLAIMS, name]).fetchall()
        if got:
            return PostgresClaim(connection, name)
        connection.close()
        return None

    def copy(self, source: str, url: str) -> None:
        """Nobody who works on the source is disturbed, as they were by a template's copy."""
        with self._from_one_moment(source, url) as (here, there):
            for table in metadata.sorted_tables:
                _copy_table(here, there, Identifier(table.name))

    def refill(
        self, source: str, url: str, stays: tuple[type[Record], ...], then: Callable[[Connection], None]
    ) -> None:
        """Whoever is at work on it ends first, and then waits until this has ended."""
        tables = [Identifier(each.name) for each in changing(stays)]
        with self._from_one_moment(source, url) as (here, there):
            there.execute(SQL("SET LOCAL lock_timeout = {}").format(f"{LOCK_SECONDS_MAX}s"))
            there.execute(SQL("TRUNCATE {}").format(SQL(", ").join(tables)))
            for table in tables:
                _copy_table(here, there, table)
            then(PostgresConnection(there))

    def check(self, url: str) -> None:
        if not self.exists(url):
            raise Unusable("its database is gone")

    @contextmanager
    def _from_one_moment(
        self, source: str, url: str
    ) -> Iterator[tuple[psycopg.Connection, psycopg.Connection]]:
        """A transaction in either; the source is seen as it is now."""
        with (
            self._connected(source) as here,
            self._connected(url) as there,
            here.transaction(),
            there.transaction(),
        ):
            here.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield here, there

    @contextmanager
    def _connected(self, url: str | None = None) -> Iterator[psycopg.Connection]:
        seconds = LIMITS.connect_seconds
        with (
            _telling(),
            psycopg.connect(url or self.url, autocommit=True, connect_timeout=seconds) as connection,
        ):
            yield connection


class PostgresClaim:
    """What is made and thrown away goes by the connection that has the lock: nothing of it happens
    after that was let go."""

    def __init__(self, connection: psycopg.Connection, name: str) -> None:
        self.connection = connection
        self.name = name

    def create(self) -> None:
        """As the first one is: any text fits, and it is sorted by its bytes."""
        make = SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0")
        with _telling():
            try:
                self.connection.execute(make.format(Identifier(self.name)))
            except psycopg.errors.InsufficientPrivilege:
                raise Unusable(
                    f"the database user may not make the database {self.name}: a superuser gives leave"
                    f" with ALTER ROLE {self.connection.info.user} CREATEDB"
                ) from None

    def drop(self) -> None:
        with _telling():
            drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            self.connection.execute(drop.format(Identifier(self.name)))

    def release(self) -> None:
        """Said first: of a connection that is closed the server learns a moment later."""
        with suppress(psycopg.Error), self.connection:
            self.connection.execute("SELECT pg_advisory_unlock_all()")


@contextmanager
def _telling() -> Iterator[None]:
    """What PostgreSQL has against it, as Unavailable."""
    try:
        yield
    except (*TROUBLE, psycopg.ProgrammingError) as error:
        raise Unavailable(str(error)) from error


def _name_in(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


def _copy_table(here: psycopg.Connection, there: psycopg.Connection, name: Identifier) -> None:
    out = here.cursor().copy(SQL("COPY {} TO STDOUT (FORMAT BINARY)").format(name))
    into = there.cursor().copy(SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(name))
    with out as rows, into as kept:
        for part in rows:
            kept.write(part)

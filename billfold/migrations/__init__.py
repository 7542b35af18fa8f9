"""The schema's history, and how a database is brought to its end before anything is served.

Alembic and SQLAlchemy's own drivers are imported only when there is something to migrate: a phase
of its own, which closes every connection before the server opens one.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Lock

from billfold.kit.errors import Unusable

VERSIONS = Path(__file__).parent / "versions"
# A file is named after its revision: 0001_access.py.
REVISIONS = sorted(path.name.split("_")[0] for path in VERSIONS.glob("[0-9]*.py"))
HEAD = REVISIONS[-1]
# Alembic's context is the whole process': two threads would migrate each other's database.
_one_at_a_time = Lock()


def prepare(url: str) -> str:
    """Make a database ready to serve: says what was done, "" when nothing had to be.

    A new one is made. An older SQLite file is copied beside itself and migrated; an older
    PostgreSQL is left to its owner, and a newer schema to a newer Billfold."""
    found = known_revision(url)
    if found == HEAD:
        return ""
    said = ""
    if found is not None:
        if not url.startswith("sqlite:"):
            raise Unusable(
                f"the database has schema {found} and this Billfold needs {HEAD}: back it up, then run"
                " `billfold migrate`"
            )
        said = f"migrated from schema {found} to {HEAD}; the file as it was: {_copy(url, found)}"
    migrate(url)
    return said


def known_revision(url: str) -> str | None:
    """The schema of a database; Unusable when this Billfold is too old to know it."""
    found = revision(url)
    if found is not None and found not in REVISIONS:
        raise Unusable(
            f"the database has schema {found}, newer than this Billfold's {HEAD}: update Billfold"
        )
    return found


def revision(url: str) -> str | None:
    """The schema of a database, None when it has none."""
    if url.startswith("sqlite:"):
        path = Path(url.removeprefix("sqlite:"))
        return _sqlite_revision(path) if path.exists() else None
    import psycopg

    with psycopg.connect(url, connect_timeout=5) as connection:
        if (encoding := connection.info.parameter_status("server_encoding")) != "UTF8":
            raise Unusable(
                f"the database's encoding is {encoding}, which cannot hold every name: make one with"
                " CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
            )
        if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row[0] if row else None


def migrate(url: str, to: str = "head") -> None:
    """Bring a database to a revision, in one transaction; two processes may try at once."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = url
    with _one_at_a_time:
        command.upgrade(config, to)


def is_begun(url: str) -> bool:
    """Whether an installation's first database was ever served or filled: it has a clock since then."""
    return known_revision(url) is not None and bool(_column(url, "SELECT id FROM clocks"))


def environments(url: str) -> list[str]:
    """The names of the environments that are listed in an installation's first database."""
    return _column(url, "SELECT id FROM environments WHERE state = 'ACTIVE' ORDER BY id")


def _column(url: str, statement: str) -> list[str]:
    if url.startswith("sqlite:"):
        import apsw

        with closing(apsw.Connection(url.removeprefix("sqlite:"))) as connection:
            return [value for (value,) in connection.execute(statement)]
    import psycopg

    with psycopg.connect(url, connect_timeout=5) as server:
        return [value for (value,) in server.execute(statement)]


def _sqlite_revision(path: Path) -> str | None:
    import apsw

    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        names = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
        if not connection.execute(names).fetchall():
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row[0] if row else None


def _copy(url: str, found: str) -> Path:
    """The backup API sees one moment of the file, with what is still in its log."""
    path = Path(url.removeprefix("sqlite:"))
    copy = path.with_name(f"{path.name}.before-{HEAD}-was-{found}")
    copy.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy

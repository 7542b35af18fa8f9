"""SQLite: the databases of an installation's environments, files beside that of its first."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw

from billfold.kit.database import Connection
from billfold.kit.errors import Unavailable, Unusable
from billfold.kit.sqlite import TROUBLE, SqliteConnection, open_driver
from billfold.kit.tables import Record, changing

COPIED_PAGES = 10_000  # At once, while a database is copied.


class SqlitePlace:
    """The folder of the first file; those of other environments lie in one below it."""

    copies_schema = True

    def __init__(self, url: str) -> None:
        self.folder = _file(url).parent / "environments"

    def beside(self, name: str) -> str:
        return f"sqlite:{self.folder / name}.db"

    def exists(self, url: str) -> bool:
        return _file(url).exists()

    def room(self) -> None:
        return None

    def claim(self, url: str) -> "SqliteClaim":
        """The folder is one process' alone."""
        return SqliteClaim(_file(url))

    def copy(self, source: str, url: str) -> None:
        """The backup API sees one moment, with what is still in the log."""
        flags = apsw.SQLITE_OPEN_READONLY
        try:
            with (
                closing(apsw.Connection(str(_file(source)), flags=flags)) as here,
                closing(apsw.Connection(str(_file(url)))) as there,
                there.backup("main", here, "main") as backup,
            ):
                while not backup.done:
                    backup.step(COPIED_PAGES)
        except TROUBLE as error:
            raise Unavailable(str(error)) from error

    def refill(
        self, source: str, url: str, stays: tuple[type[Record], ...], then: Callable[[Connection], None]
    ) -> None:
        try:
            with closing(open_driver(str(_file(url)), writes=True)) as driver:
                driver.execute("PRAGMA foreign_keys=OFF")  # Those of the rows that come hold already.
                driver.execute("ATTACH ? AS kept", [str(_file(source))])
                driver.execute("BEGIN IMMEDIATE")
                for table in changing(stays):
                    names = ", ".join(f'"{column.name}"' for column in table.columns)
                    driver.execute(f"DELETE FROM main.{table.name}")
                    driver.execute(
                        f"INSERT INTO main.{table.name} ({names}) SELECT {names} FROM kept.{table.name}"
                    )
                then(SqliteConnection(driver))
                driver.execute("COMMIT")
        except TROUBLE as error:
            raise Unavailable(str(error)) from error

    def check(self, url: str) -> None:
        file = _file(url)
        try:
            with closing(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READWRITE)) as driver:
                found = "; ".join(said for (said,) in driver.execute("PRAGMA quick_check(1)"))
        except (apsw.CorruptError, apsw.NotADBError, apsw.CantOpenError) as error:
            found = str(error)
        if found != "ok":
            raise Unusable(f"the file {file.name} is damaged ({found})")


class SqliteClaim:
    def __init__(self, file: Path) -> None:
        self.file = file

    def create(self) -> None:
        self.file.parent.mkdir(mode=0o700, exist_ok=True)
        self.file.touch(mode=0o600)

    def drop(self) -> None:
        # The file itself goes last: while it is there, so is the database.
        for end in ("-wal", "-shm", "-journal", ""):
            self.file.with_name(self.file.name + end).unlink(missing_ok=True)

    def release(self) -> None:
        """Nobody else was kept from it."""


def _file(url: str) -> Path:
    return Path(url.removeprefix("sqlite:"))

"""Where an installation's databases lie: made, copied, refilled and thrown away."""

from collections.abc import Callable
from typing import Protocol

from billfold.kit.database import Connection
from billfold.kit.tables import Record


class Claim(Protocol):
    """A database that nobody else makes or throws away, until it is let go or its process dies."""

    def create(self) -> None:
        """Make it, empty; raises Unusable, with what to do, where that may not be."""

    def drop(self) -> None:
        """Throw it away, whoever still uses it; does nothing where there is none."""

    def release(self) -> None: ...


class Place(Protocol):
    """Where an installation's databases lie, its first one and those beside it. All but `beside` takes
    its time, so it is done in a thread; what the database says is raised as Unavailable.

    Of some a copy has the schema of its source, the others are migrated before they are filled."""

    copies_schema: bool

    def beside(self, name: str) -> str:
        """The URL of the database of an environment; raises Unusable for a name that is too long."""

    def exists(self, url: str) -> bool: ...

    def room(self) -> int | None:
        """How many connections there may be at all; None where nobody counts them."""

    def claim(self, url: str) -> Claim | None:
        """None while another process has it."""

    def copy(self, source: str, url: str) -> None:
        """Fill one that was made with what another one holds at one moment."""

    def refill(
        self, source: str, url: str, stays: tuple[type[Record], ...], then: Callable[[Connection], None]
    ) -> None:
        """Put the rows of another one of the same schema in the place of its own, but for the tables
        that stay; all of it, and what is done then, in one transaction. Others may be at work on it."""

    def check(self, url: str) -> None:
        """Raises Unusable for one that is damaged, or gone."""


def place_of(url: str) -> Place:
    """Where databases like this one lie: of a SQLite file its folder, of PostgreSQL its server."""
    if url.startswith("sqlite:"):
        from billfold.kit.sqlite_place import SqlitePlace

        return SqlitePlace(url)
    from billfold.kit.postgres_place import PostgresPlace

    return PostgresPlace(url)

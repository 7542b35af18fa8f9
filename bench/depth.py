"""A cursor that lies deep in a list, given out by the program itself, without walking there."""

from types import SimpleNamespace
from typing import Any

import apsw
import psycopg
import sqlalchemy as sa

from bench import world
from bench.asked import PAGE, List
from bench.databases import Data
from billfold.kit import listing
from billfold.kit.database import Connection
from billfold.kit.listing import Asked
from billfold.kit.postgres_connection import PostgresConnection
from billfold.kit.secrets import load
from billfold.kit.sqlite import SqliteConnection


class Depth:
    """Looks into the database beside its server. `listing.find` takes it for the connection of a unit
    of work, asks for the row before the page, and makes the cursor that lies behind it."""

    def __init__(self, data: Data) -> None:
        if data.url:
            self.connection: Connection = PostgresConnection(psycopg.connect(data.url, autocommit=True))
        else:
            file = apsw.Connection(data.file, flags=apsw.SQLITE_OPEN_READONLY)
            file.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            self.connection = SqliteConnection(file)
        secrets = load(data.folder)
        self.work: Any = SimpleNamespace(
            connection=self, secrets=secrets, organization_id=world.ORGANIZATION
        )

    def __enter__(self) -> "Depth":
        return self

    def __exit__(self, *error) -> None:
        self.connection.driver.close()

    def page(self, each: List, asked: Asked, away: int) -> tuple[str | None, int]:
        """The cursor of a page, and how many rows stand before it: as far away as asked, or as the
        list goes with more than a full page behind; none where the list has no second page."""
        self.away = away
        one = Asked(asked.filters, asked.sort, max=1)
        return listing.find(self.work, each.record, each.fields, one).next_page, self.away

    def rows(self, record, statement: sa.Select, values: dict) -> list:
        """The last row before the page and the one after it, by what stands in an index."""
        ids = statement.with_only_columns(record.c.id)
        all_ids = ids.limit(None).order_by(None).subquery()
        counted = sa.select(sa.func.count()).select_from(all_ids)
        ((count,),) = self.connection.values(counted, **values)
        self.away = max(0, min(self.away, count - PAGE - 1))
        if not self.away:
            return []
        skipped = ids.offset(sa.bindparam("away", type_=sa.Integer))
        found = self.connection.values(skipped, **values, away=self.away - 1)
        return [self.connection.first(record, id=id) for (id,) in found]

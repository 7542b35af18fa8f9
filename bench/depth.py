"""A cursor that lies deep in a list, made as the program itself makes one, without walking there."""

import apsw
import psycopg
import sqlalchemy as sa

from bench import world
from bench.asked import PAGE, List
from bench.databases import Data
from billfold.kit import listing
from billfold.kit.database import Connection
from billfold.kit.listing import Asked, Cursor
from billfold.kit.postgres import PostgresConnection
from billfold.kit.secrets import load
from billfold.kit.sqlite import SqliteConnection


class Depth:
    """Looks into the database beside its server."""

    def __init__(self, data: Data) -> None:
        self.secrets = load(data.folder, make=False)
        if data.url:
            self.driver = psycopg.connect(data.url, autocommit=True)
            self.connection: Connection = PostgresConnection(self.driver)
        else:
            self.driver = apsw.Connection(data.file, flags=apsw.SQLITE_OPEN_READONLY)
            self.driver.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            self.connection = SqliteConnection(self.driver)

    def __enter__(self) -> "Depth":
        return self

    def __exit__(self, *error) -> None:
        self.driver.close()

    def page(self, each: List, asked: Asked, away: int) -> tuple[int, str]:
        """How many rows stand before the page, and its cursor: as far away as asked, or as the list
        goes with a full page behind; none where the list has no second page."""
        conditions, values = listing._conditions(asked.filters, each.fields)
        order = listing._order(asked.sort, each.fields) if asked.sort else listing._order_of(conditions)
        statement = listing._statement(each.record, conditions, order, False, False)
        values["organization_id"] = world.ORGANIZATION
        ids = statement.with_only_columns(each.record.c.id)
        found = self._ids(ids, away, values)
        if len(found) <= PAGE:
            rest = sa.select(sa.func.count()).select_from(ids.limit(None).order_by(None).subquery())
            ((count,),) = self.connection.values(rest, **values)
            away = count - PAGE
            found = self._ids(ids, away, values) if away > 0 else []
        if not found:
            return 0, ""
        record = each.record
        row = self.connection.first(record, id=found[0])
        cursor = Cursor(listing.VERSION, False, asked.filters, asked.sort, listing._key(row, order))
        return away, listing._encode(self.secrets, cursor)

    def _ids(self, ids: sa.Select, away: int, values: dict) -> list[str]:
        """The last row before the page, and as many behind as make it full."""
        skipped = ids.offset(sa.bindparam("away", type_=sa.Integer))
        asked = values | {"away": away - 1, "most": PAGE + 1}
        return [id for (id,) in self.connection.values(skipped, **asked)]

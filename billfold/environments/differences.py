"""What two environments, or snapshots, differ in: objects that only one has, or that are other."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from billfold.carrying import carried
from billfold.carrying.carried import Carried
from billfold.environments.databases import at_rest
from billfold.environments.host import Host
from billfold.kit.database import Connection, Database, open_database
from billfold.kit.secrets import Secrets
from billfold.kit.tables import TABLES, Record

R = TypeVar("R", bound=Record)
# Of one table so many at once.
PAGE = 1_000
DIFFERENCES_MAX = 1_000
# They follow from the objects, and no two environments share them.
TRAILS = {"audit_entries", "events", "deliveries", "delivery_attempts", "agenda"}


@dataclass(frozen=True)
class Difference:
    """`one` and `other` are the fields that differ, as each of the two has them; None where it has no
    such object. What is sealed is compared opened, and told as None."""

    table: str
    id: str
    one: dict[str, Any] | None
    other: dict[str, Any] | None


async def between(host: Host, one: str, other: str) -> list[Difference]:
    """The first thousand, table by table and in the order of ids; trails and secrets of signing in are
    left out. Raises NO_ENVIRONMENT, and BDC_1143 (422) for a snapshot that cannot be used."""
    found: list[Difference] = []
    async with at_rest(host, one) as here, at_rest(host, other) as there:
        left, right = open_database(here), open_database(there)
        for record in compared():
            async for difference in _of(record, left, right, host.book.secrets):
                found.append(difference)
                if len(found) == DIFFERENCES_MAX:
                    return found
    return found


def compared() -> list[type[Record]]:
    """An organization's own tables, as they are carried, but for its trails."""
    names = [name for name, how in carried.TABLES.items() if isinstance(how, Carried)]
    return [TABLES[name] for name in names if name not in TRAILS]


async def _of(
    record: type[Record], left: Database, right: Database, secrets: Secrets
) -> AsyncIterator[Difference]:
    """Both are gone through side by side, each in the order of its ids."""
    table = f"{record.table.name}"  # Of SQLAlchemy's it is a text of its own.
    ones, others = _rows(record, left), _rows(record, right)
    one, other = await anext(ones, None), await anext(others, None)
    while one or other:
        if other is None or (one and one.id < other.id):
            assert one
            yield Difference(table, one.id, _told(one, None), None)
            one = await anext(ones, None)
        elif one is None or other.id < one.id:
            yield Difference(table, other.id, None, _told(other, None))
            other = await anext(others, None)
        else:
            if names := [name for name in one.__struct_fields__ if _differ(one, other, name, secrets)]:
                yield Difference(table, one.id, _told(one, names), _told(other, names))
            one, other = await anext(ones, None), await anext(others, None)


async def _rows(record: type[R], database: Database) -> AsyncIterator[R]:
    after = ""
    while True:
        page = await database.read_at_length(partial(_page, record, after))
        for row in page:
            yield row
        if len(page) < PAGE:
            return
        after = page[-1].id


def _page(record: type[R], after: str, connection: Connection) -> list[R]:
    return connection.rows(record, _select_page(record), {"after": after})


@lru_cache
def _select_page(record: type[Record]) -> sa.Select:
    behind = record.c.id > sa.bindparam("after", type_=record.c.id.type)
    return sa.select(record.table).where(behind).order_by(record.c.id).limit(PAGE)


def _differ(one: Record, other: Record, name: str, secrets: Secrets) -> bool:
    mine, theirs = getattr(one, name), getattr(other, name)
    if mine == theirs or not (isinstance(mine, bytes) and isinstance(theirs, bytes)):
        return mine != theirs
    try:
        return secrets.open(mine, one.id) != secrets.open(theirs, other.id)
    except ValueError:
        return True  # One of them was not sealed for this row; then they are other anyway.


def _told(row: Record, names: list[str] | None) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in names or row.__struct_fields__ if name != "id"}
    return msgspec.to_builtins(
        {name: None if isinstance(value, bytes) else value for name, value in values.items()}
    )

"""PostgreSQL: statements for many rows at once.

An argument is what costs, to the driver and to the server: many ids are one text, and many rows one
JSON text, as msgspec writes them. For no more than a few that saves nothing.
"""

from functools import lru_cache

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect

from billfold.kit.database import SPLIT_AT, STATEMENTS_MAX
from billfold.kit.tables import Document, Record

FEW = 8
DIALECT = psycopg_dialect.dialect(paramstyle="format")


def as_json(rows: list) -> str:
    return msgspec.json.encode(rows).decode()


@lru_cache(STATEMENTS_MAX)
def insert_all(record: type[Record]) -> str:
    columns = record.table.columns
    given, taken = zip(*map(_in_json, columns), strict=True)
    return (
        f"INSERT INTO {record.table.name} ({', '.join(map(_name, columns))})"
        f" SELECT {', '.join(taken)} FROM json_to_recordset(%s) AS row({', '.join(given)})"
    )


@lru_cache(STATEMENTS_MAX)
def update_all_of(record: type[Record], *names: str) -> str:
    """By the ids too: of a function PostgreSQL expects a hundred rows, and may read the whole table to
    find them."""
    columns = [record.c[name] for name in names]
    given, taken = zip(*map(_in_json, (record.c.id, *columns)), strict=True)
    changes = map("{} = {}".format, map(_name, columns), taken[1:])
    return (
        f"UPDATE {record.table.name} AS old SET {', '.join(changes)}"
        f" FROM json_to_recordset(%s) AS row({', '.join(given)})"
        " WHERE old.id = row.id"
        f" AND old.id = ANY((SELECT string_to_array(%s, {SPLIT_AT}))::text[])"
    )


def _in_json(column: sa.Column) -> tuple[str, str]:
    """What a column's value is in JSON, and how it becomes what is kept."""
    name = _name(column)
    if isinstance(column.type, sa.LargeBinary):
        return f"{name} text", f"decode(row.{name}, 'base64')"
    if isinstance(column.type, Document):
        return f"{name} json", f"row.{name}::text"
    return f"{name} {column.type.compile(DIALECT)}", f"row.{name}"


def _name(column: sa.Column) -> str:
    return DIALECT.identifier_preparer.quote(column.name)

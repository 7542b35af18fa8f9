"""Many rows at once: PostgreSQL gets them in one text, and keeps each as if it had come alone."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import count
from types import NoneType
from typing import Annotated, get_args, get_origin, get_type_hints

import msgspec
import pytest
from msgspec.structs import replace

import billfold.app  # noqa: F401 - its imports bring every table
from billfold.kit.tables import TABLES, Record

NASTY = "\"'\\ \t\n%s {} [] \N{SNOWMAN} \N{GRINNING FACE} null \\u0041"
NUMBERS = count(1)


class Undone(Exception):
    """So that what was written is rolled back."""


def value(hint):
    """One of a type, other than any before where there are so many."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    number, args = next(NUMBERS), get_args(hint)
    if NoneType in args:
        return None if number % 5 == 0 else value(args[0])
    if get_origin(hint) in (list, tuple):
        return [value(args[0])]
    if get_origin(hint) is dict:
        return {NASTY: value(args[1])}
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return list(hint)[number % len(hint)]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        hints = get_type_hints(hint, include_extras=True)
        return hint(**{name: value(hints[name]) for name in hint.__struct_fields__})
    known = {
        str: f"{number} {NASTY}", int: number << 40, bool: number % 2 == 0,
        bytes: bytes(range(256)) + NASTY.encode(), date: date(2027, 1, 1) + timedelta(number),
        datetime: datetime(2027, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number),
        Decimal: Decimal(number) / 1000,
    }  # fmt: skip
    return known.get(hint, number)


def other(row: Record) -> Record:
    return replace(value(type(row)), id=row.id)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_many_rows_are_kept_as_one_is(desk, name):
    record = TABLES[name]
    names = [name for name in record.__struct_fields__ if name != "id"]

    def kept(work, rows) -> list[Record]:
        return [row for each in rows for row in work.connection.where(record, id=each.id)]

    def write(work):
        connection, rows = work.connection, [value(record) for _ in range(12)]
        if not desk.environment.database.alone:
            # References to what is not there.
            connection.execute("SET LOCAL session_replication_role = replica", [])
        else:
            connection.driver.execute("PRAGMA defer_foreign_keys = ON")
        connection.insert(record, rows)
        assert kept(work, rows) == rows
        changed = list(map(other, rows))
        connection.update_all(record, names, [msgspec.structs.asdict(row) for row in changed])
        assert kept(work, rows) == changed
        raise Undone

    with pytest.raises(Undone):
        desk.writes(write)


def test_rows_that_become_alike(desk):
    record = TABLES["delivery_attempts"]

    def write(work):
        rows = [value(record) for _ in range(12)]
        work.connection.insert(record, rows)
        fields = {"headers": {NASTY: NASTY}, "answer": b"\x00\xff", "failure": None, "milliseconds": 7}
        changes = [fields | {"id": row.id} for row in rows[:11]]
        work.connection.update_all(record, list(fields), changes)
        found = [work.connection.first(record, id=row.id) for row in rows]
        assert found == [*(replace(row, **fields) for row in rows[:11]), rows[11]]
        work.connection.delete_all(record, [row.id for row in rows[:11]])
        assert work.connection.where(record, organization_id=rows[0].organization_id) == []
        assert work.connection.first(record, id=rows[11].id) == rows[11]
        raise Undone

    with pytest.raises(Undone):
        desk.writes(write)

"""Many rows at once: PostgreSQL gets them in one text, and keeps each as if it had come alone."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import count
from types import NoneType
from typing import Annotated, get_args, get_origin, get_type_hints
from unittest.mock import Mock

import apsw
import msgspec
import psycopg
import pytest
import sqlalchemy as sa
from msgspec.structs import replace

import billfold.app  # noqa: F401 - its imports bring every table
from billfold.kit import agenda, agenda_items
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.database import (
    IN_ONE,
    delete_from,
    select_among,
    select_among_to_change,
    set_in,
)
from billfold.kit.postgres_connection import PostgresConnection
from billfold.kit.postgres_rows import update_all_of
from billfold.kit.tables import TABLES, Record
from billfold.payables.bills import BillLine
from billfold.payables.vendors import Vendor

NASTY = "\"'\\ \t\n%s {} [] \N{SNOWMAN} \N{GRINNING FACE} null \\u0041"
NUMBERS = count(1)
COUNT = sa.select(sa.func.count()).select_from(TABLES["delivery_attempts"].table)
ERRORS = (psycopg.IntegrityError, apsw.ConstraintError)


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


def raw(work, record: type[Record], ids: list[str]) -> list[list]:
    """What lies in the database, without what Python makes of it, and without the ids."""
    names = ", ".join(f'"{name}"' for name in record.__struct_fields__ if name != "id")
    mark = "?" if work.connection.driver.__class__.__module__ == "apsw" else "%s"
    text = f"SELECT {names} FROM {record.table.name} WHERE id = {mark}"
    return [list(map(str, work.connection.fetch(text, [id])[0])) for id in ids]


def allow_any_reference(desk, work) -> None:
    """Until this transaction is rolled back: to what is not there."""
    if desk.environment.database.alone:
        work.connection.driver.execute("PRAGMA defer_foreign_keys = ON")
    else:
        work.connection.execute("SET LOCAL session_replication_role = replica", [])


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
        allow_any_reference(desk, work)
        connection.insert(record, rows)
        assert kept(work, rows) == rows
        ids = [row.id for row in rows]
        at_once = raw(work, record, ids)
        connection.delete_all(record, ids)
        for row in rows:
            connection.insert(record, [row])
        assert raw(work, record, ids) == at_once
        changed = list(map(other, rows))
        connection.update_all(record, names, [msgspec.structs.asdict(row) for row in changed])
        assert kept(work, rows) == changed
        raise Undone

    with pytest.raises(Undone):
        desk.writes(write)


def test_what_is_equal_and_written_otherwise_stays_as_it_is_written(desk):
    record = TABLES["bill_lines"]

    def write(work):
        allow_any_reference(desk, work)
        rows = [value(record) for _ in range(12)]
        work.connection.insert(record, rows)
        digits = [Decimal("1." + "0" * number) for number in range(1, 13)]
        changes = [{"quantity": each, "id": row.id} for row, each in zip(rows, digits, strict=True)]
        work.connection.update_all(record, ["quantity"], changes)
        found = [str(work.connection.first(record, id=row.id).quantity) for row in rows]
        assert found == list(map(str, digits))
        raise Undone

    with pytest.raises(Undone):
        desk.writes(write)


def test_one_of_many_that_may_not_be_undoes_all(desk):
    def insert(work, *more):
        rows = [value(TABLES["delivery_attempts"]) for _ in range(11)]
        work.connection.insert(TABLES["delivery_attempts"], [*rows, *more])
        return rows[0]

    first = desk.writes(insert)
    with pytest.raises(ERRORS):
        desk.writes(lambda work: insert(work, first))
    ((count,),) = desk.reads(lambda work: work.connection.values(COUNT))
    assert count == 11


def test_what_parts_ids_in_one_text_may_stand_in_one(desk):
    record = TABLES["vendors"]

    def write(work):
        allow_any_reference(desk, work)
        rows = [value(record) for _ in range(12)]
        odd = replace(rows[0], id=f"{rows[1].id}\x1f{rows[2].id}")
        work.connection.insert(record, [odd, *rows[1:]])
        ids = [odd.id, "nobody's", *(row.id for row in rows[4:])]
        assert work.connection.by_id(record, ids) == {row.id: row for row in (odd, *rows[4:])}
        raise Undone

    with pytest.raises(Undone):
        desk.writes(write)


@pytest.mark.parametrize(("record", "statement"), [
    (Vendor, select_among(Vendor, "id", IN_ONE)),
    (Vendor, select_among_to_change(Vendor, "id", IN_ONE)),
    (BillLine, select_among(BillLine, "bill_id", IN_ONE)),
    (Vendor, set_in(Vendor, IN_ONE, "name")),
    (Vendor, update_all_of(Vendor, "name")),
    (AgendaItem, delete_from(AgendaItem, IN_ONE)),
    (AgendaItem, agenda._leases(IN_ONE)),
    (AgendaItem, agenda._leasing(IN_ONE)),
])  # fmt: skip
def test_many_in_one_text_are_looked_up_one_by_one(copied_postgres_url, open_desk, record, statement):
    found = plan_for_any(open_desk(copied_postgres_url), record, statement)
    assert "Index" in found and "Seq Scan" not in found, found


def test_who_comes_first_in_a_lane_is_found_in_its_index(copied_postgres_url, open_desk):
    found = plan_for_any(open_desk(copied_postgres_url), AgendaItem, agenda_items._first_free(IN_ONE))
    assert "ix_agenda_lane" in found and "ix_agenda_due" not in found, found


def test_what_is_leased_is_not_joined_with_itself(copied_postgres_url, open_desk):
    """That could cost as many times as many."""
    found = plan_for_any(open_desk(copied_postgres_url), AgendaItem, agenda._leasing(IN_ONE))
    assert "Nested Loop" not in found and "Join" not in found, found


def plan_for_any(desk, record, statement) -> str:
    """The plan for any text, which PostgreSQL makes once for a connection."""
    plans = []

    def write(work):
        allow_any_reference(desk, work)
        work.connection.insert(record, [value(record) for _ in range(2_000)])
        numbers = count(1)
        plain = statement if isinstance(statement, str) else work.connection.compiled(statement).text
        text = re.sub("%s", lambda _: f"${next(numbers)}", plain)
        lines = work.connection.driver.execute(f"EXPLAIN (GENERIC_PLAN) {text}").fetchall()
        plans.append("\n".join(line for (line,) in lines))
        raise Undone

    with pytest.raises(Undone):
        desk.writes(write)
    return plans[0]


def test_a_statement_is_compiled_once_for_all_connections():
    first, second = PostgresConnection(Mock()), PostgresConnection(Mock())
    assert first.compiled is second.compiled


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

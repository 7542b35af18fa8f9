"""A table is said once, as a class of typed fields: rows are its instances, `.c` its columns.

    @table("vendors", ids="vendor", by=["created_time", "name"])
    class Vendor(Owned):
        name: str
        short_name: str | None = None

is also a SQLAlchemy table (`Vendor.table`, found by Alembic in `metadata`). Rows are msgspec
structs in the order of the columns and are frozen: `work.change` is the only way to change one,
so no change is lost and none is made behind the audit's back.

How a value lies in each database is the business of its column type, here and nowhere else.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import sqlalchemy as sa

from billfold.kit.clock import stamp
from billfold.kit.ids import PREFIXES

DATES_MAX = 1_000

PREFIX_LENGTH = 3
# By the prefix of its ids, so that an id can be looked up without importing its area.
RECORDS: dict[str, type["Record"]] = {}
# By the name of its table.
TABLES: dict[str, type["Record"]] = {}

metadata = sa.MetaData(
    naming_convention={"ix": "ix_%(column_0_N_label)s", "fk": "fk_%(table_name)s_%(column_0_name)s"}
)


class Kept(sa.TypeDecorator):
    """A value that is kept as another: `turned` says how it goes in, if it must be turned at all, and
    how it comes back. Neither is asked about None, which is NULL (see `database.Compiled`)."""

    impl: type[sa.types.TypeEngine] = sa.Text
    cache_ok = True
    turned: tuple[Callable | None, Callable]

    def bind_processor(self, dialect):
        return self.turned[0]

    def result_processor(self, dialect, coltype):
        return self.turned[1]


class Choice(Kept):
    """A StrEnum, given back as the enum, so that `is` and `match` may be trusted."""

    def __init__(self, choices: type[StrEnum]) -> None:
        super().__init__()
        self.choices = choices
        # `_value_` is the plain attribute behind `value`, which is a property and slow.
        self.turned = attrgetter("_value_"), {choice.value: choice for choice in choices}.__getitem__


class Document(Kept):
    """A struct kept as JSON. What a list filters by is a column, never inside a document."""

    def __init__(self, shape: type) -> None:
        super().__init__()
        self.shape = shape
        self.turned = (
            lambda value: msgspec.json.encode(value).decode(),
            msgspec.json.Decoder(shape).decode,
        )


class IsoMoment(Kept):
    """An aware UTC time as the text the wire uses, which also sorts by time."""

    turned = stamp, datetime.fromisoformat


class IsoDate(Kept):
    """A date as SQLAlchemy keeps it in SQLite, turned in one step instead of four, and each once:
    there are few that anything is due on."""

    impl = sa.Date
    turned = lru_cache(DATES_MAX)(date.isoformat), lru_cache(DATES_MAX)(date.fromisoformat)


class Flag(Kept):
    """A truth value as a number, which in Python it is already."""

    impl = sa.Boolean
    turned = None, bool


class Number(Kept):
    """A decimal as it was written: quantities and rates have more digits than money."""

    turned = str, Decimal


# "C" makes PostgreSQL sort text as SQLite does; without it lists come in another order.
TYPES: dict[Any, sa.types.TypeEngine] = {
    str: sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
    int: sa.BigInteger(),
    bool: sa.Boolean().with_variant(Flag(), "sqlite"),
    bytes: sa.LargeBinary(),
    date: sa.Date().with_variant(IsoDate(), "sqlite"),
    datetime: sa.DateTime(timezone=True).with_variant(IsoMoment(), "sqlite"),
    Decimal: Number(),
}


class Record(msgspec.Struct, frozen=True, gc=False):
    """A row of any table."""

    table: ClassVar[sa.Table]
    c: ClassVar[sa.ColumnCollection]
    ids: ClassVar[str | None]
    audited: ClassVar[bool]
    lasting: ClassVar[bool]
    seldom: ClassVar[bool]
    dated: ClassVar[bool]

    id: str


class Owned(Record, frozen=True, gc=False):
    """A row of an organization: only its own people can reach it."""

    organization_id: str
    created_time: datetime
    updated_time: datetime


R = TypeVar("R", bound=type[Record])


def table(
    name: str,
    *more: sa.schema.SchemaItem,
    ids: str | Sequence[str] | None = None,
    by: Sequence[str] = (),
    sorted_by: Sequence[str] = (),
    begins_by: Sequence[str] = (),
    audited: bool = False,
    lasting: bool = False,
    seldom: bool = False,
) -> Callable[[R], R]:
    """Describe a record as a table.

    `ids` names the kind of its ids, or several where one table holds several kinds. `audited` rows
    leave a trace of every change; `lasting` ones are never removed; of `seldom` ones, which hardly ever
    change, every process remembers what it read until one does.

    `by` says by what its rows are looked for, an index each: inside one organization, and in the
    order of ids. Both ends matter. A planner that must choose between "this organization" and "this
    bill" chooses wrong, and one that must sort first is slow. Rows that are empty there are left out:
    nobody looks for them by it, and every index costs each new row.

    `sorted_by` names columns that may be empty and by which lists are sorted, empty rows included;
    `begins_by` those that are looked for by how they begin, in small letters.
    """

    def describe(record: R) -> R:
        hints = get_type_hints(record, include_extras=True)
        columns = {field: _column(field, hints[field]) for field in record.__struct_fields__}
        indexes = [
            *(_index(name, names.split(), columns) for names in by),
            *(_index_of(f"ix_{name}_{each}_sorted", or_empty(columns[each])) for each in sorted_by),
            *(_index_of(f"ix_{name}_{each}_begins", small(columns[each])) for each in begins_by),
        ]
        record.table = sa.Table(name, metadata, *columns.values(), *indexes, *more)
        kinds = [ids] if isinstance(ids, str) else list(ids or ())
        record.c, record.audited = record.table.c, audited
        record.lasting, record.seldom = lasting, seldom
        record.dated = "updated_time" in record.__struct_fields__
        record.ids = kinds[0] if len(kinds) == 1 else None
        RECORDS.update({PREFIXES[kind]: record for kind in kinds})
        TABLES[name] = record
        return record

    return describe


def _index(table: str, names: list[str], columns: dict[str, sa.Column]) -> sa.Index:
    empty = " AND ".join(f"{name} IS NOT NULL" for name in names if columns[name].nullable)
    where = sa.text(empty) if empty else None
    return sa.Index(
        f"ix_{table}_{'_'.join(names)}", "organization_id", *names, "id",
        sqlite_where=where, postgresql_where=where,
    )  # fmt: skip


def _index_of(name: str, expression: sa.ColumnElement) -> sa.Index:
    return sa.Index(name, "organization_id", expression, "id")


def or_empty(column: sa.Column) -> sa.ColumnElement:
    """As it sorts: nothing like "", because the databases disagree where NULL goes."""
    if not column.nullable:
        return column
    return sa.func.coalesce(column, sa.literal_column("''"), type_=sa.Text())


def small(column: sa.Column) -> sa.ColumnElement:
    """In small letters, of which both databases know only ASCII's."""
    return sa.func.lower(column, type_=column.type)


def _column(name: str, hint) -> sa.Column:
    constraints: list[sa.schema.SchemaItem] = []
    if get_origin(hint) is Annotated:
        hint, *constraints = get_args(hint)
    nullable = get_origin(hint) in (Union, UnionType)
    if nullable:
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    return sa.Column(name, _type(hint), *constraints, primary_key=name == "id", nullable=nullable)


def _type(hint: Any) -> sa.types.TypeEngine:
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Choice(hint)
    return TYPES.get(hint) or Document(hint)


def changing(stays: tuple[type[Record], ...]) -> list[sa.Table]:
    """All tables but some, each behind those that it refers to."""
    kept = {record.table for record in stays}
    return [table for table in metadata.sorted_tables if table not in kept]

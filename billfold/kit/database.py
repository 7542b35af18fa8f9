"""The database: `read` and `write` run a plain function on a Connection, wherever that must be.

A statement is built with SQLAlchemy Core, compiled once per database and kept; the driver runs
the text. `sqlite.py` and `postgres.py` say where functions run and when an answer may leave.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, partial
from typing import Any, Protocol, TypeVar

import msgspec
import sqlalchemy as sa

from billfold.kit.policy import Limits
from billfold.kit.tables import Record

STATEMENTS_MAX = 2_000
SWEPT_AT_ONCE = 20
NAMED_MAX = 1_024  # Databases bound how many values a statement has.
# Ids in one text, with what stands in none between them.
IN_ONE, BETWEEN = 0, "\x1f"
SPLIT_AT = f"chr({ord(BETWEEN)})"
DRIVERS = ("psycopg", "apsw", "sqlite3", "sqlalchemy")

T = TypeVar("T")
R = TypeVar("R", bound=Record)
# A statement about so many ids.
Statements = Callable[[int], sa.Executable]


class Compiled:
    """A statement as one database understands it: text, parameters in order, columns coming back."""

    __slots__ = ("bound", "columns", "constants", "names", "text")

    def __init__(self, dialect: sa.Dialect, statement: Any) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = _short(compiled.string, statement)
        binds = compiled.binds
        self.names = list(compiled.positiontup)
        self.constants = {name: bind.value for name, bind in binds.items() if not bind.required}
        bound = [_type(binds[name], dialect).bind_processor(dialect) for name in self.names]
        found = [
            _type(column, dialect).result_processor(dialect, None)
            for column in getattr(statement, "selected_columns", ())
        ]
        # Most values are in the database what they are in Python; only the others are listed.
        self.bound = [(place, turn) for place, turn in enumerate(bound) if turn]
        self.columns = [(place, turn) for place, turn in enumerate(found) if turn]

    def arguments(self, values: dict[str, Any]) -> list:
        if self.constants:
            values = self.constants | values
        return self.ordered(list(map(values.__getitem__, self.names)))

    def ordered(self, values: list) -> list:
        """Arguments that are in order already, as the database takes them."""
        for place, turn in self.bound:
            if (value := values[place]) is not None:
                values[place] = turn(value)
        return values

    def turn(self, row: Iterable) -> list:
        values = list(row)
        for place, turn in self.columns:
            if (value := values[place]) is not None:
                values[place] = turn(value)
        return values


def _short(text: str, statement: Any) -> str:
    """Without the table's name before each column where there is but one table: a driver reads the
    whole statement, each time, to know it again."""
    tables = statement.get_final_froms() if isinstance(statement, sa.Select) else []
    if len(tables) == 1 and isinstance(tables[0], sa.Table) and text.count("SELECT") == 1:
        return text.replace(f"{tables[0].name}.", "")
    return text


def _type(element: Any, dialect: sa.Dialect) -> Any:
    return element.type.dialect_impl(dialect)


class Connection:
    """What a unit of work may ask of a driver; the two databases differ in the first seven, and in
    how several rows are sent."""

    def __init__(self, driver, dialect: sa.Dialect) -> None:
        self.driver = driver
        self.compiled = _compiler(dialect)

    def fetch(self, text: str, arguments: list) -> list[tuple]:
        raise NotImplementedError

    def execute(self, text: str, arguments: list) -> None:
        raise NotImplementedError

    def execute_many(self, text: str, rows: list[list]) -> None:
        raise NotImplementedError

    def try_lock(self, name: str) -> bool:
        """Whether nobody else is at what this names; until this unit ends nobody else can be."""
        raise NotImplementedError

    def apart(self) -> AbstractContextManager:
        """What is asked in this block may be of earlier moments than what is asked after it. So a rule
        that only reads goes by no `settled` rows: their version was read in here."""
        return nullcontext()

    def make_durable(self) -> None:
        """What this unit commits outlives the machine, also where it was begun otherwise."""

    def together(self) -> AbstractContextManager:
        """Statements whose results nobody waits for may travel together."""
        return nullcontext()

    def named(self, ids: list[str], most: int = 0) -> Iterator[tuple[int, dict[str, str]]]:
        """Ids as statements take them: how many one names (`among`), and the values it takes, `id0` and
        so on, `most` at once; filled up to a power of two, so that few statements serve all lengths."""
        for start in range(0, len(ids), most or NAMED_MAX):
            part = ids[start : start + (most or NAMED_MAX)]
            size = 1 << (len(part) - 1).bit_length()
            part += part[-1:] * (size - len(part))
            yield size, dict(zip(id_names(size), part, strict=True))

    def values(self, statement: sa.Executable, /, **values) -> list[Any]:
        """What a statement finds, a sequence of values for each row."""
        compiled = self.compiled(statement)
        found = self.fetch(compiled.text, compiled.arguments(values))
        return [compiled.turn(row) for row in found] if compiled.columns else found

    def rows(self, record: type[R], statement: sa.Executable, values: dict[str, Any]) -> list[R]:
        return [record(*row) for row in self.values(statement, **values)]

    def values_among(self, statement: Statements, ids: list[str], /, **values) -> list[Any]:
        """What a statement about so many ids finds, of however many; in their order where it has one,
        which is that of ids."""
        found: list[Any] = []
        for size, named in self.named(sorted(ids)):
            found += self.values(statement(size), **named, **values)
        return found

    def rows_among(self, record: type[R], select: Statements, ids: list[str], **values) -> list[R]:
        return [record(*row) for row in self.values_among(select, ids, **values)]

    def where(self, record: type[R], **equal) -> list[R]:
        return self.rows(record, select_where(record, *equal), equal)

    def first(self, record: type[R], **equal) -> R | None:
        return next(iter(self.where(record, **equal)), None)

    def by_id(self, record: type[R], ids: Iterable[str]) -> dict[str, R]:
        """Rows by their ids, whoever's they are."""
        rows = self.rows_among(record, partial(select_by_id, record), list(set(ids)))
        return {row.id: row for row in rows}

    def pair(
        self, record: type[R], other: type[Record], by: str, id: str, organization_id: str
    ) -> tuple[R, Record | None] | None:
        """An organization's row, and the one of the same that it names in a column, if it names one."""
        own = len(record.__struct_fields__)
        query = select_with(record, other, by)
        for row in self.values(query, id=id, organization_id=organization_id):
            return record(*row[:own]), other(*row[own:]) if row[own] is not None else None
        return None

    def insert(self, record: type[R], rows: list[R]) -> None:
        compiled = self.compiled(insert_into(record))
        # A record's fields are its table's columns, in order.
        ordered = [compiled.ordered(list(msgspec.structs.astuple(row))) for row in rows]
        self._for_each(compiled.text, ordered)

    def insert_new(self, row: Record, unique: str = "id") -> bool:
        """Add a row unless one with its id, or with what else is unique, is there; waits for whoever
        is just adding one."""
        compiled = self.compiled(insert_into(type(row)))
        text = f"{compiled.text} ON CONFLICT ({unique}) DO NOTHING RETURNING id"
        return bool(self.fetch(text, compiled.arguments(msgspec.structs.asdict(row))))

    def update(self, record: type[Record], id: str, fields: dict[str, Any]) -> None:
        self.update_all(record, list(fields), [{**fields, "id": id}])

    def update_all(self, record: type[Record], names: list[str], rows: list[dict[str, Any]]) -> None:
        """Rows of which the same columns change; each is a dictionary of them and its id."""
        compiled = self.compiled(update_of(record, *names))
        self._for_each(compiled.text, [compiled.arguments(row) for row in rows])

    def _for_each(self, text: str, rows: list[list]) -> None:
        if len(rows) == 1:
            self.execute(text, rows[0])
        elif rows:
            self.execute_many(text, rows)

    def delete(self, record: type[Record], id: str) -> None:
        self.delete_all(record, [id])

    def delete_all(self, record: type[Record], ids: list[str]) -> None:
        for size, named in self.named(ids):
            self._send(delete_from(record, size), named)

    def set_all(self, record: type[Record], ids: list[str], fields: dict[str, Any]) -> None:
        """The same values for many rows."""
        for size, named in self.named(ids):
            self._send(set_in(record, size, *fields), named | fields)

    def _send(self, statement: sa.Executable, values: dict[str, Any]) -> None:
        compiled = self.compiled(statement)
        self.execute(compiled.text, compiled.arguments(values))


class Database(Protocol):
    # Whether no second process can be at work on it.
    alone: bool
    # How many small things one unit does at most, for those who wait for several.
    batch_most: int

    async def start(self) -> None: ...

    # The server stops: whoever asks for something, and then waits too long, is told that it is over.
    def hurry(self) -> None: ...
    async def close(self) -> None: ...
    def glance(self, do: Callable[[Connection], T]) -> Awaitable[T]: ...

    # All that is read is of one moment, but what is read `apart`. Reads that ask alike are of one
    # `kind`: until one of them needs more than a statement, which is of one moment by itself, they
    # begin no transaction.
    def read(self, do: Callable[[Connection], T], kind: Hashable = None) -> Awaitable[T]: ...

    # What is not `durable` may be undone when the database's machine fails: it waits for no disk.
    def write(self, do: Callable[[Connection], T], durable: bool = True) -> Awaitable[T]: ...

    # For what takes minutes, of commands and not of requests: a connection and a thread of its own, one
    # snapshot or one transaction, no deadline, and never run again. Raises Conflict for rows that
    # contradict those that are there. On SQLite nobody else writes meanwhile.
    def read_at_length(self, do: Callable[[Connection], T]) -> Awaitable[T]: ...
    def write_at_length(self, do: Callable[[Connection], T]) -> Awaitable[T]: ...


def open_database(url: str, limits: Limits | None = None) -> Database:
    """`sqlite:path` or `postgresql://…`. Only here, and in `database_place`, it is asked which."""
    if url.startswith("sqlite:"):
        from billfold.kit.sqlite import SqliteDatabase

        return SqliteDatabase(url.removeprefix("sqlite:"), durable=(limits or Limits()).durable)
    from billfold.kit.postgres import PostgresDatabase

    return PostgresDatabase(url, limits or Limits())


def said_by_driver(error: BaseException) -> str:
    """What a database has said through a driver of ours or of SQLAlchemy's; "" for any other error."""
    if type(error).__module__.split(".")[0] not in DRIVERS:
        return ""
    return (str(getattr(error, "orig", None) or error).splitlines() or ["no word"])[0]


# Statements that every rule needs, built once per table and set of columns.


@lru_cache(STATEMENTS_MAX)
def select_where(record: type[Record], *names: str) -> sa.Select:
    query = sa.select(record.table).order_by(record.c.id)
    return query.where(*(record.c[name] == sa.bindparam(name) for name in names))


@lru_cache(STATEMENTS_MAX)
def select_with(record: type[Record], other: type[Record], by: str) -> sa.Select:
    """A row of an organization, and the one of the same that it names in a column."""
    c, same = record.c, sa.bindparam("organization_id", type_=sa.Text())
    named = sa.and_(other.c.id == c[by], other.c.organization_id == same)
    joined = sa.outerjoin(record.table, other.table, named)
    both = sa.select(record.table, other.table).select_from(joined)
    return both.where(c.id == sa.bindparam("id"), c.organization_id == same)


@lru_cache(STATEMENTS_MAX)
def select_ids(record: type[Record], *names: str) -> sa.Select:
    return select_where(record, *names).with_only_columns(record.c.id)


@lru_cache(STATEMENTS_MAX)
def select_to_change(record: type[Record], *names: str) -> sa.Select:
    """The same, locked: SQLite has one writer and needs no lock, PostgreSQL does.

    Without its key, which never changes, so that rows which refer to it can still be added."""
    return select_where(record, *names).with_for_update(key_share=True)


@lru_cache(STATEMENTS_MAX)
def select_to_rely_on(record: type[Record], *names: str) -> sa.Select:
    """The same, kept from changing, by as many at once as want that."""
    return select_where(record, *names).with_for_update(read=True)


@lru_cache(STATEMENTS_MAX)
def select_among(record: type[Record], name: str, size: int, only: str | None = None) -> sa.Select:
    """Rows with one of so many ids in a column, or one column of them."""
    column = record.c[name]
    # By ids the key's own index is meant. A planner that may choose takes one of the organization's,
    # and looks through all of its rows; what is no plain column tempts none.
    owner = sa.func.coalesce(record.c.organization_id, "", type_=sa.Text())
    mine = owner if name == "id" else record.c.organization_id
    query = select_where(record).where(mine == sa.bindparam("organization_id"), among(column, size))
    return query.with_only_columns(record.c[only]).order_by(None) if only else query


@lru_cache(STATEMENTS_MAX)
def select_by_id(record: type[Record], size: int) -> sa.Select:
    return select_where(record).where(among(record.c.id, size))


@lru_cache(STATEMENTS_MAX)
def select_among_to_change(record: type[Record], name: str, size: int) -> sa.Select:
    """The same, locked one after the other in the order of their ids."""
    return select_among(record, name, size).with_for_update(key_share=True)


@lru_cache(STATEMENTS_MAX)
def select_past(record: type[Record], name: str) -> sa.Select:
    """Up to twenty rows whose time is over, the oldest first; another's are passed over."""
    column = record.c[name]
    return (
        sa.select(record.table)
        .where(column <= sa.bindparam("now", type_=column.type))
        .order_by(column, record.c.id)
        .limit(SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )


@lru_cache(STATEMENTS_MAX)
def insert_into(record: type[Record]) -> sa.Insert:
    return sa.insert(record.table).values(
        {name: sa.bindparam(name) for name in record.__struct_fields__}
    )


@lru_cache(STATEMENTS_MAX)
def update_of(record: type[Record], *names: str) -> sa.Update:
    changed: dict[str, Any] = {name: sa.bindparam(name) for name in names}
    return sa.update(record.table).where(record.c.id == sa.bindparam("id")).values(changed)


@lru_cache(STATEMENTS_MAX)
def delete_from(record: type[Record], size: int) -> sa.Delete:
    return sa.delete(record.table).where(among(record.c.id, size))


@lru_cache(STATEMENTS_MAX)
def set_in(record: type[Record], size: int, *names: str) -> sa.Update:
    changed: dict[str, Any] = {name: sa.bindparam(name) for name in names}
    return sa.update(record.table).where(among(record.c.id, size)).values(changed)


@lru_cache
def id_names(size: int) -> tuple[str, ...]:
    return tuple(f"id{place}" for place in range(size))


def in_one() -> sa.ColumnElement:
    """Ids that are in one text, as PostgreSQL's array."""
    return sa.func.string_to_array(sa.bindparam("ids"), sa.literal_column(SPLIT_AT))


def among(column: sa.Column, size: int) -> sa.ColumnElement[bool]:
    """One of so many ids, or of those in one text (`Connection.named`)."""
    if size == IN_ONE:
        # By a subquery, so that the text is split once, and not again for each row.
        return column == sa.any_(sa.cast(sa.select(in_one()).scalar_subquery(), sa.ARRAY(sa.Text)))
    names: list[Any] = [sa.bindparam(name) for name in id_names(size)]
    return column == names[0] if size == 1 else column.in_(names)


@lru_cache(8)
def _compiler(dialect: sa.Dialect) -> Callable[[sa.Executable], Compiled]:
    return lru_cache(STATEMENTS_MAX)(partial(Compiled, dialect))

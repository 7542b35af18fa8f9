"""The list grammar, once: filters=field:op:value,… sort=field:desc,… max=20 page=<cursor>.

A list has a shape (which fields, which operators, which order) and values. Its statement is built
once per shape and kept, so lists run as fast as the statements written by hand.
"""

import base64
import hmac
import re
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Generic, TypeVar

import msgspec
import sqlalchemy as sa

from billfold.kit.errors import FILTER_FIELD, FILTER_OPERATOR, INVALID_PARAMETER, Refusal
from billfold.kit.secrets import Secrets
from billfold.kit.tables import Owned, Record, or_empty, small
from billfold.kit.work import Work

VERSION, MAC_BYTES = 1, 12
MAX_DEFAULT, MAX_LIMIT, FILTERS_MAX, CHOICES_MAX, SORTS_MAX = 20, 100, 20, 100, 3

CONDITION = re.compile(r'([A-Za-z][\w.]*):([a-z]+):("[^"]*"|[^,"]*)(?:,|$)')

COMPARE: dict[str, Callable] = {
    "eq": lambda column, value: column == value,
    # What is empty is none of them either.
    "ne": lambda column, value: column.is_distinct_from(value),
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
    "in": lambda column, *values: column.in_(values),
    "nin": lambda column, *values: sa.or_(column.is_(None), column.not_in(values)),
}
# "sw" becomes a range of small letters.
OPERATORS = (*COMPARE, "sw")
MATCHED = ("eq", "ne", "in")
CHOSEN = (*MATCHED, "nin")
RANGED = ("gt", "gte", "lt", "lte")
NAMED = ("eq", "sw")
# What is empty is found by none of these.
NEVER_EMPTY = ("eq", "in", *RANGED)

# Both databases lower only what ASCII has.
LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

# Before the name of a column that is meant in small letters.
SMALL = "~"
# Pairs of a column and whether it descends.
Order = tuple[tuple[str, bool], ...]
# A column, an operator, the names of its values, and whose column it is (see `Field.among`).
Conditions = tuple[tuple[str, str, tuple[str, ...], tuple | None], ...]
# Rows that equal the cursor in so many of the first keys and lie behind it in so many of the next.
Place = tuple[int, int]
ANYWHERE: Place = 0, 0

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Field:
    """A wire name's column, its operators ("" for none), and how its text becomes a value."""

    column: str
    ops: tuple[str, ...]
    parse: Callable[[str], object] = str
    sorts: bool = False
    # All that it can be, where it is never empty: what it shall not be is turned into what it may be.
    choices: tuple = ()
    # The column is one of another record's, whose named column refers to the listed row: a row is
    # found when at least one of those fits.
    among: tuple[type[Owned], str] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """The query string of every list."""

    filters: str = ""
    sort: str = ""
    max: int = MAX_DEFAULT
    page: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    rows: list[R]
    next_page: str | None
    prev_page: str | None


class Cursor(msgspec.Struct, array_like=True):
    """A place between two rows; it remembers what was asked, for clients that send it alone."""

    version: int
    backwards: bool
    filters: str
    sort: str
    keys: list[str | int | bool]


def moment(text: str) -> datetime:
    """All five forms of the contract; a raw plus in a query string arrives as a blank."""
    found = datetime.fromisoformat(text.replace(" ", "+"))
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def yes_or_no(text: str) -> bool:
    return {"true": True, "false": False}[text]


TIMES = {
    "createdTime": Field("created_time", RANGED, moment, sorts=True),
    "updatedTime": Field("updated_time", RANGED, moment, sorts=True),
}
ARCHIVED = Field("archived", ("eq", "ne"), yes_or_no, sorts=True, choices=(True, False))
OWN = {"id": Field("id", MATCHED), "archived": ARCHIVED}


def find(
    work: Work, record: type[R], fields: Mapping[str, Field], asked: Asked,
    whose: tuple[str, str] | None = None,
) -> Page[R]:  # fmt: skip
    """One page of the caller's own rows: no list can see another organization's.

    `whose` names another owner's column and its value, for what belongs to a login or a partner."""
    if not 1 <= asked.max <= MAX_LIMIT:
        raise Refusal(INVALID_PARAMETER, "max")
    cursor = _decode(work.secrets, record, asked.page) if asked.page else None
    filters, sort = asked.filters, asked.sort
    if cursor:
        filters, sort = filters or cursor.filters, sort or cursor.sort
        if (filters, sort) != (cursor.filters, cursor.sort):
            raise Refusal(INVALID_PARAMETER, "page: belongs to another sort or other filters")
    conditions, values = _conditions(filters, fields)
    order = _varying(_order(sort, fields) if sort else _order_of(conditions), conditions)
    backwards = bool(cursor and cursor.backwards)
    column, values["owner"] = whose or ("organization_id", work.organization_id)
    if cursor:
        values |= {f"key{n}": value for n, value in enumerate(_keys(cursor, record, order))}
    rows: list[R] = []
    behind = _behind(record, conditions, values, order, backwards)
    for place, bound in behind if cursor else [(ANYWHERE, values)]:
        statement = _statement(record, column, conditions, order, backwards, place)
        most = asked.max + 1 - len(rows)
        rows += work.connection.rows(record, statement, bound | {"most": most})
        if len(rows) > asked.max:
            break

    more, rows = len(rows) > asked.max, rows[: asked.max]
    if backwards:
        rows.reverse()
    has_next = bool(rows) and (more or backwards)
    has_prev = bool(rows) and (more if backwards else cursor is not None)

    def mark(row: R, back: bool) -> str:
        return _encode(work.secrets, record, Cursor(VERSION, back, filters, sort, _key(row, order)))

    return Page(
        rows,
        mark(rows[-1], False) if has_next else None,
        mark(rows[0], True) if has_prev else None,
    )


def _conditions(filters: str, fields: Mapping[str, Field]) -> tuple[Conditions, dict]:
    """What is not understood is refused, rather than everything listed in silence."""
    conditions: list[tuple] = []
    asked = 0
    values: dict[str, object] = {}
    place = 0
    while place < len(filters):
        match = CONDITION.match(filters, place)
        # PostgreSQL keeps no NUL in a text, so nothing can be found by one.
        if not match or asked == FILTERS_MAX or "\0" in match.group():
            raise Refusal(INVALID_PARAMETER, f"filters: {filters[place:]}")
        name, op, text = match.groups()
        field = fields.get(name)
        if field is None or not field.ops:
            raise Refusal(FILTER_FIELD, name)
        if op not in field.ops:
            raise Refusal(FILTER_OPERATOR, f"{name}:{op}")
        several = op in ("in", "nin")
        text = text.strip('"')
        try:
            parsed = [field.parse(part) for part in (text.split(",") if several else [text])]
        except (ValueError, KeyError, ArithmeticError):
            raise Refusal(INVALID_PARAMETER, f"{name}: {text}") from None
        if len(parsed) > CHOICES_MAX:
            raise Refusal(INVALID_PARAMETER, f"{name}: more than {CHOICES_MAX} values")
        for column, does, meant in _meant(field, op, parsed):
            names = tuple(f"value{len(values) + n}" for n in range(len(meant)))
            values |= zip(names, meant, strict=True)
            conditions.append((column, does, names, field.among))
        asked, place = asked + 1, match.end()
    return tuple(conditions), values


def _meant(field: Field, op: str, parsed: list) -> Iterator[tuple[str, str, list]]:
    """An operator as those that an index answers."""
    if op == "sw":
        # From the text itself to the first that does not begin with it.
        start = str(parsed[0]).translate(LOWER)
        yield SMALL + field.column, "gte", [start]
        yield SMALL + field.column, "lt", [_next_text(start)]
        return
    if op in ("ne", "nin") and field.choices:
        op, parsed = "in", [each for each in field.choices if each not in parsed]
    if op == "in" and len(parsed) == 1:
        op = "eq"
    yield field.column, op, parsed


def _order_of(conditions: Conditions) -> Order:
    """The order of a list for which none is asked: one in which an index already holds what is looked
    for. Ids rise with time, so that without a filter, and with most, it is that of creation."""
    own = [(op, column) for column, op, _, among in conditions if not among]
    ranged = sorted((name for op, name in own if op in RANGED), key=lambda name: name.startswith(SMALL))
    for name in (*ranged, *(name for op, name in own if op == "in")):
        return (("id", False),) if name == "id" else ((name, False), ("id", False))
    if any(op == "eq" for op, _ in own):
        return (("id", False),)
    return (("created_time", False), ("id", False))


def _order(sort: str, fields: Mapping[str, Field]) -> Order:
    """The id breaks ties, in the direction of the last."""
    order: list[tuple[str, bool]] = []
    parts = sort.split(",")
    if len(parts) > SORTS_MAX:
        raise Refusal(INVALID_PARAMETER, f"sort: more than {SORTS_MAX} fields")
    for part in parts:
        name, _, direction = part.partition(":")
        if name not in fields or not fields[name].sorts or direction not in ("", "asc", "desc"):
            raise Refusal(FILTER_FIELD, f"sort: {part}")
        order.append((fields[name].column, direction == "desc"))
    return (*order, ("id", order[-1][1]))


def _varying(order: Order, conditions: Conditions) -> Order:
    """What is to equal one value orders nothing."""
    equal = {name for name, op, _, among in conditions if op == "eq" and not among}
    return tuple(each for each in order if each[0] not in equal) or order[-1:]


def _behind(
    record: type[Record], conditions: Conditions, values: dict, order: Order, backwards: bool
) -> Iterator[tuple[Place, dict]]:
    """What lies behind a cursor as walks along an index, each of which goes on where the last one ends.

    By a choice of values, in their order, a database would enter each value's rows at the first of
    them and walk to the cursor. So what is left of the cursor's value goes first, and then, without
    a cursor, the values behind it."""
    chosen = _chosen(conditions, order)
    for place in _places(record, conditions, order):
        if place[0] or not chosen:
            yield place, values
            continue
        down, here = order[0][1] != backwards, values["key0"]
        choice = [values[name] for name in chosen]
        if further := [each for each in choice if (each < here if down else each > here)]:
            # The last of them again and again, so that one statement serves however many are left.
            filled = further + further[-1:] * (len(choice) - len(further))
            yield ANYWHERE, values | dict(zip(chosen, filled, strict=True))


def _chosen(conditions: Conditions, order: Order) -> tuple[str, ...]:
    """The names of the values among which is chosen what is sorted by before the id."""
    for name, op, names, among in conditions:
        if (name, op) == (order[0][0], "in") and not among and len(order) > 1:
            return names
    return ()


@lru_cache(1_000)
def _places(record: type[Record], conditions: Conditions, order: Order) -> tuple[Place, ...]:
    """Behind a cursor: equal in all keys but the last, then in all but two, and so on.

    Plain columns in one direction need no such stairs: compared as a row they are where an index
    begins, however many rows are equal in the first. SQLite does not do so with an expression."""
    start, least = len(order) - 1, 1 if _chosen(conditions, order) else 0
    while (
        start > least
        and order[start - 1][1] == order[start][1]
        and isinstance(_key_column(record, conditions, order[start - 1][0]), sa.Column)
    ):
        start -= 1
    return ((start, len(order) - start), *((level, 1) for level in reversed(range(start))))


@lru_cache(1_000)
def _statement(
    record: type[Record], owner: str, conditions: Conditions, order: Order, backwards: bool,
    place: Place,
) -> sa.Select:  # fmt: skip
    # By many ids the key's own index is meant, see `database._select_among`.
    chosen = any((name, op) == ("id", "in") for name, op, *_ in conditions)
    mine = sa.func.coalesce(record.c[owner], "") if chosen else record.c[owner]
    query = sa.select(record.table).where(mine == sa.bindparam("owner"))
    for name, op, names, among in conditions:
        if not among and _implied(name, op, order, backwards, place):
            continue
        column = _column(among[0] if among else record, name)
        fits = COMPARE[op](column, *(sa.bindparam(each, type_=column.type) for each in names))
        if among:
            other, refers = among
            fits = (
                sa.exists()
                .where(other.c.organization_id == record.c.organization_id)
                .where(other.c[refers] == record.c.id)
                .where(fits)
            )
        query = query.where(fits)
    level, width = place
    keys = [_key_column(record, conditions, name) for name, _ in order]
    here = [sa.bindparam(f"key{n}", type_=column.type) for n, column in enumerate(keys)]
    query = query.where(*(keys[n] == here[n] for n in range(level)))
    downs = [descends != backwards for _, descends in order]
    if width:
        query = query.where(_beyond(keys[level:][:width], here[level:][:width], downs[level]))
    sorts = zip(keys[level:], downs[level:], strict=True)
    query = query.order_by(*(column.desc() if down else column.asc() for column, down in sorts))
    return query.limit(sa.bindparam("most", type_=sa.Integer))


def _implied(name: str, op: str, order: Order, backwards: bool, place: Place) -> bool:
    """Whether all rows at this place fit because the cursor's does. SQLite would begin where the
    filter does, and walk from there to the cursor."""
    level, width = place
    if any(name == equal for equal, _ in order[:level]):
        return op in NEVER_EMPTY
    further, descends = order[level]
    down = descends != backwards
    return bool(width) and name == further and op in (("lt", "lte") if down else ("gt", "gte"))


def _beyond(
    columns: list[sa.ColumnElement], here: list[sa.BindParameter], down: bool
) -> sa.ColumnElement:
    if len(columns) == 1:
        return columns[0] < here[0] if down else columns[0] > here[0]
    row, cursor = sa.tuple_(*columns), sa.tuple_(*here)
    return row < cursor if down else row > cursor


def _column(record: type[Record], name: str) -> sa.ColumnElement:
    column = record.c[name.removeprefix(SMALL)]
    return small(column) if name.startswith(SMALL) else column


def _key_column(record: type[Record], conditions: Conditions, name: str) -> sa.ColumnElement:
    """A column as it sorts, which is plain where nothing empty can be found."""
    never_empty = any(
        name == each and op in NEVER_EMPTY and not among for each, op, _, among in conditions
    )
    return _column(record, name) if never_empty else or_empty(record.c[name])


def _key(row: Record, order: Order) -> list:
    found = [(name, getattr(row, name.removeprefix(SMALL))) for name, _ in order]
    return [
        value.translate(LOWER) if name.startswith(SMALL) else "" if value is None else value
        for name, value in found
    ]


def _keys(cursor: Cursor, record: type[Record], order: Order) -> list:
    """The cursor's texts as what the row's fields hold, so that a forged one is refused too."""
    types = {field.name: field.type for field in msgspec.structs.fields(record)}
    names = [name.removeprefix(SMALL) for name, _ in order]
    try:
        return [
            _sortable_value(key, types[name], record.c[name].nullable)
            for key, name in zip(cursor.keys, names, strict=True)
        ]
    except (msgspec.ValidationError, ValueError):
        raise Refusal(INVALID_PARAMETER, "page") from None


def _sortable_value(key: str | int | bool, kind: object, nullable: bool) -> object:
    """A key as its column sorts: what may be empty sorts as text (see `tables.or_empty`)."""
    if nullable and key == "":
        return key
    value = msgspec.convert(key, kind, strict=False)
    return value.value if nullable and isinstance(value, StrEnum) else value


def _next_text(text: str) -> str:
    """The first text, in the order of code points, that sorts behind all that begin with this one."""
    for place in reversed(range(len(text))):
        if (code := ord(text[place]) + 1) < 0x110000:
            # Half of a pair is no character.
            return text[:place] + chr(code if code != 0xD800 else 0xE000)
    return chr(0x10FFFF) * (len(text) + 1)


def _encode(secrets: Secrets, record: type[Record], cursor: Cursor) -> str:
    """Authenticated: what comes back was given out here, for this installation's data and this list."""
    text = msgspec.json.encode(cursor)
    mac = secrets.mac(f"cursor {record.table.name}", text)[:MAC_BYTES]
    return base64.urlsafe_b64encode(mac + text).decode().rstrip("=")


def _decode(secrets: Secrets, record: type[Record], page: str) -> Cursor:
    try:
        sent = base64.urlsafe_b64decode(page + "=" * (-len(page) % 4))
        mac, text = sent[:MAC_BYTES], sent[MAC_BYTES:]
        if hmac.compare_digest(mac, secrets.mac(f"cursor {record.table.name}", text)[:MAC_BYTES]):
            cursor = msgspec.json.decode(text, type=Cursor)
            if cursor.version == VERSION:
                return cursor
    except (msgspec.DecodeError, ValueError):
        pass  # Refused like one that was forged.
    raise Refusal(INVALID_PARAMETER, "page")

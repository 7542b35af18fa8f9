"""The list grammar, once: filters=field:op:value,… sort=field:desc,… max=20 page=<cursor>.

Where pages are counted instead (`find_from`), the same fields say what may be asked.
A list has a shape (which fields, which operators, which order) and values. Its statement is built
once per shape and kept, so lists run as fast as the statements written by hand.
"""

import base64
import hmac
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Generic, TypeVar

import msgspec
import sqlalchemy as sa

from billfold.kit import calendar
from billfold.kit.errors import FILTER_FIELD, FILTER_OPERATOR, INVALID_PARAMETER, Refusal
from billfold.kit.secrets import Secrets
from billfold.kit.tables import Owned, Record
from billfold.kit.walks import (
    ANYWHERE,
    COMPARE,
    SMALL,
    Conditions,
    Order,
    behind,
    statement,
    varying,
)
from billfold.kit.work import Work

VERSION, MAC_BYTES = 1, 12
MAX_DEFAULT, MAX_LIMIT, FILTERS_MAX, CHOICES_MAX, SORTS_MAX = 20, 100, 20, 100, 3

CONDITION = re.compile(r'([A-Za-z][\w.]*):([a-z]+):("[^"]*"|[^,"]*)(?:,|$)')

# "sw" becomes a range of small letters.
OPERATORS = (*COMPARE, "sw")
MATCHED = ("eq", "ne", "in")
CHOSEN = (*MATCHED, "nin")
RANGED = ("gt", "gte", "lt", "lte")
NAMED = ("eq", "sw")

# Both databases lower only what ASCII has.
LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Field:
    """A wire name's column, its operators ("" for none), and how its text becomes a value, or
    values (a tuple) of which any is meant."""

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
    """All five forms of the contract; a raw plus in a query string arrives as a blank. A day begins in
    the business' time zone, a time without a zone is UTC's (`common.yaml`, dates_and_times)."""
    with suppress(ValueError):
        return calendar.at(date.fromisoformat(text), 0)
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
    column, owner = whose or ("organization_id", work.organization_id)
    cursor = _decode(work.secrets, record, owner, asked.page) if asked.page else None
    filters, sort = asked.filters, asked.sort
    if cursor:
        filters, sort = filters or cursor.filters, sort or cursor.sort
        if (filters, sort) != (cursor.filters, cursor.sort):
            raise Refusal(INVALID_PARAMETER, "page: belongs to another sort or other filters")
    conditions, values = _conditions(filters, fields)
    order = varying(_order(sort, fields) if sort else _order_of(conditions), conditions)
    backwards = bool(cursor and cursor.backwards)
    values["owner"] = owner
    if cursor:
        values |= {f"key{n}": value for n, value in enumerate(_keys(cursor, record, order))}
    rows: list[R] = []
    walks = behind(record, conditions, values, order, backwards) if cursor else [(ANYWHERE, values)]
    for place, bound in walks:
        select = statement(record, column, conditions, order, backwards, place)
        most = asked.max + 1 - len(rows)
        rows += work.connection.rows(record, select, bound | {"most": most})
        if len(rows) > asked.max:
            break

    more, rows = len(rows) > asked.max, rows[: asked.max]
    if backwards:
        rows.reverse()
    has_next = bool(rows) and (more or backwards)
    has_prev = bool(rows) and (more if backwards else cursor is not None)

    def mark(row: R, back: bool) -> str:
        cursor = Cursor(VERSION, back, filters, sort, _key(row, order))
        return _encode(work.secrets, record, owner, cursor)

    return Page(
        rows,
        mark(rows[-1], False) if has_next else None,
        mark(rows[0], True) if has_prev else None,
    )


# One condition as it is asked for: the field's wire name, the operator, and texts that are values.
Condition = tuple[str, str, list[str]]


def find_from(
    work: Work, record: type[R], fields: Mapping[str, Field], asked: Sequence[Condition],
    sort: Sequence[tuple[str, bool]], start: int, most: int,
) -> list[R]:  # fmt: skip
    """So many of the caller's own rows after the first `start`; `sort` pairs a field with whether it
    descends. For clients that count rows: what is added meanwhile moves those behind it."""
    conditions, values = _understood(asked, fields)
    order = varying(_order_by(sort, fields) if sort else _order_of(conditions), conditions)
    values |= {"owner": work.organization_id, "most": most, "start": start}
    select = _counted(statement(record, "organization_id", conditions, order, False, ANYWHERE))
    return work.connection.rows(record, select, values)


@lru_cache(1_000)
def _counted(select: sa.Select) -> sa.Select:
    return select.offset(sa.bindparam("start", type_=sa.Integer))


def _conditions(filters: str, fields: Mapping[str, Field]) -> tuple[Conditions, dict]:
    """What is not understood is refused, rather than everything listed in silence."""
    asked: list[Condition] = []
    place = 0
    while place < len(filters):
        match = CONDITION.match(filters, place)
        if not match:
            raise Refusal(INVALID_PARAMETER, f"filters: {filters[place:]}")
        name, op, text = match.groups()
        text = text.strip('"')
        asked.append((name, op, text.split(",") if op in ("in", "nin") else [text]))
        place = match.end()
    return _understood(asked, fields)


def _understood(asked: Sequence[Condition], fields: Mapping[str, Field]) -> tuple[Conditions, dict]:
    conditions: list[tuple] = []
    values: dict[str, object] = {}
    if len(asked) > FILTERS_MAX:
        raise Refusal(INVALID_PARAMETER, f"filters: more than {FILTERS_MAX}")
    for name, op, texts in asked:
        # PostgreSQL keeps no NUL in a text, so nothing can be found by one.
        if any("\0" in text for text in texts):
            raise Refusal(INVALID_PARAMETER, f"filters: {name}")
        field = fields.get(name)
        if field is None or not field.ops:
            raise Refusal(FILTER_FIELD, name)
        if op not in field.ops:
            raise Refusal(FILTER_OPERATOR, f"{name}:{op}")
        try:
            parsed = [each for text in texts for each in _as_tuple(field.parse(text))]
        except (ValueError, KeyError, ArithmeticError):
            raise Refusal(INVALID_PARAMETER, f"{name}: {','.join(texts)}") from None
        if not parsed:
            raise Refusal(INVALID_PARAMETER, f"{name}: no value")
        if len(parsed) > CHOICES_MAX:
            raise Refusal(INVALID_PARAMETER, f"{name}: more than {CHOICES_MAX} values")
        if len(parsed) > 1:
            op = {"eq": "in", "ne": "nin"}.get(op, op)
        for column, does, meant in _meant(field, op, parsed):
            names = tuple(f"value{len(values) + n}" for n in range(len(meant)))
            values |= zip(names, meant, strict=True)
            conditions.append((column, does, names, field.among))
    return tuple(conditions), values


def _as_tuple(parsed: object) -> tuple:
    return parsed if isinstance(parsed, tuple) else (parsed,)


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
    asked = []
    for part in sort.split(","):
        name, _, direction = part.partition(":")
        if direction not in ("", "asc", "desc"):
            raise Refusal(FILTER_FIELD, f"sort: {part}")
        asked.append((name, direction == "desc"))
    return _order_by(asked, fields)


def _order_by(asked: Sequence[tuple[str, bool]], fields: Mapping[str, Field]) -> Order:
    """The id breaks ties, in the direction of the last."""
    if len(asked) > SORTS_MAX:
        raise Refusal(INVALID_PARAMETER, f"sort: more than {SORTS_MAX} fields")
    order: list[tuple[str, bool]] = []
    for name, descends in asked:
        if name not in fields or not fields[name].sorts:
            raise Refusal(FILTER_FIELD, f"sort: {name}")
        order.append((fields[name].column, descends))
    return (*order, ("id", order[-1][1]))


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


def _encode(secrets: Secrets, record: type[Record], owner: str, cursor: Cursor) -> str:
    """Authenticated: what comes back was given out here, for this list of this owner's."""
    text = msgspec.json.encode(cursor)
    return base64.urlsafe_b64encode(_mac(secrets, record, owner, text) + text).decode().rstrip("=")


def _decode(secrets: Secrets, record: type[Record], owner: str, page: str) -> Cursor:
    try:
        sent = base64.urlsafe_b64decode(page + "=" * (-len(page) % 4))
        mac, text = sent[:MAC_BYTES], sent[MAC_BYTES:]
        if hmac.compare_digest(mac, _mac(secrets, record, owner, text)):
            cursor = msgspec.json.decode(text, type=Cursor)
            if cursor.version == VERSION:
                return cursor
    except (msgspec.DecodeError, ValueError):
        pass  # Refused like one that was forged.
    raise Refusal(INVALID_PARAMETER, "page")


def _mac(secrets: Secrets, record: type[Record], owner: str, text: bytes) -> bytes:
    return secrets.mac(f"cursor {record.table.name} {owner}", text)[:MAC_BYTES]

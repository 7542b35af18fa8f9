"""A page of a list as walks along an index: where each of them begins, and the statement it is.

However deep a page lies, its walks enter the index at the cursor, on both databases.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

import sqlalchemy as sa

from billfold.kit.tables import Record, or_empty, small

COMPARE: dict[str, Callable] = {
    "eq": lambda column, value: column == value,
    # What is empty is none of them either.
    "ne": lambda column, value: column.is_distinct_from(value),
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
    # Of all that it can be nothing may be left.
    "in": lambda column, *values: column.in_(values) if values else sa.false(),
    "nin": lambda column, *values: sa.or_(column.is_(None), column.not_in(values)),
}
# What is empty is found by none of these.
NEVER_EMPTY = ("eq", "in", "gt", "gte", "lt", "lte")

# Before the name of a column that is meant in small letters.
SMALL = "~"
# Pairs of a column and whether it descends.
Order = tuple[tuple[str, bool], ...]
# A column, an operator, the names of its values, and whose column it is (see `Field.among`).
Conditions = tuple[tuple[str, str, tuple[str, ...], tuple | None], ...]
# Rows that equal the cursor in so many of the first keys and lie behind it in so many of the next.
Place = tuple[int, int]
ANYWHERE: Place = 0, 0


def varying(order: Order, conditions: Conditions) -> Order:
    """What is to equal one value orders nothing."""
    equal = {name for name, op, _, among in conditions if op == "eq" and not among}
    return tuple(each for each in order if each[0] not in equal) or order[-1:]


def behind(
    record: type[Record], conditions: Conditions, values: dict, order: Order, backwards: bool
) -> Iterator[tuple[Place, dict]]:
    """What lies behind a cursor as walks along an index, each of which goes on where the last one ends.

    By a choice of values, in their order, a database would enter each value's rows at the first of
    them and walk to the cursor. So what is left of the cursor's value goes first, and then, without
    a cursor, the values behind it."""
    chosen = chosen_names(conditions, order)
    for place in places(record, conditions, order):
        if place[0] or not chosen:
            yield place, values
            continue
        down, here = order[0][1] != backwards, values["key0"]
        choice = [values[name] for name in chosen]
        if further := [each for each in choice if (each < here if down else each > here)]:
            # The last of them again and again, so that one statement serves however many are left.
            filled = further + further[-1:] * (len(choice) - len(further))
            yield ANYWHERE, values | dict(zip(chosen, filled, strict=True))


def chosen_names(conditions: Conditions, order: Order) -> tuple[str, ...]:
    """The names of the values among which is chosen what is sorted by before the id."""
    for name, op, names, among in conditions:
        if (name, op) == (order[0][0], "in") and not among and len(order) > 1:
            return names
    return ()


@lru_cache(1_000)
def places(record: type[Record], conditions: Conditions, order: Order) -> tuple[Place, ...]:
    """Behind a cursor: equal in all keys but the last, then in all but two, and so on.

    Plain columns in one direction need no such stairs: compared as a row they are where an index
    begins, however many rows are equal in the first. SQLite does not do so with an expression."""
    start, least = len(order) - 1, 1 if chosen_names(conditions, order) else 0
    while (
        start > least
        and order[start - 1][1] == order[start][1]
        and isinstance(_key_column(record, conditions, order[start - 1][0]), sa.Column)
    ):
        start -= 1
    return ((start, len(order) - start), *((level, 1) for level in reversed(range(start))))


@lru_cache(1_000)
def statement(
    record: type[Record], owner: str, conditions: Conditions, order: Order, backwards: bool,
    place: Place,
) -> sa.Select:  # fmt: skip
    # By many ids the key's own index is meant, see `database.select_among`.
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

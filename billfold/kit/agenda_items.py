"""The items of the agenda, and which of them come first: what is asked, and changes nothing.

Those of a lane take turns; without one an item is done as it falls due.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from billfold.kit.callers import SYSTEM_USER, Caller
from billfold.kit.clock import real
from billfold.kit.database import IN_ONE, among, id_names, in_one
from billfold.kit.environment import stored_clock
from billfold.kit.tables import Record, table
from billfold.kit.work import Work

# So many of a lane are in flight, whoever sends them.
LANE_MAX = 4
# Of how many lanes one statement tells who comes first, unless they are in one text. psycopg reads one
# anew each time that is longer than 4,096 characters or has more than fifty arguments.
LANES_MAX = 4


LEASED = sa.text("leased_until IS NOT NULL")


@table(
    "agenda", sa.Index("ix_agenda_due", "parked", "due", "id"),
    sa.Index("ix_agenda_lane", "parked", "lane", "due", "id"),
    # They are few, and are counted without looking through what waits.
    sa.Index(
        "ix_agenda_leased", "parked", "lane", "leased_until", sqlite_where=LEASED,
        postgresql_where=LEASED,
    ), ids="agenda_item",
)  # fmt: skip
class AgendaItem(Record, frozen=True):
    organization_id: str
    due: datetime
    kind: str
    subject_id: str
    # By the machine's clock: until then it is another's.
    leased_until: datetime | None = None
    failures: int = 0
    parked: bool = False
    failure: str | None = None
    # Whose turn it takes; without one it is done as it falls due.
    lane: str = ""

    @property
    def caller(self) -> Caller:
        return Caller(self.organization_id, SYSTEM_USER, trusted=True)


def in_turn(item: AgendaItem) -> tuple[datetime, str]:
    return item.due, item.id


def is_free(columns: sa.ColumnCollection) -> sa.ColumnElement[bool]:
    lease = columns.leased_until
    return sa.or_(lease.is_(None), lease <= sa.bindparam("real", type_=lease.type))


def is_leased(columns: sa.ColumnCollection) -> sa.ColumnElement[bool]:
    lease = columns.leased_until
    return lease > sa.bindparam("real", type_=lease.type)


MOST = sa.bindparam("most", type_=sa.Integer)
ALONE = (
    sa.select(AgendaItem.table)
    .where(AgendaItem.c.parked == sa.bindparam("parked"), AgendaItem.c.lane == "")
    .where(AgendaItem.c.due <= sa.bindparam("until"))
    .where(is_free(AgendaItem.c))
    .order_by(AgendaItem.c.due, AgendaItem.c.id)
    .limit(MOST)
)


def _waiting_lanes() -> sa.Select:
    """From lane to lane by the index, however many items each has."""

    def next_lane(after: Any) -> Any:
        each = AgendaItem.table.alias()
        return (
            sa.select(sa.func.min(each.c.lane))
            .where(each.c.parked == sa.bindparam("parked"), each.c.lane > after)
            .scalar_subquery()
        )

    lanes = sa.select(next_lane("").label("lane")).cte("lanes", recursive=True)
    lanes = lanes.union_all(sa.select(next_lane(lanes.c.lane)).where(lanes.c.lane.is_not(None)))

    def first(what: str) -> Any:
        one = _free(lanes.c.lane, 1).correlate(lanes).subquery()
        return sa.select(one.c[what]).scalar_subquery().label(what)

    free = sa.select(lanes.c.lane, first("due"), first("id")).where(_busy(lanes.c.lane) < LANE_MAX)
    # Kept, because PostgreSQL would look each time that one of them is named.
    found = free.cte("found").prefix_with("MATERIALIZED")
    return (
        sa.select(found.c.lane)
        .where(found.c.due.is_not(None))
        .order_by(found.c.due, found.c.id)
        .limit(MOST)
    )


def _free(lane: Any, most: Any) -> sa.Select:
    """The first of a lane that may be begun."""
    each = AgendaItem.table.alias()
    return (
        sa.select(each)
        .where(each.c.parked == sa.bindparam("parked"), each.c.lane == lane)
        .where(each.c.due <= sa.bindparam("until"))
        .where(is_free(each.c))
        .order_by(each.c.due, each.c.id)
        .limit(most)
    )


def _busy(lane: Any) -> sa.ScalarSelect:
    each = AgendaItem.table.alias()
    found = sa.select(sa.func.count()).where(each.c.lane == lane, is_leased(each.c))
    return found.where(each.c.parked == sa.bindparam("parked")).scalar_subquery()


WAITING_LANES = _waiting_lanes()


@lru_cache
def _first_free(size: int) -> sa.Select | sa.CompoundSelect:
    if size == IN_ONE:
        lanes = sa.func.unnest(in_one()).table_valued("lane", name="lanes").render_derived()
        first = _free(lanes.c.lane, MOST).lateral()
        return sa.select(first).select_from(lanes, first)
    free = [_free(sa.bindparam(name), MOST) for name in id_names(size)]
    return free[0] if size == 1 else sa.union_all(*(sa.select(each.subquery()) for each in free))


@lru_cache
def _busy_in(size: int) -> sa.Select:
    found = sa.select(AgendaItem.c.lane, sa.func.count()).where(among(AgendaItem.c.lane, size))
    found = found.where(AgendaItem.c.parked == sa.bindparam("parked"), is_leased(AgendaItem.c))
    return found.group_by(AgendaItem.c.lane)


_IN_LANE = (
    sa.select(AgendaItem.c.due)
    .where(AgendaItem.c.parked == sa.bindparam("parked"))
    .where(AgendaItem.c.lane == sa.bindparam("lane"))
    .order_by(AgendaItem.c.due, AgendaItem.c.id)
    .limit(MOST)
    .subquery()
)
WAITING = sa.select(sa.func.count(), sa.func.min(_IN_LANE.c.due, type_=AgendaItem.c.due.type))
PARKED = sa.select(sa.func.count()).where(AgendaItem.c.parked == sa.bindparam("parked"))
PLANNED = PARKED.where(AgendaItem.c.due <= sa.bindparam("until"))
FIRST = (
    sa.select(AgendaItem.table)
    .where(AgendaItem.c.parked == sa.bindparam("parked"))
    .order_by(AgendaItem.c.due, AgendaItem.c.id)
    .limit(1)
)


def alone(work: Work, until: datetime, most: int) -> list[AgendaItem]:
    """Those of no lane that are due and at which nobody is, as many at most."""
    values = {"parked": False, "until": until, "real": real(), "most": most}
    return work.connection.rows(AgendaItem, ALONE, values)


def waiting_lanes(work: Work, until: datetime, most: int) -> list[str]:
    """Those where something is due that may be begun: who has waited longest comes first."""
    values = {"parked": False, "until": until, "real": real(), "most": most}
    return [lane for (lane,) in work.connection.values(WAITING_LANES, **values)]


def first_free(work: Work, wanted: dict[str, int], until: datetime) -> dict[str, list[AgendaItem]]:
    """The first that are due and may be begun, in each lane as many as are wanted of it."""
    lanes = [lane for lane, most in wanted.items() if most > 0]
    most = max(wanted.values(), default=0)
    values = {"parked": False, "until": until, "real": real(), "most": most}
    found: dict[str, dict[str, AgendaItem]] = {lane: {} for lane in lanes}
    for size, named in work.connection.named(lanes, LANES_MAX):
        # To fill it up a lane may be named twice.
        for item in work.connection.rows(AgendaItem, _first_free(size), named | values):
            found[item.lane][item.id] = item
    # They come in turn, but nothing promises it of a union.
    return {lane: sorted(first.values(), key=in_turn)[: wanted[lane]] for lane, first in found.items()}


def busy_in(work: Work, lanes: Collection[str]) -> Counter[str]:
    """How many are leased of each of some lanes, whoever does them."""
    values = {"parked": False, "real": real()}
    return Counter(dict(work.connection.values_among(_busy_in, list(lanes), **values)))


def first_due(work: Work) -> datetime | None:
    """The due moment of what comes next, whoever may be doing it."""
    found = work.connection.rows(AgendaItem, FIRST, {"parked": False})
    return found[0].due if found else None


def parked(work: Work) -> int:
    """How many items have failed so often that nobody tries them any more."""
    ((count,),) = work.connection.values(PARKED, parked=True)
    return count


def late_seconds(work: Work) -> float:
    """For how long the first item has been due, whoever may be doing it; 0 when none is."""
    stored_clock(work)
    due = first_due(work)
    return max((work.now - due).total_seconds(), 0.0) if due else 0.0


def waiting_in(work: Work, lane: str, most: int) -> tuple[int, datetime | None]:
    """How many items a lane has, counted up to so many, and when the first of them is due."""
    values = {"parked": False, "lane": lane, "most": most}
    ((count, due),) = work.connection.values(WAITING, **values)
    return count, due


def planned(work: Work, until: datetime) -> int:
    """How many items are to be done until then; what they plan in their turn comes on top."""
    ((count,),) = work.connection.values(PLANNED, parked=False, until=until)
    return count

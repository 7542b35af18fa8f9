"""The items of the agenda, and which of them come first: what is asked, and changes nothing.

Those of a lane take turns; without one an item is done as it falls due.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from billfold.kit.clock import real
from billfold.kit.environment import stored_clock
from billfold.kit.tables import Record, table
from billfold.kit.work import SYSTEM_USER, Caller, Work

# Of one lane those at work are among its first few, whoever does them.
LANE_MAX = 4
# Of how many lanes one statement tells who comes first. psycopg reads one anew each time that is longer
# than 4,096 characters or has more than fifty arguments.
LANES_MAX = 4


@table(
    "agenda", sa.Index("ix_agenda_due", "parked", "due", "id"),
    sa.Index("ix_agenda_lane", "parked", "lane", "due", "id"), ids="agenda_item",
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

    def first_free(what: str) -> Any:
        """Of the first few, unless as many are at work as may be; they are counted as in `agenda`."""
        first = _head(lanes.c.lane, 2 * LANE_MAX).correlate(lanes).subquery()
        free = is_free(first.c)
        busy, least = sa.func.count(sa.case((~free, 1))), sa.func.min(sa.case((free, first.c[what])))
        return sa.select(sa.case((busy < LANE_MAX, least))).scalar_subquery().label(what)

    # Kept, because PostgreSQL would look each time that one of them is named.
    found = sa.select(lanes.c.lane, first_free("due"), first_free("id")).cte("found")
    found = found.prefix_with("MATERIALIZED")
    return (
        sa.select(found.c.lane)
        .where(found.c.due.is_not(None))
        .order_by(found.c.due, found.c.id)
        .limit(MOST)
    )


def _head(lane: Any, most: Any) -> sa.Select:
    each = AgendaItem.table.alias()
    return (
        sa.select(each)
        .where(each.c.parked == sa.bindparam("parked"), each.c.lane == lane)
        .where(each.c.due <= sa.bindparam("until"))
        .order_by(each.c.due, each.c.id)
        .limit(most)
    )


WAITING_LANES = _waiting_lanes()


@lru_cache
def _heads(size: int) -> sa.Select | sa.CompoundSelect:
    heads = [_head(sa.bindparam(f"lane{number}"), MOST) for number in range(size)]
    return heads[0] if size == 1 else sa.union_all(*(sa.select(each.subquery()) for each in heads))


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


def first_in(work: Work, lanes: list[str], until: datetime, most: int) -> dict[str, list[AgendaItem]]:
    """The first so many that are due in each of some lanes, whoever is at them."""
    found: dict[str, list[AgendaItem]] = {lane: [] for lane in lanes}
    for start in range(0, len(lanes), LANES_MAX):
        part = lanes[start : start + LANES_MAX]
        size = 1 << (len(part) - 1).bit_length()
        values: dict[str, Any] = {"parked": False, "until": until, "most": most}
        for place in range(size):
            values[f"lane{place}"] = part[place] if place < len(part) else None
        for item in work.connection.rows(AgendaItem, _heads(size), values):
            found[item.lane].append(item)
    for first in found.values():
        first.sort(key=in_turn)  # They come so, but nothing promises it of a union.
    return found


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

"""What is to be done, and when: payments to process, deliveries to retry, bills to repeat.

The same runner serves production, which calls it again and again, and time travel, which walks the
clock from one due moment to the next: a jump runs the code that runs in production.

An item is leased by real time when it is taken, and removed in the transaction of what it causes.
After a crash its lease runs out and it is taken again; whoever was only slow finds that it is no
longer theirs, and leaves it alone. One that fails again and again is parked, so that it never holds
up the others; what it was is in the log and in its row.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace

from billfold.kit.clock import real
from billfold.kit.database import select_to_change
from billfold.kit.environment import Environment, stored_clock
from billfold.kit.errors import Unavailable
from billfold.kit.tables import Record, table
from billfold.kit.work import SYSTEM_USER, Caller, Work

LEASE = timedelta(seconds=60)
TAKEN_MAX = 100
# Each waits for a receiver mostly. So many lanes whose receivers are dead keep nobody else waiting
# as go into it by fours; each is given up within minutes.
FLYING_MAX = 2_048
# Of one lane those at work are among its first few, whoever does them.
LANE_MAX = 4
PAUSE_SECONDS = 0.2
FAILURES_MAX = 5
FAILURE_PAUSE = timedelta(seconds=2)
# Twice as long each time.
TROUBLE_PAUSE = timedelta(seconds=1)

log = logging.getLogger("billfold.agenda")


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


Handler = Callable[[Environment, AgendaItem], Awaitable[None]]

FREE = (
    sa.select(AgendaItem.table)
    .where(AgendaItem.c.parked == sa.bindparam("parked"))
    .where(AgendaItem.c.lane == sa.bindparam("lane"))
    .where(AgendaItem.c.due <= sa.bindparam("until"))
    .where(
        sa.or_(
            AgendaItem.c.leased_until.is_(None),
            AgendaItem.c.leased_until <= sa.bindparam("real", type_=AgendaItem.c.leased_until.type),
        )
    )
    .order_by(AgendaItem.c.due, AgendaItem.c.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
# Those at work among them: what is taken first is done first.
HEAD = (
    sa.select(AgendaItem.table)
    .where(AgendaItem.c.parked == sa.bindparam("parked"))
    .where(AgendaItem.c.lane == sa.bindparam("lane"))
    .where(AgendaItem.c.due <= sa.bindparam("until"))
    .order_by(AgendaItem.c.due, AgendaItem.c.id)
    .limit(LANE_MAX)
)
# From lane to lane by the index, however many items each has.
NEXT_LANE = (
    sa.select(AgendaItem.c.lane)
    .where(AgendaItem.c.parked == sa.bindparam("parked"))
    .where(AgendaItem.c.lane > sa.bindparam("lane"))
    .order_by(AgendaItem.c.lane)
    .limit(1)
)
_IN_LANE = (
    sa.select(AgendaItem.c.due)
    .where(AgendaItem.c.parked == sa.bindparam("parked"))
    .where(AgendaItem.c.lane == sa.bindparam("lane"))
    .order_by(AgendaItem.c.due, AgendaItem.c.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
    .subquery()
)
WAITING = sa.select(sa.func.count(), sa.func.min(_IN_LANE.c.due, type_=AgendaItem.c.due.type))
# Another worker's items are passed over, not waited for.
TAKEN = FREE.with_for_update(skip_locked=True)
PARKED = sa.select(sa.func.count()).where(AgendaItem.c.parked == sa.bindparam("parked"))
PLANNED = PARKED.where(AgendaItem.c.due <= sa.bindparam("until"))
FIRST = (
    sa.select(AgendaItem.table)
    .where(AgendaItem.c.parked == sa.bindparam("parked"))
    .order_by(AgendaItem.c.due, AgendaItem.c.id)
    .limit(1)
)
ENDED = (
    sa.delete(AgendaItem.table)
    .where(AgendaItem.c.id == sa.bindparam("id"))
    .where(AgendaItem.c.leased_until == sa.bindparam("lease", type_=AgendaItem.c.leased_until.type))
    .returning(AgendaItem.c.id)
)

RELEASED = (
    sa.update(AgendaItem.table)
    .where(AgendaItem.c.leased_until.is_not(None))
    .values(leased_until=sa.null())
)


def rule(do: Callable[[Work, str], object]) -> Handler:
    """Make a handler of a rule: its effects and the end of its item are one transaction."""

    async def handle(environment: Environment, item: AgendaItem) -> None:
        def unit(work: Work) -> None:
            stored_clock(work)  # In this transaction: what another thread knows may be older.
            if finish(work, item):
                do(work, item.subject_id)

        await environment.write(unit, item.caller)

    return handle


def finish(work: Work, item: AgendaItem) -> bool:
    """End an item, before anything it causes is done in this unit.

    False when its lease ran out: it is done already, or in another's hands."""
    return bool(work.connection.values(ENDED, id=item.id, lease=item.leased_until))


def write_plans(work: Work) -> None:
    for owner_id, due, kind, subject_id, lane in work.planned:
        id = work.ids.new("agenda_item", work.now)
        work.insert(AgendaItem(id, owner_id, due, kind, subject_id, lane=lane))
    work.planned = []


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


def take(work: Work, until: datetime, most: int) -> list[AgendaItem]:
    """Lease items that are due; several workers may, and each gets others.

    Of a lane, however long, only the first few are at work, so that a receiver who is slow or dead
    holds up nobody but itself; among lanes who has waited longest comes first."""
    now = real()
    values = {"parked": False, "until": until, "real": now, "most": most, "lane": ""}
    lease = {"leased_until": now + LEASE}
    items = work.connection.rows(AgendaItem, TAKEN, values)
    for lane in _lanes(work):
        # Two workers at once would each see the same few free.
        if work.connection.try_lock(f"lane {lane}"):
            items += _free(work, lane, until, now)
    items = sorted(items, key=_turn)[:most]
    for item in items:
        work.connection.update(AgendaItem, item.id, lease)
    return [replace(item, **lease) for item in items]


def _turn(item: AgendaItem) -> tuple[datetime, str]:
    return item.due, item.id


def _lanes(work: Work) -> Iterator[str]:
    lane = ""
    while found := work.connection.values(NEXT_LANE, parked=False, lane=lane):
        ((lane,),) = found
        yield lane


def _free(work: Work, lane: str, until: datetime, now: datetime) -> list[AgendaItem]:
    """What may be begun of a lane: those of its first few that nobody is at."""
    first = work.connection.rows(AgendaItem, HEAD, {"parked": False, "lane": lane, "until": until})
    return [item for item in first if item.leased_until is None or item.leased_until <= now]


def release_all(work: Work) -> None:
    """For who knows that whoever holds a lease is dead."""
    work.connection.execute(work.connection.compiled(RELEASED).text, [])


def _put_back(work: Work, item: AgendaItem, **fields: Any) -> None:
    """Change an item that was not done, unless it is in another's hands by now."""
    mine = {"id": item.id, "leased_until": item.leased_until}
    if work.connection.rows(AgendaItem, select_to_change(AgendaItem, *mine), mine):
        work.connection.update(AgendaItem, item.id, fields)


async def run_due(environment: Environment) -> int:
    """Do what is due now, side by side; says how many items were taken."""
    items = await take_due(environment, TAKEN_MAX)
    await asyncio.gather(*(do(environment, item) for item in items))
    return len(items)


async def work_forever(environment: Environment) -> None:
    """Do what falls due, until cancelled. A slow receiver keeps nobody waiting but itself."""
    flying: dict[asyncio.Task, AgendaItem] = {}
    try:
        while True:
            try:
                items = await take_due(environment, min(TAKEN_MAX, FLYING_MAX - len(flying)))
            except Unavailable as trouble:
                log.error("the agenda waits for the database: %s", trouble)
                items = []
            for item in items:
                task = asyncio.create_task(do(environment, item))
                flying[task] = item
                task.add_done_callback(flying.pop)
            if not items and flying:
                # Where one of a lane ends another may begin.
                await asyncio.wait(flying, timeout=PAUSE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            elif not items:
                await asyncio.sleep(PAUSE_SECONDS)
            elif len(flying) == FLYING_MAX:
                await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _let_go(environment, flying)


async def _let_go(environment: Environment, flying: dict[asyncio.Task, AgendaItem]) -> None:
    """Give back what is not done, so that the next worker need not wait for leases to run out."""
    items = list(flying.values())
    for task in list(flying):
        task.cancel()
    await asyncio.gather(*flying, return_exceptions=True)

    def release(work: Work) -> None:
        for item in items:
            _put_back(work, item, leased_until=None)

    if items:
        await environment.write(release)


async def take_due(environment: Environment, most: int) -> list[AgendaItem]:
    """Lease what is due; nothing during a jump, which does it in order itself."""

    def is_due(work: Work) -> bool:
        walking = stored_clock(work).walking_to
        if walking:
            return False
        now = real()
        values = {"parked": False, "until": work.now, "real": now, "most": 1, "lane": ""}
        if work.connection.rows(AgendaItem, FREE, values):
            return True
        return any(_free(work, lane, work.now, now) for lane in _lanes(work))

    def take_now(work: Work) -> list[AgendaItem]:
        return [] if stored_clock(work).walking_to else take(work, work.now, most)

    # Asked by a read first: a worker with nothing to do writes nothing.
    if most == 0 or not await environment.read(is_due):
        return []
    return await environment.write(take_now)


async def do(environment: Environment, item: AgendaItem) -> bool:
    """Do one item; says whether that went well."""
    try:
        await _do_patiently(environment, item)
        return True
    except Unavailable:
        return False  # It is tried again when its lease is over.
    except Exception as error:
        log.exception("agenda item %s of kind %s failed", item.id, item.kind)
        failures = item.failures + 1
        fields: dict[str, Any] = {
            "failures": failures,
            "failure": repr(error)[:500],
            "parked": failures >= FAILURES_MAX,
            "leased_until": real() + FAILURE_PAUSE * failures,
        }
        await environment.write(lambda work: _put_back(work, item, **fields), item.caller)
        return False


async def _do_patiently(environment: Environment, item: AgendaItem) -> None:
    """The database's trouble is not the item's: it is tried again for as long as it is leased.

    What was done although nobody could say so is not done again: then the item is gone."""
    assert item.leased_until is not None, "an item is done by whoever has taken it"
    pause = TROUBLE_PAUSE
    while True:
        try:
            return await environment.handlers[item.kind](environment, item)
        except Unavailable as trouble:
            log.error("agenda item %s waits for the database: %s", item.id, trouble)
            if real() + pause >= item.leased_until:
                raise
        await asyncio.sleep(pause.total_seconds())
        pause *= 2

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
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa
from msgspec.structs import replace

from billfold.kit.agenda_items import (
    LANE_MAX,
    AgendaItem,
    alone,
    busy_in,
    first_free,
    in_turn,
    is_free,
    waiting_lanes,
)
from billfold.kit.clock import real
from billfold.kit.database import IN_ONE, Connection, among, select_to_change
from billfold.kit.environment import Environment, stored_clock
from billfold.kit.errors import OutOfPatience, Unavailable
from billfold.kit.work import Work

LEASE = timedelta(seconds=60)
TAKEN_MAX = 100
# Of a lane so many at least are leased by who is alone in it and gets through it quickly, at most the
# fourth part of a batch, and of all lanes two batches and a half: one is recorded, others are sent.
AHEAD_MIN, AHEAD_PART, AHEAD_BATCHES = 16, 4, 2.5
FAILURES_MAX = 5
FAILURE_PAUSE = timedelta(seconds=2)
TROUBLE_PAUSE = timedelta(seconds=1)  # Twice as long each time.

T = TypeVar("T")

log = logging.getLogger("billfold.agenda")


# Does an item, and may say with which ones of its lane to go on, which it has leased: they are not
# lost when it is cancelled (`to_the_end`).
Handler = Callable[[Environment, AgendaItem], Awaitable[list[AgendaItem] | None]]


@lru_cache
def _leasing(size: int) -> sa.Update:
    """Another worker's items are passed over, not waited for."""
    id = AgendaItem.c.id
    free = sa.select(id).where(among(id, size), is_free(AgendaItem.c)).with_for_update(skip_locked=True)
    # Many are found first, as one value: PostgreSQL might join them with themselves, one by one.
    these = id == sa.any_(sa.func.array(free.scalar_subquery())) if size == IN_ONE else id.in_(free)
    leased = sa.update(AgendaItem.table).where(these).values(leased_until=sa.bindparam("lease"))
    return leased.returning(id)


@lru_cache
def _leases(size: int) -> sa.Select:
    """Locked one after the other in the order of their ids."""
    found = sa.select(AgendaItem.c.id, AgendaItem.c.leased_until).where(among(AgendaItem.c.id, size))
    return found.order_by(AgendaItem.c.id).with_for_update(key_share=True)


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


def finish_all(work: Work, items: list[AgendaItem]) -> set[AgendaItem]:
    """`finish` of several; says of which it is true."""
    ours = _ours(work, items)
    work.connection.delete_all(AgendaItem, [item.id for item in ours])
    return ours


def give_back(work: Work, items: list[AgendaItem]) -> None:
    """Those that were not done and are not in another's hands are free at once."""
    ours = [item.id for item in _ours(work, items)]
    work.connection.set_all(AgendaItem, ours, {"leased_until": None})


def _ours(work: Work, items: list[AgendaItem]) -> set[AgendaItem]:
    leases = dict(work.connection.values_among(_leases, [item.id for item in items]))
    return {item for item in items if item.id in leases and leases[item.id] == item.leased_until}


def write_plans(work: Work) -> bool:
    """Says whether something that was planned is due already."""
    planned, work.planned = work.planned, []
    for owner_id, due, kind, subject_id, lane in planned:
        id = work.ids.new("agenda_item", work.now)
        work.insert(AgendaItem(id, owner_id, due, kind, subject_id, lane=lane))
    return any(due <= work.now for _, due, *_ in planned)


def take(work: Work, until: datetime, most: int) -> list[AgendaItem]:
    """Lease items that are due; several workers may, and each gets others.

    Of a lane, however long, only the first few are at work, so that a receiver who is slow or dead
    holds up nobody but itself; among lanes who has waited longest comes first."""
    return _begin(work, waiting_lanes(work, until, most), until, most)


def follow(
    work: Work, lanes: dict[str, int], held: dict[str, int], room: int
) -> dict[str, list[AgendaItem]]:
    """Lease what comes next in lanes of which something was finished in this unit, for which there is
    room: LANE_MAX are leased then, or as many as said, if who asks `held` all that are."""
    wanted = {lane: most - held.get(lane, 0) for lane, most in lanes.items()}
    free, busy = _free_and_busy(work, wanted, work.now)
    found, ahead = [], []
    for lane, items in free.items():
        few = max(LANE_MAX - busy[lane], 0)
        found += items[:few]
        ahead += items[few:] if busy[lane] == held.get(lane, 0) else []
    following: dict[str, list[AgendaItem]] = {}
    for item in _lease(work, found[:room], ahead[: max(room - len(found), 0)]):
        following.setdefault(item.lane, []).append(item)
    return following


def most_ahead(lanes: int, batch: int) -> int:
    """How many of each of so many lanes are leased by who is alone in it and quick, where so many are
    recorded at once."""
    return max(min(int(AHEAD_BATCHES * batch / lanes), batch // AHEAD_PART), AHEAD_MIN)


def _begin(work: Work, lanes: list[str], until: datetime, most: int) -> list[AgendaItem]:
    free, busy = _free_and_busy(work, dict.fromkeys(lanes, LANE_MAX), until)
    found = alone(work, until, most)
    for lane, items in free.items():
        found += items[: max(LANE_MAX - busy[lane], 0)]
    return _lease(work, sorted(found, key=in_turn)[:most])


def _free_and_busy(
    work: Work, wanted: dict[str, int], until: datetime
) -> tuple[dict[str, list[AgendaItem]], Counter[str]]:
    """What is leased is counted last: what another leases meanwhile is counted, or found to be locked
    or leased when it is to be leased here."""
    free = first_free(work, wanted, until)
    return free, busy_in(work, free)


def _lease(work: Work, items: list[AgendaItem], ahead: Sequence[AgendaItem] = ()) -> list[AgendaItem]:
    """Those of them that are free still; of those `ahead` only in lanes where all of them are, because
    where one is not another has begun."""
    asked = [*items, *ahead]
    now = real()
    lease = {"leased_until": now + LEASE}
    ids = [item.id for item in asked]
    found = work.connection.values_among(_leasing, ids, real=now, lease=lease["leased_until"])
    leased = {id for (id,) in found}
    contested = {item.lane for item in asked if item.id not in leased}
    too_many = {item.id for item in ahead if item.lane in contested} & leased
    work.connection.set_all(AgendaItem, sorted(too_many), {"leased_until": None})
    kept = sorted((item for item in asked if item.id in leased - too_many), key=in_turn)
    return [replace(item, **lease) for item in kept]


def free_all(connection: Connection) -> None:
    """For who knows that whoever holds a lease is dead."""
    connection.execute(connection.compiled(RELEASED).text, [])


def put_back(work: Work, item: AgendaItem, **fields: Any) -> None:
    """Change an item that was not done, unless it is in another's hands by now."""
    mine = {"id": item.id, "leased_until": item.leased_until}
    if work.connection.rows(AgendaItem, select_to_change(AgendaItem, *mine), mine):
        work.connection.update(AgendaItem, item.id, fields)


async def run_due(environment: Environment) -> int:
    """Do what is due now, side by side; says how many items were taken."""
    items = await take_due(environment, TAKEN_MAX)
    await asyncio.gather(*(do(environment, item) for item in items))
    return len(items)


async def take_due(environment: Environment, most: int) -> list[AgendaItem]:
    """Lease what is due; nothing during a jump, which does it in order itself."""

    def look(work: Work) -> tuple[list[str], bool]:
        if stored_clock(work).walking_to:
            return [], False
        lanes = waiting_lanes(work, work.now, most)
        return lanes, bool(lanes or alone(work, work.now, 1))

    def take_now(work: Work) -> list[AgendaItem]:
        return [] if stored_clock(work).walking_to else _begin(work, lanes, work.now, most)

    if most <= 0:
        return []
    # Asked by a read first: a worker with nothing to do writes nothing.
    lanes, any_due = await environment.read(look)
    return await environment.write(take_now) if any_due else []


async def do(environment: Environment, item: AgendaItem) -> bool:
    """Do one item; says whether that was done, and well."""
    well, following = await attempt(environment, item)
    return well and not following


async def attempt(environment: Environment, item: AgendaItem) -> tuple[bool, list[AgendaItem]]:
    """Do one item; says whether that went well, and with which ones to go on (`follow`)."""
    try:
        handle = environment.handlers[item.kind]
        return True, await patiently(item, lambda: handle(environment, item)) or []
    except Unavailable:
        return False, []  # It is tried again when its lease is over.
    except Exception as error:
        log.exception("agenda item %s of kind %s failed", item.id, item.kind)
        failures = item.failures + 1
        fields: dict[str, Any] = {
            "failures": failures, "failure": repr(error)[:500],
            "parked": failures >= FAILURES_MAX, "leased_until": real() + FAILURE_PAUSE * failures,
        }  # fmt: skip
        await environment.write(lambda work: put_back(work, item, **fields), item.caller)
        return False, []


async def patiently(item: AgendaItem, do: Callable[[], Awaitable[T]]) -> T:
    """The database's trouble, or the machine's, is not the item's: it is tried again for as long as it
    is leased.

    What was done although nobody could say so is not done again: then the item is gone."""
    assert item.leased_until is not None, "an item is done by whoever has taken it"
    pause = TROUBLE_PAUSE
    while True:
        try:
            return await do()
        except OutOfPatience:
            raise  # Who is patient for a part of it is so for all of it.
        except Unavailable as trouble:
            if pause == TROUBLE_PAUSE:  # There may be thousands, for minutes.
                log.error("agenda item %s waits: %s", item.id, trouble)
            if real() + pause >= item.leased_until:
                raise OutOfPatience(str(trouble)) from trouble
        await asyncio.sleep(pause.total_seconds())
        pause *= 2

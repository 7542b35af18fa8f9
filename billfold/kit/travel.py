"""Time travel, for sandboxes: the clock is walked from one due moment to the next.

Items run in the order of their due times, each at its due time, and what they plan on the way runs
too. Between two items the clock stands still, so the same jump always gives the same story. No lock
of a row is held over a jump: requests, also those a receiver sends back meanwhile, are served.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from billfold.kit import agenda, agenda_items
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.clock import offset_to, real, stamp
from billfold.kit.environment import (
    Environment,
    StoredClock,
    held_clock,
    set_clock,
    stored_clock,
)
from billfold.kit.errors import INVALID_VALUE, Refusal
from billfold.kit.work import Work

# Deliveries of one moment wait for their receivers side by side; all else happens one by one.
SIDE_BY_SIDE = "event.deliver"
# How much of one moment is taken at once: taking costs a commit, like doing.
TAKEN_MAX = 32
ITEMS_MAX = 1_000_000
# Ids rise with time until then (`ids`).
ENDS = datetime(2059, 1, 1, tzinfo=UTC)
OTHERS_PAUSE_SECONDS = 0.05
# A little more than a lease: by then whoever leased an item has done it or has died.
OTHERS_SECONDS_MAX = 90
# Renewed whenever something is taken; longer than any delivery may take.
WALK_LEASE = timedelta(seconds=30)


@dataclass
class Journey:
    """What a jump did: how many items of each kind, and how many of them failed."""

    now: datetime
    done: Counter[str] = field(default_factory=Counter)
    failed: int = 0


async def by(environment: Environment, delta: timedelta) -> Journey:
    """Move the clock on from where it will be when the jump's turn has come."""
    return await _walk(environment, lambda work: work.now + delta)


async def to(environment: Environment, moment: datetime) -> Journey:
    """Move the clock to a moment; raises a refusal (400) for one that has passed."""
    return await _walk(environment, lambda work: moment)


async def to_next(environment: Environment) -> Journey:
    """Walk to the next due item and do what is due at that moment."""
    return await _walk(
        environment, lambda work: max(agenda_items.first_due(work) or work.now, work.now)
    )


async def freeze(environment: Environment, frozen: bool) -> Journey:
    """Let the clock stand still where it is, or go on from there: a jump of no length."""
    return await _walk(environment, lambda work: work.now, frozen)


async def inherit(environment: Environment) -> None:
    """Where only one process can be, what is held was held by one that has died: it need not be
    waited for. Elsewhere its leases run out."""

    def take_over(work: Work) -> None:
        agenda.free_all(work.connection)
        set_clock(work, walk_lease=None)

    if environment.database.alone:
        await environment.write(take_over)


async def resume(environment: Environment) -> None:
    """Finish a jump whose process has died in it; one that is being walked is left alone."""
    if await environment.read(lambda work: _is_orphan(stored_clock(work))):
        await by(environment, timedelta(0))


async def _walk(
    environment: Environment, target: Callable[[Work], datetime], frozen: bool | None = None
) -> Journey:
    """One jump after the other, also of several processes: each waits until nobody else walks.

    `frozen` says whether the clock stands in the end; None: as before."""
    async with environment.journeys:
        # A jump that was left behind is finished on the way: it lies before this one.
        until = await _turn(environment, target)
        journey = Journey(until)
        while items := await _take(environment, until):
            for item in items:
                if item.kind != SIDE_BY_SIDE:
                    await _do(environment, journey, item)
            deliveries = (item for item in items if item.kind == SIDE_BY_SIDE)
            await asyncio.gather(*(_do(environment, journey, item) for item in deliveries))
            assert journey.done.total() < ITEMS_MAX, "the agenda feeds itself"
        await environment.write(lambda work: _arrive(work, until, frozen))
        await environment.read(stored_clock)
        return journey


async def _turn(environment: Environment, target: Callable[[Work], datetime]) -> datetime:
    while True:
        until = await environment.write(lambda work: _begin(work, target))
        await environment.read(stored_clock)
        if until is not None:
            return until
        await asyncio.sleep(OTHERS_PAUSE_SECONDS)


def _begin(work: Work, target: Callable[[Work], datetime]) -> datetime | None:
    """Where the jump leads; None while another process walks."""
    stored = held_clock(work)
    if stored.walking_to and not _is_orphan(stored):
        return None
    try:
        until = target(work)
    except OverflowError:
        until = ENDS
    if until >= ENDS:
        raise Refusal(INVALID_VALUE, f"time goes to {stamp(ENDS)} at most")
    if until < work.now:
        raise Refusal(INVALID_VALUE, f"time only goes forward, and it is {stamp(work.now)}")
    until = max(until, stored.walking_to or until)
    set_clock(work, still=work.now, walking_to=until, walk_lease=real() + WALK_LEASE)
    return until


def _arrive(work: Work, until: datetime, frozen: bool | None) -> None:
    if frozen is None:
        frozen = held_clock(work).frozen
    standing = _standing(until, frozen)
    set_clock(work, frozen=frozen, walking_to=None, walk_lease=None, **standing)


def _is_orphan(stored: StoredClock) -> bool:
    return stored.walking_to is not None and (stored.walk_lease or real()) <= real()


async def _take(environment: Environment, until: datetime) -> list[AgendaItem]:
    """What comes next and is of one moment, in the order in which it was planned; the clock goes there.

    What another worker holds comes first in time as well, so the jump waits for it."""
    waited = 0.0
    while True:
        items, waiting = await environment.write(lambda work: _take_now(work, until))
        # Only when it is durable does this process go by the new time.
        await environment.read(stored_clock)
        if items or not waiting or waited > OTHERS_SECONDS_MAX:
            return items
        await asyncio.sleep(OTHERS_PAUSE_SECONDS)
        waited += OTHERS_PAUSE_SECONDS


def _take_now(work: Work, until: datetime) -> tuple[list[AgendaItem], bool]:
    """Also says whether something that is due is in another worker's hands."""
    held_clock(work)
    lease = {"walk_lease": real() + WALK_LEASE}
    due = agenda_items.first_due(work)
    if due is None or due > until:
        return [], False
    items = agenda.take(work, due, TAKEN_MAX)
    if not items:
        set_clock(work, **lease)
        return [], True
    set_clock(work, still=max(items[0].due, work.now), **lease)
    return items, False


async def _do(environment: Environment, journey: Journey, item: AgendaItem) -> None:
    if await agenda.do(environment, item):
        journey.done[item.kind] += 1
    else:
        journey.failed += 1


def _standing(moment: datetime, frozen: bool) -> dict[str, Any]:
    """How a clock that shows this moment is stored."""
    return {"still": moment} if frozen else {"still": None, "offset_ms": offset_to(moment)}

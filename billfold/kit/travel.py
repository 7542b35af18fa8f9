"""Time travel, for sandboxes: the clock is walked from one due moment to the next.

Items run in the order of their due times, each at its due time, and what they plan on the way runs
too. Between two items the clock stands still, so the same jump always gives the same story. No lock
of a row is held over a jump: requests, also those a receiver sends back meanwhile, are served.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
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
from billfold.kit.errors import INVALID_VALUE, InDoubt, Refusal, Unavailable
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


class TakenOver(Exception):
    """The lease of this walk ran out, as when its machine slept: whoever came next has gone on with it,
    and time may be far beyond."""


@dataclass
class Walk:
    """A jump on its way: where it leads, and the lease by which it is known as this one's."""

    until: datetime
    lease: datetime


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

    `frozen` says whether the clock stands in the end; None: as before. Raises InDoubt where it was
    begun and has met trouble: whoever looks next goes there, and leaves `frozen` as it was."""
    async with environment.journeys:
        # A jump that was left behind is finished on the way: it lies before this one.
        walk = await _turn(environment, target)
        journey = Journey(walk.until)
        try:
            while not await _arrives(environment, walk, journey, frozen):
                # Whoever has taken it over may leave it again.
                walk = await _turn(environment, lambda work: work.now)
                journey.now = walk.until
        except Unavailable as trouble:
            with suppress(Unavailable, TakenOver):
                await environment.write(partial(_leave, walk=walk))
            raise InDoubt(f"the clock is on its way to {stamp(walk.until)}") from trouble
        return journey


async def _turn(environment: Environment, target: Callable[[Work], datetime]) -> Walk:
    while True:
        walk = await environment.write(lambda work: _begin(work, target))
        if walk is not None:
            return walk
        await asyncio.sleep(OTHERS_PAUSE_SECONDS)


async def _arrives(environment: Environment, walk: Walk, journey: Journey, frozen: bool | None) -> bool:
    """Go there; False when another process goes on with it."""
    try:
        await environment.read(stored_clock)
        while items := await _take(environment, walk):
            for item in items:
                if item.kind != SIDE_BY_SIDE:
                    await _do(environment, journey, item)
            deliveries = (item for item in items if item.kind == SIDE_BY_SIDE)
            await asyncio.gather(*(_do(environment, journey, item) for item in deliveries))
            assert journey.done.total() < ITEMS_MAX, "the agenda feeds itself"
        await environment.write(partial(_arrive, walk=walk, frozen=frozen))
    except TakenOver:
        return False
    await environment.read(stored_clock)
    return True


def _begin(work: Work, target: Callable[[Work], datetime]) -> Walk | None:
    """None while another process walks."""
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
    walk = Walk(max(until, stored.walking_to or until), _lease())
    set_clock(work, still=work.now, walking_to=walk.until, walk_lease=walk.lease)
    return walk


def _lease() -> datetime:
    """In whole milliseconds, as it comes back. Of two walks the later one's is later: it begins when
    the other's is over."""
    until = real() + WALK_LEASE
    return until.replace(microsecond=until.microsecond // 1000 * 1000)


def _held_by(work: Work, walk: Walk) -> StoredClock:
    """The clock, to be moved on; raises TakenOver where another walk moves it."""
    stored = held_clock(work)
    if stored.walk_lease != walk.lease:
        raise TakenOver
    return stored


def _arrive(work: Work, walk: Walk, frozen: bool | None) -> None:
    stored = _held_by(work, walk)
    standing = _standing(walk.until, stored.frozen if frozen is None else frozen)
    set_clock(work, walking_to=None, walk_lease=None, **standing)


def _leave(work: Work, walk: Walk) -> None:
    """Nobody need wait until the lease is over."""
    _held_by(work, walk)
    set_clock(work, walk_lease=None)


def _is_orphan(stored: StoredClock) -> bool:
    return stored.walking_to is not None and (stored.walk_lease or real()) <= real()


async def _take(environment: Environment, walk: Walk) -> list[AgendaItem]:
    """What comes next and is of one moment, in the order in which it was planned; the clock goes there.

    What another worker holds comes first in time as well, so the jump waits for it."""
    waited = 0.0
    while True:
        lease = _lease()
        items, waiting = await environment.write(partial(_take_now, walk=walk, lease=lease))
        if items or waiting:
            walk.lease = lease
        # Only when it is durable does this process go by the new time.
        await environment.read(stored_clock)
        if items or not waiting or waited > OTHERS_SECONDS_MAX:
            return items
        await asyncio.sleep(OTHERS_PAUSE_SECONDS)
        waited += OTHERS_PAUSE_SECONDS


def _take_now(work: Work, walk: Walk, lease: datetime) -> tuple[list[AgendaItem], bool]:
    """Also says whether something that is due is in another worker's hands."""
    _held_by(work, walk)
    due = agenda_items.first_due(work)
    if due is None or due > walk.until:
        return [], False
    items = agenda.take(work, due, TAKEN_MAX)
    if not items:
        set_clock(work, walk_lease=lease)
        return [], True
    set_clock(work, still=max(items[0].due, work.now), walk_lease=lease)
    return items, False


async def _do(environment: Environment, journey: Journey, item: AgendaItem) -> None:
    if await agenda.do(environment, item):
        journey.done[item.kind] += 1
    else:
        journey.failed += 1


def _standing(moment: datetime, frozen: bool) -> dict[str, Any]:
    """How a clock that shows this moment is stored."""
    if frozen:
        return {"frozen": True, "still": moment}
    return {"frozen": False, "still": None, "offset_ms": offset_to(moment)}

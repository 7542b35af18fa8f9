"""Snapshots: an environment as it was at one moment, to go back to or to make others of.

A snapshot is a database beside those of the environments, listed like them and entered by nobody. What
it holds is replaced in its environment by one transaction, so that a restore happens or does not.
"""

import asyncio
from functools import partial

from billfold.access.sessions import Session
from billfold.environments import databases, listed
from billfold.environments.databases import at_rest, clock_of
from billfold.environments.host import Host
from billfold.environments.listed import Listed, State
from billfold.kit import agenda, travel
from billfold.kit.database import Connection
from billfold.kit.database_place import Claim
from billfold.kit.environment import CLOCK_ID, StoredClock, stored_clock
from billfold.kit.errors import INVALID_VALUE, NO_SNAPSHOT, Refusal
from billfold.kit.policy import NAME_RULE, is_name

# What belongs to the installation, and time itself: both stay, and the clock is set.
STAYS = (Listed, StoredClock)


async def save(host: Host, name: str, environment: str) -> Listed:
    """Keep an environment as it is now, with everything in it.

    Raises BDC_1143 for a name that is malformed (400) or taken (422), and NO_ENVIRONMENT."""
    if not is_name(name):
        raise Refusal(INVALID_VALUE, f"name: {NAME_RULE}")
    source = await host.found(environment)
    begin = partial(
        listed.begin, name=name, policy=source.policy, world=source.world, origin=environment
    )

    async def fill(claim: Claim) -> None:
        await databases.create(host, name, claim, environment)

    return await databases.make(host, name, begin, fill)


def everyone(host: Host) -> list[Listed]:
    """In the order of their names."""
    return [each for each in host.listed.values() if each.state is State.SNAPSHOT]


async def restore(host: Host, name: str) -> Listed:
    """Put its environment back to what it was: people, books, events, time; what is on the agenda is
    due again as it was. Nobody stays signed in.

    Raises NO_SNAPSHOT, NO_ENVIRONMENT where the environment is gone, and BDC_1143 (422) for a snapshot
    that cannot be used: nothing has changed then."""
    snapshot = await found(host, name)
    target = (await host.found(snapshot.origin or "")).id
    async with at_rest(host, name) as there, host.entered(target) as site:
        environment = site.environment
        stored = await clock_of(there)
        async with environment.journeys:
            refill = partial(host.place.refill, there, host.url_of(target), STAYS)
            await asyncio.to_thread(refill, partial(_set_back, stored))
            await environment.read(stored_clock)
        await travel.resume(environment)  # It was kept in the middle of a jump, maybe.
    return snapshot


async def remove(host: Host, name: str) -> None:
    """Throw a snapshot away (NO_SNAPSHOT)."""
    made = (await found(host, name)).created_time

    def may_go(each: Listed) -> bool:
        return each.state is State.SNAPSHOT and each.created_time == made

    async with host.lock(name), host.claimed(name) as claim:
        if claim is None or not await host.take_away(name, claim, may_go):
            raise Refusal(NO_SNAPSHOT, name)  # Somebody else has just removed it.


async def found(host: Host, name: str) -> Listed:
    """Raises NO_SNAPSHOT (404) for one that is not there."""
    await host.refresh()
    each = host.listed.get(name)
    if each is None or each.state is not State.SNAPSHOT:
        raise Refusal(NO_SNAPSHOT, name)
    return each


def _set_back(stored: StoredClock, connection: Connection) -> None:
    """Within the transaction that has put the rows back."""
    connection.execute(f"DELETE FROM {Session.table.name}", [])
    agenda.free_all(connection)
    (now,) = connection.where(StoredClock, id=CLOCK_ID)
    # Under a version of its own, so that every process forgets what it knew.
    fields = {
        "version": now.version + 1, "offset_ms": stored.offset_ms, "still": stored.still,
        "frozen": stored.frozen, "walking_to": stored.walking_to, "walk_lease": None,
    }  # fmt: skip
    connection.update(StoredClock, CLOCK_ID, fields)

"""The databases of environments and snapshots are made, each listed as half made until it is whole, and
read while they are at rest."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from billfold import migrations
from billfold.environments import listed
from billfold.environments.host import Host
from billfold.environments.listed import Listed, State
from billfold.kit.database import open_database
from billfold.kit.database_place import Claim
from billfold.kit.environment import CLOCK_ID, StoredClock, check_key
from billfold.kit.errors import INVALID_VALUE, NOT_POSSIBLE, Refusal, Unavailable, Unusable
from billfold.kit.work import Work


async def make(
    host: Host, name: str, begin: Callable[[Work], None], fill: Callable[[Claim], Awaitable[None]]
) -> Listed:
    """What is listed by `begin`, and made by `fill`; whole, or not begun.

    Raises BDC_1143 for a name that is too long (400) or taken (422)."""
    try:
        url = host.place.beside(name)
    except Unusable as error:
        raise Refusal(INVALID_VALUE, f"name: {error}") from None
    async with host.lock(name), host.claimed(name) as claim:
        if claim is None or await host.book.read(lambda work: listed.is_taken(work, name)):
            raise Refusal(NOT_POSSIBLE, f"name: there is an environment or a snapshot {name} already")
        # Before it is listed: what is listed as half made is ours to take away.
        if await asyncio.to_thread(host.place.exists, url):
            raise Refusal(NOT_POSSIBLE, f"name: there is a database for {name} already, not of ours")
        await host.book.write(begin)
        try:
            await host.refresh()
            await fill(claim)
            await host.book.write(lambda work: listed.complete(work, name))
        except BaseException as error:
            await host.take_away(name, claim, _is_half_made)
            if isinstance(error, Unusable):
                raise Refusal(NOT_POSSIBLE, str(error)) from None
            raise
        await host.refresh()
    return host.listed[name]


def _is_half_made(each: Listed) -> bool:
    return each.state is State.MAKING


async def create(host: Host, name: str, claim: Claim, source: str | None = None) -> None:
    """A new one, with what its source holds at one moment: an environment or a snapshot."""
    url, place = host.place.beside(name), host.place
    await asyncio.to_thread(claim.create)
    if source is None or not place.copies_schema:
        await asyncio.to_thread(migrations.migrate, url)
    if source is not None:
        async with at_rest(host, source) as there:
            await asyncio.to_thread(place.copy, there, url)


@asynccontextmanager
async def at_rest(host: Host, name: str) -> AsyncIterator[str]:
    """The database of an environment, or of a snapshot, of this schema.

    Raises NO_ENVIRONMENT, and BDC_1143 (422) for a snapshot that is damaged, newer than this server or
    sealed with another key."""
    if (await host.found(name, State.SNAPSHOT)).state is State.ACTIVE:
        async with host.entered(name):
            yield host.url_of(name)
        return
    url = host.place.beside(name)
    try:
        await asyncio.to_thread(host.place.check, url)
        found = await asyncio.to_thread(migrations.known_revision, url)
        if found is None:
            raise Unusable("it holds nothing")
        if found != migrations.HEAD:
            async with host.lock(name), host.claimed(name) as claim:
                if claim is None:
                    raise Unavailable(f"snapshot {name} is just being changed")
                await asyncio.to_thread(migrations.migrate, url)
        check_key((await clock_of(url)).key_check, host.book.secrets)
    except Unusable as error:
        raise Refusal(NOT_POSSIBLE, f"snapshot {name}: {error}") from None
    yield url


async def clock_of(url: str) -> StoredClock:
    """The clock of an environment that nobody needs to have open; Unusable where it has none."""
    found = await open_database(url).read_at_length(lambda there: there.first(StoredClock, id=CLOCK_ID))
    if found is None:
        raise Unusable("it holds no environment")
    return found

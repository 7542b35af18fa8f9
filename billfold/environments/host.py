"""The host: keeps the environments of an installation, opens each when it is asked for, and makes,
ends and removes them.

The first is open for as long as the server lives, and its database holds the list. The others lie
under /env/{name}; they close when nobody has used them for a minute. What falls due in one that is
closed opens it again: in this process because it knows when that will be, and on PostgreSQL in every
other one that works on the agenda because the list says when an environment was last used.
"""

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Protocol
from weakref import WeakValueDictionary

from billfold import migrations
from billfold.environments import listed
from billfold.environments.listed import Listed, State
from billfold.environments.sunset import Sunset, after
from billfold.kit import agenda_items
from billfold.kit.database import said_by_driver
from billfold.kit.database_place import Claim, place_of
from billfold.kit.environment import Environment, stored_clock
from billfold.kit.errors import (
    NO_ENVIRONMENT,
    NO_SUCH_API,
    Refusal,
    Unavailable,
    Unusable,
)
from billfold.kit.work import Work
from billfold.settings import Settings

PREFIX = "/env/"
PATH = re.compile("/+env/+([^/]+)(.*)", re.DOTALL)
IDLE_SECONDS_MAX = 60.0
TURN_SECONDS = 1.0
# How much later than the process that changes the list another one goes by it.
OTHERS_TURN_SECONDS = 0.1
# How often the list learns that an environment is in use; well below IDLE_SECONDS_MAX.
NOTED_EVERY_SECONDS = 20.0
TIDIED_EVERY_SECONDS = 60.0
# How long its last requests may take before a database is thrown away under them.
LEAVING_SECONDS_MAX, LEAVING_PAUSE_SECONDS = 5.0, 0.02

log = logging.getLogger("billfold")


class Site(Protocol):
    """An environment as it is served. `busy` counts the requests in it, `used` is when the last one
    came (`monotonic`), and `sunset` its last day, if it has one."""

    environment: Environment
    sunset: Sunset | None
    busy: int
    used_seconds: float

    async def open(self, first: Callable[[Work], object] | None = None) -> None: ...
    async def close(self) -> None: ...
    async def __call__(self, scope, receive, send) -> None: ...


# From an environment's place in the list and the URL of its database.
Maker = Callable[[Listed, str], Site]


class Host:
    def __init__(self, settings: Settings, first: Site, make: Maker) -> None:
        self.settings = settings
        self.first = first
        self.make = make
        self.place = place_of(settings.database_url)
        self.listed: dict[str, Listed] = {}
        # Those that are open, the one that was used last at the end.
        self._open: OrderedDict[str, Site] = OrderedDict()
        self._reading = asyncio.Lock()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # When something falls due in one that is closed (`monotonic`).
        self._awaited: dict[str, float] = {}
        self._tidied_seconds = monotonic()
        self._open_max = settings.open_environments
        # When those that are open were made.
        self._made: dict[str, datetime] = {}
        self._noted_seconds: dict[str, float] = {}
        first.environment.host = self

    @property
    def book(self) -> Environment:
        return self.first.environment

    @property
    def alone(self) -> bool:
        return self.book.database.alone

    def lock(self, name: str) -> asyncio.Lock:
        """For whoever opens, closes, makes or removes an environment."""
        return self._locks.setdefault(name, asyncio.Lock())

    # While the server lives

    async def start(self) -> None:
        policy, world = self.book.policy, self.book.world
        await self.book.write(
            lambda work: listed.list_first(work, self.settings.first, policy.name, world)
        )
        await self._reckon_room()
        await self.refresh()
        await self.tidy()
        if self.settings.worker:
            # Whether anything is due in them is known when they have been opened once.
            self._awaited = dict.fromkeys(self._others(), monotonic())

    async def close(self) -> None:
        closing = map(self.close_site, list(self._open))
        for error in await asyncio.gather(*closing, return_exceptions=True):
            if error:
                log.error("an environment was not closed well: %r", error)

    async def keep(self) -> None:
        """Go round again and again: close what is idle, open what falls due, tidy what was left."""
        while True:
            await self.refresh()
            await self._note_uses()
            if monotonic() - self._tidied_seconds > TIDIED_EVERY_SECONDS:
                self._tidied_seconds = monotonic()
                await self.tidy()
            await self._close_idle()
            await self._open_due()
            await asyncio.sleep(TURN_SECONDS if self.alone else OTHERS_TURN_SECONDS)

    async def refresh(self) -> None:
        """Go by the list as it is stored, which another process may have changed."""
        async with self._reading:  # One after the other: no older list takes the place of a newer one.
            before = self.listed
            rows = await self.book.read(listed.everyone)
            self.listed = {each.id: each for each in rows}
        self.first.sunset = self._sunset_of(self.settings.first)
        for name, site in self._open.items():
            if self.is_there(name):
                site.sunset = self._sunset_of(name)
        if self.settings.worker and before:
            for name in set(self._others()) - self._open.keys():
                old = before.get(name)
                if old is None or old.used_time < self.listed[name].used_time:
                    self._awaited.setdefault(name, monotonic())  # Used in another process.

    async def tidy(self) -> None:
        """Take away what was left half made or half removed, and what was ephemeral and is over."""

        def may_go(each: Listed) -> bool:
            if each.state in listed.HALF_DONE:
                return True
            return listed.is_over(each) and each.id not in self._open and not self.heirs(each.id)

        for name, each in list(self.listed.items()):
            if may_go(each):
                async with self.lock(name), self.claimed(name) as claim:
                    if claim:
                        await self.take_away(name, claim, may_go)

    async def _note_uses(self) -> None:
        for name, site in list(self._open.items()):
            if site.used_seconds > self._noted_seconds.get(name, 0.0) + NOTED_EVERY_SECONDS:
                await self._note_use(name)

    async def _note_use(self, name: str) -> None:
        self._noted_seconds[name] = monotonic()
        await self.book.write(lambda work: listed.note_use(work, name))

    async def _close_idle(self) -> None:
        """Also one that another process has removed; but none in which something is just being done."""
        for name, site in list(self._open.items()):
            if self.lock(name).locked():
                continue  # It may be open already, and listed only when it has been made.
            used = monotonic() - site.used_seconds <= IDLE_SECONDS_MAX
            if not self._is_current(name) or not (used or await _is_late(site)):
                await self._close_unless_busy(name)

    async def _close_unless_busy(self, name: str) -> None:
        async with self.lock(name):
            site = self._open.get(name)
            if site and not site.busy:
                await self.close_site(name)

    async def _open_due(self) -> None:
        for name, moment in list(self._awaited.items()):
            if not self.is_there(name):
                del self._awaited[name]
            elif moment <= monotonic():
                self._awaited[name] = monotonic() + TIDIED_EVERY_SECONDS  # If it does not open now.
                try:
                    async with self.entered(name):
                        pass
                except (Unavailable, Refusal) as trouble:
                    log.error("environment %s does not open: %s", name, trouble)

    # Serving

    @asynccontextmanager
    async def entered(self, name: str) -> AsyncIterator[Site]:
        """An environment, open until it is left (BDC_1121, 404, for one that is not there)."""
        if name == self.settings.first:
            yield self.first
            return
        site = self._open.get(name) if self._is_current(name) else None
        if site is None:
            site = await self._opened(name)
        self._open.move_to_end(name)
        site.busy += 1  # Nothing was waited for since it was seen to be open.
        try:
            yield site
        finally:
            site.busy -= 1
            site.used_seconds = monotonic()

    async def _opened(self, name: str) -> Site:
        if not self.is_there(name) and not self.alone:
            await self.refresh()  # Another process may just have made it.
        if not self.is_there(name):
            raise Refusal(NO_SUCH_API, f"there is no environment {name}")
        async with self.lock(name):
            if not self.is_there(name):
                raise Refusal(NO_SUCH_API, f"there is no environment {name}")
            if not self._is_current(name):
                await self._left(name)
                await self.close_site(name)
                await self.open_site(name)
            return self._open[name]

    async def open_site(self, name: str, first: Callable[[Work], object] | None = None) -> None:
        """Whoever opens or closes one has its lock. `first` is done before anything else is."""
        await self._make_room()
        url = self.place.beside(name)
        try:
            if not await asyncio.to_thread(self.place.exists, url):
                raise Unavailable(f"the database of environment {name} is gone")
            await asyncio.to_thread(migrations.prepare, url)
            site = self.make(self.listed[name], url)
            await site.open(first)
        except Exception as error:
            if isinstance(error, Unusable) or said_by_driver(error):
                raise Unavailable(f"environment {name}: {said_by_driver(error) or error}") from error
            raise
        site.sunset = self._sunset_of(name)
        site.used_seconds = monotonic()
        self._open[name] = site
        self._made[name] = self.listed[name].created_time
        self._awaited.pop(name, None)
        await self._note_use(name)

    async def _reckon_room(self) -> None:
        """No more are open than PostgreSQL has connections for, beside those of the first."""
        settings = self.settings
        room = await asyncio.to_thread(self.place.room)
        if room is not None:
            left = room // settings.workers - settings.connections
            self._open_max = max(1, min(self._open_max, left // settings.environment_connections))

    async def _make_room(self) -> None:
        """Close the one that was used longest ago, where as many are open as may be."""
        while len(self._open) >= self._open_max:
            name = next((name for name, site in self._open.items() if not site.busy), None)
            if name is None:
                raise Unavailable("too many environments are in use at once")
            await self._close_unless_busy(name)

    async def close_site(self, name: str) -> None:
        site = self._open.pop(name, None)
        if site is None:
            return
        seconds: float | None = TIDIED_EVERY_SECONDS
        site.environment.database.hurry()
        try:
            seconds = await site.environment.read(_seconds_to_next)
        except Unavailable as trouble:
            log.error("environment %s is closed without a look: %s", name, trouble)
        finally:
            if seconds is not None and self.settings.worker:
                self._awaited[name] = monotonic() + seconds
            await site.close()

    def is_there(self, name: str) -> bool:
        return self._state_of(name) is State.ACTIVE

    def _is_current(self, name: str) -> bool:
        """Whether what is open under a name is what is listed: another process may have removed it and
        made a new one meanwhile."""
        made = self._made.get(name)
        return name in self._open and self.is_there(name) and self.listed[name].created_time == made

    def _others(self) -> list[str]:
        return [name for name in self.listed if name != self.settings.first and self.is_there(name)]

    def _sunset_of(self, name: str) -> Sunset | None:
        found = self.listed.get(name)
        if found is None or found.sunset_date is None:
            return None
        successor = found.successor or ""
        if "://" not in successor:
            successor = self.under(successor)
        return Sunset(after(found.sunset_date), successor)

    def under(self, name: str) -> str:
        """What stands before the paths of an environment."""
        return "" if name == self.settings.first else PREFIX + name

    # What making and ending need

    async def _left(self, name: str) -> None:
        """Wait a while until the last request has left an environment that none enters any more."""
        site, until = self._open.get(name), monotonic() + LEAVING_SECONDS_MAX
        while site and site.busy and monotonic() < until:
            await asyncio.sleep(LEAVING_PAUSE_SECONDS)

    @asynccontextmanager
    async def claimed(self, name: str) -> AsyncIterator[Claim | None]:
        """The database of an environment, for who makes it or takes it away; None where another process
        is at it."""
        claim = await asyncio.to_thread(self.place.claim, self.place.beside(name))
        try:
            yield claim
        finally:
            if claim:
                await asyncio.to_thread(claim.release)

    async def take_away(self, name: str, claim: Claim, may: Callable[[Listed], bool]) -> bool:
        """It is listed as going, if it still may; then its database goes, and then it is listed no
        more. Whoever does it has its lock and its database."""
        if not await self.book.write(partial(listed.begin_removal, name=name, may=may)):
            return False
        await self.refresh()  # Nobody enters it from here on.
        await self._left(name)
        await self.close_site(name)
        await asyncio.to_thread(claim.drop)
        await self.book.write(partial(listed.forget, name=name))
        for each in (self._awaited, self._noted_seconds, self._made):
            each.pop(name, None)
        await self.refresh()
        return True

    def heirs(self, name: str) -> list[str]:
        """The environments whose clients are told to go on in this one."""
        return [each.id for each in self.listed.values() if each.successor == name]

    def url_of(self, name: str) -> str:
        if name == self.settings.first:
            return self.settings.database_url
        return self.place.beside(name)

    async def found(self, name: str, *or_as: State) -> Listed:
        """An environment, or what is kept under this name in another of some states; raises
        NO_ENVIRONMENT (404) for one that is not there."""
        states = (State.ACTIVE, *or_as)
        if self._state_of(name) not in states and not self.alone:
            await self.refresh()  # Another process may just have made it.
        if self._state_of(name) not in states:
            raise Refusal(NO_ENVIRONMENT, name)
        return self.listed[name]

    def _state_of(self, name: str) -> State | None:
        return self.listed[name].state if name in self.listed else None


async def _is_late(site: Site) -> bool:
    """Whether something is due in it; one whose database does not answer is not."""
    try:
        return bool(await site.environment.read(agenda_items.late_seconds))
    except Unavailable:
        return False


def _seconds_to_next(work: Work) -> float | None:
    """How long until something falls due; None where nothing does, or the clock stands."""
    stored = stored_clock(work)
    due = agenda_items.first_due(work)
    if due is None or stored.still is not None:
        return None
    return max((due - work.now).total_seconds(), 0.0)

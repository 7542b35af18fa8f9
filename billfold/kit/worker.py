"""The worker: does what falls due until it is stopped; who is slow keeps nobody waiting but itself."""

import asyncio
import logging
from collections import Counter
from contextlib import suppress

from billfold.kit import agenda
from billfold.kit.agenda import TAKEN_MAX
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.environment import Environment
from billfold.kit.errors import Unavailable

# Each waits for a receiver mostly. So many lanes whose receivers are dead keep nobody else waiting
# as go into it by fours, or by some dozens of those that were quick; each is given up within minutes.
FLYING_MAX = 2_048
# Between two looks for what falls due; what is planned for now in this process is seen at once.
PAUSE_SECONDS = 0.2
# A look costs the same for one as for many, and on PostgreSQL milliseconds: while there is something to
# do, so much longer than it took, and so long at least, passes until the next.
BREATHS, BREATH_SECONDS_MIN = 4, 0.005

# What is in flight when the worker stops may end: what a receiver has got is not sent again.
GRACE_SECONDS = 1

log = logging.getLogger("billfold.agenda")


async def work_forever(environment: Environment) -> None:
    """Do what falls due, until cancelled."""
    worker = Worker(environment)
    try:
        while True:
            await worker.look()
    finally:
        await worker.stop()


class Worker:
    """`flying` is what has been begun and is not done, by who is at it."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.flying: dict[asyncio.Task, AgendaItem] = {}
        self.lanes: Counter[str] = Counter()
        self.left: list[AgendaItem] = []
        environment.stopping = False

    async def look(self) -> None:
        """Begin what is due, and wait until there may be more."""
        loop, environment = asyncio.get_running_loop(), self.environment
        environment.stirred.clear()
        began, most = loop.time(), min(TAKEN_MAX, self._room)
        taking = loop.create_task(self._begin(most))
        try:
            begun = await asyncio.shield(taking)
        except asyncio.CancelledError:
            await taking  # What was taken is given back like the rest.
            raise
        ended = loop.time()
        breath_seconds = min(max(BREATHS * (ended - began), BREATH_SECONDS_MIN), PAUSE_SECONDS)
        if begun < max(most, 1):
            # Not by wait_for, which before Python 3.12 may lose that it was cancelled.
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_SECONDS):
                    await environment.stirred.wait()
            # What has ended meanwhile makes room for as many at once.
            await asyncio.sleep(ended + breath_seconds - loop.time())

    async def _begin(self, most: int) -> int:
        """Says how many were begun."""
        try:
            items = await agenda.take_due(self.environment, most)
        except Unavailable as trouble:
            log.error("the agenda waits for the database: %s", trouble)
            return 0
        self._start(items)
        return len(items)

    def _start(self, items: list[AgendaItem]) -> None:
        for item in items:
            self.flying[asyncio.create_task(self._fly(item))] = item
            self.lanes[item.lane] += 1
        self.environment.room = self._room

    @property
    def _room(self) -> int:
        """Where there is none, those come first who have waited longest, of whichever lane."""
        return max(0, FLYING_MAX - len(self.flying))

    async def _fly(self, item: AgendaItem) -> None:
        task = asyncio.current_task()
        assert task
        following = [item]
        while following and not self.environment.stopping:
            self.flying[task], *others = following
            self._start(others)
            try:
                _, following = await agenda.attempt(self.environment, self.flying[task])
            except Unavailable as trouble:
                log.error("an agenda item is left to its lease: %s", trouble)
                following = []
        self.left += following  # They are not begun any more.
        lane = self.flying.pop(task).lane
        self.lanes[lane] -= 1
        self.environment.room = self._room
        if not self.lanes[lane]:
            del self.lanes[lane]
            self.environment.stirred.set()  # Nobody here goes on in it.

    async def stop(self) -> None:
        """Give back what is not done, so that the next worker need not wait for leases to run out."""
        self.environment.stopping = True
        if self.flying:
            await asyncio.wait(self.flying, timeout=GRACE_SECONDS)
        for task in list(self.flying):
            task.cancel()
        await asyncio.gather(*self.flying, return_exceptions=True)
        items = [*self.flying.values(), *self.left]

        try:
            if items:
                await self.environment.write(lambda work: agenda.give_back(work, items))
        except Unavailable as trouble:
            log.error("what was begun is left to its leases: %s", trouble)
        self.environment.stopping, self.environment.room = False, 0

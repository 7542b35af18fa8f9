"""All the processes that serve one database, any of which may be killed and started again."""

import asyncio
import random
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

import aiohttp
import psutil
import psycopg

from billfold.kit.agenda import LEASE
from billfold.kit.clock import real
from billfold.payables import disbursements
from tests.proof.clients import CODE, Asked
from tests.server import Process, Server, Worker, place_of

CLOCK = "/_control/clock"
JUMP_SECONDS_MAX = 1800
# By then whoever lives has done what it had begun, unless the machine is very busy.
DONE_SECONDS = 0.3
# By then whoever lives has taken what is free.
TAKEN_SECONDS_MAX = 5
FREED = "UPDATE agenda SET leased_until = NULL WHERE leased_until < %s"


class Fleet:
    """On SQLite one server, which also works on the agenda; on PostgreSQL API processes that do
    not, and two workers beside them."""

    def __init__(self, url: str, folder, in_flight: Collection[Asked] = ()) -> None:
        """What clients have `in_flight` is looked at when one of its servers is killed."""
        self.url, self.place = url, place_of(url)
        self.folder = folder
        # Where there are workers, servers do not work.
        self.options = ["--no-worker"] if self.place else []
        self.servers: list[Server] = []
        self.workers: list[Worker] = []
        self.all: list[Process] = []
        self.kills = 0
        self.in_flight = in_flight
        self.met: list[list[Asked]] = []

    async def rise(self, round_: int) -> None:
        """Start what is not there; turn by turn two servers, or one with two processes."""
        if not self.place:
            makes = [self._serve]
        else:
            servers = [["--workers", "2"]] if round_ % 2 else [[], []]
            makes = [lambda o=options: self._serve(*self.options, *o) for options in servers]
        await asyncio.gather(*(asyncio.to_thread(make) for make in makes), self.replace_workers())

    async def replace_workers(self) -> None:
        missing = 2 - len(self.workers) if self.place else 0
        await asyncio.gather(*(asyncio.to_thread(self._work) for _ in range(missing)))

    def _serve(self, *options: str) -> None:
        server = Server(self.folder, *options, *self.place, BILLFOLD_MFA_CODE=CODE)
        self.servers.append(server)
        self.all.append(server)

    def _work(self) -> None:
        worker = Worker(self.folder, *self.place)
        self.workers.append(worker)
        self.all.append(worker)

    async def lose_some(self) -> None:
        """Kill one process of a server that has two, which makes it anew, and some of the workers, each
        at a moment of its own."""
        for server in self.servers:
            if children := apis_of(server):
                await asyncio.sleep(random.uniform(0, 0.2))
                self._meet(server)
                random.choice(children).kill()
                self.kills += 1
        for worker in list(self.workers):
            if random.random() < 0.6:
                await asyncio.sleep(random.uniform(0, 0.2))
                self._kill(worker, self.workers)

    async def lose_one(self) -> None:
        """Kill a worker, or now and then a server; another is started in its place."""
        among = self.workers if self.workers and random.random() < 0.6 else self.servers
        start = self._work if among is self.workers else lambda: self._serve(*self.options)
        victim = random.choice(among)
        if isinstance(victim, Server):
            self._meet(victim)
        self._kill(victim, among)
        await asyncio.to_thread(start)

    async def outwait_the_dead(self, truly: bool = False) -> int:
        """Until the leases of those who have died are over, which is a minute, or as if it were; says
        how many of theirs were left even then.

        On SQLite whoever starts frees them: nobody else can be there."""
        if not self.place:
            return 0
        died = real()
        await asyncio.sleep(LEASE.total_seconds() + TAKEN_SECONDS_MAX if truly else DONE_SECONDS)
        async with await psycopg.AsyncConnection.connect(self.url) as connection:
            return (await connection.execute(FREED, [died + LEASE])).rowcount

    async def lose_servers(self) -> None:
        """Each at a moment of its own: while one is killed the others answer, and nobody asks anew."""
        for server in list(self.servers):
            await asyncio.sleep(random.uniform(0, 0.05))
            self._meet(server)
            self._kill(server, self.servers)

    def _meet(self, server: Server) -> None:
        self.met.append([each for each in self.in_flight if each.base == server.base])

    def cut(self) -> list[Counter[str]]:
        """Of each kill of a server, or of one of its processes: of which kinds what was in flight is,
        and was never answered."""
        return [Counter(each.kind for each in met if each.cut) for met in self.met]

    def _kill(self, process: Process, among: list) -> None:
        among.remove(process)
        process.kill()
        self.kills += 1

    def end(self) -> None:
        for process in self.servers + self.workers:
            process.kill()
        print(*self.failures(), sep="\n")  # Seen when the test has failed.

    def failures(self) -> list[str]:
        """What the processes have logged that is a failure of theirs, and not the database's."""
        errors = [error for each in self.all for error in each.errors()]
        failed = [error for error in errors if "exception" in error and error.get("status") != 503]
        return [f"{each.get('route', each['event'])}: {each['exception'][-300:]}" for each in failed]


def apis_of(server: Server) -> list[psutil.Process]:
    """The processes behind one port: the server itself, or those it has started."""
    own = psutil.Process(server.process.pid)
    return [each for each in own.children() if "spawn_main" in " ".join(each.cmdline())]


async def come_near_to_the_next_step(server: Server) -> None:
    """Just before six in the morning of a process date, so that workers find much to do at once."""
    # A jump that was left behind is finished first: the time is what it is behind that.
    now = datetime.fromisoformat((await moves(server, advance={"seconds": 1}))["now"])
    first, *_ = disbursements.TIMETABLE[disbursements.DisbursementType.ACH]
    due = first.due(disbursements.earliest_process_date(now))
    await moves(server, set=(due - timedelta(milliseconds=300)).isoformat())


async def moves(server: Server, **how) -> dict:
    """Move time, and wait until what falls due has been done; says what that was."""
    limit = aiohttp.ClientTimeout(JUMP_SECONDS_MAX)
    async with (
        aiohttp.ClientSession(timeout=limit) as http,
        http.post(f"{server.base}{CLOCK}", json=how) as answer,
    ):
        assert answer.status == 200, await answer.text()
        said = await answer.json()
    assert said["failed"] == 0
    return said

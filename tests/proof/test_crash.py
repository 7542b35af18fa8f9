"""kill -9 of servers and workers while sixteen clients write and time goes on: nothing is lost,
nothing is half there, and what was planned is done once."""

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress

import aiohttp
import pytest

from tests.proof import LONG
from tests.proof.books import Books
from tests.proof.clients import LIST, WRITES, Client, Kept
from tests.proof.fleet import Fleet, come_near_to_the_next_step, moves
from tests.proof.receiver import Receiver
from tests.server import Server

pytestmark = pytest.mark.proof
ROUNDS = 40 if LONG else 5
CLIENTS = 16
# Before each kill, and not until so much is done: what was paid is gone through by the jumps, on
# PostgreSQL a hundred steps and notifications of it a second.
WRITING_SECONDS = 0.05, 0.4
# So many kills at least cut each kind of write.
CUT_MIN = 3 if LONG else 0
# Against a round that hangs; one in which time moves waits for the leases of the dead, a minute.
ROUND_SECONDS_MAX = 200
BILLS_MIN = 20


def test_kill_nine_loses_nothing_and_does_nothing_twice(database_url, folder, open_desk, figures):
    kept, receiver = Kept(), Receiver()
    fleet = Fleet(database_url, folder, kept.in_flight)
    try:
        seconds = asyncio.run(story(fleet, kept, receiver))
    finally:
        fleet.end()
    assert fleet.failures() == []
    desk = open_desk(database_url, start=None)

    def look(work) -> dict:
        books = Books(work)
        books.audit(kept)
        return {"events": len(books.events), "delivered": books.delivered(receiver.got)}

    told = desk.writes(look)  # Without the time limit of a read.
    again = sum(len(bodies) - 1 for bodies in receiver.got.values())
    cut = fleet.cut()
    kills_that_cut = Counter(kind for kinds in cut for kind in kinds)
    cut_a_write = sum(1 for kinds in cut if kinds.keys() - {LIST})
    figures(
        rounds=ROUNDS, kills=fleet.kills, writes=kept.writes, lists=kept.lists, **told,
        delivered_again=again, seconds=seconds, kills_of_servers=len(cut), cut_a_write=cut_a_write,
        kills_that_cut=" ".join(f"{kind} {n}" for kind, n in sorted(kills_that_cut.items())),
    )  # fmt: skip
    assert cut_a_write > len(cut) / 2
    assert all(kills_that_cut[kind] >= CUT_MIN for kind in {*WRITES.values(), "cancel"})


async def story(fleet: Fleet, kept: Kept, receiver: Receiver) -> str:
    began = time.monotonic()
    await receiver.open()
    for round_ in range(1, ROUNDS + 1):
        async with asyncio.timeout(ROUND_SECONDS_MAX):
            await one_round(fleet, round_, kept, receiver)
    killed = time.monotonic()
    await fleet.rise(1)
    # A month later: what the dead had begun is done by others, and every payment has arrived.
    await moves(fleet.servers[0], advance={"days": 30})
    await receiver.close()
    return f"{killed - began:.0f} and {time.monotonic() - killed:.0f} to settle"


async def one_round(fleet: Fleet, round_: int, kept: Kept, receiver: Receiver) -> None:
    await fleet.rise(round_)
    server = fleet.servers[0]
    if round_ == 2:  # From here on everything is told.
        await asyncio.to_thread(receiver.subscribe, server)
    if round_ % 8 == 3:
        await come_near_to_the_next_step(server)
    if round_ % 8 == 5:  # Else the jump would but wait until the leases of the dead run out.
        await moves(server, advance={"seconds": 1})
    may_ask = asyncio.Event()
    may_ask.set()
    async with aiohttp.ClientSession() as http:
        clients = [
            Client(http, fleet.servers[n % len(fleet.servers)].base, f"R{round_}C{n}", kept, may_ask)
            for n in range(CLIENTS)
        ]
        work = [asyncio.create_task(client.run()) for client in clients]
        if round_ % 8 == 5:
            work.append(asyncio.create_task(jump(server)))
        await under_way(kept)
        await asyncio.sleep(random.uniform(*WRITING_SECONDS))
        await fleet.lose_some()
        may_ask.clear()
        await fleet.replace_workers()
        may_ask.set()
        await asyncio.sleep(random.uniform(*WRITING_SECONDS))
        await fleet.lose_servers()
        await asyncio.gather(*work)


async def jump(server: Server) -> None:
    """Four days, if the server lives so long."""
    with suppress(aiohttp.ClientError):
        await moves(server, advance={"days": 4})


async def under_way(kept: Kept) -> None:
    enough = len(kept.bills) + BILLS_MIN
    while len(kept.bills) < enough:
        await asyncio.sleep(0.01)

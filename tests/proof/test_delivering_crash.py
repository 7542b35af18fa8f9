"""kill -9 of servers and workers while clients write and receivers are told of it: every committed
change arrives at each subscription that hears it, with one body, and no other change does."""

import asyncio
import random
import time
from dataclasses import dataclass

import aiohttp
import pytest

from billfold import demo_world
from tests.desk import V3
from tests.proof import LONG
from tests.proof.deliveries import Deliveries
from tests.proof.fleet import Fleet, moves
from tests.proof.receiver import SignedReceiver
from tests.proof.writers import Noted, Writer
from tests.server import Server
from tests.test_partners import PAT, SIGN_IN, SMALL

pytestmark = pytest.mark.proof
KILLS, EVENTS = (50, 5_000) if LONG else (10, 1_000)
WRITERS = 8
STRETCH = EVENTS // KILLS
BEHIND_MAX = 40
# In the long form every so many kills the leases of the dead are waited for, a minute.
IN_TRUTH = 10
# What was killed may hold up everything for as long as its leases last.
STANDSTILL_SECONDS_MAX = 80
SECONDS_MAX = 1_800 if LONG else 120
TYPES = ("vendor.created", "vendor.updated", "bill.created", "bill.updated")


def test_every_committed_change_arrives_and_no_other(database_url, folder, open_desk, figures):
    noted, receiver = Noted(), SignedReceiver()
    fleet = Fleet(database_url, folder, noted.in_flight)
    try:
        told = asyncio.run(story(fleet, noted, receiver))
    finally:
        fleet.end()
    assert fleet.failures() == []
    assert fleet.kills == KILLS and len(noted.answered) >= EVENTS
    desk = open_desk(database_url, start=None)

    def look(work) -> Deliveries:
        deliveries = Deliveries(work)
        deliveries.audit(noted, receiver)
        return deliveries

    found = desk.writes(look)  # Without the time limit of a read.
    again = sum(len(bodies) - 1 for bodies in receiver.taken.values())
    assert again, "nothing was in flight when something was killed"
    figures(
        kills=fleet.kills, events=len(found.events), in_doubt=len(noted.in_doubt),
        committed_in_doubt=len(found.events) - len(noted.answered),
        deliveries=len(found.deliveries), refused_once=len(receiver.refused),
        delivered_again=again, kills_of_servers=len(fleet.met),
        requests_cut=sum(kinds.total() for kinds in fleet.cut()), **told,
    )  # fmt: skip


@dataclass
class Pace:
    """So that deliveries are in flight whenever something is killed, what is told is never far behind
    what is written; and what is written, not a stretch before whatever was killed is there again."""

    noted: Noted
    receiver: SignedReceiver
    until: int = STRETCH

    def allows(self) -> bool:
        return len(self.noted.answered) < self.until and self.behind < BEHIND_MAX

    @property
    def behind(self) -> int:
        return len(self.noted.answered) - len(self.receiver.heard)

    async def reaches(self, moment: int) -> None:
        """Wait until so much is written."""
        try:
            async with asyncio.timeout(STANDSTILL_SECONDS_MAX):
                while len(self.noted.answered) < moment:
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"{self.behind} events are not heard of") from None


async def story(fleet: Fleet, noted: Noted, receiver: SignedReceiver) -> dict:
    began = time.monotonic()
    async with asyncio.timeout(SECONDS_MAX):
        await receiver.open()
        await fleet.rise(2)
        everyone = await asyncio.to_thread(subscribe_all, fleet.servers[0], receiver)
        pace = Pace(noted, receiver)
        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
            killing = group.create_task(kill(fleet, pace))
            for number in range(WRITERS):
                writer = Writer(http, fleet, f"W{number}", everyone[number % len(everyone)], noted)
                group.create_task(writer.run(EVENTS, pace.allows))
        killed = time.monotonic()
        # What was refused is tried again within the minute.
        await moves(fleet.servers[0], advance={"minutes": 1})
        await receiver.close()
    seconds = f"{killed - began:.0f} and {time.monotonic() - killed:.0f} to settle"
    return {"leases_of_the_dead": killing.result(), "seconds": seconds}


async def kill(fleet: Fleet, pace: Pace) -> int:
    """At a random moment of each stretch; says how many leases the dead have left."""
    left = 0
    for number in range(1, KILLS + 1):
        await pace.reaches(pace.until - random.randrange(STRETCH))
        await asyncio.sleep(random.uniform(0, 0.05))
        await fleet.lose_one()
        truly = LONG and number % IN_TRUTH == 0
        freed = await fleet.outwait_the_dead(truly)
        assert not (truly and freed), f"{freed} leases of the dead were over, and nobody took them"
        left += freed
        pace.until += STRETCH
    await pace.reaches(EVENTS)
    return left


def subscribe_all(server: Server, receiver: SignedReceiver) -> list[dict]:
    """Two subscriptions of the demo company, one of an organization that a partner has made, and one
    of the partner. Answers with the headers of those who write: of either organization."""
    server.signs_in()
    ada = {"sessionId": server.session, "devKey": demo_world.DEVELOPER_KEY}
    server.session = ""
    pia = {"appKey": demo_world.APPLICATION_KEY}
    pia["sessionId"] = server.call("POST", f"{V3}/partner/login", SIGN_IN)["sessionId"]
    child = server.call("POST", f"{V3}/partner/organizations", SMALL, 201, **pia)["id"]
    user = server.call("POST", f"{V3}/partner/users", PAT, 201, organizationId=child, **pia)["id"]
    asked = {"organizationId": child, "userId": user}
    pat = {"devKey": demo_world.PARTNER_DEVELOPER_KEY}
    pat["sessionId"] = server.call("POST", f"{V3}/partner/login-as-user", asked, **pia)["sessionId"]
    receiver.subscribe_as("all", server, TYPES, **ada)
    receiver.subscribe_as("bills", server, TYPES[2:], **ada)
    receiver.subscribe_as("vendors", server, TYPES[:2], **pat)
    receiver.subscribe_as("partner", server, TYPES, **pia)
    return [ada, pat]

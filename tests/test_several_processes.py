"""Several servers and workers on one PostgreSQL database: what falls due is done, and done once."""

import asyncio
from collections import Counter
from datetime import date

import pytest

from billfold.events.outbox import Event
from billfold.kit.agenda_items import AgendaItem
from tests.desk import V3, bill_of, vendor_of
from tests.proof.clients import CODE, FUNDING
from tests.proof.fleet import come_near_to_the_next_step
from tests.proof.receiver import Receiver
from tests.server import Server, Worker

BILLS = 100
SECONDS_MAX = 60


@pytest.fixture
def processes(copied_postgres_url, folder):
    """Two servers, which work on the agenda too, and two workers that do nothing else."""
    place = ["--database", copied_postgres_url]
    started = [Server(folder, *place, BILLFOLD_MFA_CODE=CODE) for _ in range(2)]
    started += [Worker(folder, *place) for _ in range(2)]
    yield started
    for each in started:
        each.kill()


def test_four_processes_do_each_thing_once(processes, copied_postgres_url, open_desk):
    one, other = processes[:2]
    receiver = Receiver()
    asyncio.run(story(one, other, receiver))
    for each in processes:
        each.stop()
    assert [line for each in processes for line in each.problems()] == []
    desk = open_desk(copied_postgres_url, start=None)
    events = [
        e for e in desk.writes(lambda work: work.rows(Event)) if e.event_type == "payment.updated"
    ]
    assert Counter(Counter(event.subject_id for event in events).values()) == {2: BILLS}
    # And nobody has died: so each was told once.
    assert {id: len(bodies) for id, bodies in receiver.got.items()} == {e.id: 1 for e in events}
    left = desk.writes(lambda work: work.connection.where(AgendaItem))
    assert Counter((item.kind, item.leased_until) for item in left) == {("payment.step", None): BILLS}


async def story(one: Server, other: Server, receiver: Receiver) -> None:
    """Bills are filed at one and paid at the other, and then it is six in the morning for all four."""
    await receiver.open()
    await asyncio.to_thread(pay, one, other, receiver)
    await come_near_to_the_next_step(one)
    path = f"{V3}/payments?max=100"
    async with asyncio.timeout(SECONDS_MAX):
        states: Counter = Counter()
        while states != {"FUNDING_STARTED": BILLS} or len(receiver.got) < 2 * BILLS:
            await asyncio.sleep(0.1)
            await asyncio.to_thread(sign_in, other)
            listed = await asyncio.to_thread(other.call, "GET", path)
            states = Counter(each["singleStatus"] for each in listed["results"])
    await receiver.close()


def sign_in(server: Server) -> None:
    if not server.session or server.ask("GET", f"{V3}/login/session")[0] == 401:
        server.signs_in()


def pay(one: Server, other: Server, receiver: Receiver) -> None:
    receiver.subscribe(one)
    challenge = one.call("POST", f"{V3}/mfa/challenge")["challengeId"]
    one.call("POST", f"{V3}/mfa/challenge/validate", {"challengeId": challenge, "token": CODE})
    other.session = one.session
    vendor = one.call("POST", f"{V3}/vendors", vendor_of("Acme"), status=201)["id"]
    drafts = [bill_of(vendor, 10, str(number)) for number in range(BILLS)]
    made = one.call("POST", f"{V3}/bills/bulk", drafts, status=201)
    day = date.fromisoformat(one.call("GET", "/_control/credentials")["nextProcessDate"])
    for start in range(0, BILLS, 50):
        lines = [{"billId": bill["id"], "amount": 10} for bill in made[start : start + 50]]
        body = {"fundingAccount": FUNDING, "payments": lines, "processDate": str(day)}
        other.call("POST", f"{V3}/payments/bulk", body, status=201)

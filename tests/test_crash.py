"""kill -9 while sixteen clients write: what was answered is there, whole, with its event."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter

import httpx2
import pytest

from billfold import demo_world
from billfold.events.outbox import Event, said
from billfold.kit.agenda import AgendaItem
from billfold.payables.bills import Bill, lines_of
from billfold.payables.payments import BillPayment, Payment
from tests.desk import LOGIN, V3, bill_of, vendor_of

pytestmark = pytest.mark.proof
ROUNDS = 5
CLIENTS = 16
ROUND_SECONDS_MAX = 120  # Against a round that hangs; on a busy machine one takes many seconds.
HEADERS = {"devKey": demo_world.DEVELOPER_KEY}


class Server:
    """`billfold serve` as a process."""

    def __init__(self, url: str, folder) -> None:
        command = [sys.executable, "-m", "billfold.cli", "serve", "--port", "0", "--data", str(folder)]
        if not url.startswith("sqlite:"):
            command += ["--database", url]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"BILLFOLD_MFA_CODE": "123456"}
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        while " on http://" not in first:
            assert first, "the server did not start"
            first = self.process.stdout.readline()
        self.base = first.split(" on ")[1].strip()

    async def answers(self) -> None:
        async with httpx2.AsyncClient() as http, asyncio.timeout(20):
            while True:
                try:
                    await http.get(f"{self.base}/connect/v3/health")
                    return
                except httpx2.HTTPError:
                    await asyncio.sleep(0.05)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Client:
    """Signs in, and then files bills, pays them and cancels some, until nobody answers."""

    def __init__(self, base: str, name: str, kept: dict) -> None:
        self.http = httpx2.AsyncClient(base_url=base, headers=HEADERS, timeout=30)
        self.name, self.kept = name, kept

    async def run(self) -> None:
        try:
            async with self.http:
                await self._sign_in()
                vendor = (await self._ask("vendors", vendor_of(self.name)))["id"]
                self.kept["vendors"].add(vendor)
                for number in range(100_000):
                    await self._turn(vendor, number)
        except httpx2.TimeoutException:
            raise  # A server that is slow is not gone.
        except httpx2.HTTPError:
            return

    async def _turn(self, vendor: str, number: int) -> None:
        body = bill_of(vendor, 10, f"{self.name}-{number}")
        body["billLineItems"] = [{"amount": 3.34}, {"amount": 3.33}, {"amount": 3.33}]
        bill = (await self._ask("bills", body))["id"]
        self.kept["bills"].add(bill)
        asked = {
            "fundingAccount": {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID},
            "payments": [{"billId": bill, "amount": 4}, {"billId": bill, "amount": 6}],
        }
        payments = (await self._ask("payments/bulk", asked))["payments"]
        self.kept["payments"] |= {payment["id"] for payment in payments}
        if number % 3 == 0:
            id = payments[0]["id"]
            await self._ask(f"payments/{id}/cancel", status=200)
            self.kept["cancelled"].add(id)

    async def _sign_in(self) -> None:
        login = await self._ask("login", LOGIN, status=200)
        self.http.headers["sessionId"] = login["sessionId"]
        challenge = (await self._ask("mfa/challenge", status=200))["challengeId"]
        await self._ask("mfa/challenge/validate", {"challengeId": challenge, "token": "123456"}, 200)

    async def _ask(self, path: str, body=None, status: int = 201):
        answer = await self.http.post(f"{V3}/{path}", json=body)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()


async def write_until_killed(server: Server, round_: int, kept: dict) -> None:
    async def kill() -> None:
        enough = len(kept["bills"]) + 40
        while len(kept["bills"]) < enough:
            await asyncio.sleep(0.01)
        await asyncio.sleep(random.uniform(0.05, 0.4))
        server.process.send_signal(signal.SIGKILL)

    clients = [Client(server.base, f"R{round_}C{number}", kept) for number in range(CLIENTS)]
    async with asyncio.timeout(ROUND_SECONDS_MAX):
        await asyncio.gather(kill(), *(client.run() for client in clients))


def test_kill_nine_loses_nothing_that_was_answered(database_url, folder, open_desk):
    kept = {name: set() for name in ("vendors", "bills", "payments", "cancelled")}
    for round_ in range(ROUNDS):
        server = Server(database_url, folder)
        try:
            asyncio.run(server.answers())
            asyncio.run(write_until_killed(server, round_, kept))
        finally:
            server.kill()
    desk = open_desk(database_url, start=None)
    desk.reads(lambda work: check(work, kept))
    print(f"\n{database_url[:8]}: {ROUNDS} rounds,", {name: len(ids) for name, ids in kept.items()})


def check(work, kept: dict) -> None:
    bills = {bill.id: bill for bill in work.rows(Bill)}
    payments = {payment.id: payment for payment in work.rows(Payment)}
    parts = work.rows(BillPayment)
    assert kept["bills"] <= set(bills) and kept["payments"] <= set(payments)
    assert all(payments[id].status == "CANCELED" for id in kept["cancelled"])

    # Nothing is half there: lines, parts and what is set aside agree to the cent.
    aside: Counter[str] = Counter()
    for part in parts:
        if payments[part.payment_id].status != "CANCELED":
            aside[part.bill_id] += part.amount_cents
    for start in range(0, len(bills), 500):
        some = list(bills.values())[start : start + 500]
        for id, lines in lines_of(work, some).items():
            assert sum(line.amount_cents for line in lines) == bills[id].amount_cents == 1000
            assert bills[id].scheduled_cents + bills[id].paid_cents == aside[id] <= 1000

    # Every change was told of once, and nothing that did not happen.
    events = work.rows(Event)
    told = Counter((event.event_type, event.subject_id) for event in events)
    assert {id for type, id in told if type == "bill.created"} == set(bills)
    for payment in payments.values():
        moves = 1 if payment.status == "SCHEDULED" else 2
        assert told["payment.updated", payment.id] == moves
    moves_told = [event for event in events if event.event_type == "payment.updated"]
    states = {json.loads(said(work, event))["payment"]["status"] for event in moves_told}
    assert states <= {"SCHEDULED", "CANCELED"}

    # And each payment has its next step on the agenda, once.
    items = Counter(item.subject_id for item in work.connection.where(AgendaItem, kind="payment.step"))
    assert items == dict.fromkeys(payments, 1)

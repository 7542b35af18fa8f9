"""Races over HTTP against several processes on one PostgreSQL database: no dollar is spent twice."""

import asyncio
from collections import Counter
from uuid import uuid4

import aiohttp
import pytest

from billfold import demo_world
from tests.desk import LOGIN, V3, bill_of
from tests.proof import LONG
from tests.proof.clients import CODE, FUNDING
from tests.proof.fleet import Fleet

pytestmark = pytest.mark.proof
ROUNDS = 50 if LONG else 5
DOLLARS = 100
WANTED = 400
ROUND_SECONDS_MAX = 120


def test_four_hundred_at_once_pay_a_hundred_dollars_once(copied_postgres_url, folder, figures):
    fleet = Fleet(copied_postgres_url, folder)
    try:
        asyncio.run(story(fleet))
    finally:
        fleet.end()
    assert fleet.failures() == []
    figures(rounds=ROUNDS, requests=ROUNDS * WANTED)


async def story(fleet: Fleet) -> None:
    """Two servers of one process each, and one of two, all on one database."""
    await asyncio.gather(fleet.rise(0), fleet.rise(1))
    assert len(fleet.servers) == 3
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=WANTED)) as http:
        racers = Racers(http, [server.base for server in fleet.servers])
        await racers.sign_in()
        for _ in range(ROUNDS):
            async with asyncio.timeout(ROUND_SECONDS_MAX):
                await racers.race()


class Racers:
    """One session, seen by all processes."""

    def __init__(self, http: aiohttp.ClientSession, bases: list[str]) -> None:
        self.http, self.bases = http, bases
        self.headers = {"devKey": demo_world.DEVELOPER_KEY}

    async def sign_in(self) -> None:
        _, login = await self.ask(0, "POST", "login", LOGIN)
        self.headers["sessionId"] = login["sessionId"]
        _, made = await self.ask(1, "POST", "mfa/challenge")
        body = {"challengeId": made["challengeId"], "token": CODE}
        assert (await self.ask(2, "POST", "mfa/challenge/validate", body))[0] == 200

    async def race(self) -> None:
        body = bill_of(demo_world.VENDOR_ID, DOLLARS, str(uuid4())[:21])
        status, bill = await self.ask(0, "POST", "bills", body)
        assert status == 201, bill
        paid = {"fundingAccount": FUNDING, "payments": [{"billId": bill["id"], "amount": 1}]}
        answers = await asyncio.gather(
            *(self.ask(n, "POST", "payments/bulk", paid) for n in range(WANTED))
        )
        assert Counter(status for status, _ in answers) == {201: DOLLARS, 422: WANTED - DOLLARS}
        assert {said[0]["code"] for status, said in answers if status == 422} == {"BDC_1159"}
        made = {
            payment["id"] for status, said in answers if status == 201 for payment in said["payments"]
        }
        _, seen = await self.ask(1, "GET", f"bills/{bill['id']}")
        assert (seen["dueAmount"], seen["scheduledAmount"]) == (0, DOLLARS)
        assert {payment["id"] for payment in seen["payments"]} == made and len(made) == DOLLARS

    async def ask(self, number: int, method: str, path: str, body=None) -> tuple[int, object]:
        """Of one process after the other."""
        url = f"{self.bases[number % len(self.bases)]}{V3}/{path}"
        async with self.http.request(method, url, json=body, headers=self.headers) as answer:
            return answer.status, await answer.json()

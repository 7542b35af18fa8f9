"""Clients who do the main job without pause, and remember to the letter what they were answered."""

import asyncio
import random
import time
from dataclasses import dataclass, field

import aiohttp

from billfold import demo_world
from tests.desk import LOGIN, V3, bill_of, vendor_of

CODE = "123456"
# Far above anything but a hang: the database's own time-outs add up to less.
ANSWER_SECONDS_MAX = 60
BANK = {"nameOnAccount": "Acme", "accountNumber": "123456789", "routingNumber": "322271627"}
FUNDING = {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID}
NOT_DONE = "System failure: nothing was changed, try again."
IN_DOUBT = "System failure: it is not known whether this was done. Look first."
LIST = "list"
# What is asked for by a POST, by its path; and to cancel.
WRITES = {
    "login": "sign-in", "mfa/challenge": "sign-in", "mfa/challenge/validate": "sign-in",
    "vendors": "create", "bills": "create", "bills/bulk": "create",
    "payments": "payment", "payments/bulk": "bulk payment",
}  # fmt: skip


@dataclass(eq=False)
class Asked:
    """A request that is not answered so far; it is cut when it never will be."""

    base: str
    kind: str
    cut: bool = False


@dataclass
class Kept:
    """What was answered: it must be there. And what was refused as not done: it must not."""

    sessions: set[str] = field(default_factory=set)
    vendors: set[str] = field(default_factory=set)
    # By their invoice numbers.
    bills: dict[str, str] = field(default_factory=dict)
    payments: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    # Of each request, whatever was answered: the cents of each bill that it pays, and the numbers of
    # the bills that it files.
    orders: list[dict[str, list[int]]] = field(default_factory=list)
    filings: list[set[str]] = field(default_factory=list)
    in_flight: set[Asked] = field(default_factory=set)
    lists: int = 0
    not_filed: set[str] = field(default_factory=set)
    not_paid: set[str] = field(default_factory=set)
    not_cancelled: set[str] = field(default_factory=set)
    # How often something was answered with 503, by what was said.
    troubles: list[str] = field(default_factory=list)
    slowest: float = 0

    @property
    def writes(self) -> int:
        """Of what was answered; a sign-in is three."""
        plain = len(self.vendors) + len(self.bills) + len(self.payments) + len(self.cancelled)
        return 3 * len(self.sessions) + plain


class Ended(Exception):
    """The session or its code has run out, because time was moved on: sign in again."""


class Trouble(Exception):
    """A 503 in the wire's form; `done` is False, or None when nobody knows."""

    def __init__(self, message: str) -> None:
        self.done = {NOT_DONE: False, IN_DOUBT: None}[message]


class Asker:
    """Asks on behalf of a session, and tells what was not done from what nobody knows."""

    def __init__(self, http: aiohttp.ClientSession, base: str, headers: dict, kept: Kept) -> None:
        self.http, self.base, self.headers, self.kept = http, base, headers, kept

    async def _ask(self, method, path, body=None, good=200, undone=None, those=()):
        """The answer; what a 503 says was not done is noted in `undone`."""
        began = time.monotonic()
        limit = aiohttp.ClientTimeout(ANSWER_SECONDS_MAX)
        asked = Asked(self.base, kind_of(method, path))
        self.kept.in_flight.add(asked)
        try:
            async with self.http.request(
                method, f"{self.base}{V3}/{path}", json=body, headers=self.headers, timeout=limit
            ) as answer:
                said = await answer.json()
        except aiohttp.ClientError:
            asked.cut = True
            raise
        finally:
            self.kept.in_flight.remove(asked)
        self.kept.slowest = max(self.kept.slowest, time.monotonic() - began)
        if answer.status in (good if isinstance(good, tuple) else (good,)):
            return said
        code, message = said[0]["code"], said[0]["message"]
        if code in ("BDC_1109", "BDC_1356"):
            raise Ended
        assert answer.status == 503 and code == "BDC_1001", f"{path}: {answer.status} {said}"
        self.kept.troubles.append(message)
        trouble = Trouble(message)
        if trouble.done is False and undone is not None:
            undone |= those
        raise trouble


def kind_of(method: str, path: str) -> str:
    """What somebody wants who asks so."""
    if method == "POST":
        return "cancel" if path.endswith("/cancel") else WRITES[path]
    return LIST if method == "GET" else "change"


class Client(Asker):
    """Signs in, now and then anew, files bills, pays them, cancels some and lists them, until stopped
    or alone.

    Every second one's vendor is paid by ACH, the others' by check."""

    def __init__(
        self, http: aiohttp.ClientSession, base: str, name: str, kept: Kept,
        may_ask: asyncio.Event | None = None,
    ) -> None:  # fmt: skip
        """Who asks only while it may."""
        super().__init__(http, base, {"devKey": demo_world.DEVELOPER_KEY}, kept)
        self.name, self.may_ask = name, may_ask
        self.stopped = self.lost = False
        self.number = 0

    async def run(self) -> None:
        vendor = ""
        while not self.stopped:
            try:
                await self._sign_in()
                vendor = vendor or await self._vendor()
                while not self.stopped:
                    await self._turn(vendor)
            except Ended:
                continue
            except Trouble:
                await asyncio.sleep(0.2)
            except aiohttp.ClientError as lost:
                self.lost = True  # Whoever served it was killed.
                if isinstance(lost, aiohttp.ClientConnectorError):
                    return  # And nobody else is there.

    async def _ask(self, *asked, **more):
        if self.may_ask:
            await self.may_ask.wait()
        return await super()._ask(*asked, **more)

    async def _sign_in(self) -> None:
        self.headers.pop("sessionId", None)
        session = (await self._ask("POST", "login", LOGIN))["sessionId"]
        self.headers["sessionId"] = session
        challenge = (await self._ask("POST", "mfa/challenge"))["challengeId"]
        body = {"challengeId": challenge, "token": CODE}
        await self._ask("POST", "mfa/challenge/validate", body)
        self.kept.sessions.add(session)

    async def _vendor(self) -> str:
        by_ach = {"paymentInformation": {"bankAccount": BANK}} if self.name[-1] in "13579" else {}
        vendor = (await self._ask("POST", "vendors", vendor_of(self.name) | by_ach, 201))["id"]
        self.kept.vendors.add(vendor)
        return vendor

    async def _turn(self, vendor: str) -> None:
        """At random: a round may be over after a few of them."""
        self.number += 1
        if random.random() < 1 / 3:
            await self._sign_in()
        numbers = [f"{self.name}-{self.number}-{part}" for part in range(random.randint(1, 3))]
        if len(numbers) > 1 and random.random() < 1 / 2:
            bills = await self._file_in_bulk(vendor, numbers)
        else:
            bills = [await self._file(vendor, number) for number in numbers]
        payments = await (self._pay_in_bulk(bills) if len(bills) > 1 else self._pay(vendor, *bills))
        if random.random() < 1 / 2:
            await self._cancel(payments[0])
        if random.random() < 1 / 4:
            await self._list(vendor)

    async def _file(self, vendor: str, number: str) -> str:
        body = self._bill(vendor, number)
        bill = (await self._ask("POST", "bills", body, 201, self.kept.not_filed, {number}))["id"]
        self.kept.bills[bill] = number
        return bill

    async def _file_in_bulk(self, vendor: str, numbers: list[str]) -> list[str]:
        body = [self._bill(vendor, number) for number in numbers]
        self.kept.filings.append(set(numbers))
        said = await self._ask("POST", "bills/bulk", body, 201, self.kept.not_filed, set(numbers))
        bills = [bill["id"] for bill in said]
        self.kept.bills |= zip(bills, numbers, strict=True)
        return bills

    def _bill(self, vendor: str, number: str) -> dict:
        lines = [{"amount": amount} for amount in (3.34, 3.33, 3.33)]
        return bill_of(vendor, 10, number) | {"billLineItems": lines}

    async def _pay(self, vendor: str, bill: str) -> list[str]:
        body = {
            "fundingAccount": FUNDING, "vendorId": vendor, "billId": bill, "amount": 10,
            "processingOptions": {},
        }  # fmt: skip
        self.kept.orders.append({bill: [1000]})
        said = await self._ask("POST", "payments", body, 201, self.kept.not_paid, {bill})
        self.kept.payments.add(said["id"])
        return [said["id"]]

    async def _pay_in_bulk(self, bills: list[str]) -> list[str]:
        """The first bill in two parts."""
        lines = [{"billId": bill, "amount": 10} for bill in bills[1:]]
        lines += [{"billId": bills[0], "amount": amount} for amount in (4, 6)]
        body = {"fundingAccount": FUNDING, "payments": lines}
        self.kept.orders.append({bill: [1000] for bill in bills[1:]} | {bills[0]: [400, 600]})
        said = await self._ask("POST", "payments/bulk", body, 201, self.kept.not_paid, set(bills))
        payments = [payment["id"] for payment in said["payments"]]
        assert len(payments) == len(lines)
        self.kept.payments |= set(payments)
        return payments

    async def _cancel(self, payment: str) -> None:
        """Which is refused once time has moved on and the payment is on its way."""
        path = f"payments/{payment}/cancel"
        refused = await self._ask(
            "POST", path, None, (200, 422), self.kept.not_cancelled, {payment}
        )  # fmt: skip
        if isinstance(refused, dict):
            self.kept.cancelled.add(payment)

    async def _list(self, vendor: str) -> None:
        """What was answered is seen at once, by whichever process is asked."""
        mine = {id for id, number in self.kept.bills.items() if number.startswith(f"{self.name}-")}
        path = f'bills?max=100&filters=vendorId:eq:"{vendor}"'
        listed = {bill["id"] for bill in (await self._ask("GET", path))["results"]}
        assert mine <= listed or len(listed) == 100
        self.kept.lists += 1

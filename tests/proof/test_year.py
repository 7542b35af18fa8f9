"""A virtual year: thousands of payments scheduled over it, and one jump over all of them."""

import asyncio
import time
from datetime import date, datetime, timedelta

import psutil
import pytest

from billfold.kit import calendar
from tests.desk import V3, bill_of, vendor_of
from tests.proof import LONG
from tests.proof.books import Books, due, status_in
from tests.proof.clients import BANK, CODE, FUNDING, Kept
from tests.proof.fleet import CLOCK, moves
from tests.server import Server, place_of

pytestmark = pytest.mark.proof
PAYMENTS = 10_000 if LONG else 1_000
AT_ONCE = 50
# The last check is cleared ten business days after its process date.
SPREAD_DAYS = 345
LOOKS_SECONDS = 0.5
# However slowly it goes: on each of some 250 business days there are two moments.
MOMENTS_MIN = 100
# Once the jump is under way; before that caches fill.
GROWTH_BYTES_MAX = 16 << 20
LOOK_SECONDS_MAX = 5
# The order in which the database wrote its rows, whatever time stands in them.
WRITTEN = {"sqlite": "rowid", "postgresql": "xmin::text::bigint"}


def test_a_year_is_walked_in_order_without_drift_in_flat_memory(
    database_url, folder, open_desk, figures
):
    server = Server(folder, *place_of(database_url), BILLFOLD_MFA_CODE=CODE)
    try:
        orders = schedule(server)
        seen = asyncio.run(one_jump(server))
    finally:
        server.stop()
    desk = open_desk(database_url, start=None)
    written = WRITTEN[database_url.partition(":")[0]]
    desk.writes(lambda work: check(work, written, orders))  # Without the time limit of a read.
    figures(**seen)


def schedule(server: Server) -> list[dict[str, list[int]]]:
    """Half of them by ACH, half by check, on business days over the year; what is paid at once."""
    server.signs_in()
    challenge = server.call("POST", f"{V3}/mfa/challenge")["challengeId"]
    server.call("POST", f"{V3}/mfa/challenge/validate", {"challengeId": challenge, "token": CODE})
    by_ach = {"paymentInformation": {"bankAccount": BANK}}
    vendors = [
        server.call("POST", f"{V3}/vendors", vendor_of("By ACH") | by_ach, status=201)["id"],
        server.call("POST", f"{V3}/vendors", vendor_of("By check"), status=201)["id"],
    ]
    first = date.fromisoformat(server.call("GET", "/_control/credentials")["nextProcessDate"])
    rounds = PAYMENTS // AT_ONCE
    orders = []
    for round_ in range(rounds):
        bills = [
            bill_of(vendors[n % 2], 10, f"{round_}-{n}")
            | {"billLineItems": [{"amount": amount} for amount in (3.34, 3.33, 3.33)]}
            for n in range(AT_ONCE)
        ]
        made = server.call("POST", f"{V3}/bills/bulk", bills, status=201)
        day = first + timedelta(days=round_ * SPREAD_DAYS // rounds)
        body = {
            "fundingAccount": FUNDING,
            "processDate": str(calendar.next_business_day(day - timedelta(days=1))),
            "payments": [{"billId": bill["id"], "amount": 10} for bill in made],
        }
        server.call("POST", f"{V3}/payments/bulk", body, status=201)
        orders.append({bill["id"]: [1000] for bill in made})
    return orders


async def one_jump(server: Server) -> dict:
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    until = datetime.fromisoformat(server.call("GET", CLOCK)["now"]) + timedelta(days=365)
    began = time.monotonic()
    jump = asyncio.create_task(moves(server, advance={"days": 365}))
    looks, sizes, slowest = [], [], 0.0
    while not jump.done():
        await asyncio.sleep(LOOKS_SECONDS)
        asked = time.monotonic()
        looks.append(await asyncio.to_thread(server.call, "GET", CLOCK))
        slowest = max(slowest, time.monotonic() - asked)
        sizes.append(process.memory_info().rss)
    said, seconds = await jump, time.monotonic() - began
    steps = PAYMENTS // 2 * (4 + 5)
    assert said["done"] == {"payment.step": steps}

    # Whoever looked saw where it stood, and how much was left.
    under_way = [look for look in looks if "walkingTo" in look]
    assert len(under_way) >= 2
    stood, left = ([look[name] for look in under_way] for name in ("now", "left"))
    assert stood == sorted(stood) and left == sorted(left, reverse=True)
    assert len(set(stood)) >= min(len(stood) // 2, MOMENTS_MIN) and left[0] > left[-1]
    leads = {datetime.fromisoformat(look["walkingTo"]) for look in under_way}
    assert len(leads) == 1 and abs(leads.pop() - until) < timedelta(minutes=1)
    assert slowest < LOOK_SECONDS_MAX

    early = sizes[len(sizes) // 5]
    assert max(sizes[len(sizes) // 5 :]) - early < GROWTH_BYTES_MAX, sizes
    return {
        "payments": PAYMENTS, "steps": steps, "seconds": f"{seconds:.0f}",
        "memory": " ".join(f"{size >> 20}" for size in (before, early, sizes[-1])) + " MB",
        "slowest look": f"{slowest:.2f} s",
    }  # fmt: skip


def check(work, written: str, orders: list[dict[str, list[int]]]) -> None:
    books = Books(work)
    books.audit(Kept(orders=orders))
    assert {payment.status for payment in books.payments.values()} == {"CLEARED"}
    steps = [event for event in books.events if event.event_type == "payment.updated"]
    for event in steps:
        status = status_in(work, event)
        if status != "SCHEDULED":
            assert event.created_time == due(books.payments[event.subject_id], status)
    rows = work.connection.fetch(f"SELECT created_time FROM events ORDER BY {written}", [])
    assert len(rows) > len(steps) > PAYMENTS and rows == sorted(rows)

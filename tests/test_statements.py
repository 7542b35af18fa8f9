"""A list asks the database as often for many rows as for a few."""

import pytest

from billfold import demo_world
from billfold.kit.postgres import PostgresConnection
from billfold.kit.sqlite import SqliteConnection
from tests.desk import EVENTS, V3, vendor_of
from tests.test_payments import bank_account
from tests.test_webhooks import subscribes

MANY, FEW = 20, 2
BULK = {
    "processDate": "2027-01-05",
    "fundingAccount": {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID},
}


@pytest.fixture
def full(desk):
    """Many vendors with their bank accounts, a bill of each, a payment of each, and their events."""
    desk.is_at_work()
    made = subscribes(desk, "http://127.0.0.1:9/", "bill.created")
    desk.history = f"{EVENTS}/events/subscription/{made['id']}"
    lines = []
    for number in range(MANY):
        account = {"paymentInformation": {"bankAccount": bank_account()}}
        vendor = desk.call("POST", f"{V3}/vendors", vendor_of(f"Acme {number}") | account, status=201)
        lines.append({"billId": desk.owes(vendor["id"], 10), "amount": 1})
    desk.call("POST", f"{V3}/payments/bulk", BULK | {"payments": lines}, status=201)
    return desk


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """What the database is asked."""
    texts: list[str] = []
    for kind in (SqliteConnection, PostgresConnection):
        fetch = kind.fetch

        def noted(self, text, arguments, fetch=fetch):
            if " environments " not in text:  # The server looks for others by itself.
                texts.append(text)
            return fetch(self, text, arguments)

        monkeypatch.setattr(kind, "fetch", noted)
    return texts


def test_lists(full, asked):
    def texts(many: int) -> list[str]:
        asked.clear()
        page = full.call("GET", path, max=many)["results"]
        assert len(page) == many
        return list(asked)

    for path in (f"{V3}/vendors", f"{V3}/bills", f"{V3}/payments", full.history):
        texts(FEW)
        few, many = texts(FEW), texts(MANY)
        assert len(few) == len(many) < 10, (path, many)


def test_lists_of_v2(full, asked):
    def texts(many: int) -> list[str]:
        asked.clear()
        data = {"start": 0, "max": many, "nested": True}
        assert len(full.call_v2(f"List/{entity}", data)) == many
        return list(asked)

    for entity in ("Vendor", "VendorBankAccount", "Bill", "SentPay"):
        texts(FEW)
        few, many = texts(FEW), texts(MANY)
        assert len(few) == len(many) < 10, (entity, many)

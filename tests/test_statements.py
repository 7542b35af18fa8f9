"""How often the database is asked: by a list as often for many rows as for a few."""

from functools import partial
from itertools import count

import pytest

from billfold import demo_world
from billfold.access import organizations, users
from billfold.kit.callers import Caller
from billfold.kit.errors import NOT_FOUND, Refusal
from billfold.kit.postgres_connection import PostgresConnection
from billfold.kit.sqlite import SqliteConnection
from billfold.payables import vendors
from billfold.payables.vendor_bank_accounts import VendorBankAccount
from billfold.payables.vendors import Vendor
from tests.desk import CALLER, EVENTS, LOGIN_V2, V3, bill_of, vendor_of
from tests.test_payments import bank_account
from tests.test_webhook_levels import Callers

MANY, FEW, STATEMENTS_MAX = 12, 2, 9
OTHER = "00801OTHERS00000othe"
BULK = {
    "processDate": "2027-01-05",
    "fundingAccount": {"type": "BANK_ACCOUNT", "id": demo_world.BANK_ACCOUNT_ID},
}


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


@pytest.fixture
def statements(asked):
    """How often the database is asked for something that answers with so many rows."""

    def counted(ask, rows: int) -> int:
        ask()  # What is settled is known from here on.
        asked.clear()
        assert len(ask()) == rows
        return len(asked)

    return counted


@pytest.fixture
def full(desk):
    """Many vendors with their bank accounts, a bill of each, and a payment of each."""
    desk.is_at_work()
    lines = []
    for number in range(MANY):
        account = {"paymentInformation": {"bankAccount": bank_account()}}
        vendor = desk.call("POST", f"{V3}/vendors", vendor_of(f"Acme {number}") | account, status=201)
        lines.append({"billId": desk.owes(vendor["id"], 10), "amount": 1})
    desk.call("POST", f"{V3}/payments/bulk", BULK | {"payments": lines}, status=201)
    return desk


def check(statements, ask) -> None:
    """`ask` is given how many rows it shall have."""
    few, many = (statements(partial(ask, rows), rows) for rows in (FEW, MANY))
    assert few == many <= STATEMENTS_MAX


@pytest.mark.parametrize("path", ["vendors", "bills", "payments"])
def test_a_list(full, statements, path):
    check(statements, lambda rows: full.call("GET", f"{V3}/{path}", max=rows)["results"])


def test_many_bills_are_filed_together(desk, statements):
    desk.is_at_work()
    vendors, numbers = [desk.vendor() for _ in range(MANY)], count()

    def file(rows: int) -> list:
        made = [bill_of(vendor, 10, f"B{next(numbers)}") for vendor in vendors[:rows]]
        return desk.call("POST", f"{V3}/bills/bulk", made, status=201)

    few, many = (statements(partial(file, rows), rows) for rows in (FEW, MANY))
    assert many - few == MANY - FEW  # Each number is looked up by its vendor, and nothing else is.


@pytest.mark.parametrize("entity", ["Vendor", "VendorBankAccount", "Bill", "SentPay"])
def test_a_list_of_v2(full, statements, entity):
    asked = {"start": 0, "nested": True}
    check(statements, lambda rows: full.call_v2(f"List/{entity}", asked | {"max": rows}))


def test_the_organizations_of_a_login(desk, statements):
    def found(work):
        for number in range(MANY):
            id = f"00801MANY{number:07d}many"
            organizations.found(work, f"Branch {number}", id=id, because="a test needs many")
            users.add_user(work, first_name="Ada", last_name="P", email=demo_world.USERNAME)

    who = {name: LOGIN_V2[name] for name in ("userName", "password")}
    v3 = lambda: desk.call("GET", f"{V3}/login/organizations")["results"]
    v2 = lambda: desk.call_v2("ListOrgs", sessionId=None, **who)
    desk.is_at_work()
    few = statements(v3, 1), statements(v2, 1)
    desk.writes(found, None)
    assert few == (statements(v3, 1 + MANY), statements(v2, 1 + MANY))


def test_what_a_partner_heard_of_many_organizations(desk, statements):
    callers = Callers(desk)
    made = callers.subscribes("partner", "http://127.0.0.1:9/", "vendor.created")
    for _ in range(MANY):
        callers.writes_vendor(callers.founds_child(), "Acme")
    path = f"{EVENTS}/events/subscription/{made['id']}"
    check(statements, lambda rows: callers.call("partner", "GET", path, max=rows)["results"])


def test_a_vendor_and_its_bank_account_are_one_query(desk, asked):
    desk.is_at_work()
    bare = desk.vendor("Bare")
    banked = desk.vendor("Banked", paymentInformation={"bankAccount": bank_account()})

    def find(work) -> None:
        asked.clear()
        vendor = vendors.with_bank(work, banked)
        assert vendors.bank_of(work, vendor).vendor_id == banked
        assert vendors.with_bank(work, banked) is work.find(Vendor, banked) is vendor
        assert len(asked) == 1
        assert vendors.with_bank(work, bare).bank_account_id is None and len(asked) == 2

    def find_what_this_unit_has_changed(work) -> None:
        work.change(work.hold(Vendor, bare), name="Changed")
        (account,) = work.rows(VendorBankAccount, vendor_id=banked)
        work.change(work.hold(VendorBankAccount, account.id), name_on_account="Changed")
        asked.clear()
        assert vendors.with_bank(work, bare).name == "Changed" and not asked
        assert vendors.bank_of(work, vendors.with_bank(work, banked)).name_on_account == "Changed"
        assert len(asked) == 1

    def find_anothers(work) -> None:
        with pytest.raises(Refusal) as refused:
            vendors.with_bank(work, banked)
        assert refused.value.problems[0][0] is NOT_FOUND

    def find_one_that_names_anothers(work) -> None:
        with pytest.raises(Refusal) as refused:
            vendors.bank_of(work, vendors.with_bank(work, banked))
        assert refused.value.problems[0][0] is NOT_FOUND

    moved = f"UPDATE vendor_bank_accounts SET organization_id = '{OTHER}' WHERE vendor_id = '{banked}'"
    desk.reads(find)
    desk.writes(find_what_this_unit_has_changed)
    desk.reads(find_anothers, Caller(OTHER, CALLER.user_id, trusted=True))
    desk.writes(lambda work: work.connection.execute(moved, []))
    desk.reads(find_one_that_names_anothers)

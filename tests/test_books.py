"""The audit of the proof (tests/proof/books.py) sees what it is there to see: in books that are whole
nothing, and in books of which something is half done just that."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from msgspec.structs import replace

from billfold import demo_world
from billfold.events.outbox import Event, said
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.work import Work
from billfold.payables.bills import Bill
from billfold.payables.payments import BillPayment, Payment
from billfold.payables.vendors import Vendor
from tests.desk import V3, Desk, bill_of
from tests.proof.books import Books, status_in
from tests.proof.clients import FUNDING, Kept

BULK = f"{V3}/payments/bulk"


@dataclass
class Whole:
    """What a client has done and was answered, and more that it does."""

    desk: Desk
    kept: Kept
    vendor: str
    bills: list[str]
    payments: list[str]

    def files(self, *numbers: str) -> list[str]:
        lines = [{"amount": amount} for amount in (3.34, 3.33, 3.33)]
        body = [bill_of(self.vendor, 10, each) | {"billLineItems": lines} for each in numbers]
        said = self.desk.call("POST", f"{V3}/bills/bulk", body, status=201)
        return [bill["id"] for bill in said]

    def pays(self, *lines: tuple[str, int]) -> list[str]:
        parts = [{"billId": bill, "amount": amount} for bill, amount in lines]
        body = {"fundingAccount": FUNDING, "payments": parts}
        return [each["id"] for each in self.desk.call("POST", BULK, body, status=201)["payments"]]

    def is_audited(self) -> None:
        self.desk.writes(lambda work: Books(work).audit(self.kept))


@pytest.fixture
def whole(desk) -> Whole:
    """A bulk of bills, paid in bulk, and one payment canceled."""
    desk.signs_in()
    made = Whole(desk, Kept(), desk.vendor(), [], [])
    numbers = ["A-1-0", "A-1-1", "A-1-2"]
    made.bills = made.files(*numbers)
    first, *others = made.bills
    made.payments = made.pays(*((bill, 10) for bill in others), (first, 4), (first, 6))
    desk.call("POST", f"{V3}/payments/{made.payments[0]}/cancel")
    kept = made.kept
    kept.sessions, kept.vendors = {desk.session}, {made.vendor}
    kept.bills, kept.payments = dict(zip(made.bills, numbers, strict=True)), set(made.payments)
    kept.cancelled = {made.payments[0]}
    kept.filings.append(set(numbers))
    kept.orders.append({bill: [1000] for bill in others} | {first: [400, 600]})
    return made


def test_books_that_are_whole_pass(whole):
    whole.desk.advance(days=30)
    whole.is_audited()


def a_bulk_payment_half_there(whole):
    bills = whole.files("A-2-0", "A-2-1")
    whole.pays((bills[0], 10))
    whole.kept.orders.append({bill: [1000] for bill in bills})


def a_bill_paid_in_part(whole):
    (bill,) = whole.files("A-2-0")
    whole.pays((bill, 4))
    whole.kept.orders.append({bill: [400, 600]})


def a_payment_nobody_asked_for(whole):
    whole.pays((whole.files("A-2-0")[0], 10))


def bills_in_bulk_half_there(whole):
    whole.files("A-2-0")
    whole.kept.filings.append({"A-2-0", "A-2-1"})


@pytest.mark.parametrize(("done", "seen"), [
    (a_bulk_payment_half_there, "paid in part"),
    (a_bill_paid_in_part, "paid in part"),
    (a_payment_nobody_asked_for, "nobody has asked for it"),
    (bills_in_bulk_half_there, "filed in part"),
])  # fmt: skip
def test_what_a_torn_request_would_leave_is_seen(whole, done, seen):
    """Of requests that were never answered: their rows, events and balances agree with each other."""
    done(whole)
    whole.desk.advance(days=30)
    with pytest.raises(AssertionError, match=seen):
        whole.is_audited()


@pytest.mark.parametrize(("note", "seen"), [
    (lambda kept, whole: kept.sessions.add("none"), "a session was answered and is not"),
    (lambda kept, whole: kept.vendors.add("none"), "a vendor was answered and is not"),
    (lambda kept, whole: kept.payments.add("none"), "a payment was answered and is not"),
    (lambda kept, whole: kept.bills.update(none="A-9-0"), "a bill was answered and is not"),
    (lambda kept, whole: kept.cancelled.add(whole.payments[1]), "a cancel was answered and is not"),
    (lambda kept, whole: kept.not_filed.add("A-1-0"), "a bill was answered as not done"),
    (lambda kept, whole: kept.not_paid.add(whole.bills[0]), "a payment was answered as not done"),
    (lambda kept, whole: kept.not_cancelled.add(whole.payments[0]), "a cancel was answered as not"),
])  # fmt: skip
def test_what_was_answered_and_is_not_so_is_seen(whole, note, seen):
    whole.desk.advance(days=30)
    note(whole.kept, whole)
    with pytest.raises(AssertionError, match=seen):
        whole.is_audited()


def event(work: Work, type: str, status: str = "") -> Event:
    """The last of its type, and of a payment's step."""
    events = [each for each in Books(work).events if each.event_type == type]
    return [each for each in events if not status or status_in(work, each) == status][-1]


def twice(type: str, status: str = ""):
    def tell(work: Work) -> None:
        told = event(work, type, status)
        id = work.ids.uuid(work.now)
        again = replace(told, id=id, body=work.secrets.seal(said(work, told).decode(), id))
        work.connection.insert(Event, [again])

    return tell


def never(type: str, status: str = ""):
    return lambda work: work.connection.delete(Event, event(work, type, status).id)


def moved(status: str, **by: int):
    def move(work: Work) -> None:
        told = event(work, "payment.updated", status)
        work.connection.update(Event, told.id, {"created_time": told.created_time + timedelta(**by)})

    return move


def left_behind(work: Work) -> None:
    id = work.ids.new("agenda_item", work.now)
    item = AgendaItem(id, demo_world.ORGANIZATION_ID, work.now, "payment.step", "none")
    work.connection.insert(AgendaItem, [item])


def off_by_a_cent(record: type, field: str):
    def change(work: Work) -> None:
        row = next(each for each in work.rows(record) if each.id != demo_world.VENDOR_ID)
        work.connection.update(record, row.id, {field: getattr(row, field) + 1})

    return change


@pytest.mark.parametrize(("change", "seen"), [
    (twice("payment.updated", "SENT"), "not each step once"),
    (twice("vendor.created"), "told too often: .*vendor.created"),
    (twice("bill.updated"), "told too often: .*bill.updated"),
    (never("payment.updated", "SENT"), "not each step once"),
    (never("bill.created"), "not told: .*bill.created"),
    (never("bill.updated"), "not told: .*bill.updated"),
    (moved("FUNDING_STARTED", days=20), "disorder"),
    (moved("FUNDING_STARTED", hours=-12), "told too early"),
    (left_behind, "left on the agenda"),
    (off_by_a_cent(BillPayment, "amount_cents"), "paid in part"),
    (off_by_a_cent(Payment, "amount_cents"), "not the sum of its parts"),
    (off_by_a_cent(Bill, "paid_cents"), "^bill .* says"),
    (off_by_a_cent(Bill, "scheduled_cents"), "^bill .* says"),
    (off_by_a_cent(Vendor, "balance_cents"), "not owed what is said"),
])  # fmt: skip
def test_rows_that_do_not_agree_are_seen(whole, change, seen):
    whole.desk.advance(days=30)
    whole.desk.writes(change)
    with pytest.raises(AssertionError, match=seen):
        whole.is_audited()

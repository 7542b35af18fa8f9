"""The books, looked through to the last row: whole, balanced, told of once, and nothing left undone."""

from collections import Counter, defaultdict
from datetime import datetime

from msgspec import json

from billfold import demo_world
from billfold.access.sessions import Session
from billfold.events.outbox import Delivery, Event, said
from billfold.events.subscriptions import Subscription
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.secrets import digest
from billfold.kit.work import Work
from billfold.payables.bills import Bill, lines_of
from billfold.payables.disbursements import TIMETABLE
from billfold.payables.payments import BillPayment, Payment
from billfold.payables.vendors import Vendor
from tests.proof.clients import Kept
from tests.proof.receiver import TYPES

WAYS = {
    "CHECK": ["SCHEDULED", "FUNDING_STARTED", "PROCESSED", "SENT", "DELIVERED", "CLEARED"],
    "ACH": ["SCHEDULED", "FUNDING_STARTED", "PROCESSED", "SENT", "CLEARED"],
}
BILL_CENTS = 1000
ROWS_AT_ONCE = 500


class Books:
    """All rows of the organization, once everything that was planned is done."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.vendors = {each.id: each for each in work.rows(Vendor) if each.id != demo_world.VENDOR_ID}
        self.bills = {bill.id: bill for bill in work.rows(Bill)}
        self.payments = {payment.id: payment for payment in work.rows(Payment)}
        self.parts = work.rows(BillPayment)
        self.events = sorted(work.rows(Event), key=lambda event: (event.created_time, event.id))

    def audit(self, kept: Kept) -> None:
        self.hold_what_was_answered(kept)
        self.leave_no_request_half_done(kept)
        self.balance()
        self.tell_each_change_once()
        assert self.work.connection.where(AgendaItem) == [], "something is left on the agenda"

    def hold_what_was_answered(self, kept: Kept) -> None:
        sessions = {each.id: each.trusted for each in self.work.connection.where(Session)}
        numbers = {id: bill.invoice_number for id, bill in self.bills.items()}
        canceled = {id for id, payment in self.payments.items() if payment.status == "CANCELED"}
        lost = "was answered and is not there"
        assert all(sessions.get(digest(token)) for token in kept.sessions), f"a session {lost}"
        assert kept.vendors <= self.vendors.keys(), f"a vendor {lost}"
        assert kept.payments <= self.payments.keys(), f"a payment {lost}"
        assert kept.bills.items() <= numbers.items(), f"a bill {lost}"
        assert kept.cancelled <= canceled, f"a cancel {lost}"
        there = "was answered as not done and is there"
        asked_to_cancel = {id for id, payment in self.payments.items() if payment.cancel_requested}
        assert not kept.not_filed & set(numbers.values()), f"a bill {there}"
        assert not kept.not_paid & {part.bill_id for part in self.parts}, f"a payment {there}"
        assert not kept.not_cancelled & asked_to_cancel, f"a cancel {there}"

    def leave_no_request_half_done(self, kept: Kept) -> None:
        """All of what was asked at once is there, or nothing, whatever was answered, if anything."""
        numbers = {bill.invoice_number for bill in self.bills.values()}
        for filing in kept.filings:
            assert numbers.isdisjoint(filing) or filing <= numbers, f"filed in part: {filing}"
        paid: dict[str, list[int]] = defaultdict(list)
        for part in self.parts:
            paid[part.bill_id].append(part.amount_cents)
        for order in kept.orders:
            found = {bill: sorted(paid.pop(bill)) for bill in order if bill in paid}
            assert found in ({}, order), f"paid in part: {found} of {order}"
        assert not paid, f"paid, and nobody has asked for it: {dict(paid)}"

    def balance(self) -> None:
        """Lines, parts, payments, bills and vendors agree to the cent."""
        scheduled, paid, of_payment = Counter(), Counter(), Counter()
        for part in self.parts:
            of_payment[part.payment_id] += part.amount_cents
            status = self.payments[part.payment_id].status
            if status != "CANCELED":
                (scheduled if status == "SCHEDULED" else paid)[part.bill_id] += part.amount_cents
        amounts = {id: payment.amount_cents for id, payment in self.payments.items()}
        assert of_payment == amounts, "a payment is not the sum of its parts"
        owed = Counter()
        bills = list(self.bills.values())
        for start in range(0, len(bills), ROWS_AT_ONCE):
            for id, lines in lines_of(self.work, bills[start : start + ROWS_AT_ONCE]).items():
                bill = self.bills[id]
                assert [line.amount_cents for line in lines] == [334, 333, 333], id
                assert bill.amount_cents == BILL_CENTS
                said, counted = (bill.scheduled_cents, bill.paid_cents), (scheduled[id], paid[id])
                assert said == counted, f"bill {id} says {said} and is {counted}"
                owed[bill.vendor_id] += bill.amount_cents - bill.paid_cents
        for id, vendor in self.vendors.items():
            assert vendor.balance_cents == owed[id], f"vendor {id} is not owed what is said"

    def tell_each_change_once(self) -> None:
        """Each step of a payment, in order, not before its time; and of nothing else."""
        told: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
        for event in self.events:
            if event.event_type == "payment.updated":
                status = status_in(self.work, event)
                told[event.subject_id].append((status, event.created_time))
        assert told.keys() == self.payments.keys(), "not of each payment something is told"
        for id, payment in self.payments.items():
            way = way_of(payment)
            moments = dict(told[id])
            assert sorted(status for status, _ in told[id]) == sorted(way), f"not each step once: {id}"
            assert [moments[status] for status in way] == sorted(moments.values()), f"disorder: {id}"
            for status, moment in told[id]:
                assert moment >= due(payment, status), f"told too early: {id} {status}"
        counted = Counter((event.event_type, event.subject_id) for event in self.events)
        expected = Counter({("vendor.created", id): 1 for id in self.vendors})
        expected.update(("bill.created", id) for id in self.bills)
        expected.update({("payment.updated", id): len(steps) for id, steps in told.items()})
        # A bill was paid in one request, and each of its payments settled it or gave back.
        expected.update(("bill.updated", id) for id in {part.bill_id for part in self.parts})
        moved = (part for part in self.parts if self.payments[part.payment_id].status != "SCHEDULED")
        expected.update(("bill.updated", part.bill_id) for part in moved)
        counted.pop(("vendor.created", demo_world.VENDOR_ID), None)
        twice, missing = counted - expected, expected - counted
        assert counted == expected, f"told too often: {dict(twice)}, not told: {dict(missing)}"

    def delivered(self, got: dict[str, list[bytes]]) -> int:
        """What was subscribed to has arrived at least once, always the same; says how much."""
        (subscription,) = self.work.rows(Subscription)
        deliveries = self.work.rows(Delivery)
        assert subscription.enabled and {each.state for each in deliveries} == {"DELIVERED"}
        sent = Counter(delivery.event_id for delivery in deliveries)
        since = {e.id: e for e in self.events if e.created_time > subscription.created_time}
        wanted = {id for id, event in since.items() if event.event_type in TYPES}
        assert sent == dict.fromkeys(sent, 1) and wanted <= sent.keys() == got.keys()
        assert all(len(set(bodies)) == 1 for bodies in got.values())
        return len(sent)


def way_of(payment: Payment) -> list[str]:
    if payment.status == "CANCELED":
        return ["SCHEDULED", "CANCELED"]
    way = WAYS[payment.disbursement_type]
    return way[: way.index(payment.status) + 1]


def due(payment: Payment, status: str) -> datetime:
    """When a step is due; what a client does is never too early."""
    for step in TIMETABLE[payment.disbursement_type]:
        if step.status == status:
            return step.due(payment.process_date)
    return payment.created_time


def status_in(work: Work, event: Event) -> str:
    return json.decode(said(work, event))["payment"]["status"]

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
        self.balance()
        self.tell_each_change_once()
        assert self.work.connection.where(AgendaItem) == []

    def hold_what_was_answered(self, kept: Kept) -> None:
        sessions = {each.id: each.trusted for each in self.work.connection.where(Session)}
        assert all(sessions.get(digest(token)) for token in kept.sessions)
        assert kept.vendors <= self.vendors.keys()
        assert kept.payments <= self.payments.keys()
        assert (
            kept.bills.items() <= {id: bill.invoice_number for id, bill in self.bills.items()}.items()
        )
        assert all(self.payments[id].status == "CANCELED" for id in kept.cancelled)
        # And what was answered as not done has left nothing.
        assert not kept.not_filed & {bill.invoice_number for bill in self.bills.values()}
        assert not kept.not_paid & {part.bill_id for part in self.parts}
        assert not kept.not_cancelled & {p.id for p in self.payments.values() if p.cancel_requested}

    def balance(self) -> None:
        """Lines, parts, payments, bills and vendors agree to the cent."""
        scheduled, paid, of_payment = Counter(), Counter(), Counter()
        for part in self.parts:
            of_payment[part.payment_id] += part.amount_cents
            status = self.payments[part.payment_id].status
            if status != "CANCELED":
                (scheduled if status == "SCHEDULED" else paid)[part.bill_id] += part.amount_cents
        assert of_payment == {id: payment.amount_cents for id, payment in self.payments.items()}
        owed = Counter()
        bills = list(self.bills.values())
        for start in range(0, len(bills), ROWS_AT_ONCE):
            for id, lines in lines_of(self.work, bills[start : start + ROWS_AT_ONCE]).items():
                bill = self.bills[id]
                assert [line.amount_cents for line in lines] == [334, 333, 333], id
                assert bill.amount_cents == BILL_CENTS
                assert (bill.scheduled_cents, bill.paid_cents) == (scheduled[id], paid[id]), id
                owed[bill.vendor_id] += bill.amount_cents - bill.paid_cents
        for id, vendor in self.vendors.items():
            assert vendor.balance_cents == owed[id], id

    def tell_each_change_once(self) -> None:
        """Each step of a payment, in order, not before its time; and of nothing else."""
        told: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
        for event in self.events:
            if event.event_type == "payment.updated":
                status = status_in(self.work, event)
                told[event.subject_id].append((status, event.created_time))
        assert told.keys() == self.payments.keys()
        for id, payment in self.payments.items():
            way = way_of(payment)
            moments = dict(told[id])
            assert sorted(status for status, _ in told[id]) == sorted(way), id
            assert [moments[status] for status in way] == sorted(moments.values()), id
            for status, moment in told[id]:
                assert moment >= due(payment, status), (id, status)
        counted = Counter((event.event_type, event.subject_id) for event in self.events)
        expected = Counter({("vendor.created", id): 1 for id in self.vendors})
        expected.update(("bill.created", id) for id in self.bills)
        expected.update({("payment.updated", id): len(steps) for id, steps in told.items()})
        # A bill was paid in one request, and each of its payments settled it or gave back.
        expected.update(("bill.updated", id) for id in {part.bill_id for part in self.parts})
        moved = (part for part in self.parts if self.payments[part.payment_id].status != "SCHEDULED")
        expected.update(("bill.updated", part.bill_id) for part in moved)
        counted.pop(("vendor.created", demo_world.VENDOR_ID), None)
        assert counted == expected

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

"""Payments: money on its way to a vendor, from scheduled to cleared or cancelled."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa

from billfold.access import verifications
from billfold.funding import bank_accounts
from billfold.kit.bulk import all_or_none
from billfold.kit.errors import (
    ACCOUNT_CANNOT_PAY,
    NO_SUCH_REFERENCE,
    NOT_POSSIBLE,
    Refusal,
)
from billfold.kit.lifecycle import Lifecycle
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work
from billfold.payables import bills, disbursements, vendors
from billfold.payables.bills import Bill
from billfold.payables.disbursements import DisbursementType, SingleStatus
from billfold.payables.vendors import PaymentPurpose, Vendor

BILLS_PER_PAYMENT_MAX = 35
CHECK_CENTS_MAX = 99_999_999_99
STEP = "payment.step"

S = SingleStatus


class PaymentStatus(StrEnum):
    """The older status."""

    APPROVING = "APPROVING"
    SCHEDULED = "SCHEDULED"
    PAID = "PAID"
    CANCELLED = "CANCELLED"
    VOID = "VOID"
    FAILED = "FAILED"
    PENDING = "PENDING"
    ESCHEATED = "ESCHEATED"
    UNDEFINED = "UNDEFINED"


class DisbursementStatus(StrEnum):
    IN_PROGRESS = "IN_PROGRESS"
    HOLD = "HOLD"
    DONE = "DONE"
    FAILED = "FAILED"
    UNDEFINED = "UNDEFINED"


class FundingType(StrEnum):
    BANK_ACCOUNT = "BANK_ACCOUNT"
    CARD_ACCOUNT = "CARD_ACCOUNT"
    WALLET = "WALLET"
    AP_CARD = "AP_CARD"
    UNDEFINED = "UNDEFINED"


class CheckDelivery(StrEnum):
    STANDARD = "STANDARD"
    RTP_DELIVERY = "RTP_DELIVERY"
    UPS_1DAY = "UPS_1DAY"
    UPS_2DAY = "UPS_2DAY"
    UPS_3DAY = "UPS_3DAY"
    USPS_PRIORITY = "USPS_PRIORITY"


class BillingType(StrEnum):
    """Who asked for a payment, as notifications say it."""

    BDC = "BDC"
    BILL_AUTOPAY = "BILL_AUTOPAY"
    RECURRING_PAYMENT = "RECURRING_PAYMENT"
    NET_SYNC_FROM_ONLINE_PAYMENT = "NET_SYNC_FROM_ONLINE_PAYMENT"
    NET_SYNC_FROM_OFFLINE_PAYMENT = "NET_SYNC_FROM_OFFLINE_PAYMENT"


_RETURNED = {S.DISBURSEMENT_FAILED_ACTION_NEEDED, S.DISBURSEMENT_FAILED_VENDOR_BANK_REJECTED}
PAYMENT = Lifecycle(
    "Payment",
    {
        S.SCHEDULED: {S.FUNDING_STARTED, S.READY_TO_FUND, S.CANCELED, S.CANCELLATION_IN_PROGRESS},
        S.READY_TO_FUND: {S.FUNDING_STARTED},
        S.FUNDING_STARTED: {
            S.PROCESSED, S.FUNDING_FAILED_ACTION_NEEDED, S.FUNDING_FAILED_VOIDED, S.VOID_PENDING,
        },
        S.PROCESSED: {S.SENT, S.CLEARED, S.DISBURSEMENT_ON_HOLD, S.VOID_PENDING},
        S.DISBURSEMENT_ON_HOLD: {S.SENT, S.VOID_PENDING},
        S.SENT: {S.DELIVERED, S.CLEARED, S.VOID_PENDING, *_RETURNED},
        S.DELIVERED: {
            S.CLEARED, S.EXPIRING, S.PARTIALLY_CLAIMED, S.FUNDS_ESCHEATED, S.VOID_PENDING, *_RETURNED,
        },
        S.PARTIALLY_CLAIMED: {S.CLEARED, S.VOID_PENDING, *_RETURNED},
        S.EXPIRING: {S.CLEARED, S.VOIDED, S.VOID_PENDING},
        # An ACH is cleared when it is sent, so it can still come back.
        S.CLEARED: set(_RETURNED),
        S.DISBURSEMENT_FAILED_ACTION_NEEDED: {S.VOID_PENDING},
        S.DISBURSEMENT_FAILED_VENDOR_BANK_REJECTED: {S.VOID_PENDING},
        S.FUNDING_FAILED_ACTION_NEEDED: set(),
        S.FUNDING_FAILED_VOIDED: set(),
        S.FUNDS_ESCHEATED: set(),
        S.CANCELLATION_IN_PROGRESS: {S.CANCELED},
        S.CANCELED: set(),
        S.VOID_PENDING: {S.VOIDED, S.SENT},
        S.VOIDED: set(),
        S.UNDEFINED: set(),
    },
    event="payment.updated",
)  # fmt: skip

# (`payments.yaml`, status_map, src I)
_OLDER = {
    S.SCHEDULED: PaymentStatus.SCHEDULED, S.READY_TO_FUND: PaymentStatus.SCHEDULED,
    S.CANCELLATION_IN_PROGRESS: PaymentStatus.SCHEDULED, S.CANCELED: PaymentStatus.CANCELLED,
    S.VOIDED: PaymentStatus.VOID, S.FUNDING_FAILED_VOIDED: PaymentStatus.VOID,
    S.FUNDING_FAILED_ACTION_NEEDED: PaymentStatus.FAILED, S.FUNDS_ESCHEATED: PaymentStatus.ESCHEATED,
    S.UNDEFINED: PaymentStatus.UNDEFINED,
}  # fmt: skip
_DISBURSEMENT = {
    S.SENT: DisbursementStatus.IN_PROGRESS, S.DELIVERED: DisbursementStatus.IN_PROGRESS,
    S.EXPIRING: DisbursementStatus.IN_PROGRESS, S.PARTIALLY_CLAIMED: DisbursementStatus.IN_PROGRESS,
    S.CLEARED: DisbursementStatus.DONE, S.DISBURSEMENT_ON_HOLD: DisbursementStatus.HOLD,
    **dict.fromkeys(_RETURNED, DisbursementStatus.FAILED),
}  # fmt: skip


@table(
    "payments",
    ids="payment",
    by=[
        "created_time", "updated_time", "vendor_id", "process_date", "amount_cents",
        "confirmation_number", "online", "payment_status", "disbursement_type",
    ],
    sorted_by=["description", "disbursement_status"],
    audited=True,
)  # fmt: skip
class Payment(Owned, frozen=True):
    """`status` is the single status; `payment_status` and `disbursement_status` follow from it."""

    vendor_id: Annotated[str, sa.ForeignKey("vendors.id")]
    amount_cents: int
    process_date: date
    status: SingleStatus
    payment_status: PaymentStatus
    funding_type: FundingType
    funding_account_id: str | None
    transaction_number: str
    confirmation_number: str
    disbursement_type: DisbursementType
    arrives_by: date
    created_by: str
    disbursement_status: DisbursementStatus | None = None
    online: bool = True
    created_bill: bool = False
    cancel_requested: bool = False
    description: str | None = None
    remittance_email: str | None = None
    sent_date: date | None = None
    check_number: int | None = None
    payment_purpose: PaymentPurpose | None = None
    billing_type: BillingType = BillingType.BDC


@table("bill_payments", ids="bill_payment", by=["payment_id", "bill_id"])
class BillPayment(Owned, frozen=True):
    """The part of one payment that goes to one bill, in cents."""

    payment_id: Annotated[str, sa.ForeignKey("payments.id")]
    bill_id: Annotated[str, sa.ForeignKey("bills.id")]
    amount_cents: int


class PayLine(msgspec.Struct, frozen=True):
    bill_id: str
    amount_cents: int


class Terms(msgspec.Struct, frozen=True):
    """What the payments of one request have in common."""

    funding_type: FundingType
    funding_account_id: str | None
    process_date: date | None = None
    vendor_id: str | None = None
    description: str | None = None
    transaction_number: str | None = None
    payment_purpose: PaymentPurpose | None = None


def pay_bills(
    work: Work, terms: Terms, lines: Sequence[PayLine], name: Callable[[PayLine], str] | None = None
) -> list[Payment]:
    """Schedule payments for several bills: every line is paid, or the whole request is refused.

    `name` says which line a problem is of, where several lines could be meant.

    Raises BDC_1150, 1151, 1152, 1159, 1205 and 1143 (422), and BDC_1246 for the innocent.
    Bills of one vendor are combined, up to 35 a payment, where the vendor says so. Payments come in
    the order of the request, each by its first bill."""
    _check_account(work, terms)
    process_date = disbursements.process_date(work.now, terms.process_date)
    # In one order, so that two requests that want the same bills never deadlock.
    order = sorted(range(len(lines)), key=lambda place: lines[place].bill_id)
    in_order = [lines[place] for place in order]
    held = work.hold_all(Bill, [line.bill_id for line in in_order])
    work.find_all(Vendor, [bill.vendor_id for bill in held])

    def set_aside(line: PayLine) -> tuple[Bill, int]:
        bill = work.hold(Bill, line.bill_id, NO_SUCH_REFERENCE)
        _check_bill(work, bill, terms)
        _disbursement_type(work.find(Vendor, bill.vendor_id), line.amount_cents)
        bills.set_aside(work, bill, line.amount_cents)
        return bill, line.amount_cents

    parts = dict(zip(order, all_or_none(in_order, set_aside, name), strict=True))
    by_vendor: dict[str, list[int]] = {}
    for place in range(len(lines)):
        by_vendor.setdefault(parts[place][0].vendor_id, []).append(place)
    combined = []
    for vendor_id, places in by_vendor.items():
        vendor = work.find(Vendor, vendor_id)
        size = BILLS_PER_PAYMENT_MAX if vendor.combine_payments else 1
        combined += [(places[start : start + size], vendor) for start in range(0, len(places), size)]
    return [
        _schedule(work, vendor, process_date, [parts[place] for place in places], terms)
        for places, vendor in sorted(combined, key=lambda one: one[0][0])
    ]


def pay_new_bill(work: Work, terms: Terms, amount_cents: int) -> Payment:
    """Make a bill over the amount, due when it is processed, and pay it.

    Its number is made of the process date (`payments.yaml`: generated, src I)."""
    assert terms.vendor_id is not None
    _check_account(work, terms)
    process_date = disbursements.process_date(work.now, terms.process_date)
    details = {
        "invoice_number": f"{process_date:%Y%m%d}-{work.ids.letters(8)}",
        "invoice_date": work.today, "due_date": process_date, "description": terms.description,
    }  # fmt: skip
    line = bills.new_line(amount_cents, description=terms.description)
    bill = bills.create_bill(work, terms.vendor_id, [line], details)
    _check_bill(work, bill, terms)
    bills.set_aside(work, bill, amount_cents)
    vendor = work.find(Vendor, bill.vendor_id)
    return _schedule(work, vendor, process_date, [(bill, amount_cents)], terms, created_bill=True)


def cancel_payment(work: Work, payment_id: str) -> Payment:
    """Only while it is scheduled; what was set aside on its bills is due again."""
    payment = work.hold(Payment, payment_id)
    _cancel(work, payment, cancel_requested=True)
    return payment


def _cancel(work: Work, payment: Payment, **also: Any) -> None:
    _move(work, payment, S.CANCELED, **also)
    _each_bill(work, payment, lambda bill, cents: bills.release(work, bill, cents))


def take_step(work: Work, payment_id: str) -> None:
    """The next step of the timetable, when it is due; the first settles the bills."""
    payment = work.hold(Payment, payment_id)
    step = disbursements.next_step(payment.disbursement_type, payment.status)
    if step is None:
        return  # It was cancelled, or the last step was taken already.
    if work.now < step.due(payment.process_date):
        return _plan_next(work, payment)
    if payment.status is S.SCHEDULED and not verifications.may_pay(work):
        return _keep_back(work, payment)
    also: dict[str, Any] = {}
    if step.status is S.SENT:
        also["sent_date"] = work.today
        if payment.disbursement_type is DisbursementType.CHECK:
            also["check_number"] = work.ids.number(8)
    _move(work, payment, step.status, **also)
    if step.status is S.FUNDING_STARTED:
        vendor = work.hold(Vendor, payment.vendor_id)
        _each_bill(work, payment, lambda bill, cents: bills.settle(work, vendor, bill, cents))
        work.tally(vendor, last_payment_date=payment.process_date)
    _plan_next(work, payment)


def _keep_back(work: Work, payment: Payment) -> None:
    """No money moves for an organization that is on hold: its payments wait from day to day. One that
    was declined pays nothing any more."""
    if verifications.is_declined(work):
        _cancel(work, payment)
    else:
        work.plan(work.now + timedelta(days=1), STEP, payment.id)


def parts_of(work: Work, payments: Sequence[Payment]) -> dict[str, list[BillPayment]]:
    return work.grouped(BillPayment, "payment_id", [payment.id for payment in payments])


def of_bills(work: Work, found: Sequence[Bill]) -> dict[str, list[tuple[Payment, BillPayment]]]:
    """The payments of each bill with its part, older ones first; none whose part is due again."""
    if not found:
        return {}
    parts = work.grouped(BillPayment, "bill_id", [bill.id for bill in found])
    ids = list({part.payment_id for some in parts.values() for part in some})
    payments = work.grouped(Payment, "id", ids) if ids else {}
    both = {id: [(payments[part.payment_id][0], part) for part in some] for id, some in parts.items()}
    gone = {PaymentStatus.CANCELLED, PaymentStatus.VOID}
    return {id: [one for one in some if one[0].payment_status not in gone] for id, some in both.items()}


def _check_account(work: Work, terms: Terms) -> None:
    verifications.check_may_pay(work)
    if terms.funding_type is FundingType.BANK_ACCOUNT:
        assert terms.funding_account_id is not None
        bank_accounts.able_to_pay(work, terms.funding_account_id)
    elif terms.funding_type is FundingType.WALLET:
        raise Refusal(ACCOUNT_CANNOT_PAY, "the organization has no wallet")
    else:
        raise Refusal(NO_SUCH_REFERENCE, f"fundingAccount.id: {terms.funding_account_id}")


def _check_bill(work: Work, bill: Bill, terms: Terms) -> None:
    if bill.archived:
        raise Refusal(NOT_POSSIBLE, "the bill is archived")
    if terms.vendor_id is not None and terms.vendor_id != bill.vendor_id:
        work.find(Vendor, terms.vendor_id, NO_SUCH_REFERENCE)
        raise Refusal(NOT_POSSIBLE, f"the bill is not of vendor {terms.vendor_id}")
    if bill.currency != vendors.HOME_CURRENCY:
        raise Refusal(NOT_POSSIBLE, f"bills in {bill.currency} cannot be paid here yet")


def _disbursement_type(vendor: Vendor, amount_cents: int) -> DisbursementType:
    """How the vendor is paid; checks go to addresses in the US only."""
    kind = DisbursementType(vendor.pay_by_type)
    foreign = vendor.address_country not in (None, vendors.HOME_COUNTRY)
    if vendor.archived or kind not in disbursements.TIMETABLE or foreign:
        raise Refusal(NOT_POSSIBLE, f"{vendor.id}: This vendor is unable to receive ePayments")
    if kind is DisbursementType.CHECK and amount_cents > CHECK_CENTS_MAX:
        raise Refusal(NOT_POSSIBLE, "amount: a check is written over 99,999,999.99 at most")
    return kind


def _schedule(
    work: Work, vendor: Vendor, process_date: date, parts: list[tuple[Bill, int]], terms: Terms,
    created_bill: bool = False,
) -> Payment:  # fmt: skip
    amount_cents = sum(cents for _, cents in parts)
    kind = _disbursement_type(vendor, amount_cents)
    payment = work.add(
        Payment, vendor_id=vendor.id, amount_cents=amount_cents, process_date=process_date,
        status=S.SCHEDULED, payment_status=PaymentStatus.SCHEDULED,
        funding_type=terms.funding_type, funding_account_id=terms.funding_account_id,
        transaction_number=number_of(work, terms),
        confirmation_number=f"{_numbers_begin(work.today)}{work.ids.number(7):07d}",
        disbursement_type=kind, arrives_by=disbursements.arrives_by(kind, process_date),
        created_by=work.user_id, created_bill=created_bill, description=terms.description,
        remittance_email=vendor.remittance_email or vendor.email,
        payment_purpose=terms.payment_purpose or vendor.payment_purpose,
    )  # fmt: skip
    for bill, cents in parts:
        work.add(BillPayment, payment_id=payment.id, bill_id=bill.id, amount_cents=cents)
    _plan_next(work, payment)
    work.tell(PAYMENT.event, payment)
    return payment


def number_of(work: Work, terms: Terms) -> str:
    """The caller's, or one that is made up."""
    return terms.transaction_number or work.ids.letters(20)


@lru_cache(8)
def _numbers_begin(day: date) -> str:
    return f"P{day:%y%m%d}01 - "


def _move(work: Work, payment: Payment, to: SingleStatus, **also: Any) -> None:
    PAYMENT.move(
        work, payment, to, payment_status=_OLDER.get(to, PaymentStatus.PAID),
        disbursement_status=_DISBURSEMENT.get(to), **also,
    )  # fmt: skip


def _plan_next(work: Work, payment: Payment) -> None:
    step = disbursements.next_step(payment.disbursement_type, payment.status)
    if step:
        work.plan(step.due(payment.process_date), STEP, payment.id)


def _each_bill(work: Work, payment: Payment, do: Callable[[Bill, int], None]) -> None:
    parts = parts_of(work, [payment])[payment.id]
    work.hold_all(Bill, [part.bill_id for part in parts])
    for part in parts:
        do(work.hold(Bill, part.bill_id), part.amount_cents)

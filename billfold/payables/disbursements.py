"""Disbursements: when a payment may start, and the sandbox's timetable of what happens to it then.

No money moves here. The timetable stands for the bank, in Pacific time and in business days after
the process date (`payments.yaml`, timing, gives the real ones; these are a sandbox's, I).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from billfold.kit import calendar
from billfold.kit.errors import PROCESS_DATE, Refusal

CUT_OFF_HOUR = 18
# Nobody schedules further ahead, and the calendar of later years is not known.
AHEAD_MAX = timedelta(days=366)


class SingleStatus(StrEnum):
    """Where a payment is, in one word; the older `status` and `disbursementStatus` follow from it."""

    SCHEDULED = "SCHEDULED"
    READY_TO_FUND = "READY_TO_FUND"
    FUNDING_STARTED = "FUNDING_STARTED"
    PROCESSED = "PROCESSED"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    CLEARED = "CLEARED"
    EXPIRING = "EXPIRING"
    PARTIALLY_CLAIMED = "PARTIALLY_CLAIMED"
    DISBURSEMENT_ON_HOLD = "DISBURSEMENT_ON_HOLD"
    DISBURSEMENT_FAILED_ACTION_NEEDED = "DISBURSEMENT_FAILED_ACTION_NEEDED"
    DISBURSEMENT_FAILED_VENDOR_BANK_REJECTED = "DISBURSEMENT_FAILED_VENDOR_BANK_REJECTED"
    FUNDING_FAILED_ACTION_NEEDED = "FUNDING_FAILED_ACTION_NEEDED"
    FUNDING_FAILED_VOIDED = "FUNDING_FAILED_VOIDED"
    FUNDS_ESCHEATED = "FUNDS_ESCHEATED"
    CANCELLATION_IN_PROGRESS = "CANCELLATION_IN_PROGRESS"
    CANCELED = "CANCELED"
    VOID_PENDING = "VOID_PENDING"
    VOIDED = "VOIDED"
    UNDEFINED = "UNDEFINED"


class DisbursementType(StrEnum):
    CHECK = "CHECK"
    ACH = "ACH"
    RPPS = "RPPS"
    VIRTUAL_CARD = "VIRTUAL_CARD"
    AMEX = "AMEX"
    CREDIT_CARD = "CREDIT_CARD"
    PAYPAL = "PAYPAL"
    INTERNATIONAL_E_PAYMENT = "INTERNATIONAL_E_PAYMENT"
    WALLET = "WALLET"
    OFFLINE = "OFFLINE"
    UNDEFINED = "UNDEFINED"


@dataclass(frozen=True, slots=True)
class Step:
    """At a Pacific hour, so many business days after the process date, a payment is here."""

    days: int
    hour: int
    status: SingleStatus

    def due(self, process_date: date) -> datetime:
        return calendar.at(calendar.next_business_day(process_date, self.days), self.hour)


_FUNDED = (
    Step(0, 6, SingleStatus.FUNDING_STARTED),
    Step(2, 6, SingleStatus.PROCESSED),
    Step(2, 12, SingleStatus.SENT),
)
TIMETABLE = {
    DisbursementType.ACH: (*_FUNDED, Step(3, 6, SingleStatus.CLEARED)),
    DisbursementType.CHECK: (
        *_FUNDED,
        Step(7, 6, SingleStatus.DELIVERED),
        Step(10, 6, SingleStatus.CLEARED),
    ),
}


def next_step(kind: DisbursementType, status: SingleStatus) -> Step | None:
    """What comes after a status, None after the last and for one that is not on the way."""
    steps = TIMETABLE[kind]
    if status is SingleStatus.SCHEDULED:
        return steps[0]
    for step, following in pairwise(steps):
        if step.status is status:
            return following
    return None


def arrives_by(kind: DisbursementType, process_date: date) -> date:
    """When the vendor has it: an ACH on clearing, a check on delivery."""
    arrives = SingleStatus.DELIVERED if kind is DisbursementType.CHECK else SingleStatus.CLEARED
    (step,) = (step for step in TIMETABLE[kind] if step.status is arrives)
    return calendar.next_business_day(process_date, step.days)


def earliest_process_date(now: datetime) -> date:
    """The next business day; after 18:00 Pacific the one after (`payments.yaml`, src I)."""
    local = calendar.pacific(now)
    return calendar.next_business_day(local.date(), 2 if local.hour >= CUT_OFF_HOUR else 1)


def process_date(now: datetime, asked: date | None) -> date:
    """The date asked for, or the earliest; raises BDC_1152 for one that is not possible."""
    earliest = earliest_process_date(now)
    if asked is None:
        return earliest
    if not earliest <= asked <= earliest + AHEAD_MAX or not calendar.is_business_day(asked):
        raise Refusal(
            PROCESS_DATE, f"{asked} (it must be a US business day, from {earliest} for a year)"
        )
    return asked

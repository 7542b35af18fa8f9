"""Requests to pay that a rule of business refused: nothing was paid, and that is told."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from billfold.kit.errors import NOT_POSSIBLE, Refusal
from billfold.kit.tables import Record
from billfold.kit.work import Work
from billfold.payables.bills import Bill
from billfold.payables.payments import PayLine, Terms, number_of


class FailedPayment(Record, frozen=True):
    """A request to pay that a rule of business refused: there is no payment, only what was asked."""

    lines: list[PayLine]
    terms: Terms
    transaction_number: str
    vendor_id: str | None
    reasons: list[tuple[str | None, str]]


def tell_failure(
    work: Work, terms: Terms, lines: Sequence[PayLine], reasons: list[tuple[str | None, str]]
) -> None:
    """Tell that a request to pay has failed, in a unit of its own, because the other left nothing.

    It is told once a request (`webhooks.yaml`), with a number as a payment has one. The vendor is named
    when all the bills that exist are of one."""
    found = work.grouped(Bill, "id", [line.bill_id for line in lines])
    of = {rows[0].vendor_id for rows in found.values() if rows}
    vendor_id = of.pop() if len(of) == 1 else terms.vendor_id
    failed = FailedPayment(
        id=work.ids.uuid(work.now), lines=list(lines), terms=terms,
        transaction_number=number_of(work, terms), vendor_id=vendor_id, reasons=reasons,
    )  # fmt: skip
    work.tell("payment.failed", failed)


@contextmanager
def told_when_refused(terms: Terms, lines: Sequence[PayLine]) -> Iterator[None]:
    """A refusal of business is told as payment.failed, after what it undid."""
    try:
        yield
    except Refusal as refusal:
        if is_business(refusal):
            reasons = [(problem.code, problem.say(about)) for problem, about in refusal.problems]
            refusal.after = lambda work: tell_failure(work, terms, lines, reasons)
        raise


def is_business(refusal: Refusal) -> bool:
    return all(problem.status == NOT_POSSIBLE.status for problem, _ in refusal.problems)

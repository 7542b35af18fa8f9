"""Bills: what is owed to a vendor, and how much of it is set aside, settled or still due.

Amounts are whole cents of the bill's currency. `amount = credit + scheduled + paid + due` always.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa

from billfold.books.classifications import LineClassifications
from billfold.funding import rates
from billfold.kit.errors import (
    BILL_OVERPAID,
    DUPLICATE_INVOICE,
    INVALID_VALUE,
    NO_SUCH_REFERENCE,
    NOT_FOUND,
    NOT_POSSIBLE,
    Refusal,
)
from billfold.kit.ids import PREFIXES
from billfold.kit.money import AMOUNT_MAX, times
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work
from billfold.payables import vendors
from billfold.payables.particulars import BillParticulars, LineParticulars
from billfold.payables.vendors import Vendor

# As long as the core behind BILL's API takes it; longer ones are refused with BDC_1143.
INVOICE_NUMBER_MAX = 21
PURCHASE_ORDER_MAX = 100
AMOUNT_CENTS_MAX = int(AMOUNT_MAX.scaleb(2))


class PaymentStatus(StrEnum):
    UNPAID = "UNPAID"
    PARTIALLY_PAID = "PARTIALLY_PAID"
    SCHEDULED = "SCHEDULED"
    IN_PROCESS = "IN_PROCESS"
    PAID = "PAID"
    UNDEFINED = "UNDEFINED"


class ApprovalStatus(StrEnum):
    UNASSIGNED = "UNASSIGNED"
    ASSIGNED = "ASSIGNED"
    APPROVING = "APPROVING"
    APPROVED = "APPROVED"
    DENIED = "DENIED"
    UNDEFINED = "UNDEFINED"


@table(
    "bills",
    ids="bill",
    by=[
        "created_time", "updated_time", "archived", "due_date", "funding_cents",
        "exchange_rate", "payment_status", "vendor_id", "invoice_number vendor_id",
        "pay_from_chart_of_account_id", "chart_of_account_id", "accounting_class_id",
        "department_id", "location_id", "item_id", "invoice_number", "invoice_date",
    ],
    sorted_by=["description"],
    audited=True,
)  # fmt: skip
class Bill(Owned, frozen=True):
    """`exchange_rate` is in ten-millionths of the bill's currency per dollar."""

    vendor_id: Annotated[str, sa.ForeignKey("vendors.id")]
    amount_cents: int
    funding_cents: int
    due_date: date
    invoice_number: str
    invoice_date: date
    created_by: str
    archived: bool = False
    scheduled_cents: int = 0
    paid_cents: int = 0
    credit_cents: int = 0
    currency: str = vendors.HOME_CURRENCY
    exchange_rate: int = rates.ONE
    payment_status: PaymentStatus = PaymentStatus.UNPAID
    approval_status: ApprovalStatus = ApprovalStatus.UNASSIGNED
    description: str | None = None
    purchase_order_number: str | None = None
    payment_term_id: str | None = None
    pay_from_chart_of_account_id: str | None = None
    chart_of_account_id: str | None = None
    accounting_class_id: str | None = None
    department_id: str | None = None
    location_id: str | None = None
    item_id: str | None = None
    particulars: BillParticulars | None = None

    @property
    def due_cents(self) -> int:
        return self.amount_cents - self.credit_cents - self.scheduled_cents - self.paid_cents


# What a bill and its lines refer to, and how the ids of each kind begin; none begins with "?".
REFERENCES = {
    name: PREFIXES.get(name.removeprefix("pay_from_").removesuffix("_id"), "?")
    for name in (
        "payment_term_id", "pay_from_chart_of_account_id", *LineClassifications.__struct_fields__
    )
}  # fmt: skip


@table("bill_lines", ids="bill_line", by=["bill_id"], audited=True)
class BillLine(Owned, frozen=True):
    bill_id: Annotated[str, sa.ForeignKey("bills.id")]
    place: int
    amount_cents: int
    quantity: Decimal | None = None
    price: Decimal | None = None
    description: str | None = None
    classifications: LineClassifications | None = None
    particulars: LineParticulars | None = None


class LineDraft(msgspec.Struct, frozen=True):
    """A line as it is asked for: with an id it is one that is there, and what is not in `fields`
    stays as it was; a new one has all fields. Classifications of which only some are named, which the
    others stay beside, are a dict."""

    id: str | None
    fields: dict[str, Any]


def new_line(amount_cents: int, **fields: Any) -> LineDraft:
    return LineDraft(None, EMPTY_LINE | fields | {"amount_cents": amount_cents})


# Active bills by their vendors and invoice numbers.
Taken = dict[tuple[str, str], str]

IN_ORDER = attrgetter("place", "id")
EMPTY_LINE = dict.fromkeys(("quantity", "price", "description", "classifications"))


def check_lengths(details: dict) -> None:
    """Before anything is looked up; raises BDC_1143."""
    _check_length("invoiceNumber", details.get("invoice_number"), INVOICE_NUMBER_MAX)
    _check_length("poNumber", details.get("purchase_order_number"), PURCHASE_ORDER_MAX)


def _check_length(name: str, value: str | None, longest: int) -> None:
    if value and len(value) > longest:
        raise Refusal(INVALID_VALUE, f"{name}: is longer than {longest} characters")


def taken_numbers(work: Work, wanted: Iterable[tuple[str, str]]) -> Taken:
    """Those of some vendors' invoice numbers that are taken, for many calls of `create_bill`, before
    the first; the vendors are held from here on."""
    pairs = dict.fromkeys(wanted)
    work.hold_all(Vendor, [vendor_id for vendor_id, _ in pairs])
    return dict(each for pair in pairs for each in _taken_number(work, *pair).items())


def create_bill(
    work: Work, vendor_id: str, lines: Sequence[LineDraft], details: dict, repeats: bool = False,
    taken: Taken | None = None,
) -> Bill:  # fmt: skip
    """The amount of a bill is the sum of its lines; it is never taken from the request.

    With `repeats` another active bill of the vendor may have the same invoice number. What is `taken`
    is looked up unless it is known; the new bill's is added to it."""
    # Held, not found: two requests with one invoice number would both see that there is none.
    vendor = work.hold(Vendor, vendor_id, NO_SUCH_REFERENCE)
    _check_references(work, details, lines)
    number = details["invoice_number"]
    if taken is None:
        taken = {} if repeats else _taken_number(work, vendor.id, number)
    _check_invoice_number(taken, vendor.id, number)
    rate = rates.indicative(vendor.bill_currency)
    amount_cents = _total([line.fields["amount_cents"] for line in lines])
    bill = work.add(
        Bill, vendor_id=vendor.id, created_by=work.user_id, amount_cents=amount_cents,
        funding_cents=rates.in_dollars(amount_cents, rate), currency=vendor.bill_currency,
        exchange_rate=rate, **details,
    )  # fmt: skip
    for place, line in enumerate(lines):
        if line.id is not None:
            raise Refusal(NOT_POSSIBLE, f"billLineItems[{place}].id: a new bill has new lines")
        work.add(BillLine, bill_id=bill.id, place=place, **_booked(line.fields))
    vendors.owe(work, vendor, amount_cents)
    taken[vendor.id, number] = bill.id
    work.tell("bill.created", bill)
    return bill


def update_bill(
    work: Work, bill_id: str, details: dict, lines: Sequence[LineDraft] | None, replace: bool,
    repeats: bool = False,
) -> Bill:  # fmt: skip
    """Change what was sent. Lines are merged by id; with `replace` those not sent are removed."""
    bill, vendor = _held_with_vendor(work, bill_id, details.pop("vendor_id", None))
    _check_references(work, details, lines or [])
    number = details.get("invoice_number", bill.invoice_number)
    if not repeats and number != bill.invoice_number:
        _check_invoice_number(_taken_number(work, vendor.id, number), vendor.id, number)
    owed_before = _owed(bill)
    changed = False
    if lines is not None:
        changed = _change_lines(work, bill, lines, replace)
        amount_cents = _total([line.amount_cents for line in lines_of(work, [bill])[bill.id]])
        if amount_cents - bill.credit_cents < bill.scheduled_cents + bill.paid_cents:
            raise Refusal(
                NOT_POSSIBLE, f"{bill.id}: the amount would be less than what is paid or scheduled"
            )
        details |= {
            "amount_cents": amount_cents,
            "funding_cents": rates.in_dollars(amount_cents, bill.exchange_rate),
        }
    changed |= work.change(bill, vendor_id=vendor.id, **details)
    if changed:
        # A change of lines alone is a change of the bill.
        work.change(bill, payment_status=_payment_status(bill))
        work.date(bill)
        vendors.owe(work, vendor, _owed(bill) - owed_before)
        work.tell("bill.updated", bill)
    return bill


def set_archived(work: Work, bill_id: str, archived: bool, repeats: bool = False) -> Bill:
    """Archiving what is archived changes nothing and tells nobody. `repeats` allows a number that
    another bill of the vendor has."""
    bill, vendor = _held_with_vendor(work, bill_id)
    if archived and bill.scheduled_cents:
        raise Refusal(NOT_POSSIBLE, f"{bill.id}: has scheduled payments")
    if not archived and bill.archived and not repeats:
        number = bill.invoice_number
        _check_invoice_number(_taken_number(work, vendor.id, number), vendor.id, number)
    owed_before = _owed(bill)
    if work.change(bill, archived=archived):
        vendors.owe(work, vendor, _owed(bill) - owed_before)
        work.tell("bill.archived" if archived else "bill.restored", bill)
    return bill


def hold_bill(work: Work, bill_id: str) -> Bill:
    """A bill to be changed, and its vendor before it."""
    bill, _ = _held_with_vendor(work, bill_id)
    return bill


def lines_of(work: Work, bills: Sequence[Bill]) -> dict[str, list[BillLine]]:
    found = work.grouped(BillLine, "bill_id", [bill.id for bill in bills])
    for lines in found.values():
        lines.sort(key=IN_ORDER)
    return found


def set_aside(work: Work, bill: Bill, amount_cents: int) -> None:
    """Reserve a part of a bill for a payment on its way; more than is due is refused (BDC_1159)."""
    if amount_cents > bill.due_cents:
        raise Refusal(BILL_OVERPAID)
    _account(work, bill, scheduled_cents=bill.scheduled_cents + amount_cents)


def release(work: Work, bill: Bill, amount_cents: int) -> None:
    """Give back what was set aside: the payment was cancelled or has failed."""
    _account(work, bill, scheduled_cents=bill.scheduled_cents - amount_cents)


def settle(work: Work, vendor: Vendor, bill: Bill, amount_cents: int) -> None:
    """What was set aside is paid; bill and vendor are held, the vendor first."""
    _account(
        work, bill,
        scheduled_cents=bill.scheduled_cents - amount_cents,
        paid_cents=bill.paid_cents + amount_cents,
    )  # fmt: skip
    if not bill.archived:
        vendors.owe(work, vendor, -amount_cents)


def _held_with_vendor(work: Work, bill_id: str, vendor_id: str | None = None) -> tuple[Bill, Vendor]:
    """Both to be changed, the vendor first: everyone who holds both does so in this order."""
    found = work.find(Bill, bill_id)
    vendor = work.hold(Vendor, found.vendor_id)
    bill = work.hold(Bill, bill_id)
    if vendor_id not in (None, bill.vendor_id):
        raise Refusal(NOT_POSSIBLE, "vendorId: the vendor of a bill does not change")
    return bill, vendor


def _change_lines(work: Work, bill: Bill, drafts: Sequence[LineDraft], replace: bool) -> bool:
    old = {line.id: line for line in lines_of(work, [bill])[bill.id]}
    next_place = 1 + max((line.place for line in old.values()), default=-1)
    sent = {draft.id for draft in drafts}
    work.hold_all(BillLine, [id for id in old if replace or id in sent])
    changed = False
    for number, draft in enumerate(drafts):
        if draft.id is None:
            place = number if replace else next_place + number
            work.add(BillLine, bill_id=bill.id, place=place, **_booked(draft.fields))
            changed = True
        else:
            if draft.id not in old:
                raise Refusal(NOT_FOUND, f"billLineItems[{number}].id: {draft.id}")
            line = work.hold(BillLine, draft.id)
            old.pop(draft.id)
            place = number if replace else line.place
            fields = draft.fields if replace else _merged(line, draft.fields, number)
            changed |= work.change(line, place=place, **_booked(fields))
    if replace:
        for line in old.values():
            work.remove(work.hold(BillLine, line.id))
            changed = True
    return changed


def _booked(fields: dict) -> dict:
    """Columns of a line: no ids are no classifications."""
    named = fields.get("classifications")
    if named is None:
        return fields
    booked = LineClassifications(**named) if isinstance(named, dict) else named
    if not any(msgspec.structs.astuple(booked)):
        booked = None
    return fields if booked is named else fields | {"classifications": booked}


def _merged(line: BillLine, fields: dict, number: int) -> dict:
    """What a PATCH leaves: classifications merge by name, and a new quantity or price makes a new
    amount, unless one is sent too."""
    if line.classifications and fields.get("classifications") is not None:
        old = msgspec.structs.asdict(line.classifications)
        fields = fields | {"classifications": old | fields["classifications"]}
    if "amount_cents" in fields or not fields.keys() & {"quantity", "price"}:
        return fields
    quantity, price = fields.get("quantity", line.quantity), fields.get("price", line.price)
    if quantity is None or price is None:
        return fields
    return fields | {"amount_cents": times(quantity, price, f"billLineItems[{number}].amount")}


def _taken_number(work: Work, vendor_id: str, number: str) -> Taken:
    found = work.ids_of(Bill, vendor_id=vendor_id, invoice_number=number, archived=False)
    return {(vendor_id, number): found[0]} if found else {}


def _check_invoice_number(taken: Taken, vendor_id: str, number: str) -> None:
    """Once for a vendor among its active bills; the message ends in the id of the other."""
    if other := taken.get((vendor_id, number)):
        raise Refusal(DUPLICATE_INVOICE, f"{number} stands on {other}")


def _check_references(work: Work, details: dict, lines: Sequence[LineDraft]) -> None:
    """Every id in a bill is one of the organization's objects; all that are not are named."""
    named: list[Any] = [details]
    for line in lines:
        booked = line.fields.get("classifications")
        if booked and booked != named[-1]:  # Lines name the same few again and again.
            named.append(booked)
    wanted: dict[str, None] = {}  # In the order in which they are named, once each.
    wrong = set()
    for fields in named:
        fields = msgspec.structs.asdict(fields) if isinstance(fields, LineClassifications) else fields
        for name, id in fields.items():
            if id and (begins := REFERENCES.get(name)):
                wanted[id] = None
                if not id.startswith(begins):
                    wrong.add(id)
    if wrong := wrong | work.missing(wanted.keys() - wrong):
        raise Refusal.of([(NO_SUCH_REFERENCE, id) for id in wanted if id in wrong])


def _total(amounts: list[int]) -> int:
    total = sum(amounts)
    if not 0 <= total <= AMOUNT_CENTS_MAX:
        raise Refusal(NOT_POSSIBLE, "billLineItems: the sum is negative or too large")
    return total


def _owed(bill: Bill) -> int:
    return 0 if bill.archived else bill.amount_cents - bill.credit_cents - bill.paid_cents


def _account(work: Work, bill: Bill, **cents: int) -> None:
    after = msgspec.structs.replace(bill, **cents)
    assert min(after.scheduled_cents, after.paid_cents, after.due_cents) >= 0, (
        f"{bill.id} is unbalanced"
    )
    if work.change(bill, **cents, payment_status=_payment_status(after)):
        work.tell("bill.updated", bill)


def _payment_status(bill: Bill) -> PaymentStatus:
    """A bill over nothing is unpaid like a new one until something is paid or credited."""
    if bill.scheduled_cents + bill.paid_cents + bill.credit_cents == 0:
        return PaymentStatus.UNPAID
    if bill.due_cents == 0:
        return PaymentStatus.SCHEDULED if bill.scheduled_cents else PaymentStatus.PAID
    return PaymentStatus.PARTIALLY_PAID

"""Bills as the v3 API says them."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct

from billfold.access.roles import Permission
from billfold.books.classifications import LineClassifications
from billfold.door.gates import SIGNED_IN
from billfold.door.operations import Operations
from billfold.door.wire import stamp
from billfold.funding import rates
from billfold.kit import listing
from billfold.kit.bulk import all_or_none, place_of
from billfold.kit.errors import (
    DUPLICATE_INVOICE,
    INVALID_VALUE,
    MALFORMED,
    NO_SUCH_REFERENCE,
    NOT_FOUND,
    NOT_POSSIBLE,
    ROLLED_BACK,
    Refusal,
)
from billfold.kit.listing import MATCHED, RANGED, Asked, Field
from billfold.kit.money import plain, times, to_amount, to_cents, to_quantity
from billfold.kit.work import Work
from billfold.payables import bills, payments, vendors
from billfold.payables.bills import Bill, BillLine, LineDraft, PaymentStatus
from billfold.payables.bills_shapes_v3 import (
    BillClassifications,
    BillList,
    BillPatchRequest,
    BillPaymentView,
    BillRequest,
    BillView,
    ClassificationsView,
    Invoice,
    InvoicePatch,
    InvoiceView,
    LinePatch,
    LineRequest,
    LineView,
    payment_status,
)
from billfold.payables.payments import BillPayment, Payment

operations = Operations("bills")
operations.leaves_out("/connect/v3/bills/record-payment")

BULK_MAX = 100


FIELDS = {
    **listing.OWN,
    **listing.TIMES,
    "vendorId": Field("vendor_id", ("eq", "in")),
    "dueDate": Field("due_date", RANGED, date.fromisoformat, sorts=True),
    "paymentStatus": Field("payment_status", MATCHED, payment_status, choices=(*PaymentStatus,)),
    "description": Field("description", (), sorts=True),
    "fundingAmount": Field("funding_cents", (), sorts=True),
    "exchangeRate": Field("exchange_rate", (), sorts=True),
    "payFromChartOfAccountId": Field("pay_from_chart_of_account_id", MATCHED),
    "classifications.chartOfAccountId": Field("chart_of_account_id", MATCHED),
    "classifications.accountingClassId": Field("accounting_class_id", MATCHED),
    "classifications.departmentId": Field("department_id", MATCHED),
    "classifications.locationId": Field("location_id", MATCHED),
    "classifications.itemId": Field("item_id", MATCHED),
}


def views(work: Work, found: list[Bill], named: bool = False) -> list[BillView]:
    """`named` because rows of GET carry vendorName and answers to a write do not."""
    lines = bills.lines_of(work, found)
    names = vendors.names_of(work, [bill.vendor_id for bill in found]) if named else {}
    # Most bills were never paid, and then there is nothing to look for.
    paid = payments.of_bills(
        work, [bill for bill in found if bill.payment_status is not PaymentStatus.UNPAID]
    )
    return [
        view(bill, lines[bill.id], names.get(bill.vendor_id), paid.get(bill.id, [])) for bill in found
    ]


def view(
    bill: Bill,
    lines: list[BillLine],
    vendor_name: str | None = None,
    paid: Sequence[tuple[Payment, BillPayment]] = (),
) -> BillView:
    foreign = bill.exchange_rate != rates.ONE
    return BillView(
        id=bill.id,
        archived=bill.archived,
        vendor_id=bill.vendor_id,
        amount=to_amount(bill.amount_cents),
        funding_amount=to_amount(bill.funding_cents),
        paid_amount=to_amount(bill.paid_cents),
        due_amount=to_amount(bill.due_cents),
        scheduled_amount=to_amount(bill.scheduled_cents),
        credit_amount=to_amount(bill.credit_cents),
        due_date=bill.due_date,
        invoice=InvoiceView(bill.invoice_number, bill.invoice_date),
        bill_line_items=[_line_view(line) for line in lines],
        payment_status=bill.payment_status,
        approval_status=bill.approval_status,
        approvers=[],
        vendor_credits=[],
        payments=[
            BillPaymentView(
                payment.id,
                to_amount(part.amount_cents),
                payment.process_date,
                payment.payment_status,
            )
            for payment, part in paid
        ],
        created_time=stamp(bill.created_time),
        updated_time=stamp(bill.updated_time),
        vendor_name=vendor_name,
        exchange_rate=plain(Decimal(bill.exchange_rate).scaleb(-7)) if foreign else None,
        description=bill.description,
        purchase_order_number=bill.purchase_order_number,
        payment_term_id=bill.payment_term_id,
        pay_from_chart_of_account_id=bill.pay_from_chart_of_account_id,
        classifications=classifications_of(bill),
    )


def classifications_of(bill: Bill) -> ClassificationsView | None:
    found = [getattr(bill, name) for name in ClassificationsView.__struct_fields__]
    return ClassificationsView(*found) if any(found) else None


def _line_view(line: BillLine) -> LineView:
    return LineView(
        line.id, to_amount(line.amount_cents), line.quantity, line.price, line.description,
        line.classifications,
    )  # fmt: skip


def _details(request: BillRequest | BillPatchRequest) -> dict[str, Any]:
    """Columns that were sent; a null empties one."""
    _refuse_what_is_not_served(request)
    names = (
        "due_date", "description", "purchase_order_number", "payment_term_id",
        "pay_from_chart_of_account_id",
    )  # fmt: skip
    details = {name: getattr(request, name) for name in names}
    if isinstance(request.invoice, (Invoice, InvoicePatch)):
        details |= msgspec.structs.asdict(request.invoice)
    if isinstance(request.classifications, BillClassifications):
        details |= msgspec.structs.asdict(request.classifications)
    elif request.classifications is None and isinstance(request, BillPatchRequest):
        details |= dict.fromkeys(BillClassifications.__struct_fields__)
    details = {name: value for name, value in details.items() if value is not UNSET}
    bills.check_lengths(details)
    return details


def _refuse_what_is_not_served(request: BillRequest | BillPatchRequest) -> None:
    if request.vendor_credits:
        credits: Any = request.vendor_credits
        raise Refusal.of([(NO_SUCH_REFERENCE, credit.id) for credit in credits])


def _drafts(sent: Sequence[LineRequest | LinePatch]) -> list[LineDraft]:
    drafts = [_draft(place, line) for place, line in enumerate(sent)]
    seen = set()
    for place, draft in enumerate(drafts):
        if draft.id in seen:
            raise Refusal(MALFORMED, f"billLineItems[{place}].id: stands on another line, too")
        if draft.id is not None:
            seen.add(draft.id)
    return drafts


def _draft(place: int, sent: LineRequest | LinePatch) -> LineDraft:
    try:
        if isinstance(sent, LinePatch):
            return _patched(sent)
        return LineDraft(sent.id, _columns(sent))
    except Refusal as refusal:
        raise refusal.inside(f"billLineItems[{place}]") from None


def _columns(sent: LineRequest) -> dict[str, Any]:
    """All of a line: what is not sent is empty."""
    quantity = None if sent.quantity is None else to_quantity(sent.quantity, "quantity")
    price = None if sent.price is None else to_quantity(sent.price, "price")
    return {
        "amount_cents": _amount_cents(sent.amount, quantity, price), "quantity": quantity,
        "price": price, "description": sent.description, "classifications": sent.classifications,
    }  # fmt: skip


def _patched(sent: LinePatch) -> LineDraft:
    """A new line has everything; of one that is there only what was sent is changed."""
    fields = _named(sent)
    if isinstance(sent.classifications, Struct):
        fields["classifications"] = _named(sent.classifications)
    if sent.id is None:
        if booked := fields.get("classifications"):
            fields["classifications"] = LineClassifications(**booked)
        return LineDraft(None, _columns(LineRequest(**fields)))
    del fields["id"]
    for name in {"quantity", "price"} & fields.keys():
        if fields[name] is not None:
            fields[name] = to_quantity(fields[name], name)
    quantity, price = fields.get("quantity"), fields.get("price")
    if "amount" in fields or None not in (quantity, price):
        fields["amount_cents"] = _amount_cents(fields.pop("amount", None), quantity, price)
    return LineDraft(sent.id, fields)


def _named(part: Struct) -> dict[str, Any]:
    """What a PATCH names; a null empties it."""
    named = msgspec.structs.asdict(part).items()
    return {name: value for name, value in named if value is not UNSET}


def _amount_cents(amount: Decimal | None, quantity: Decimal | None, price: Decimal | None) -> int:
    if amount is not None:
        return to_cents(amount)
    if quantity is None or price is None:
        raise Refusal(MALFORMED, "amount: must not be null")
    return times(quantity, price)


def _create(work: Work, request: BillRequest, taken: bills.Taken | None = None) -> Bill:
    lines, details = _drafts(request.bill_line_items), _details(request)
    return bills.create_bill(work, request.vendor_id, lines, details, taken=taken)


@operations.get("/connect/v3/bills", SIGNED_IN, may=Permission.VIEW_BILLS)
def list_bills(work: Work, asked: Asked) -> BillList:
    """The organization's bills, with lines and vendor names."""
    page = listing.find(work, Bill, FIELDS, asked)
    return BillList(views(work, page.rows, named=True), page.next_page, page.prev_page)


REFUSES = [INVALID_VALUE, NO_SUCH_REFERENCE, DUPLICATE_INVOICE, NOT_POSSIBLE]


@operations.post("/connect/v3/bills", SIGNED_IN, may=Permission.ENTER_BILLS, refuses=REFUSES)
def create_bill(work: Work, request: BillRequest) -> BillView:
    """Create a bill. Its amount is the sum of its lines."""
    return views(work, [_create(work, request)])[0]


@operations.post(
    "/connect/v3/bills/bulk", SIGNED_IN, may=Permission.ENTER_BILLS, refuses=[*REFUSES, ROLLED_BACK]
)
def create_bulk_bills(
    work: Work, request: Annotated[list[BillRequest], Meta(min_length=1, max_length=BULK_MAX)]
) -> list[BillView]:
    """Create 1 to 100 bills, of one vendor or many: all of them, or none."""
    # In the order of vendors, so that two requests never wait for each other's vendor.
    in_order = sorted(enumerate(request), key=lambda numbered: numbered[1].vendor_id)
    wanted = [(each.vendor_id, each.invoice.invoice_number) for each in request]
    taken = bills.taken_numbers(work, wanted)

    def create(numbered: tuple[int, BillRequest]) -> tuple[int, Bill]:
        bill = _create(work, numbered[1], taken)
        # Should it be rolled back, nobody ever sees its id.
        taken[bill.vendor_id, bill.invoice_number] = place_of(numbered)
        return numbered[0], bill

    made = all_or_none(in_order, create, place_of)
    return views(work, [bill for _, bill in sorted(made, key=lambda numbered: numbered[0])])


@operations.get(
    "/connect/v3/bills/{bill_id}", SIGNED_IN, may=Permission.VIEW_BILLS, refuses=[NOT_FOUND]
)
def get_bill(work: Work, bill_id: str) -> BillView:
    """One bill, with its lines and the vendor's name."""
    return views(work, [work.find(Bill, bill_id)], named=True)[0]


@operations.put(
    "/connect/v3/bills/{bill_id}", SIGNED_IN, may=Permission.ENTER_BILLS, refuses=[NOT_FOUND, *REFUSES]
)
def replace_bill(work: Work, bill_id: str, request: BillRequest) -> BillView:
    """Replace a bill: lines with an id are kept and changed, lines that are not sent are removed.

    A line without an id is a new one, whatever it says. Where nothing changes nothing is told."""
    details = {"vendor_id": request.vendor_id} | _details(request)
    if request.classifications is None:
        details |= dict.fromkeys(BillClassifications.__struct_fields__)
    lines = _drafts(request.bill_line_items)
    return views(work, [bills.update_bill(work, bill_id, details, lines, replace=True)])[0]


@operations.patch(
    "/connect/v3/bills/{bill_id}", SIGNED_IN, may=Permission.ENTER_BILLS, refuses=[NOT_FOUND, *REFUSES]
)
def update_bill(work: Work, bill_id: str, request: BillPatchRequest) -> BillView:
    """Change what is sent and nothing else; lines are merged by id, one without an id is added."""
    details = _details(request)
    if request.vendor_id is not UNSET:
        details["vendor_id"] = request.vendor_id
    lines = None
    if isinstance(request.bill_line_items, list):
        lines = _drafts(request.bill_line_items)
    return views(work, [bills.update_bill(work, bill_id, details, lines, replace=False)])[0]


@operations.post(
    "/connect/v3/bills/{bill_id}/archive",
    SIGNED_IN,
    may=Permission.ENTER_BILLS,
    status=200,
    refuses=[NOT_FOUND, NOT_POSSIBLE],
)
def archive_bill(work: Work, bill_id: str) -> BillView:
    """Put a bill away; again changes nothing. One with scheduled payments stays."""
    return views(work, [bills.set_archived(work, bill_id, True)])[0]


@operations.post(
    "/connect/v3/bills/{bill_id}/restore",
    SIGNED_IN,
    may=Permission.ENTER_BILLS,
    status=200,
    refuses=[NOT_FOUND, DUPLICATE_INVOICE],
)
def restore_bill(work: Work, bill_id: str) -> BillView:
    """Take an archived bill back."""
    return views(work, [bills.set_archived(work, bill_id, False)])[0]

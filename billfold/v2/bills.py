"""Bills and their lines as v2 says them."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET

from billfold.access.roles import Permission
from billfold.books.classifications import LineClassifications
from billfold.funding import rates
from billfold.funding.bank_accounts import BankAccount
from billfold.kit.errors import (
    DUPLICATE_INVOICE,
    INVALID_FIELD,
    INVALID_PARAMETER,
    NO_SUCH_REFERENCE,
    Refusal,
)
from billfold.kit.listing import CHOSEN, Field
from billfold.kit.money import plain, to_amount, to_cents, to_quantity
from billfold.kit.work import Work
from billfold.payables import bills, payments
from billfold.payables.bills import ApprovalStatus, Bill, BillLine, LineDraft, PaymentStatus
from billfold.payables.particulars import BillParticulars, LineParticulars
from billfold.payables.payments import BillPayment, Payment
from billfold.v2.bills_shapes import (
    BillCreate,
    BillFields,
    BillUpdate,
    BillView,
    ExpenseView,
    GroupView,
    ItemView,
    LineView,
    SentLine,
)
from billfold.v2.entities import ANY_OPERATOR, OWN, Entity
from billfold.v2.envelope import stamp
from billfold.v2.values import (
    IS_ACTIVE,
    NULLID,
    Codes,
    Places,
    a_day,
    a_text,
    an_id,
    code_of,
    columns_of,
    day,
    noted,
)

# In the answer of one list: to write more would keep everybody else waiting.
LINES_MAX = 20_000
PAYMENT_STATUS = Codes(
    {
        "0": PaymentStatus.PAID, "1": PaymentStatus.UNPAID, "2": PaymentStatus.PARTIALLY_PAID,
        "4": PaymentStatus.SCHEDULED, "6": PaymentStatus.IN_PROCESS,
    },
    {PaymentStatus.UNDEFINED: "1"},
)  # fmt: skip
APPROVAL_STATUS = Codes(
    {
        "0": ApprovalStatus.UNASSIGNED, "1": ApprovalStatus.ASSIGNED, "3": ApprovalStatus.APPROVED,
        "4": ApprovalStatus.APPROVING, "5": ApprovalStatus.DENIED,
    },
    {ApprovalStatus.UNDEFINED: "0"},
)  # fmt: skip
EXPENSE, ITEM = "1", "2"
LINE_TYPE = Codes({EXPENSE: EXPENSE, ITEM: ITEM})

FIELDS = {
    **OWN,
    "vendorId": Field("vendor_id", CHOSEN),
    "invoiceNumber": Field("invoice_number", ANY_OPERATOR, sorts=True),
    "invoiceDate": Field("invoice_date", ANY_OPERATOR, day, sorts=True),
    "dueDate": Field("due_date", ANY_OPERATOR, day, sorts=True),
    "paymentStatus": Field("payment_status", CHOSEN, PAYMENT_STATUS.shown, choices=(*PaymentStatus,)),
    "payFromChartOfAccountId": Field("pay_from_chart_of_account_id", CHOSEN),
    "chartOfAccountId": Field("chart_of_account_id", CHOSEN),
    "departmentId": Field("department_id", CHOSEN),
    "locationId": Field("location_id", CHOSEN),
    "actgClassId": Field("accounting_class_id", CHOSEN),
}

PLACES: Places = {
    "invoice_date": ("invoice_date", day), "due_date": ("due_date", day),
    "description": ("description", a_text), "po_number": ("purchase_order_number", a_text),
    "pay_from_chart_of_account_id": ("pay_from_chart_of_account_id", an_id),
    "payment_term_id": ("payment_term_id", an_id),
    "chart_of_account_id": ("chart_of_account_id", an_id),
    "department_id": ("department_id", an_id), "location_id": ("location_id", an_id),
    "actg_class_id": ("accounting_class_id", an_id),
}  # fmt: skip
NUMBERED: Places = {"invoice_number": ("invoice_number", str), **PLACES}
CLASSES: Places = {
    "chart_of_account_id": ("chart_of_account_id", an_id), "department_id": ("department_id", an_id),
    "location_id": ("location_id", an_id), "job_id": ("job_id", an_id), "item_id": ("item_id", an_id),
    "customer_id": ("customer_id", an_id), "employee_id": ("employee_id", an_id),
    "actg_class_id": ("accounting_class_id", an_id),
}  # fmt: skip


def views(work: Work, found: list[Bill], nested: bool) -> list[BillView]:
    if nested and found and work.count_of(BillLine, "bill_id", [each.id for each in found]) > LINES_MAX:
        raise Refusal(INVALID_PARAMETER, f"max, {len(found)}: they have more than {LINES_MAX} lines")
    lines = bills.lines_of(work, found) if nested else {}
    paid = payments.of_bills(work, [each for each in found if each.paid_cents])
    return [_view(each, lines.get(each.id), paid.get(each.id, [])) for each in found]


def _view(
    bill: Bill, lines: list[BillLine] | None, paid: Sequence[tuple[Payment, BillPayment]]
) -> BillView:
    """What is due is what is not paid: v3 says it without what is scheduled."""
    noted = bill.particulars or BillParticulars()
    status = PAYMENT_STATUS.of(bill.payment_status)
    dates = [
        each.process_date for each, _ in paid if each.payment_status is payments.PaymentStatus.PAID
    ]
    last_payment = max(dates, default=None)
    foreign = bill.exchange_rate != rates.ONE
    answer = BillView(
        id=bill.id,
        is_active=IS_ACTIVE.of(bill.archived),
        vendor_id=bill.vendor_id,
        invoice_number=bill.invoice_number,
        approval_status=APPROVAL_STATUS.of(bill.approval_status),
        invoice_date=bill.invoice_date,
        due_date=bill.due_date,
        gl_posting_date=noted.gl_posting_date or bill.invoice_date,
        amount=to_amount(bill.amount_cents),
        exchange_rate=_rate(bill) if foreign else None,
        scheduled_amount=to_amount(bill.scheduled_cents),
        paid_amount=to_amount(bill.paid_cents) if bill.paid_cents else None,
        due_amount=to_amount(bill.due_cents + bill.scheduled_cents),
        payment_status=status,
        ui_payment_status=status,
        description=bill.description,
        po_number=bill.purchase_order_number,
        created_time=stamp(bill.created_time),
        updated_time=stamp(bill.updated_time),
        created_by=bill.created_by,
        credit_amount=to_amount(bill.credit_cents),
        pay_from_bank_account_id=noted.pay_from_bank_account_id or NULLID,
        pay_from_chart_of_account_id=bill.pay_from_chart_of_account_id or NULLID,
        payment_term_id=bill.payment_term_id or NULLID,
        chart_of_account_id=bill.chart_of_account_id or NULLID,
        department_id=bill.department_id or NULLID,
        location_id=bill.location_id or NULLID,
        actg_class_id=bill.accounting_class_id or NULLID,
        use_bill_desc=noted.use_bill_desc,
        default_invoice_number=noted.default_invoice_number,
        last_payment_date=last_payment,
        full_payment_date=last_payment if bill.payment_status is PaymentStatus.PAID else None,
    )
    if lines is not None:
        answer.bill_line_items = [_line_view(line) for line in lines]
        answer.multiple_bill_line_items = len(lines) > 1
        answer.item, answer.expense = _summed(lines)
    return answer


def _rate(bill: Bill) -> Decimal:
    return plain(Decimal(bill.exchange_rate).scaleb(-7))


def _line_view(line: BillLine) -> LineView:
    named = line.classifications or LineClassifications()
    booked: dict[str, Any] = {
        name: getattr(named, column) or NULLID for name, (column, _) in CLASSES.items()
    }
    return LineView(
        id=line.id,
        bill_id=line.bill_id,
        amount=to_amount(line.amount_cents),
        **booked,
        **msgspec.structs.asdict(line.particulars or LineParticulars()),
        description=line.description,
        created_time=stamp(line.created_time),
        updated_time=stamp(line.updated_time),
        quantity=line.quantity,
        unit_price=line.price,
    )


def _summed(lines: list[BillLine]) -> tuple[ItemView, ExpenseView]:
    """Items and expenses, and of these how much is booked under each account."""
    items: list[int] = []
    groups: dict[str, list[int]] = defaultdict(list)
    for line in lines:
        if (line.particulars or LineParticulars()).line_type == ITEM:
            items.append(line.amount_cents)
        else:
            named = line.classifications or LineClassifications()
            groups[named.chart_of_account_id or NULLID].append(line.amount_cents)
    expenses = [cents for some in groups.values() for cents in some]
    by_account = [
        GroupView(account, len(some), to_amount(sum(some))) for account, some in groups.items()
    ]
    return (
        ItemView(len(items), to_amount(sum(items))),
        ExpenseView(len(expenses), to_amount(sum(expenses)), by_account),
    )


def create(work: Work, request: BillCreate) -> Bill:
    sent = request.obj
    details = columns_of(sent, NUMBERED) | _noted(work, sent, None)
    bills.check_lengths(details)
    repeats = request.allow_duplicate_inv_num
    bill = bills.create_bill(work, sent.vendor_id, _drafts(sent.bill_line_items), details, repeats)
    _check_rate(bill, sent)
    return _kept_active(work, bill, sent, request.allow_duplicate_inv_num)


def update(work: Work, request: BillUpdate) -> Bill:
    sent = request.obj
    details = columns_of(sent, NUMBERED) | _noted(work, sent, bills.hold_bill(work, sent.id))
    bills.check_lengths(details)
    if isinstance(sent.vendor_id, str):
        details["vendor_id"] = sent.vendor_id
    lines = _drafts(sent.bill_line_items) if isinstance(sent.bill_line_items, list) else None
    repeats = request.allow_duplicate_inv_num
    bill = bills.update_bill(work, sent.id, details, lines, replace=True, repeats=repeats)
    _check_rate(bill, sent)
    return _kept_active(work, bill, sent, request.allow_duplicate_inv_num)


def _noted(work: Work, sent: BillFields, old: Bill | None) -> dict[str, Any]:
    """A date that cannot be read is refused before it would be kept."""
    columns_of(sent, {"gl_posting_date": ("", a_day)})
    posted = sent.gl_posting_date
    if isinstance(posted, str) and posted:
        sent.gl_posting_date = day(posted).isoformat()
    account = an_id(sent.pay_from_bank_account_id or None)
    if account:
        work.find(BankAccount, account, NO_SUCH_REFERENCE)
    return noted(sent, old.particulars if old else None, BillParticulars)


def _check_rate(bill: Bill, sent: BillFields) -> None:
    """A bill has the rate of the day on which it was made; another is refused, not forgotten."""
    rate = sent.exchange_rate
    if isinstance(rate, Decimal) and not (rate.is_finite() and rate == _rate(bill)):
        raise Refusal(INVALID_FIELD, f"exchangeRate, {sent.exchange_rate}.")


def _kept_active(work: Work, bill: Bill, sent: BillFields, repeats: bool) -> Bill:
    found = columns_of(sent, {"is_active": ("archived", code_of(IS_ACTIVE))})
    inactive = found.get("archived")
    return bill if inactive is None else bills.set_archived(work, bill.id, inactive, repeats)


def _drafts(sent: list[SentLine]) -> list[LineDraft]:
    return [_draft(line, f"billLineItems[{place}]") for place, line in enumerate(sent)]


def _draft(sent: SentLine, at: str) -> LineDraft:
    """All of a line: what is not sent is empty."""
    columns_of(sent, {"line_type": ("", code_of(LINE_TYPE))}, f"{at}.")
    number = lambda value, name: value and to_quantity(value, f"{at}.{name}")
    return LineDraft(
        an_id(sent.id or None),
        {
            "amount_cents": to_cents(sent.amount, f"{at}.amount"),
            "quantity": None if sent.quantity is UNSET else number(sent.quantity, "quantity"),
            "price": None if sent.unit_price is UNSET else number(sent.unit_price, "unitPrice"),
            "description": sent.description or None,
            "classifications": LineClassifications(**columns_of(sent, CLASSES)),
            "particulars": None,
            **noted(sent, None, LineParticulars),
        },
    )


BILL = Entity(
    name="Bill", record=Bill, view=BillView, views=views, fields=FIELDS,
    sees=Permission.VIEW_BILLS, keeps=Permission.ENTER_BILLS,
    create=create, update=update, archive=bills.set_archived,
    refuses=(NO_SUCH_REFERENCE, DUPLICATE_INVOICE),
)  # fmt: skip

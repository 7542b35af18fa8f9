"""What bills look like on v3's wire: requests and answers."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from billfold.books.classifications import LineClassifications
from billfold.door.wire import NOT_BLANK, Amount, Short, Stamp, Text, Wire
from billfold.payables.bills import ApprovalStatus, PaymentStatus
from billfold.payables.payments import PaymentStatus as PaymentPhase

LINES_MAX = 1000
InvoiceNumber = Annotated[str, Meta(min_length=1, pattern=NOT_BLANK)]


def payment_status(text: str) -> PaymentStatus:
    """One published client says PARTIAL where the reference says PARTIALLY_PAID."""
    return PaymentStatus("PARTIALLY_PAID" if text == "PARTIAL" else text)


class LineRequest(Wire):
    """`id` is for PUT. The amount wins when amount, quantity and price are all sent."""

    id: str | None = None
    amount: Amount | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    description: Text | None = None
    classifications: LineClassifications | None = None


class LineClassificationsPatch(Wire):
    """What a PATCH does not name stays; null empties one."""

    chart_of_account_id: Short | None | UnsetType = UNSET
    accounting_class_id: Short | None | UnsetType = UNSET
    department_id: Short | None | UnsetType = UNSET
    employee_id: Short | None | UnsetType = UNSET
    job_id: Short | None | UnsetType = UNSET
    location_id: Short | None | UnsetType = UNSET
    item_id: Short | None | UnsetType = UNSET
    customer_id: Short | None | UnsetType = UNSET


class LinePatch(Wire):
    """Without an id it is a new line."""

    id: str | None = None
    amount: Amount | None | UnsetType = UNSET
    quantity: Decimal | None | UnsetType = UNSET
    price: Decimal | None | UnsetType = UNSET
    description: Text | None | UnsetType = UNSET
    classifications: LineClassificationsPatch | None | UnsetType = UNSET


class Invoice(Wire):
    invoice_number: InvoiceNumber
    invoice_date: date


class InvoicePatch(Wire):
    invoice_number: InvoiceNumber | UnsetType = UNSET
    invoice_date: date | UnsetType = UNSET


class BillClassifications(Wire):
    chart_of_account_id: Short | None | UnsetType = UNSET
    accounting_class_id: Short | None | UnsetType = UNSET
    department_id: Short | None | UnsetType = UNSET
    location_id: Short | None | UnsetType = UNSET
    item_id: Short | None | UnsetType = UNSET


class CreditRequest(Wire):
    id: str
    amount: Amount


Lines = Annotated[list[LineRequest], Meta(min_length=1, max_length=LINES_MAX)]


class BillRequest(Wire):
    vendor_id: Annotated[str, Meta(min_length=1)]
    due_date: date
    bill_line_items: Lines
    invoice: Invoice
    description: Text | None = None
    purchase_order_number: str | None = None
    payment_term_id: Short | None = None
    pay_from_chart_of_account_id: Short | None = None
    classifications: BillClassifications | None = None
    vendor_credits: Annotated[list[CreditRequest], Meta(max_length=100)] = []
    bill_approvals: bool = False


class BillPatchRequest(Wire):
    vendor_id: str | UnsetType = UNSET
    due_date: date | UnsetType = UNSET
    bill_line_items: Annotated[list[LinePatch], Meta(max_length=LINES_MAX)] | UnsetType = UNSET
    invoice: InvoicePatch | UnsetType = UNSET
    description: Text | None | UnsetType = UNSET
    purchase_order_number: str | None | UnsetType = UNSET
    payment_term_id: Short | None | UnsetType = UNSET
    pay_from_chart_of_account_id: Short | None | UnsetType = UNSET
    classifications: BillClassifications | None | UnsetType = UNSET
    vendor_credits: Annotated[list[CreditRequest], Meta(max_length=100)] | UnsetType = UNSET
    bill_approvals: bool | UnsetType = UNSET


class LineView(Wire):
    id: str
    amount: Amount
    quantity: Decimal | None = None
    price: Decimal | None = None
    description: str | None = None
    classifications: LineClassifications | None = None


class InvoiceView(Wire):
    invoice_number: str
    invoice_date: date


class ClassificationsView(Wire):
    chart_of_account_id: str | None = None
    accounting_class_id: str | None = None
    department_id: str | None = None
    location_id: str | None = None
    item_id: str | None = None


class ApproverView(Wire):
    user_id: str
    status: str
    approver_order: int


class BillPaymentView(Wire):
    """A payment of the bill, and how much of it is the bill's."""

    id: str
    amount: Amount
    process_date: date
    status: PaymentPhase


class BillView(Wire):
    id: str
    archived: bool
    vendor_id: str
    amount: Amount
    funding_amount: Amount
    paid_amount: Amount
    due_amount: Amount
    scheduled_amount: Amount
    credit_amount: Amount
    due_date: date
    invoice: InvoiceView
    bill_line_items: list[LineView]
    payment_status: PaymentStatus
    approval_status: ApprovalStatus
    approvers: list[ApproverView]
    vendor_credits: list[CreditRequest]
    payments: list[BillPaymentView]
    created_time: Stamp
    updated_time: Stamp
    vendor_name: str | None = None
    exchange_rate: Decimal | None = None
    description: str | None = None
    purchase_order_number: str | None = None
    payment_term_id: str | None = None
    pay_from_chart_of_account_id: str | None = None
    classifications: ClassificationsView | None = None


class BillList(Wire):
    results: list[BillView]
    next_page: str | None = None
    prev_page: str | None = None

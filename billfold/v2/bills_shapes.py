"""What bills look like in v2: what may be sent, and what is answered.

Fields of the answer that have a value here are of what is not served: they say what they say of a bill
that was just made.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from billfold.door.wire import NOT_BLANK, Amount, Short, Text
from billfold.payables.bills_shapes_v3 import LINES_MAX
from billfold.v2.envelope import Data
from billfold.v2.values import (
    NULLID,
    SentCode,
    SentDate,
    SentFlag,
    SentId,
    SentLongText,
    SentNumber,
    SentText,
)

InvoiceNumber = Annotated[str, Meta(min_length=1, pattern=NOT_BLANK)]
Day = Annotated[str, Meta(min_length=1, max_length=100)]


class SentLine(Data, kw_only=True):
    """`id` is that of a line which is there, as Read says it; one without is new."""

    amount: Amount
    entity: SentText = UNSET
    id: SentId = UNSET
    chart_of_account_id: SentId = UNSET
    department_id: SentId = UNSET
    location_id: SentId = UNSET
    job_id: SentId = UNSET
    customer_id: SentId = UNSET
    job_billable: SentFlag = UNSET
    description: Text | None | UnsetType = UNSET
    line_type: SentCode = UNSET
    item_id: SentId = UNSET
    quantity: SentNumber = UNSET
    unit_price: SentNumber = UNSET
    employee_id: SentId = UNSET
    actg_class_id: SentId = UNSET
    line_order: Annotated[int, Meta(ge=0, le=9999)] | None | UnsetType = UNSET


SentLines = Annotated[list[SentLine], Meta(min_length=1, max_length=LINES_MAX)]


class BillFields(Data):
    """What may be sent of a bill, new or old; what else a client sends is read over."""

    is_active: SentCode = UNSET
    gl_posting_date: SentDate = UNSET
    exchange_rate: SentNumber = UNSET
    description: SentLongText = UNSET
    po_number: str | None | UnsetType = UNSET
    pay_from_bank_account_id: SentId = UNSET
    pay_from_chart_of_account_id: SentId = UNSET
    payment_term_id: SentId = UNSET
    chart_of_account_id: SentId = UNSET
    department_id: SentId = UNSET
    location_id: SentId = UNSET
    actg_class_id: SentId = UNSET
    use_bill_desc: SentFlag = UNSET
    default_invoice_number: SentFlag = UNSET


class NewBill(BillFields, kw_only=True):
    entity: Short
    vendor_id: Short
    invoice_number: InvoiceNumber
    invoice_date: Day
    due_date: Day
    bill_line_items: SentLines


class BillChanges(BillFields, kw_only=True):
    entity: Short
    id: Short
    vendor_id: Short | UnsetType = UNSET
    invoice_number: InvoiceNumber | UnsetType = UNSET
    invoice_date: Day | UnsetType = UNSET
    due_date: Day | UnsetType = UNSET
    bill_line_items: SentLines | UnsetType = UNSET


class BillCreate(Data):
    obj: NewBill
    allow_duplicate_inv_num: bool = False


class BillUpdate(Data):
    obj: BillChanges
    allow_duplicate_inv_num: bool = False


class LineView(Data):
    id: str
    bill_id: str
    amount: Amount
    chart_of_account_id: str
    department_id: str
    location_id: str
    job_id: str
    customer_id: str
    item_id: str
    employee_id: str
    actg_class_id: str
    job_billable: bool
    line_type: str
    line_order: int
    description: str | None
    created_time: str
    updated_time: str
    quantity: Decimal | None
    unit_price: Decimal | None
    entity: str = "BillLineItem"
    purchase_order_bill_link_id: str = NULLID
    unit_of_measure_id: str = NULLID


class GroupView(Data):
    chart_of_account_id: str
    count: int
    total_amount: Amount


class ItemView(Data):
    count: int
    total_amount: Amount


class ExpenseView(ItemView):
    chart_of_account_group: list[GroupView]


class BillView(Data):
    """Lines and what is summed over them are left out of a list that is not nested."""

    id: str
    is_active: str
    vendor_id: str
    invoice_number: str
    approval_status: str
    invoice_date: date
    due_date: date
    gl_posting_date: date
    amount: Amount
    exchange_rate: Decimal | None
    scheduled_amount: Amount
    paid_amount: Amount | None
    due_amount: Amount
    payment_status: str
    ui_payment_status: str
    description: str | None
    po_number: str | None
    created_time: str
    updated_time: str
    created_by: str
    credit_amount: Amount
    pay_from_bank_account_id: str
    pay_from_chart_of_account_id: str
    payment_term_id: str
    chart_of_account_id: str
    department_id: str
    location_id: str
    actg_class_id: str
    use_bill_desc: bool
    default_invoice_number: bool
    last_payment_date: date | None
    full_payment_date: date | None
    item: ItemView | UnsetType = UNSET
    expense: ExpenseView | UnsetType = UNSET
    multiple_bill_line_items: bool | UnsetType = UNSET
    bill_line_items: list[LineView] | UnsetType = UNSET
    entity: str = "Bill"
    local_amount: Amount | None = None
    quickbooks_id: str | None = None
    has_auto_pay: bool = False
    e_bill_created: bool = False
    invoice_product_id: str = NULLID
    source: str = "0"
    num_appr_policy_ex: str = "0"
    is_auto_saved: bool = False
    bill_template_id: str = NULLID
    has_linked_purchase_orders: bool = False

"""What payments look like on v3's wire: requests as they are read, answers as they are said."""

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from billfold.door.wire import Amount, Stamp, Wire
from billfold.payables.disbursements import DisbursementType, SingleStatus
from billfold.payables.payments import (
    CheckDelivery,
    DisbursementStatus,
    FundingType,
    PaymentStatus,
)
from billfold.payables.vendors import PaymentPurpose

BULK_MAX = 50

Description = Annotated[str, Meta(max_length=70)]
TransactionNumber = Annotated[str, Meta(min_length=1, max_length=50)]
Id = Annotated[str, Meta(min_length=1, max_length=100)]


class FundingAccountRequest(Wire):
    """`id` is needed for every type but WALLET."""

    type: Literal["BANK_ACCOUNT", "CARD_ACCOUNT", "WALLET", "AP_CARD"]
    id: Id | None = None


class CreditRequest(Wire):
    id: Id
    amount: Amount


class BulkOptions(Wire):
    request_pay_faster: bool = False
    request_check_delivery_type: CheckDelivery = CheckDelivery.STANDARD


class ProcessingOptions(BulkOptions):
    create_bill: bool = False


class PaymentRequest(Wire):
    amount: Amount
    funding_account: FundingAccountRequest
    processing_options: ProcessingOptions
    vendor_id: Id | None = None
    bill_id: Id | None = None
    process_date: date | None = None
    description: Description | None = None
    transaction_number: TransactionNumber | None = None
    payment_purpose: PaymentPurpose | None = None
    card_funding_purpose: str | None = None
    exchange_rate_batch_id: int | None = None
    vendor_credits: Annotated[list[CreditRequest], Meta(max_length=100)] = []


class PayBill(Wire):
    bill_id: Id
    amount: Amount


class BulkPaymentRequest(Wire):
    funding_account: FundingAccountRequest
    payments: Annotated[list[PayBill], Meta(min_length=1, max_length=BULK_MAX)]
    vendor_id: Id | None = None
    process_date: date | None = None
    description: Description | None = None
    transaction_number: TransactionNumber | None = None
    processing_options: BulkOptions = msgspec.field(default_factory=BulkOptions)
    card_funding_purpose: str | None = None
    exchange_rate_batch_id: int | None = None


class BillPaymentView(Wire):
    id: str
    bill_id: str
    amount: Amount
    vendor_credits: list[CreditRequest]


class FundingAccountView(Wire):
    type: FundingType
    id: str | None = None


class ProcessingOptionsView(Wire):
    request_pay_faster: bool
    create_bill: bool
    request_check_delivery_type: CheckDelivery


class AchView(Wire):
    arrives_by_date: date
    sent_date: date | None = None


class CheckView(Wire):
    arrives_by_date: date
    sent_date: date | None = None
    check_number: int | None = None


class DisbursementInfo(Wire):
    """`isVoidable` and the one that fits the type."""

    is_voidable: bool
    ach_disbursement: AchView | None = None
    check_disbursement: CheckView | None = None


class VoidView(Wire):
    id: str
    requested_by: str
    type: str
    status: str
    reason: str
    created_time: Stamp
    updated_time: Stamp


class PaymentView(Wire):
    id: str
    vendor_id: str
    vendor_name: str
    amount: Amount
    funding_amount: Amount
    process_date: date
    status: PaymentStatus
    single_status: SingleStatus
    online_payment: bool
    disbursement_type: DisbursementType
    disbursement_info: DisbursementInfo
    bill_payments: list[BillPaymentView]
    funding_account: FundingAccountView
    processing_options: ProcessingOptionsView
    transaction_number: str
    confirmation_number: str
    cancel_request_submitted: bool
    void_info: list[VoidView]
    created_by: str
    created_time: Stamp
    updated_time: Stamp
    bill_id: str | None = None
    disbursement_status: DisbursementStatus | None = None
    description: str | None = None
    remittance_email: str | None = None
    payment_purpose: PaymentPurpose | None = None


class BulkPaymentResponse(Wire):
    payments: list[PaymentView]


class PaymentList(Wire):
    results: list[PaymentView]
    next_page: str | None = None
    prev_page: str | None = None

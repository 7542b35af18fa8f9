"""Payments as v2 says them: PayBills, CancelAPPayment, and SentPay, which is what they make."""

from datetime import date
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from billfold.access.roles import Permission
from billfold.door.gates import SIGNED_IN, TRUSTED
from billfold.door.wire import Amount, Short
from billfold.funding import bank_accounts
from billfold.kit.errors import (
    ACCOUNT_CANNOT_PAY,
    BILL_OVERPAID,
    INVALID_PARAMETER,
    NOT_FOUND,
    NOT_POSSIBLE,
    NOT_VERIFIED,
    PROCESS_DATE,
    ROLLED_BACK,
    Refusal,
)
from billfold.kit.listing import CHOSEN, Field
from billfold.kit.money import text_to_cents, to_amount, to_cents
from billfold.kit.work import Work
from billfold.payables import payments
from billfold.payables.disbursements import DisbursementType
from billfold.payables.failed_payments import told_when_refused
from billfold.payables.payments import (
    BillingType,
    BillPayment,
    FundingType,
    PayLine,
    Payment,
    PaymentStatus,
    Terms,
)
from billfold.v2.entities import ANY_OPERATOR, OWN, Entity, naming, serve
from billfold.v2.envelope import Calls, Data, stamp
from billfold.v2.values import NULLID, Code, Codes, an_id, day

BILLS_MAX = 200
DESCRIPTION_MAX = 70

# Of those that failed no money came back that had not gone: void (I).
STATUS = Codes(
    {
        "0": PaymentStatus.APPROVING, "1": PaymentStatus.SCHEDULED, "2": PaymentStatus.PAID,
        "3": PaymentStatus.CANCELLED, "4": PaymentStatus.VOID, "5": PaymentStatus.ESCHEATED,
    },
    {PaymentStatus.FAILED: "4", PaymentStatus.PENDING: "1", PaymentStatus.UNDEFINED: "1"},
)  # fmt: skip
PART_STATUS = {"0": "1", "5": "2"}
PAYMENT_TYPE = Codes(
    {
        "0": DisbursementType.CHECK, "1": DisbursementType.ACH, "2": DisbursementType.RPPS,
        "3": DisbursementType.PAYPAL, "4": DisbursementType.OFFLINE,
        "5": DisbursementType.INTERNATIONAL_E_PAYMENT, "6": DisbursementType.AMEX,
        "7": DisbursementType.VIRTUAL_CARD, "12": DisbursementType.CREDIT_CARD,
    },
    {DisbursementType.WALLET: "4", DisbursementType.UNDEFINED: "4"},
)  # fmt: skip
FUNDING_TYPE = {
    FundingType.BANK_ACCOUNT: "2", FundingType.CARD_ACCOUNT: "4", FundingType.AP_CARD: "4",
}  # fmt: skip
SOURCE = {
    BillingType.BDC: "0", BillingType.BILL_AUTOPAY: "1",
    BillingType.NET_SYNC_FROM_ONLINE_PAYMENT: "2",
    BillingType.NET_SYNC_FROM_OFFLINE_PAYMENT: "3", BillingType.RECURRING_PAYMENT: "6",
}  # fmt: skip
ONLINE = Codes({"true": True, "false": False})

FIELDS = {
    **{name: field for name, field in OWN.items() if name != "isActive"},
    "vendorId": Field("vendor_id", CHOSEN),
    "processDate": Field("process_date", ANY_OPERATOR, day, sorts=True),
    "amount": Field("amount_cents", ANY_OPERATOR, text_to_cents, sorts=True),
    "status": Field("payment_status", CHOSEN, STATUS.shown, choices=(*PaymentStatus,)),
    "isOnline": Field("online", CHOSEN, ONLINE.shown, sorts=True, choices=(True, False)),
    "paymentType": Field("disbursement_type", CHOSEN, PAYMENT_TYPE.shown, choices=(*DisbursementType,)),
}


class PaidBill(Data):
    bill_id: Short
    amount: Amount


class PaidCredit(Data):
    bill_id: Short
    amount: Amount
    vendor_credit_id: Short | None = None


class PayBills(Data):
    """`vendorId`, where it is sent, is the vendor of every bill."""

    bill_pays: Annotated[list[PaidBill], Meta(min_length=1, max_length=BILLS_MAX)]
    vendor_id: Short | None = None
    bank_account_id: Short | None = None
    card_account_id: Short | None = None
    process_date: Short | None = None
    description: Annotated[str, Meta(max_length=DESCRIPTION_MAX)] | None = None
    is_faster_payment: bool | None = None
    delivery_type: Code | None = None
    bill_credits: Annotated[list[PaidCredit], Meta(max_length=100)] | None = None


class CancelPayment(Data):
    sent_pay_id: Short


class BillPayView(Data):
    id: str
    bill_id: str
    name: str
    payment_status: str
    # A text, as the contract types it.
    amount: str
    description: str | None
    process_date: date
    created_time: str
    updated_time: str
    payment_type: str
    sent_pay_id: str
    entity: str = "billPay"
    # Of payments made outside, which are not recorded here yet.
    sync_reference: str | None = None
    to_print_check: bool = False
    chart_of_account_id: str = NULLID
    allow_export: str | None = None


class SentPayView(Data):
    """Parts are left out of a list that is not nested."""

    id: str
    process_date: date
    amount: Amount
    status: str
    description: str | None
    txn_number: str
    name: str
    vendor_id: str
    is_online: bool
    payment_type: str
    created_time: str
    updated_time: str
    created_by: str
    bank_account_id: str
    card_account_id: str
    source: str
    payment_purpose: str | None
    remittance_email: str | None
    funding_type: str | None
    bill_pays: list[BillPayView] | UnsetType = UNSET
    entity: str = "SentPay"
    # Not served: as of a payment without them.
    use_alt_pmt_type: bool = False
    faster_payment: bool = False
    delivery_type_requested: str = "0"
    chart_of_account_id: str = NULLID
    sync_reference: str | None = None
    to_print_check: bool = False
    pt14_card_id: str | None = None
    need_attn_reviewed: bool = False
    simple_basic_auto_cancel: str | None = None
    allow_export: bool | None = None
    local_amount: str | None = None
    exchange_rate: Amount | None = None
    requested_delivery_date: date | None = None
    pmt_currency_info_id: str | None = None
    credit_account_id: str | None = None
    funds_held_date: date | None = None
    bill_credits: list[PaidCredit] = []
    void_requests: list[str] = []
    ap_conv_fee: str | None = None


class SentPaysView(Data):
    sent_pays: list[SentPayView]


def views(work: Work, found: list[Payment], nested: bool) -> list[SentPayView]:
    parts = payments.parts_of(work, found) if nested else {}
    return [_view(each, parts.get(each.id)) for each in found]


def _view(payment: Payment, parts: list[BillPayment] | None) -> SentPayView:
    banks = payment.funding_type is FundingType.BANK_ACCOUNT
    cards = payment.funding_type is FundingType.CARD_ACCOUNT
    answer = SentPayView(
        id=payment.id,
        process_date=payment.process_date,
        amount=to_amount(payment.amount_cents),
        status=STATUS.of(payment.payment_status),
        description=payment.description,
        txn_number=payment.transaction_number,
        name=payment.confirmation_number,
        vendor_id=payment.vendor_id,
        is_online=payment.online,
        payment_type=PAYMENT_TYPE.of(payment.disbursement_type),
        created_time=stamp(payment.created_time),
        updated_time=stamp(payment.updated_time),
        created_by=payment.created_by,
        bank_account_id=(banks and payment.funding_account_id) or NULLID,
        card_account_id=(cards and payment.funding_account_id) or NULLID,
        source=SOURCE[payment.billing_type],
        payment_purpose=payment.payment_purpose.text if payment.payment_purpose else None,
        remittance_email=payment.remittance_email,
        funding_type=FUNDING_TYPE.get(payment.funding_type),
    )
    if parts is not None:
        answer.bill_pays = [_part_view(payment, part) for part in parts]
    return answer


def _part_view(payment: Payment, part: BillPayment) -> BillPayView:
    """A part is paid, cancelled or void as its payment is, and dated like that."""
    status = STATUS.of(payment.payment_status)
    return BillPayView(
        id=part.id,
        bill_id=part.bill_id,
        name=payment.confirmation_number,
        payment_status=PART_STATUS.get(status, status),
        amount=str(to_amount(part.amount_cents)),
        description=payment.description,
        process_date=payment.process_date,
        created_time=stamp(part.created_time),
        updated_time=stamp(payment.updated_time),
        payment_type="0" if payment.online else "1",
        sent_pay_id=payment.id,
    )


SENT_PAY = Entity(
    name="SentPay", record=Payment, view=SentPayView, views=views, fields=FIELDS,
    sees=Permission.VIEW_PAYMENTS, keeps=Permission.PAY_BILLS,
)  # fmt: skip

operations = Calls()
serve(operations, SENT_PAY)


@operations.call(
    "PayBills", TRUSTED, may=Permission.PAY_BILLS,
    refuses=[
        NOT_VERIFIED, ACCOUNT_CANNOT_PAY, PROCESS_DATE, BILL_OVERPAID, INVALID_PARAMETER,
        NOT_POSSIBLE, ROLLED_BACK,
    ],
)  # fmt: skip
def pay_bills_v2(work: Work, request: PayBills) -> SentPaysView:
    """Pay up to 200 bills: all of them, or none.

    Bills of one vendor are combined, up to 35 a payment, where the vendor says so. Without an account
    it is the primary one for payables, without a process date the next US business day."""
    lines = [
        PayLine(each.bill_id, _cents_of(each, f"billPays[{place}].amount"))
        for place, each in enumerate(request.bill_pays)
    ]
    terms = _terms(work, request)
    with naming(request, INVALID_PARAMETER), told_when_refused(terms, lines):
        _refuse_what_is_not_served(request)
        return SentPaysView(views(work, payments.pay_bills(work, terms, lines), True))


def _cents_of(paid: PaidBill, name: str) -> int:
    cents = to_cents(paid.amount, name)
    if cents < 1:
        raise Refusal(INVALID_PARAMETER, f"{name}, {paid.amount}.")
    return cents


def _terms(work: Work, request: PayBills) -> Terms:
    card, account = an_id(request.card_account_id), an_id(request.bank_account_id)
    if card is None and account is None:
        account = bank_accounts.payables_default(work).id
    try:
        process_date = day(request.process_date) if request.process_date else None
    except ValueError:
        raise Refusal(INVALID_PARAMETER, f"processDate, {request.process_date}.") from None
    return Terms(
        funding_type=FundingType.CARD_ACCOUNT if card else FundingType.BANK_ACCOUNT,
        funding_account_id=card or account,
        process_date=process_date,
        vendor_id=an_id(request.vendor_id),
        description=request.description or None,
    )


def _refuse_what_is_not_served(request: PayBills) -> None:
    if request.is_faster_payment:
        raise Refusal(NOT_POSSIBLE, "isFasterPayment: is not served here yet")
    if request.delivery_type not in (None, "", "0", 0):
        raise Refusal(NOT_POSSIBLE, "deliveryType: only standard delivery is served here")
    if request.bill_credits:
        raise Refusal(NOT_POSSIBLE, "billCredits: vendor credits are not served here yet")


@operations.call(
    "CancelAPPayment", SIGNED_IN, may=Permission.PAY_BILLS,
    refuses=[NOT_FOUND, INVALID_PARAMETER, NOT_POSSIBLE],
)  # fmt: skip
def cancel_payment_v2(work: Work, request: CancelPayment) -> SentPayView:
    """Cancel a payment that is still scheduled; its bills are due again."""
    id = SENT_PAY.checked_id(request.sent_pay_id, at="sentPayId")
    return SENT_PAY.answer(work, payments.cancel_payment(work, id))

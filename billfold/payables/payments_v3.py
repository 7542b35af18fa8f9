"""Payments as the v3 API says them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal

from billfold.access.roles import Permission
from billfold.door.gates import SIGNED_IN, TRUSTED
from billfold.door.operations import Operations
from billfold.door.wire import Nothing, stamp
from billfold.kit import listing
from billfold.kit.errors import (
    ACCOUNT_CANNOT_PAY,
    BILL_OVERPAID,
    MALFORMED,
    NO_SUCH_REFERENCE,
    NOT_FOUND,
    NOT_POSSIBLE,
    NOT_VERIFIED,
    PROCESS_DATE,
    ROLLED_BACK,
    Refusal,
)
from billfold.kit.listing import MATCHED, RANGED, Asked, Field
from billfold.kit.money import text_to_cents, to_amount, to_cents
from billfold.kit.work import Work
from billfold.payables import payments, vendors
from billfold.payables.disbursements import DisbursementType
from billfold.payables.failed_payments import is_business, told_when_refused
from billfold.payables.payments import (
    BillPayment,
    CheckDelivery,
    FundingType,
    PayLine,
    Payment,
    PaymentStatus,
    Terms,
)
from billfold.payables.payments_shapes_v3 import (
    AchView,
    BillPaymentView,
    BulkPaymentRequest,
    BulkPaymentResponse,
    CheckView,
    DisbursementInfo,
    FundingAccountView,
    PaymentList,
    PaymentRequest,
    PaymentView,
    ProcessingOptionsView,
)

operations = Operations("payments")
operations.leaves_out(
    "/connect/v3/payments/options", "/connect/v3/payments/exchange-rate", "/connect/v3/payments/mass"
)


FIELDS = {
    **listing.TIMES,
    "id": listing.OWN["id"],
    "vendorId": Field("vendor_id", ("eq", "in")),
    "status": Field("payment_status", MATCHED, PaymentStatus, choices=(*PaymentStatus,)),
    "disbursementType": Field("disbursement_type", MATCHED, DisbursementType),
    "processDate": Field("process_date", RANGED, date.fromisoformat, sorts=True),
    "amount": Field("amount_cents", ("eq", *RANGED), text_to_cents, sorts=True),
    "description": Field("description", (), sorts=True),
    "confirmationNumber": Field("confirmation_number", (), sorts=True),
    "onlinePayment": Field("online", (), sorts=True),
    "disbursementStatus": Field("disbursement_status", (), sorts=True),
}


def views(work: Work, found: list[Payment]) -> list[PaymentView]:
    parts = payments.parts_of(work, found)
    names = vendors.names_of(work, [payment.vendor_id for payment in found])
    return [view(each, parts[each.id], names[each.vendor_id]) for each in found]


def view(payment: Payment, parts: list[BillPayment], vendor_name: str) -> PaymentView:
    amount = to_amount(payment.amount_cents)
    return PaymentView(
        id=payment.id,
        vendor_id=payment.vendor_id,
        vendor_name=vendor_name,
        # A combined payment is of no single bill.
        bill_id=parts[0].bill_id if len(parts) == 1 else None,
        amount=amount,
        funding_amount=amount,
        process_date=payment.process_date,
        status=payment.payment_status,
        single_status=payment.status,
        online_payment=payment.online,
        disbursement_type=payment.disbursement_type,
        disbursement_status=payment.disbursement_status,
        disbursement_info=_disbursement_info(payment),
        bill_payments=[
            BillPaymentView(part.id, part.bill_id, to_amount(part.amount_cents), []) for part in parts
        ],
        funding_account=FundingAccountView(payment.funding_type, payment.funding_account_id),
        processing_options=ProcessingOptionsView(
            request_pay_faster=False,
            create_bill=payment.created_bill,
            request_check_delivery_type=CheckDelivery.STANDARD,
        ),
        transaction_number=payment.transaction_number,
        confirmation_number=payment.confirmation_number,
        cancel_request_submitted=payment.cancel_requested,
        void_info=[],
        created_by=payment.created_by,
        created_time=stamp(payment.created_time),
        updated_time=stamp(payment.updated_time),
        description=payment.description,
        remittance_email=payment.remittance_email,
        payment_purpose=payment.payment_purpose,
    )


def _disbursement_info(payment: Payment) -> DisbursementInfo:
    """Nothing is voidable: voiding is not served here yet."""
    if payment.disbursement_type is DisbursementType.CHECK:
        check = CheckView(payment.arrives_by, payment.sent_date, payment.check_number)
        return DisbursementInfo(False, check_disbursement=check)
    return DisbursementInfo(False, ach_disbursement=AchView(payment.arrives_by, payment.sent_date))


def _terms(request: PaymentRequest | BulkPaymentRequest) -> Terms:
    funding = request.funding_account
    if funding.id is None and funding.type != "WALLET":
        raise Refusal(MALFORMED, "fundingAccount.id: must not be blank")
    if funding.type in ("WALLET", "AP_CARD") and request.process_date is None:
        raise Refusal(MALFORMED, "processDate: must not be null")
    return Terms(
        funding_type=FundingType(funding.type),
        funding_account_id=funding.id,
        process_date=request.process_date,
        vendor_id=request.vendor_id,
        description=request.description,
        transaction_number=request.transaction_number,
        payment_purpose=getattr(request, "payment_purpose", None),
    )


def _refuse_what_is_not_served(request: PaymentRequest | BulkPaymentRequest) -> None:
    options = request.processing_options
    if options.request_pay_faster:
        raise Refusal(NOT_POSSIBLE, "processingOptions.requestPayFaster: is not served here yet")
    if options.request_check_delivery_type is not CheckDelivery.STANDARD:
        raise Refusal(
            NOT_POSSIBLE, "processingOptions.requestCheckDeliveryType: only STANDARD is served here"
        )
    if credits := getattr(request, "vendor_credits", None):
        raise Refusal.of([(NO_SUCH_REFERENCE, each.id) for each in credits])


def _amount(amount: Decimal, name: str, least: int) -> int:
    cents = to_cents(amount, name)
    if cents < least:
        how = "greater than 0" if least else "greater than or equal to 0"
        raise Refusal(MALFORMED, f"{name}: must be {how}")
    return cents


@contextmanager
def _said_twice(bill_id: str) -> Iterator[None]:
    """What is refused of a bill's payment is said plainly, and again with the bill's id in front.

    So BILL's core says it, and clients find the bill by what stands before the " : "."""
    try:
        yield
    except Refusal as refusal:
        if is_business(refusal):
            refusal.problems = refusal.problems + [
                problem.prefixed(bill_id, about) for problem, about in refusal.problems
            ]
        raise


@operations.get("/connect/v3/payments", SIGNED_IN, may=Permission.VIEW_PAYMENTS)
def list_payments(work: Work, asked: Asked) -> PaymentList:
    """The organization's payments."""
    page = listing.find(work, Payment, FIELDS, asked)
    return PaymentList(views(work, page.rows), page.next_page, page.prev_page)


REFUSES = [
    NOT_VERIFIED,
    ACCOUNT_CANNOT_PAY,
    PROCESS_DATE,
    BILL_OVERPAID,
    NO_SUCH_REFERENCE,
    NOT_POSSIBLE,
]


@operations.post("/connect/v3/payments", TRUSTED, may=Permission.PAY_BILLS, refuses=REFUSES)
def create_payment(work: Work, request: PaymentRequest) -> PaymentView:
    """Schedule one payment, of a bill or, with `createBill`, of one that is made for it.

    Without a process date it is the next US business day, after 18:00 Pacific the one after."""
    creates = request.processing_options.create_bill
    if not creates and request.bill_id is None:
        raise Refusal(MALFORMED, "billId must be provided if createBill is false")
    if creates and request.bill_id is not None:
        raise Refusal(MALFORMED, "billId must not be provided if createBill is true")
    if creates and request.vendor_id is None:
        raise Refusal(MALFORMED, "vendorId: must not be blank")
    cents = _amount(request.amount, "amount", least=1)
    terms = _terms(request)
    if request.bill_id is None:
        with told_when_refused(terms, []):
            _refuse_what_is_not_served(request)
            return views(work, [payments.pay_new_bill(work, terms, cents)])[0]
    lines = [PayLine(request.bill_id, cents)]
    with _said_twice(request.bill_id), told_when_refused(terms, lines):
        _refuse_what_is_not_served(request)
        return views(work, payments.pay_bills(work, terms, lines))[0]


@operations.post(
    "/connect/v3/payments/bulk", TRUSTED, may=Permission.PAY_BILLS, refuses=[*REFUSES, ROLLED_BACK]
)
def create_bulk_payment(work: Work, request: BulkPaymentRequest) -> BulkPaymentResponse:
    """Pay 1 to 50 bills: all of them, or none.

    Bills of one vendor are combined, up to 35 a payment, where the vendor says so."""
    lines = [
        PayLine(each.bill_id, _amount(each.amount, f"payments[{place}].amount", least=0))
        for place, each in enumerate(request.payments)
    ]
    terms = _terms(request)
    with told_when_refused(terms, lines):
        _refuse_what_is_not_served(request)
        made = payments.pay_bills(work, terms, lines, name=lambda line: line.bill_id)
        return BulkPaymentResponse(views(work, made))


@operations.get(
    "/connect/v3/payments/{payment_id}", SIGNED_IN, may=Permission.VIEW_PAYMENTS, refuses=[NOT_FOUND]
)
def get_payment(work: Work, payment_id: str) -> PaymentView:
    """One payment."""
    return views(work, [work.find(Payment, payment_id)])[0]


@operations.post(
    "/connect/v3/payments/{payment_id}/cancel", SIGNED_IN, may=Permission.PAY_BILLS, status=200,
    refuses=[NOT_FOUND, NOT_POSSIBLE],
)  # fmt: skip
def cancel_payment(work: Work, payment_id: str, request: Nothing = Nothing()) -> PaymentView:
    """Cancel a payment that is still scheduled; its bills are due again."""
    return views(work, [payments.cancel_payment(work, payment_id)])[0]

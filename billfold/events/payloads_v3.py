"""What notifications say of their subjects: close to v3's views, with oddities of their own."""

from collections.abc import Callable
from datetime import date
from typing import Any

from billfold.access.verifications import Verification
from billfold.door.wire import Amount, Stamp, Wire, encode, stamp
from billfold.events.catalog import TYPES
from billfold.funding import bank_accounts
from billfold.funding.bank_accounts import BankAccount, masked
from billfold.kit.money import to_amount
from billfold.kit.tables import Record
from billfold.kit.work import Work
from billfold.payables import payments, vendors
from billfold.payables.bills import Bill, PaymentStatus
from billfold.payables.disbursements import DisbursementType, SingleStatus
from billfold.payables.failed_payments import FailedPayment
from billfold.payables.payments import BillingType, FundingType, Payment
from billfold.payables.vendors import HOME_CURRENCY, NetworkStatus, PayByType, TaxIdType, Vendor
from billfold.payables.vendors_v3 import Balance, CardView, balance_of

# Before these nothing has been sent, and notifications leave the account out.
NOT_SENT = {SingleStatus.SCHEDULED, SingleStatus.CANCELED, SingleStatus.CANCELLATION_IN_PROGRESS}


class Address(Wire):
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state_or_province: str | None = None
    zip_or_postal_code: str | None = None
    country: str | None = None


class PaymentInformation(Wire):
    payee_name: str | None
    pay_by_type: PayByType
    virtual_card: CardView
    email: str | None = None
    last_payment_date: date | None = None


class AdditionalInfo(Wire):
    track1099: bool
    combine_payments: bool
    tax_id: str | None = None
    tax_id_type: TaxIdType | None = None
    lead_time_in_days: int | None = None
    company_name: str | None = None


class AutoPay(Wire):
    enabled: bool


class VendorPayload(Wire):
    id: str
    name: str
    archived: bool
    network_status: NetworkStatus
    address: Address
    payment_information: PaymentInformation
    additional_info: AdditionalInfo
    recurring_payments: bool
    bill_currency: str
    balance: Balance
    auto_pay: AutoPay
    created_time: Stamp
    updated_time: Stamp
    short_name: str | None = None
    email: str | None = None
    phone: str | None = None
    account_number: str | None = None


class Invoice(Wire):
    invoice_number: str
    invoice_date: str


class Classifications(Wire):
    """Those of a bill without its item, which notifications do not name."""

    chart_of_account_id: str | None = None
    accounting_class_id: str | None = None
    department_id: str | None = None
    location_id: str | None = None


class BillPayload(Wire):
    """Without lines. The invoice date is a moment here, and ends in Z."""

    id: str
    vendor_id: str
    vendor_name: str
    invoice: Invoice
    amount: Amount
    created_time: Stamp
    updated_time: Stamp
    created_by: str
    archived: bool
    due_date: date
    payment_status: PaymentStatus
    description: str | None = None
    pay_from_chart_of_account_id: str | None = None
    classifications: Classifications | None = None
    purchase_order_number: str | None = None


class Account(Wire):
    """The account on one side of a payment; {} before money moves."""

    type: str | None = None
    id: str | None = None
    name: str | None = None
    account_number: str | None = None


class Funding(Wire):
    amount: Amount
    currency: str
    funding_account: Account


class Disbursement(Wire):
    amount: Amount
    currency: str
    arrives_by_date: date
    disbursement_account: Account


class VendorName(Wire):
    id: str
    name: str


class PaymentPayload(Wire):
    """`status` is the single status."""

    id: str
    bill_ids: list[str]
    transaction_number: str
    status: SingleStatus
    created_by: str
    created_time: Stamp
    updated_time: Stamp
    process_date: date
    funding: Funding
    disbursement: Disbursement
    vendor: VendorName
    billing_type: BillingType


def of_vendor(work: Work, vendor: Vendor) -> VendorPayload:
    return VendorPayload(
        id=vendor.id,
        name=vendor.name,
        archived=vendor.archived,
        network_status=vendor.network_status,
        address=Address(
            vendor.address_line1, vendor.address_line2, vendor.address_city, vendor.address_state,
            vendor.address_zip, vendor.address_country,
        ),
        payment_information=PaymentInformation(
            vendor.payee_name, vendor.pay_by_type, CardView("UNKNOWN"), vendor.remittance_email,
            vendor.last_payment_date,
        ),
        additional_info=AdditionalInfo(
            vendor.track_1099, vendor.combine_payments,
            work.secrets.open(vendor.tax_id, vendor.id) if vendor.tax_id else None,
            vendor.tax_id_type, vendor.lead_time_in_days, vendor.company_name,
        ),
        recurring_payments=False,
        bill_currency=vendor.bill_currency,
        balance=balance_of(vendor),
        auto_pay=AutoPay(enabled=False),
        created_time=stamp(vendor.created_time),
        updated_time=stamp(vendor.updated_time),
        short_name=vendor.short_name,
        email=vendor.email,
        phone=vendor.phone,
        account_number=vendor.account_number,
    )  # fmt: skip


def of_bill(work: Work, bill: Bill) -> BillPayload:
    booked = Classifications(
        bill.chart_of_account_id, bill.accounting_class_id, bill.department_id, bill.location_id
    )
    return BillPayload(
        id=bill.id,
        vendor_id=bill.vendor_id,
        vendor_name=work.find(Vendor, bill.vendor_id).name,
        invoice=Invoice(bill.invoice_number, f"{bill.invoice_date}T00:00:00.000Z"),
        amount=to_amount(bill.amount_cents),
        created_time=stamp(bill.created_time),
        updated_time=stamp(bill.updated_time),
        created_by=bill.created_by,
        archived=bill.archived,
        due_date=bill.due_date,
        payment_status=bill.payment_status,
        description=bill.description,
        pay_from_chart_of_account_id=bill.pay_from_chart_of_account_id,
        classifications=booked if booked != Classifications() else None,
        purchase_order_number=bill.purchase_order_number,
    )


def of_payment(work: Work, payment: Payment) -> PaymentPayload:
    vendor = work.find(Vendor, payment.vendor_id)
    parts = payments.parts_of(work, [payment])[payment.id]
    amount = to_amount(payment.amount_cents)
    return PaymentPayload(
        id=payment.id,
        bill_ids=[part.bill_id for part in parts],
        transaction_number=payment.transaction_number,
        status=payment.status,
        created_by=payment.created_by,
        created_time=stamp(payment.created_time),
        updated_time=stamp(payment.updated_time),
        process_date=payment.process_date,
        # Bills in other currencies cannot be paid yet.
        funding=Funding(amount, HOME_CURRENCY, _funding_account(work, payment)),
        disbursement=Disbursement(
            amount, HOME_CURRENCY, payment.arrives_by, _vendor_account(work, payment, vendor)
        ),
        vendor=VendorName(vendor.id, vendor.name),
        billing_type=payment.billing_type,
    )


class Default(Wire):
    payables: bool
    receivables: bool


class BankAccountPayload(Wire):
    """The routing number in clear, the account number masked. `archived` is true until the account is
    verified, whatever the row says."""

    id: str
    archived: bool
    account_number: str
    name_on_account: str
    routing_number: str
    bank_name: str
    status: bank_accounts.Status
    created_by: str
    type: bank_accounts.AccountType
    owner_type: bank_accounts.OwnerType
    created_time: Stamp
    updated_time: Stamp
    default: Default


def of_bank_account(work: Work, bank: BankAccount) -> BankAccountPayload:
    return BankAccountPayload(
        id=bank.id,
        archived=bank.archived or bank.status is not bank_accounts.Status.VERIFIED,
        account_number=masked(bank.last4),
        name_on_account=bank.name_on_account,
        routing_number=bank.routing_number,
        bank_name=bank.bank_name,
        status=bank.status,
        created_by=bank.created_by,
        type=bank.type,
        owner_type=bank.owner_type,
        created_time=stamp(bank.created_time),
        updated_time=stamp(bank.updated_time),
        default=Default(bank.default_payables, bank.default_receivables),
    )


class BillAmount(Wire):
    id: str
    amount: Amount


class FailedPaymentPayload(Wire):
    """A payment that never was: no id, no status."""

    bills: list[BillAmount]
    transaction_number: str
    created_by: str
    created_time: Stamp
    updated_time: Stamp
    funding_account: Account
    vendor: VendorName | None = None


class Reason(Wire):
    code: str | None
    message: str
    timestamp: Stamp


def of_failed_payment(work: Work, failed: FailedPayment) -> dict[str, Any]:
    """The reasons stand beside the payment, not in it."""
    now, terms = stamp(work.now), failed.terms
    vendor = work.rows(Vendor, id=failed.vendor_id) if failed.vendor_id else []
    payment = FailedPaymentPayload(
        bills=[BillAmount(line.bill_id, to_amount(line.amount_cents)) for line in failed.lines],
        transaction_number=failed.transaction_number,
        created_by=work.user_id,
        created_time=now,
        updated_time=now,
        funding_account=Account(terms.funding_type, terms.funding_account_id),
        vendor=VendorName(vendor[0].id, vendor[0].name) if vendor else None,
    )
    reasons = [Reason(code, message, now) for code, message in failed.reasons]
    return {"payment": payment, "errors": reasons}


def _funding_account(work: Work, payment: Payment) -> Account:
    if payment.funding_type is not FundingType.BANK_ACCOUNT or not payment.funding_account_id:
        return Account(payment.funding_type, payment.funding_account_id)
    bank = work.find(BankAccount, payment.funding_account_id)
    return Account(payment.funding_type, bank.id, bank.bank_name, masked(bank.last4))


def _vendor_account(work: Work, payment: Payment, vendor: Vendor) -> Account:
    if payment.status in NOT_SENT:
        return Account()
    if payment.disbursement_type is DisbursementType.ACH and vendor.bank_account_id:
        return Account("BANK_ACCOUNT", account_number=masked(vendors.bank_of(work, vendor).last4))
    return Account(payment.disbursement_type)


BY_RECORD: dict[type[Record], Callable[[Work, Any], dict[str, Any]]] = {
    Vendor: lambda work, row: {"vendor": of_vendor(work, row)},
    Bill: lambda work, row: {"bill": of_bill(work, row)},
    Payment: lambda work, row: {"payment": of_payment(work, row)},
    FailedPayment: of_failed_payment,
    BankAccount: lambda work, row: {"bank-account": of_bank_account(work, row)},
    Verification: lambda work, row: {"risk-verification": {"decision": row.status}},
}


def render(work: Work, event_type: str, row: Record) -> bytes:
    """The catalog is closed: an event that nobody described is a mistake of ours."""
    assert event_type in TYPES, event_type
    return encode(BY_RECORD[type(row)](work, row))

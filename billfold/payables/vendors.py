"""Vendors: those who are owed, where they live and how they are paid."""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum

import msgspec

from billfold.kit.errors import (
    INVALID_FIELD,
    NO_SUCH_REFERENCE,
    NOT_FOUND,
    NOT_POSSIBLE,
    VENDOR_HAS_ACCOUNT,
    Refusal,
)
from billfold.kit.ids import looks_like
from billfold.kit.places import country_name, is_currency
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work
from billfold.payables.particulars import VendorParticulars
from billfold.payables.vendor_bank_accounts import (
    HOME_COUNTRY,
    BankDraft,
    NamedValue,
    VendorBankAccount,
    checked,
)

HOME_CURRENCY = "USD"


class AccountType(StrEnum):
    NONE = "NONE"
    BUSINESS = "BUSINESS"
    PERSON = "PERSON"
    UNDEFINED = "UNDEFINED"


class PayByType(StrEnum):
    CHECK = "CHECK"
    ACH = "ACH"
    VIRTUAL_CARD = "VIRTUAL_CARD"
    RPPS = "RPPS"
    WALLET = "WALLET"
    INTERNATIONAL_E_PAYMENT = "INTERNATIONAL_E_PAYMENT"
    OFFLINE = "OFFLINE"
    UNDEFINED = "UNDEFINED"


class BankAccountStatus(StrEnum):
    NO_ACCOUNT = "NO_ACCOUNT"
    NO_NET_LINKED_ACCOUNT = "NO_NET_LINKED_ACCOUNT"
    NET_LINKED_ACCOUNT = "NET_LINKED_ACCOUNT"
    UNDEFINED = "UNDEFINED"


class NetworkStatus(StrEnum):
    NOT_CONNECTED = "NOT_CONNECTED"
    PENDING = "PENDING"
    CONNECTED = "CONNECTED"
    CONNECTED_RPPS = "CONNECTED_RPPS"


class TaxIdType(StrEnum):
    SSN = "SSN"
    EIN = "EIN"
    UNDEFINED = "UNDEFINED"


class PaymentPurpose(msgspec.Struct, omit_defaults=True, frozen=True):
    """Why money goes abroad, as the vendor's country wants to be told: a text or a code."""

    text: str | None = None
    code: NamedValue | None = None


@table(
    "vendors",
    ids="vendor",
    by=[
        "created_time", "updated_time", "archived", "name", "account_type", "address_country",
        "bill_currency", "pay_by_type",
    ],
    sorted_by=["short_name", "email", "phone"],
    begins_by=["name"],
    audited=True,
)  # fmt: skip
class Vendor(Owned, frozen=True):
    """`tax_id` is sealed. The balance is what bills ask for and payments have not settled, in cents."""

    name: str
    archived: bool = False
    short_name: str | None = None
    account_number: str | None = None
    account_type: AccountType = AccountType.NONE
    email: str | None = None
    phone: str | None = None
    address_line1: str | None = None
    address_line2: str | None = None
    address_city: str | None = None
    address_state: str | None = None
    address_zip: str | None = None
    address_country: str | None = None
    address_country_name: str | None = None
    payee_name: str | None = None
    remittance_email: str | None = None
    last_payment_date: date | None = None
    pay_by_type: PayByType = PayByType.CHECK
    bank_country: str | None = None
    payment_currency: str | None = None
    payment_purpose: PaymentPurpose | None = None
    card_remit_email: str | None = None
    bank_account_id: str | None = None
    tax_id: bytes | None = None
    tax_id_type: TaxIdType | None = None
    track_1099: bool = False
    lead_time_in_days: int | None = None
    combine_payments: bool = False
    payment_term_id: str | None = None
    company_name: str | None = None
    bill_currency: str = HOME_CURRENCY
    network_status: NetworkStatus = NetworkStatus.NOT_CONNECTED
    balance_cents: int = 0
    balance_time: datetime | None = None
    particulars: VendorParticulars | None = None

    @property
    def bank_account_status(self) -> BankAccountStatus:
        if self.bank_account_id is None:
            return BankAccountStatus.NO_ACCOUNT
        return BankAccountStatus.NO_NET_LINKED_ACCOUNT


def create_vendor(
    work: Work, details: dict, tax_id: str | None = None, bank: BankDraft | None = None
) -> Vendor:
    """There is no uniqueness of names: two vendors with one name are two vendors."""
    _check(work, details)
    id = work.ids.new("vendor", work.now)
    details = {**details, **_sealed_tax_id(work, id, tax_id)}
    details["payee_name"] = details.get("payee_name") or details["name"]
    country = details.get("address_country")
    details["address_country_name"] = country and country_name(country)
    home = country or HOME_COUNTRY
    account = checked(work, bank, home, "paymentInformation.bankAccount.") if bank else None
    details["bank_account_id"] = account and account["id"]
    details["pay_by_type"] = _pay_by(home, account is not None)
    vendor = work.add(Vendor, id=id, **details)
    if account:
        work.add(VendorBankAccount, vendor_id=id, **account)
    work.tell("vendor.created", vendor)
    return vendor


def update_vendor(work: Work, vendor_id: str, details: dict, tax_id=msgspec.UNSET) -> Vendor:
    """Change what was sent; what is the same as before tells nobody."""
    vendor = work.hold(Vendor, vendor_id)
    _check(work, details)
    currency = details.get("bill_currency", vendor.bill_currency)
    if currency != vendor.bill_currency and vendor.balance_cents:
        raise Refusal(NOT_POSSIBLE, "billCurrency: there are open bills in the other currency")
    if "payee_name" in details and not details["payee_name"]:
        details = {**details, "payee_name": details.get("name", vendor.name)}
    if tax_id is not msgspec.UNSET:
        old = work.secrets.open(vendor.tax_id, vendor.id) if vendor.tax_id else None
        if tax_id != old:
            details = {**details, **_sealed_tax_id(work, vendor.id, tax_id)}
    if "address_country" in details:
        code = details["address_country"]
        details = {**details, "address_country_name": code and country_name(code)}
        country = code or HOME_COUNTRY
        details["pay_by_type"] = _pay_by(country, vendor.bank_account_id is not None)
    if work.change(vendor, **details):
        work.tell("vendor.updated", vendor)
    return vendor


def set_archived(work: Work, vendor_id: str, archived: bool) -> Vendor:
    """Archiving what is archived changes nothing and tells nobody."""
    vendor = work.hold(Vendor, vendor_id)
    if work.change(vendor, archived=archived):
        work.tell("vendor.archived" if archived else "vendor.restored", vendor)
    return vendor


def bank_of(work: Work, vendor: Vendor) -> VendorBankAccount:
    if vendor.bank_account_id is None:
        raise Refusal(NOT_FOUND, f"{vendor.id}: the vendor has no bank account")
    return work.find(VendorBankAccount, vendor.bank_account_id)


def with_bank(work: Work, vendor_id: str) -> Vendor:
    """One vendor, and its bank account in the same query, for `bank_of` to know it."""
    return work.find_with(Vendor, vendor_id, VendorBankAccount, "bank_account_id")


def banks_of(work: Work, found: Iterable[Vendor]) -> None:
    """Find the bank accounts of some vendors in one query, for `bank_of` to know them."""
    work.find_all(VendorBankAccount, [each.bank_account_id for each in found if each.bank_account_id])


def add_bank(work: Work, vendor_id: str, draft: BankDraft) -> VendorBankAccount:
    """A vendor has at most one; another is refused (BDC_1233)."""
    vendor = work.hold(Vendor, vendor_id)
    if vendor.bank_account_id is not None:
        raise Refusal(VENDOR_HAS_ACCOUNT, vendor.id)
    fields = checked(work, draft, vendor.address_country or HOME_COUNTRY)
    account = work.add(VendorBankAccount, vendor_id=vendor.id, **fields)
    _set_bank(work, vendor, account.id)
    return account


def remove_bank(work: Work, vendor_id: str) -> VendorBankAccount:
    """Payments that have started go on; later ones are sent by check. The account itself is kept,
    archived."""
    vendor = work.hold(Vendor, vendor_id)
    return archive_bank(work, bank_of(work, vendor).id)


def archive_bank(work: Work, account_id: str) -> VendorBankAccount:
    """The same for a bank account that is named itself; one that is archived stays as it is."""
    vendor = work.hold(Vendor, work.find(VendorBankAccount, account_id).vendor_id)
    account = work.hold(VendorBankAccount, account_id)
    if work.change(account, archived=True):
        assert vendor.bank_account_id == account.id, f"{account.id} is active and nobody's"
        _set_bank(work, vendor, None)
    return account


def owe(work: Work, vendor: Vendor, cents: int) -> None:
    """Raise (or, when negative, lower) what is owed to a vendor; the vendor is held."""
    if cents:
        work.tally(vendor, balance_cents=vendor.balance_cents + cents, balance_time=work.now)


def names_of(work: Work, ids: Iterable[str]) -> dict[str, str]:
    """The names of some vendors, in one query for those that were not found yet."""
    wanted = list(dict.fromkeys(ids))
    work.find_all(Vendor, wanted)
    return {id: work.find(Vendor, id).name for id in wanted}


def _set_bank(work: Work, vendor: Vendor, account_id: str | None) -> None:
    country = vendor.address_country or HOME_COUNTRY
    work.change(
        vendor, bank_account_id=account_id, pay_by_type=_pay_by(country, account_id is not None)
    )
    work.tell("vendor.updated", vendor)


# Columns that hold a code, what the wire calls them, and whether a code is one.
CODES = (
    ("address_country", "address.country", country_name),
    ("bank_country", "paymentInformation.bankCountry", country_name),
    ("payment_currency", "paymentInformation.paymentCurrency", is_currency),
    ("bill_currency", "billCurrency", is_currency),
)


def _pay_by(country: str, has_bank: bool) -> PayByType:
    """The way of paying is derived, never chosen."""
    if not has_bank:  # Checks go to addresses in the US only.
        return PayByType.CHECK if country == HOME_COUNTRY else PayByType.UNDEFINED
    return PayByType.ACH if country == HOME_COUNTRY else PayByType.INTERNATIONAL_E_PAYMENT


def _sealed_tax_id(work: Work, vendor_id: str, tax_id: str | None) -> dict:
    return {"tax_id": work.secrets.seal(tax_id, vendor_id) if tax_id else None}


def _check(work: Work, details: dict) -> None:
    for column, name, is_known in CODES:
        if (code := details.get(column)) and not is_known(code):
            raise Refusal(INVALID_FIELD, f"{name}: invalid value")
    term = details.get("payment_term_id")
    if term and (not looks_like("payment_term", term) or work.missing([term])):
        raise Refusal(NO_SUCH_REFERENCE, f"paymentTermId: {term}")

"""Vendors: those who are owed, where they live and how they are paid."""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum

import msgspec

from billfold.funding.bank_accounts import AccountType as BankAccountType
from billfold.funding.bank_accounts import OwnerType
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

HOME_COUNTRY, HOME_CURRENCY = "US", "USD"


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


class NamedValue(msgspec.Struct, frozen=True):
    name: str
    value: str


class PaymentPurpose(msgspec.Struct, omit_defaults=True, frozen=True):
    """Why money goes abroad, as the vendor's country wants to be told: a text or a code."""

    text: str | None = None
    code: NamedValue | None = None


class VendorBank(msgspec.Struct, omit_defaults=True, frozen=True):
    """The vendor's one bank account; `number` is sealed under the account's own id."""

    id: str
    name_on_account: str
    number: bytes
    last4: str
    routing_number: str | None = None
    type: BankAccountType | None = None
    owner_type: OwnerType | None = None
    payment_currency: str | None = None
    regulatory_fields: list[NamedValue] = []


@table(
    "vendors",
    ids="vendor",
    by=[
        "created_time", "updated_time", "archived", "name", "account_type", "address_country",
        "bill_currency",
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
    bank: VendorBank | None = None
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

    @property
    def bank_account_status(self) -> BankAccountStatus:
        if self.bank is None:
            return BankAccountStatus.NO_ACCOUNT
        return BankAccountStatus.NO_NET_LINKED_ACCOUNT


class BankDraft(msgspec.Struct, frozen=True):
    """What a new bank account of a vendor is made of; the number is in the clear here only."""

    name_on_account: str
    account_number: str
    routing_number: str | None = None
    type: BankAccountType | None = None
    owner_type: OwnerType | None = None
    payment_currency: str | None = None
    regulatory_fields: list[NamedValue] = []


def create_vendor(
    work: Work, details: dict, tax_id: str | None = None, bank: BankDraft | None = None
) -> Vendor:
    """There is no uniqueness of names: two vendors with one name are two vendors."""
    _check(work, details)
    id = work.ids.new("vendor", work.now)
    details = {**details, **_sealed_tax_id(work, id, tax_id)}
    details["payee_name"] = details.get("payee_name") or details["name"]
    details["address_country_name"] = country_name(details["address_country"])
    country = details["address_country"]
    if bank:
        details["bank"] = _bank(work, bank, country, "paymentInformation.bankAccount.")
    details["pay_by_type"] = _pay_by(country, bool(bank))
    vendor = work.add(Vendor, id=id, **details)
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
    if country := details.get("address_country"):
        details = {**details, "address_country_name": country_name(country)}
        details["pay_by_type"] = _pay_by(country, vendor.bank is not None)
    if work.change(vendor, **details):
        work.tell("vendor.updated", vendor)
    return vendor


def set_archived(work: Work, vendor_id: str, archived: bool) -> Vendor:
    """Archiving what is archived changes nothing and tells nobody."""
    vendor = work.hold(Vendor, vendor_id)
    if work.change(vendor, archived=archived):
        work.tell("vendor.archived" if archived else "vendor.restored", vendor)
    return vendor


def bank_of(work: Work, vendor_id: str) -> VendorBank:
    vendor = work.find(Vendor, vendor_id)
    if vendor.bank is None:
        raise Refusal(NOT_FOUND, f"{vendor_id}: the vendor has no bank account")
    return vendor.bank


def add_bank(work: Work, vendor_id: str, draft: BankDraft) -> VendorBank:
    """A vendor has at most one; another is refused (BDC_1233)."""
    vendor = work.hold(Vendor, vendor_id)
    if vendor.bank is not None:
        raise Refusal(VENDOR_HAS_ACCOUNT, vendor.id)
    bank = _bank(work, draft, vendor.address_country or HOME_COUNTRY, "")
    _set_bank(work, vendor, bank)
    return bank


def remove_bank(work: Work, vendor_id: str) -> None:
    """Payments that have started go on; later ones are sent by check."""
    vendor = work.hold(Vendor, vendor_id)
    if vendor.bank is None:
        raise Refusal(NOT_FOUND, f"{vendor_id}: the vendor has no bank account")
    _set_bank(work, vendor, None)


def owe(work: Work, vendor: Vendor, cents: int) -> None:
    """Raise (or, when negative, lower) what is owed to a vendor; the vendor is held."""
    if cents:
        work.tally(vendor, balance_cents=vendor.balance_cents + cents, balance_time=work.now)


def names_of(work: Work, ids: Iterable[str]) -> dict[str, str]:
    """The names of some vendors, in one query for those that were not found yet."""
    wanted = list(dict.fromkeys(ids))
    work.find_all(Vendor, wanted)
    return {id: work.find(Vendor, id).name for id in wanted}


def _set_bank(work: Work, vendor: Vendor, bank: VendorBank | None) -> None:
    country = vendor.address_country or HOME_COUNTRY
    work.change(vendor, bank=bank, pay_by_type=_pay_by(country, bank is not None))
    work.tell("vendor.updated", vendor)


def _bank(work: Work, draft: BankDraft, country: str, at: str) -> VendorBank:
    if country == HOME_COUNTRY and not _is_routing_number(draft.routing_number or ""):
        raise Refusal(INVALID_FIELD, f"{at}routingNumber: is not a US routing number")
    if country != HOME_COUNTRY and draft.type is None:
        raise Refusal(INVALID_FIELD, f"{at}type: must not be null for an international vendor")
    if draft.payment_currency and not is_currency(draft.payment_currency):
        raise Refusal(INVALID_FIELD, f"{at}paymentCurrency: invalid value")
    id = work.ids.new("vendor_bank_account", work.now)
    kept = {
        name: getattr(draft, name)
        for name in draft.__struct_fields__
        if name not in ("account_number",)
    }
    number = work.secrets.seal(draft.account_number, id)
    return VendorBank(id=id, number=number, last4=draft.account_number[-4:], **kept)


# Columns that hold a code, what the wire calls them, and whether a code is one.
CODES = (
    ("address_country", "address.country", country_name),
    ("bank_country", "paymentInformation.bankCountry", country_name),
    ("payment_currency", "paymentInformation.paymentCurrency", is_currency),
    ("bill_currency", "billCurrency", is_currency),
)


def _is_routing_number(text: str) -> bool:
    from stdnum.us import rtn

    return rtn.is_valid(text)


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

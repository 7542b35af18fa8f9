"""Vendors as v2 says them. A name may be another vendor's too, as in v3."""

from typing import Any

import msgspec
from msgspec import UNSET

from billfold.access.roles import Permission
from billfold.kit.errors import (
    NO_SUCH_REFERENCE,
    UNTRUSTED,
    Refusal,
)
from billfold.kit.listing import CHOSEN, Field
from billfold.kit.money import to_amount
from billfold.kit.work import Work
from billfold.payables import vendors
from billfold.payables.particulars import VendorParticulars
from billfold.payables.vendors import (
    AccountType,
    BankAccountStatus,
    NetworkStatus,
    PayByType,
    PaymentPurpose,
    TaxIdType,
    Vendor,
)
from billfold.v2.entities import OWN, Entity
from billfold.v2.envelope import stamp
from billfold.v2.values import (
    IS_ACTIVE,
    NULLID,
    Codes,
    Places,
    a_country,
    a_currency,
    a_text,
    an_id,
    code_of,
    columns_of,
    noted,
    or_,
)
from billfold.v2.vendors_shapes import (
    VendorChanges,
    VendorCreate,
    VendorFields,
    VendorUpdate,
    VendorView,
)

TAX_ID_TYPE = Codes({"1": TaxIdType.EIN, "2": TaxIdType.SSN})
# A virtual card is shown by prefPmtMethod, and who cannot be paid is paid elsewhere (I).
PAY_BY = Codes(
    {
        "0": PayByType.CHECK, "1": PayByType.ACH, "2": PayByType.RPPS,
        "5": PayByType.INTERNATIONAL_E_PAYMENT, "6": PayByType.OFFLINE,
    },
    {PayByType.VIRTUAL_CARD: "0", PayByType.WALLET: "6", PayByType.UNDEFINED: "6"},
)  # fmt: skip
OWNER_TYPE = Codes(
    {"0": AccountType.NONE, "1": AccountType.BUSINESS, "2": AccountType.PERSON},
    {AccountType.UNDEFINED: "0"},
)
BANK_STATUS = Codes(
    {
        "-1": BankAccountStatus.NO_ACCOUNT, "0": BankAccountStatus.NO_NET_LINKED_ACCOUNT,
        "1": BankAccountStatus.NET_LINKED_ACCOUNT,
    },
    {BankAccountStatus.UNDEFINED: "-1"},
)  # fmt: skip
NETWORK_STATUS = Codes(
    {
        "0": NetworkStatus.NOT_CONNECTED, "1": NetworkStatus.PENDING, "2": NetworkStatus.CONNECTED,
        "3": NetworkStatus.CONNECTED_RPPS,
    }
)  # fmt: skip

FIELDS = {
    **OWN,
    "name": Field("name", ("eq", "ne", "sw"), sorts=True),
    "accountType": Field("account_type", CHOSEN, OWNER_TYPE.shown, choices=(*AccountType,)),
    "addressCountry": Field("address_country", ("eq", "ne")),
    "billCurrency": Field("bill_currency", CHOSEN, sorts=True),
    "payBy": Field("pay_by_type", CHOSEN, PAY_BY.shown, choices=(*PayByType,)),
}


PLACES: Places = {
    "short_name": ("short_name", a_text), "name_on_check": ("payee_name", a_text),
    "company_name": ("company_name", a_text), "acc_number": ("account_number", a_text),
    "tax_id_type": ("tax_id_type", code_of(TAX_ID_TYPE)), "track1099": ("track_1099", or_(False)),
    "address1": ("address_line1", a_text), "address2": ("address_line2", a_text),
    "address_city": ("address_city", a_text), "address_state": ("address_state", a_text),
    "address_zip": ("address_zip", a_text), "address_country": ("address_country", a_country),
    "email": ("email", a_text), "phone": ("phone", a_text),
    "payment_email": ("remittance_email", a_text),
    "account_type": ("account_type", code_of(OWNER_TYPE, AccountType.NONE)),
    "payment_term_id": ("payment_term_id", an_id),
    "pay_days_before": ("lead_time_in_days", lambda days: days),
    "enabled_combine_payments": ("combine_payments", or_(True)),
    "bill_currency": ("bill_currency", or_(vendors.HOME_CURRENCY, a_currency)),
    "payment_purpose": ("payment_purpose", lambda text: PaymentPurpose(text) if text else None),
    "bank_country": ("bank_country", a_country),
    "vendor_v_card_remit_email": ("card_remit_email", a_text),
}  # fmt: skip
# Codes of particulars, which are kept as they are sent.
CHOICES: Places = {
    name: (name, code_of(Codes({code: code for code in codes})))
    for name, codes in {
        "bill_sync_pref": "01", "pref_pmt_method": "017", "org_v_card_status": "012",
        "pref_remit_email": "012",
    }.items()
}  # fmt: skip
# What only a session may change that has passed the second step (v2.yaml, rules of updatevendor).
PROTECTED = ("address2", "address3", "address4", "email")


def view(work: Work, vendor: Vendor) -> VendorView:
    connected = vendor.network_status is not NetworkStatus.NOT_CONNECTED
    return VendorView(
        id=vendor.id,
        is_active=IS_ACTIVE.of(vendor.archived),
        name=vendor.name,
        short_name=vendor.short_name,
        name_on_check=vendor.payee_name,
        company_name=vendor.company_name,
        acc_number=vendor.account_number,
        tax_id=work.secrets.open(vendor.tax_id, vendor.id) if vendor.tax_id else None,
        tax_id_type=TAX_ID_TYPE.said.get(vendor.tax_id_type),
        track1099=vendor.track_1099,
        address1=vendor.address_line1,
        address2=vendor.address_line2,
        address_city=vendor.address_city,
        address_state=vendor.address_state,
        address_zip=vendor.address_zip,
        address_country=vendor.address_country,
        email=vendor.email,
        phone=vendor.phone,
        pay_by=PAY_BY.of(vendor.pay_by_type),
        payment_email=vendor.remittance_email,
        created_time=stamp(vendor.created_time),
        updated_time=stamp(vendor.updated_time),
        account_type=OWNER_TYPE.of(vendor.account_type),
        payment_term_id=vendor.payment_term_id or NULLID,
        balance=to_amount(vendor.balance_cents),
        last_balance_update=stamp(vendor.balance_time) if vendor.balance_time else None,
        pay_days_before=vendor.lead_time_in_days,
        enabled_combine_payments=vendor.combine_payments,
        bill_currency=vendor.bill_currency,
        payment_currency=vendor.payment_currency,
        payment_purpose=vendor.payment_purpose.text if vendor.payment_purpose else None,
        bank_country=vendor.bank_country,
        vendor_bank_account_status=BANK_STATUS.of(vendor.bank_account_status),
        vendor_v_card_remit_email=vendor.card_remit_email,
        last_payment_date=vendor.last_payment_date,
        network_status=NETWORK_STATUS.of(vendor.network_status) if connected else None,
        **msgspec.structs.asdict(vendor.particulars or VendorParticulars()),
    )


def views(work: Work, found: list[Vendor], nested: bool) -> list[VendorView]:
    return [view(work, each) for each in found]


def create(work: Work, request: VendorCreate) -> Vendor:
    sent = request.obj
    begins = {"name": sent.name, "bill_currency": vendors.HOME_CURRENCY, "combine_payments": True}
    details = begins | _details(sent, None)
    inactive = _is_inactive(sent)
    vendor = vendors.create_vendor(work, details, sent.tax_id or None)
    return vendors.set_archived(work, vendor.id, True) if inactive else vendor


def update(work: Work, request: VendorUpdate) -> Vendor:
    sent = request.obj
    vendor = work.hold(Vendor, sent.id)
    _refuse_untrusted(work, vendor, sent)
    details = _details(sent, vendor.particulars)
    if sent.name is not UNSET:
        details["name"] = sent.name
    inactive = _is_inactive(sent)
    tax_id = sent.tax_id if sent.tax_id is UNSET else sent.tax_id or None
    vendors.update_vendor(work, vendor.id, details, tax_id)
    return vendor if inactive is None else vendors.set_archived(work, vendor.id, inactive)


def _details(sent: VendorFields, old: VendorParticulars | None) -> dict[str, Any]:
    columns_of(sent, CHOICES)
    return columns_of(sent, PLACES) | noted(sent, old, VendorParticulars)


def _is_inactive(sent: Any) -> bool | None:
    """None where nothing is said of it."""
    return columns_of(sent, {"is_active": ("archived", code_of(IS_ACTIVE))}).get("archived")


def _refuse_untrusted(work: Work, vendor: Vendor, sent: VendorChanges) -> None:
    assert work.caller is not None
    if work.caller.trusted:
        return
    old = view(work, vendor)
    for name in PROTECTED:
        value = getattr(sent, name)
        if value is not UNSET and (value or None) != getattr(old, name):
            raise Refusal(UNTRUSTED)


VENDOR = Entity(
    name="Vendor", record=Vendor, view=VendorView, views=views, fields=FIELDS,
    sees=Permission.VIEW_VENDORS, keeps=Permission.MANAGE_VENDORS,
    create=create, update=update, archive=vendors.set_archived,
    refuses=(NO_SUCH_REFERENCE, UNTRUSTED),
)  # fmt: skip

"""Vendors as the v3 API says them."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from billfold.access.roles import Permission
from billfold.door.gates import SIGNED_IN
from billfold.door.operations import Operations
from billfold.door.wire import says_nothing, stamp
from billfold.funding.bank_accounts import masked
from billfold.kit import listing
from billfold.kit.bulk import all_or_none, place_of
from billfold.kit.errors import (
    INVALID_FIELD,
    MALFORMED,
    NO_SUCH_REFERENCE,
    NOT_FOUND,
    NOT_POSSIBLE,
    ROLLED_BACK,
    UNTRUSTED,
    VENDOR_HAS_ACCOUNT,
    Refusal,
)
from billfold.kit.listing import CHOSEN, NAMED, Asked, Field
from billfold.kit.money import to_amount
from billfold.kit.work import Work
from billfold.payables import vendors
from billfold.payables.bills import Bill, PaymentStatus
from billfold.payables.bills_shapes_v3 import payment_status
from billfold.payables.vendor_bank_accounts import BankDraft, VendorBankAccount
from billfold.payables.vendors import AccountType, Vendor
from billfold.payables.vendors_shapes_v3 import (
    ADDRESS,
    CARD,
    EMPTY,
    INFO,
    PAYMENT,
    TOP,
    AdditionalInfo,
    AddressView,
    AutoPay,
    AutoPayRequest,
    Balance,
    BulkVendors,
    CardView,
    PaymentInformation,
    VendorBankAccountRequest,
    VendorBankAccountView,
    VendorList,
    VendorPatchRequest,
    VendorRequest,
    VendorView,
)

operations = Operations("vendors")

FIELDS = {
    **listing.OWN,
    **listing.TIMES,
    "name": Field("name", NAMED, sorts=True),
    "shortName": Field("short_name", (), sorts=True),
    "email": Field("email", (), sorts=True),
    "phone": Field("phone", (), sorts=True),
    "accountType": Field("account_type", CHOSEN, AccountType, choices=(*AccountType,)),
    "address.country": Field("address_country", ("eq", "ne")),
    "billCurrency": Field("bill_currency", CHOSEN, sorts=True),
    # No field of a vendor: found are those with at least one such bill.
    "paymentStatus": Field(
        "payment_status", CHOSEN, payment_status, choices=(*PaymentStatus,), among=(Bill, "vendor_id")
    ),
}

NO_AUTO_PAY = AutoPay(enabled=False)


def view(work: Work, vendor: Vendor) -> VendorView:
    bank = vendors.bank_of(work, vendor) if vendor.bank_account_id else None
    return VendorView(
        id=vendor.id,
        archived=vendor.archived,
        name=vendor.name,
        account_type=vendor.account_type,
        address=AddressView(
            vendor.address_line1, vendor.address_line2, vendor.address_city, vendor.address_state,
            vendor.address_zip, vendor.address_country, vendor.address_country_name,
        ),
        payment_information=PaymentInformation(
            payee_name=vendor.payee_name,
            pay_by_type=vendor.pay_by_type,
            pay_by_sub_type="NONE",
            virtual_card=CardView("UNKNOWN", vendor.card_remit_email),
            email=vendor.remittance_email,
            last_payment_date=vendor.last_payment_date,
            bank_country=vendor.bank_country,
            payment_currency=vendor.payment_currency,
            bank_account=bank_view(bank) if bank else None,
            payment_purpose=vendor.payment_purpose,
        ),
        additional_info=AdditionalInfo(
            vendor.track_1099, vendor.combine_payments,
            work.secrets.open(vendor.tax_id, vendor.id) if vendor.tax_id else None,
            vendor.tax_id_type, vendor.lead_time_in_days, vendor.payment_term_id, vendor.company_name,
        ),
        bill_currency=vendor.bill_currency,
        bank_account_status=vendor.bank_account_status,
        network_status=vendor.network_status,
        recurring_payments=False,
        auto_pay=NO_AUTO_PAY,
        balance=balance_of(vendor),
        created_time=stamp(vendor.created_time),
        updated_time=stamp(vendor.updated_time),
        short_name=vendor.short_name,
        account_number=vendor.account_number,
        email=vendor.email,
        phone=vendor.phone,
    )  # fmt: skip


def balance_of(vendor: Vendor) -> Balance:
    return Balance(to_amount(vendor.balance_cents), stamp(vendor.balance_time or vendor.created_time))


def bank_view(bank: VendorBankAccount) -> VendorBankAccountView:
    """Verified at once, as in BILL's sandbox: no deposit is sent to find out."""
    return VendorBankAccountView(
        bank.name_on_account, masked(bank.last4), "VERIFIED", bank.routing_number, bank.type,
        bank.owner_type, bank.payment_currency, bank.regulatory_fields,
    )  # fmt: skip


def _sent(request: Struct | UnsetType | None, columns: dict[str, str]) -> dict[str, Any]:
    """What was sent, by the columns in which it lies; a null empties an optional one."""
    if not isinstance(request, Struct):
        return {}
    found = {
        column: getattr(request, name) for name, column in columns.items() if hasattr(request, name)
    }
    return {
        column: EMPTY.get(column) if value is None else value
        for column, value in found.items()
        if value is not UNSET
    }


def _details(request: VendorRequest | VendorPatchRequest) -> tuple[dict[str, Any], Any]:
    """Columns, and the tax number apart, because it is sealed."""
    payment, info = request.payment_information, request.additional_info
    details = (
        _sent(request, TOP)
        | _sent(request.address, ADDRESS)
        | _sent(payment, PAYMENT)
        | _sent(getattr(payment, "virtual_card", None), CARD)
        | _sent(info, INFO)
    )
    return details, getattr(info, "tax_id", UNSET)


def _refuse_auto_pay(work: Work, asked: AutoPayRequest | UnsetType | None) -> None:
    """Enabling asks for a trusted session; and as nothing here pays by itself yet, it is refused."""
    if isinstance(asked, AutoPayRequest) and asked.enabled is True:
        assert work.caller is not None
        if not work.caller.trusted:
            raise Refusal(UNTRUSTED)
        raise Refusal(NOT_POSSIBLE, "autoPay: automatic payments are not served here yet")


def _create(work: Work, request: VendorRequest) -> Vendor:
    _refuse_auto_pay(work, request.auto_pay)
    details, tax_id = _details(request)
    bank = request.payment_information and request.payment_information.bank_account
    return vendors.create_vendor(
        work, details, None if tax_id is UNSET else tax_id, _draft(bank) if bank else None
    )


def _draft(bank: VendorBankAccountRequest) -> BankDraft:
    return BankDraft(**msgspec.structs.asdict(bank))


@operations.get("/connect/v3/vendors", SIGNED_IN, may=Permission.VIEW_VENDORS)
def list_vendors(work: Work, asked: Asked) -> VendorList:
    """The organization's vendors, archived ones included unless they are filtered out."""
    page = listing.find(work, Vendor, FIELDS, asked)
    vendors.banks_of(work, page.rows)
    return VendorList([view(work, each) for each in page.rows], page.next_page, page.prev_page)


@operations.post(
    "/connect/v3/vendors",
    SIGNED_IN,
    may=Permission.MANAGE_VENDORS,
    refuses=[INVALID_FIELD, NO_SUCH_REFERENCE, UNTRUSTED, NOT_POSSIBLE],
)
def create_vendor(work: Work, request: VendorRequest) -> VendorView:
    """Create a vendor, with a bank account if one is sent.

    How it is paid follows from country and bank account; it is never chosen."""
    return view(work, _create(work, request))


@operations.post(
    "/connect/v3/vendors/bulk", SIGNED_IN, may=Permission.MANAGE_VENDORS,
    refuses=[INVALID_FIELD, NO_SUCH_REFERENCE, UNTRUSTED, NOT_POSSIBLE, ROLLED_BACK],
)  # fmt: skip
def create_bulk_vendor(
    work: Work, request: Annotated[list[VendorRequest], Meta(min_length=1, max_length=20)]
) -> BulkVendors:
    """Create 1 to 20 vendors: all of them, or none."""
    made = all_or_none(enumerate(request), lambda numbered: _create(work, numbered[1]), place_of)
    return BulkVendors([view(work, vendor) for vendor in made])


@operations.get(
    "/connect/v3/vendors/{vendor_id}", SIGNED_IN, may=Permission.VIEW_VENDORS, refuses=[NOT_FOUND]
)
def get_vendor(work: Work, vendor_id: str) -> VendorView:
    """One vendor, archived or not."""
    return view(work, vendors.with_bank(work, vendor_id))


@operations.patch(
    "/connect/v3/vendors/{vendor_id}", SIGNED_IN, may=Permission.MANAGE_VENDORS,
    refuses=[NOT_FOUND, INVALID_FIELD, NO_SUCH_REFERENCE, UNTRUSTED, NOT_POSSIBLE],
)  # fmt: skip
def update_vendor(work: Work, vendor_id: str, request: VendorPatchRequest) -> VendorView:
    """Change what is sent and nothing else; null clears a field, objects merge."""
    if says_nothing(request):
        raise Refusal(MALFORMED, "body: no recognised field sent")
    _refuse_auto_pay(work, request.auto_pay)
    details, tax_id = _details(request)
    return view(work, vendors.update_vendor(work, vendor_id, details, tax_id))


@operations.post(
    "/connect/v3/vendors/{vendor_id}/archive",
    SIGNED_IN,
    may=Permission.MANAGE_VENDORS,
    status=200,
    refuses=[NOT_FOUND],
)
def archive_vendor(work: Work, vendor_id: str) -> VendorView:
    """Put a vendor away; again changes nothing."""
    return view(work, vendors.set_archived(work, vendor_id, True))


@operations.post(
    "/connect/v3/vendors/{vendor_id}/restore",
    SIGNED_IN,
    may=Permission.MANAGE_VENDORS,
    status=200,
    refuses=[NOT_FOUND],
)
def restore_vendor(work: Work, vendor_id: str) -> VendorView:
    """Take an archived vendor back."""
    return view(work, vendors.set_archived(work, vendor_id, False))


@operations.get(
    "/connect/v3/vendors/{vendor_id}/bank-account",
    SIGNED_IN,
    may=Permission.VIEW_VENDORS,
    refuses=[NOT_FOUND],
)
def get_vendor_bank_account(work: Work, vendor_id: str) -> VendorBankAccountView:
    """The vendor's bank account."""
    return bank_view(vendors.bank_of(work, vendors.with_bank(work, vendor_id)))


@operations.post(
    "/connect/v3/vendors/{vendor_id}/bank-account", SIGNED_IN, may=Permission.MANAGE_VENDORS,
    status=200, refuses=[NOT_FOUND, INVALID_FIELD, VENDOR_HAS_ACCOUNT],
)  # fmt: skip
def create_vendor_bank_account(
    work: Work, vendor_id: str, request: VendorBankAccountRequest
) -> VendorBankAccountView:
    """Give a vendor a bank account; it is paid electronically from then on."""
    return bank_view(vendors.add_bank(work, vendor_id, _draft(request)))


@operations.delete(
    "/connect/v3/vendors/{vendor_id}/bank-account",
    SIGNED_IN,
    may=Permission.MANAGE_VENDORS,
    status=204,
    refuses=[NOT_FOUND],
)
def delete_vendor_bank_account(work: Work, vendor_id: str) -> None:
    """Take the vendor's bank account away; payments that have started go on."""
    vendors.remove_bank(work, vendor_id)

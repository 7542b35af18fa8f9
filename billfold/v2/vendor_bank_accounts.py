"""Vendors' bank accounts as v2 says them; only who passed the second step sees them."""

from typing import Annotated, Any

from msgspec import UNSET, Meta

from billfold.access.roles import Permission
from billfold.door.gates import TRUSTED
from billfold.door.wire import Name, Short
from billfold.funding.bank_accounts import AccountType, OwnerType
from billfold.kit.errors import INVALID_FIELD, NO_SUCH_REFERENCE, VENDOR_HAS_ACCOUNT, Refusal
from billfold.kit.listing import CHOSEN, Field
from billfold.kit.work import Work
from billfold.payables import vendors
from billfold.payables.vendor_bank_accounts import BankDraft, NamedValue, VendorBankAccount
from billfold.payables.vendors import Vendor
from billfold.v2.entities import OWN, Entity
from billfold.v2.envelope import Data, stamp
from billfold.v2.values import IS_ACTIVE, SentFlag, SentText, a_currency, columns_of

FIELDS = {**OWN, "vendorId": Field("vendor_id", CHOSEN)}
REGULATORY = tuple(f"regulatory{number}" for number in range(1, 8))


class NewAccount(Data, kw_only=True):
    entity: Short
    vendor_id: Short
    account_number: Annotated[str, Meta(min_length=4, max_length=40, pattern=r"^[A-Za-z0-9]+$(?!\n)")]
    routing_number: Name
    name_on_acct: SentText = UNSET
    is_savings: SentFlag = UNSET
    is_personal_acct: SentFlag = UNSET
    payment_currency: SentText = UNSET
    regulatory1: SentText = UNSET
    regulatory2: SentText = UNSET
    regulatory3: SentText = UNSET
    regulatory4: SentText = UNSET
    regulatory5: SentText = UNSET
    regulatory6: SentText = UNSET
    regulatory7: SentText = UNSET


class AccountCreate(Data):
    obj: NewAccount


class AccountView(Data):
    """`accountNumber` shows its last four digits."""

    id: str
    is_active: str
    created_time: str
    updated_time: str
    vendor_id: str
    name_on_acct: str
    account_number: str
    routing_number: str | None
    users_id: str
    is_savings: bool
    is_personal_acct: bool
    intl_e_payment_acct: bool
    payment_currency: str | None
    bank_country: str | None
    regulatory1: str | None
    regulatory2: str | None
    regulatory3: str | None
    regulatory4: str | None
    regulatory5: str | None
    regulatory6: str | None
    regulatory7: str | None
    entity: str = "VendorBankAccount"
    # Verified at once, as v3 says it.
    status: str = "1"
    intl_payment_type: str = "0"
    vendor_bank_data: str | None = None
    bank_add_source: str = "2"
    intl_template_key: str | None = None


def views(work: Work, found: list[VendorBankAccount], nested: bool) -> list[AccountView]:
    return [_view(each) for each in found]


def _view(account: VendorBankAccount) -> AccountView:
    told = {each.name: each.value for each in account.regulatory_fields}
    regulatory: dict[str, Any] = {name: told.get(name) for name in REGULATORY}
    return AccountView(
        id=account.id,
        is_active=IS_ACTIVE.of(account.archived),
        created_time=stamp(account.created_time),
        updated_time=stamp(account.updated_time),
        vendor_id=account.vendor_id,
        name_on_acct=account.name_on_account,
        account_number=f"******{account.last4}",
        routing_number=account.routing_number,
        users_id=account.created_by,
        is_savings=account.type is AccountType.SAVINGS,
        is_personal_acct=account.owner_type is OwnerType.PERSONAL,
        intl_e_payment_acct=account.country != vendors.HOME_COUNTRY,
        payment_currency=account.payment_currency,
        bank_country=account.country,
        **regulatory,
    )


def create(work: Work, request: AccountCreate) -> VendorBankAccount:
    """A checking account of a business where nothing else is said; abroad the first must be said."""
    sent = request.obj
    vendor = work.hold(Vendor, sent.vendor_id, NO_SUCH_REFERENCE)
    abroad = (vendor.address_country or vendors.HOME_COUNTRY) != vendors.HOME_COUNTRY
    if abroad and sent.is_savings in (UNSET, None):
        raise Refusal(INVALID_FIELD, "isSavings: must be sent for an account abroad")
    told = [(name, getattr(sent, name)) for name in REGULATORY]
    draft = BankDraft(
        name_on_account=sent.name_on_acct or vendor.name,
        account_number=sent.account_number,
        routing_number=sent.routing_number,
        type=AccountType.SAVINGS if sent.is_savings is True else AccountType.CHECKING,
        owner_type=OwnerType.PERSONAL if sent.is_personal_acct is True else OwnerType.BUSINESS,
        regulatory_fields=[NamedValue(name, value) for name, value in told if value],
        **columns_of(sent, {"payment_currency": ("payment_currency", a_currency)}),
    )
    return vendors.add_bank(work, vendor.id, draft)


def archive(work: Work, id: str, archived: bool) -> VendorBankAccount:
    assert archived, "a bank account that was taken away does not come back"
    return vendors.archive_bank(work, id)


VENDOR_BANK_ACCOUNT = Entity(
    name="VendorBankAccount", record=VendorBankAccount, view=AccountView, views=views,
    fields=FIELDS, sees=Permission.VIEW_VENDORS, keeps=Permission.MANAGE_VENDORS,
    gate=TRUSTED, create=create, archive=archive, restores=False,
    refuses=(NO_SUCH_REFERENCE, VENDOR_HAS_ACCOUNT),
)  # fmt: skip

"""Vendors' bank accounts: where they are paid. One of them is the vendor's, older ones are kept."""

from typing import Annotated, Any

import msgspec
import sqlalchemy as sa

from billfold.funding.bank_accounts import AccountType, OwnerType
from billfold.kit.errors import INVALID_FIELD, Refusal
from billfold.kit.places import is_currency
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work

HOME_COUNTRY = "US"


class NamedValue(msgspec.Struct, frozen=True):
    name: str
    value: str


@table(
    "vendor_bank_accounts",
    ids="vendor_bank_account",
    by=["created_time", "updated_time", "archived", "vendor_id"],
    audited=True,
)
class VendorBankAccount(Owned, frozen=True):
    """`number` is sealed under the account's own id; `country` is the vendor's when it was added."""

    vendor_id: Annotated[str, sa.ForeignKey("vendors.id")]
    name_on_account: str
    number: bytes
    last4: str
    country: str
    created_by: str
    archived: bool = False
    routing_number: str | None = None
    type: AccountType | None = None
    owner_type: OwnerType | None = None
    payment_currency: str | None = None
    regulatory_fields: list[NamedValue] = []


class BankDraft(msgspec.Struct, frozen=True):
    """What a new bank account of a vendor is made of; the number is in the clear here only."""

    name_on_account: str
    account_number: str
    routing_number: str | None = None
    type: AccountType | None = None
    owner_type: OwnerType | None = None
    payment_currency: str | None = None
    regulatory_fields: list[NamedValue] = []


def checked(work: Work, draft: BankDraft, country: str, at: str = "") -> dict[str, Any]:
    """The columns of a new account, its id among them; `at` is where the draft stands in a request.

    Raises BDC_1119 for what the country does not take."""
    if country == HOME_COUNTRY and not _is_routing_number(draft.routing_number or ""):
        raise Refusal(INVALID_FIELD, f"{at}routingNumber: is not a US routing number")
    if country != HOME_COUNTRY and draft.type is None:
        raise Refusal(INVALID_FIELD, f"{at}type: must not be null for an international vendor")
    if draft.payment_currency and not is_currency(draft.payment_currency):
        raise Refusal(INVALID_FIELD, f"{at}paymentCurrency: invalid value")
    id = work.ids.new("vendor_bank_account", work.now)
    columns = msgspec.structs.asdict(draft)
    number = columns.pop("account_number")
    return columns | {
        "id": id, "number": work.secrets.seal(number, id), "last4": number[-4:], "country": country,
        "created_by": work.user_id,
    }  # fmt: skip


def _is_routing_number(text: str) -> bool:
    from stdnum.us import rtn

    return rtn.is_valid(text)

"""Bank accounts of an organization: where its payments come from."""

from enum import StrEnum

from billfold.kit.errors import ACCOUNT_CANNOT_PAY, NO_SUCH_REFERENCE, Refusal
from billfold.kit.tables import Owned, table
from billfold.kit.work import Work


class Status(StrEnum):
    NOT_VERIFIED = "NOT_VERIFIED"
    VERIFIED = "VERIFIED"
    PENDING = "PENDING"
    BLOCKED = "BLOCKED"
    EXPIRED = "EXPIRED"
    INVALID = "INVALID"
    UNDEFINED = "UNDEFINED"


class AccountType(StrEnum):
    CHECKING = "CHECKING"
    SAVINGS = "SAVINGS"
    UNDEFINED = "UNDEFINED"


class OwnerType(StrEnum):
    BUSINESS = "BUSINESS"
    PERSONAL = "PERSONAL"
    UNDEFINED = "UNDEFINED"


@table(
    "bank_accounts",
    ids="bank_account",
    by=["created_time", "updated_time", "name_on_account", "bank_name", "access_to_admins", "archived"],
    audited=True,
)
class BankAccount(Owned, frozen=True):
    """`number` is sealed; the routing number is public, like that of any bank."""

    name_on_account: str
    bank_name: str
    routing_number: str
    number: bytes
    last4: str
    type: AccountType
    owner_type: OwnerType
    status: Status
    created_by: str
    archived: bool = False
    access_to_admins: bool = False
    default_payables: bool = False
    default_receivables: bool = False
    chart_of_account_id: str | None = None


def able_to_pay(work: Work, account_id: str) -> BankAccount:
    """The account, if payments may be made from it; raises BDC_1205 or BDC_1151 (422)."""
    account = work.find(BankAccount, account_id, NO_SUCH_REFERENCE)
    if account.archived or account.status is not Status.VERIFIED:
        raise Refusal(ACCOUNT_CANNOT_PAY, account.id)
    return account


def payables_default(work: Work) -> BankAccount:
    """The account that payments come from where none is named; raises BDC_1151 without one."""
    for account in work.rows(BankAccount, archived=False):
        if account.default_payables:
            return account
    raise Refusal(ACCOUNT_CANNOT_PAY, "the organization has no primary account for payables")


def masked(last4: str) -> str:
    """How the wire shows an account number."""
    return f"*****{last4}"

"""Bank accounts as the v3 API says them."""

from billfold.access.roles import Permission
from billfold.door.gates import SIGNED_IN
from billfold.door.operations import Operations
from billfold.door.wire import Stamp, Wire, stamp
from billfold.funding import bank_accounts
from billfold.funding.bank_accounts import AccountType, BankAccount, OwnerType, Status
from billfold.kit import listing
from billfold.kit.errors import NOT_FOUND
from billfold.kit.listing import MATCHED, Asked, Field
from billfold.kit.work import Work

operations = Operations("funding-accounts")
operations.leaves_out("/connect/v3/funding-accounts/banks/users")

FIELDS = {
    # The documentation's sample filters by bankAccountId; every other list says id.
    "bankAccountId": Field("id", MATCHED),
    "id": Field("id", MATCHED),
    "archived": listing.ARCHIVED,
    "nameOnAccount": Field("name_on_account", (), sorts=True),
    "bankName": Field("bank_name", (), sorts=True),
    "accessToAdmins": Field("access_to_admins", (), sorts=True),
    **listing.TIMES,
}


class Default(Wire):
    payables: bool
    receivables: bool


class BankAccountView(Wire):
    id: str
    archived: bool
    status: Status
    created_by: str
    routing_number: str
    account_number: str
    name_on_account: str
    type: AccountType
    owner_type: OwnerType
    bank_name: str
    access_to_admins: bool
    default: Default
    created_time: Stamp
    updated_time: Stamp
    chart_of_account_id: str | None = None


class BankAccountList(Wire):
    results: list[BankAccountView]
    next_page: str | None = None
    prev_page: str | None = None


def view(account: BankAccount) -> BankAccountView:
    return BankAccountView(
        id=account.id,
        archived=account.archived,
        status=account.status,
        created_by=account.created_by,
        routing_number=account.routing_number,
        account_number=bank_accounts.masked(account.last4),
        name_on_account=account.name_on_account,
        type=account.type,
        owner_type=account.owner_type,
        bank_name=account.bank_name,
        access_to_admins=account.access_to_admins,
        default=Default(account.default_payables, account.default_receivables),
        created_time=stamp(account.created_time),
        updated_time=stamp(account.updated_time),
        chart_of_account_id=account.chart_of_account_id,
    )


@operations.get("/connect/v3/funding-accounts/banks", SIGNED_IN, may=Permission.VIEW_BANK_ACCOUNTS)
def list_bank_accounts(work: Work, asked: Asked) -> BankAccountList:
    """The organization's bank accounts; account numbers show their last four digits."""
    page = listing.find(work, BankAccount, FIELDS, asked)
    return BankAccountList([view(each) for each in page.rows], page.next_page, page.prev_page)


@operations.get(
    "/connect/v3/funding-accounts/banks/{bank_account_id}",
    SIGNED_IN,
    may=Permission.VIEW_BANK_ACCOUNTS,
    refuses=[NOT_FOUND],
)
def get_bank_account(work: Work, bank_account_id: str) -> BankAccountView:
    """One bank account."""
    return view(work.find(BankAccount, bank_account_id))

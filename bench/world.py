"""What both servers hold before they are measured: the same vendors, and the same open sessions."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from bench.databases import Data
from bench.floor import databases
from billfold import demo_world, migrations
from billfold.access.roles import RoleType
from billfold.access.sessions import Session, SessionKind
from billfold.app import Billfold
from billfold.kit.secrets import digest
from billfold.kit.work import Work
from billfold.payables.vendor_bank_accounts import VendorBankAccount
from billfold.payables.vendors import AccountType, PayByType, TaxIdType, Vendor
from billfold.settings import Settings

VENDORS, SESSIONS = 10_000, 200
ORGANIZATION, USER = demo_world.ORGANIZATION_ID, demo_world.USER_ID
KEY = demo_world.DEVELOPER_KEY
MADE = datetime(2026, 11, 1, 10, tzinfo=UTC)
# As Lua's string.format and Python's % both understand them.
VENDOR_ID, SESSION_ID = "00901BENCHVN%04dbnch", "0Sess10n%06dabcdefghijklmnopqr"
BANK_ID = "vba01BENCHBA%04dbnch"

ACCOUNT, DEPARTMENT, LOCATION = (
    demo_world.CLASSIFICATIONS[kind][0] for kind in ("chart_of_account", "department", "location")
)
BILL: dict[str, Any] = {
    "vendorId": VENDOR_ID % 7,
    "dueDate": "2026-12-31",
    "description": "Monthly order of guitar strings",
    "purchaseOrderNumber": "PO-1138",
    "paymentTermId": demo_world.PAYMENT_TERM_ID,
    "payFromChartOfAccountId": ACCOUNT,
    "invoice": {"invoiceNumber": "INV-202611", "invoiceDate": "2026-11-22"},
    "billLineItems": [
        {
            "amount": 149 + number,
            "quantity": 2,
            "price": 74.5,
            "description": f"Line {number} strings",
            "classifications": {
                "chartOfAccountId": ACCOUNT,
                "departmentId": DEPARTMENT,
                "locationId": LOCATION,
            },
        }
        for number in range(3)
    ],
}


def seed_floor(url: str) -> None:
    ends = int(time.time()) + 86_400
    sessions = [(SESSION_ID % number, KEY, ORGANIZATION, USER, ends, 1) for number in range(SESSIONS)]
    databases.seed(url, sessions, [*map(_floor_row, range(VENDORS))])


def _floor_row(number: int) -> tuple:
    made = MADE.isoformat(timespec="milliseconds")
    name = f"Happy Music Supplies {number}"
    return (
        VENDOR_ID % number, ORGANIZATION, 0, name, f"Happy {number}", f"ACC-{number}", "BUSINESS",
        f"v{number}@example.com", "9195551234", f"{number} Main Street", "Suite 4", "San Jose", "CA",
        "95002", "US", "United States", name, "ACH", "NONE", "Bench Bank", "6789", "EIN", "12-3456789",
        1, f"{name} LLC", "NOT_CONNECTED", None, "USD", 0, 123456, made, made,
    )  # fmt: skip


def seed_billfold(data: Data, fill: Callable[[Work], None] | None = None) -> None:
    """The demo world, made as a first start makes it, open sessions, and what else is to be there."""
    settings = Settings(data=str(data.folder), database=data.url, worker=False)
    migrations.prepare(settings.database_url)

    def add(work: Work) -> None:
        key = digest(KEY)
        for number in range(SESSIONS):
            id = digest(SESSION_ID % number)
            work.insert(
                Session(
                    id, key, SessionKind.PASSWORD, ORGANIZATION, USER, RoleType.ADMINISTRATOR, True,
                    work.now, work.now,
                )
            )  # fmt: skip
        if fill:
            fill(work)

    async def run() -> None:
        billfold = Billfold(settings)
        async with billfold.lifespan():
            await billfold.environment.write(add, demo_world.CALLER)

    asyncio.run(run())


def add_vendors(work: Work) -> None:
    """The floor's rows by Billfold's records."""
    for vendor in _vendors(work):
        work.insert(vendor)
        work.insert(bank_of(vendor, work.secrets.seal("123456789", vendor.bank_account_id or "")))


def bank_of(vendor: Vendor, number: bytes) -> VendorBankAccount:
    assert vendor.bank_account_id
    return VendorBankAccount(
        id=vendor.bank_account_id, organization_id=ORGANIZATION, created_time=MADE, updated_time=MADE,
        vendor_id=vendor.id, name_on_account=vendor.name, number=number, last4="6789", country="US",
        created_by=vendor.id,
    )  # fmt: skip


def _vendors(work: Work) -> Iterator[Vendor]:
    for number in range(VENDORS):
        id, name, bank_id = VENDOR_ID % number, f"Happy Music Supplies {number}", BANK_ID % number
        yield Vendor(
            id=id, organization_id=ORGANIZATION, created_time=MADE, updated_time=MADE, name=name,
            short_name=f"Happy {number}", account_number=f"ACC-{number}",
            account_type=AccountType.BUSINESS, email=f"v{number}@example.com", phone="9195551234",
            address_line1=f"{number} Main Street", address_line2="Suite 4", address_city="San Jose",
            address_state="CA", address_zip="95002", address_country="US",
            address_country_name="United States", payee_name=name, pay_by_type=PayByType.ACH,
            bank_account_id=bank_id,
            tax_id=work.secrets.seal("12-3456789", id), tax_id_type=TaxIdType.EIN, track_1099=True,
            company_name=f"{name} LLC", balance_cents=123456, balance_time=MADE,
        )  # fmt: skip

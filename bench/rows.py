"""Generated vendors and bills in any number, put straight into the database.

What they hold is spread in the same shares however many there are, so that a page of 10,000 rows and
one of 1,000,000 hold the same; times are spread over one year.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bench import world
from billfold.funding import rates
from billfold.kit.secrets import Secrets
from billfold.payables.bills import Bill, BillLine, PaymentStatus
from billfold.payables.vendor_bank_accounts import VendorBankAccount
from billfold.payables.vendors import AccountType, PayByType, TaxIdType, Vendor

VENDOR_ID, BILL_ID, LINE_ID = "00901BEN%08drows", "00n01BEN%08drows", "bli01BEN%08drows"
BILL_CENTS = 150_00
BEGAN, YEAR_MILLISECONDS = datetime(2025, 11, 1, tzinfo=UTC), 365 * 86_400_000
# The share of each in hundred.
COUNTRIES = {"US": 80, "CA": 12, "GB": 8}
CURRENCIES = {"USD": 80, "CAD": 12, "EUR": 8}
ACCOUNTS = {AccountType.BUSINESS: 70, AccountType.PERSON: 20, AccountType.NONE: 10}
STATUSES = {
    PaymentStatus.UNPAID: 60, PaymentStatus.PAID: 25, PaymentStatus.SCHEDULED: 10,
    PaymentStatus.PARTIALLY_PAID: 5,
}  # fmt: skip
NAMES = ("Happy", "Quiet", "North", "Granite", "Juniper", "Copper", "Harbor", "Velvet", "Amber", "Elm")
# Of a hundred: so many are archived, and from there on those stand that leave a field empty.
ARCHIVED_BELOW, EMPTY_FROM = 20, 70
OF_ALL_NAMED_ALIKE = 40  # Every 40th vendor is called so.
ALIKE = "Corner Store"
OF_ALL_OWED_ONE_VENDOR = 20  # Every 20th bill is this vendor's.
BIG_VENDOR = 7


def vendors(secrets: Secrets, count: int) -> Iterator[Vendor]:
    country, currency, account = _drawn(COUNTRIES), _drawn(CURRENCIES), _drawn(ACCOUNTS)
    for number in range(count):
        id, (place, archived, said, name, *draws) = VENDOR_ID % number, _chances(number, count)
        named = ALIKE if number % OF_ALL_NAMED_ALIKE == 0 else f"{NAMES[name % 10]} Supplies {place}"
        said = said < EMPTY_FROM
        yield Vendor(
            id=id, organization_id=world.ORGANIZATION, created_time=_moment(number, count),
            updated_time=_moment(place, count), name=named, archived=archived < ARCHIVED_BELOW,
            short_name=named[:12] if said else None, account_number=f"ACC-{number}",
            account_type=account[draws[0]], email=f"v{place}@example.com" if said else None,
            phone=f"91955{place:07d}" if said else None, address_line1=f"{number} Main Street",
            address_line2="Suite 4", address_city="San Jose", address_state="CA", address_zip="95002",
            address_country=country[draws[1]], address_country_name="United States",
            payee_name=named, pay_by_type=PayByType.ACH,
            bank_account_id="vba" + id[3:],
            tax_id=secrets.seal("12-3456789", id), tax_id_type=TaxIdType.EIN, track_1099=True,
            combine_payments=True, company_name=f"{named} LLC", bill_currency=currency[draws[2]],
            balance_cents=123456, balance_time=BEGAN,
        )  # fmt: skip


def accounts(secrets: Secrets, count: int) -> Iterator[VendorBankAccount]:
    sealed = secrets.seal("123456789", world.BANK_ID)  # A list shows only its last digits.
    for vendor in vendors(secrets, count):
        yield world.bank_of(vendor, sealed)


def bills(count: int, vendors: int) -> Iterator[Bill]:
    """Without the payments that those which are paid would have."""
    status = _drawn(STATUSES)
    for number in range(count):
        place, archived, said, state, rate, *draws = _chances(number, count)
        vendor = BIG_VENDOR if number % OF_ALL_OWED_ONE_VENDOR == 0 else place % vendors
        state, cents = status[state], 100_00 + place % 900_00
        yield bill(
            number, VENDOR_ID % vendor, created_time=_moment(number, count),
            updated_time=_moment(place, count), archived=archived < ARCHIVED_BELOW,
            due_date=_moment((place + count // 2) % count, count).date(), amount_cents=cents,
            funding_cents=cents, payment_status=state,
            scheduled_cents=cents if state is PaymentStatus.SCHEDULED else 0,
            paid_cents=cents if state is PaymentStatus.PAID else 0, exchange_rate=rates.ONE + rate,
            description=f"Order {place} of strings" if said < EMPTY_FROM else None,
            **{name: _class(CLASSES[name], draw) for name, draw in zip(CLASSES, draws, strict=True)},
        )  # fmt: skip


def bill(number: int, vendor_id: str, created_time: datetime = BEGAN, **fields) -> Bill:
    usual: dict[str, Any] = {
        "updated_time": BEGAN, "amount_cents": BILL_CENTS, "funding_cents": BILL_CENTS,
        "due_date": date(2026, 12, 31),
    }  # fmt: skip
    return Bill(
        id=BILL_ID % number, organization_id=world.ORGANIZATION, created_time=created_time,
        vendor_id=vendor_id, invoice_number=f"R-{number}", invoice_date=date(2026, 11, 22),
        created_by=world.USER, **(usual | fields),
    )  # fmt: skip


def lines(count: int) -> Iterator[BillLine]:
    """One of each bill."""
    for number in range(count):
        yield BillLine(
            id=LINE_ID % number, organization_id=world.ORGANIZATION, created_time=BEGAN,
            updated_time=BEGAN, bill_id=BILL_ID % number, place=0, amount_cents=BILL_CENTS,
            description="Strings",
        )  # fmt: skip


# What bills are booked under: five of each kind, an id in seven of ten bills.
CLASSES = {
    "pay_from_chart_of_account_id": "0ca01PAYFROM", "chart_of_account_id": "0ca01ACCOUNT",
    "accounting_class_id": "cls01CLASSES", "department_id": "0de01DEPARTM",
    "location_id": "loc01LOCATIO", "item_id": "0ii01ITEMSOF",
}  # fmt: skip


def class_id(prefix: str, number: int) -> str:
    return f"{prefix}{number:04d}rows"


def _class(prefix: str, chance: int) -> str | None:
    return class_id(prefix, chance % 5) if chance < EMPTY_FROM else None


def _chances(number: int, count: int) -> list[int]:
    """Numbers that look like chance and are always the same: a place among all, and some below 100."""
    mixed = (number + 1) * 0x9E3779B97F4A7C15 % 2**64
    draws = (mixed ^ mixed >> 31) * 0xBF58476D1CE4E5B9 % 2**128 >> 32
    below = [(draws >> 7 * place & 127) * 100 >> 7 for place in range(10)]
    return [(mixed ^ mixed >> 31) % count, *below]


def _drawn(shares: dict) -> list:
    return [each for each, share in shares.items() for _ in range(share)]


def _moment(number: int, count: int) -> datetime:
    """Whole milliseconds, as Billfold keeps them."""
    return BEGAN + timedelta(0, 0, 0, YEAR_MILLISECONDS * number // count)

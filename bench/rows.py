"""Generated vendors and bills in any number, put straight into the database.

What they hold is spread in the same shares however many there are, so that a page of 10,000 rows and
one of 1,000,000 hold the same; times are spread over one year.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from bench import world
from billfold.funding import rates
from billfold.kit.secrets import Secrets
from billfold.payables.bills import Bill, BillLine, PaymentStatus
from billfold.payables.vendors import AccountType, PayByType, TaxIdType, Vendor, VendorBank

VENDOR_ID, BILL_ID, LINE_ID = "00901BEN%08drows", "00n01BEN%08drows", "bli01BEN%08drows"
BILL_CENTS = 150_00
BEGAN, YEAR = datetime(2025, 11, 1, tzinfo=UTC), timedelta(days=365)
# The share of each in hundred.
COUNTRIES = {"US": 80, "CA": 12, "GB": 8}
CURRENCIES = {"USD": 80, "CAD": 12, "EUR": 8}
ACCOUNTS = {AccountType.BUSINESS: 70, AccountType.PERSON: 20, AccountType.NONE: 10}
STATUSES = {
    PaymentStatus.UNPAID: 60, PaymentStatus.PAID: 25, PaymentStatus.SCHEDULED: 10,
    PaymentStatus.PARTIALLY_PAID: 5,
}  # fmt: skip
NAMES = ("Happy", "Quiet", "North", "Granite", "Juniper", "Copper", "Harbor", "Velvet", "Amber", "Elm")
OF_ALL_NAMED_ALIKE = 40  # Every 40th vendor is called so.
ALIKE = "Corner Store"
OF_ALL_OWED_ONE_VENDOR = 20  # Every 20th bill is this vendor's.
BIG_VENDOR = 7


def vendors(secrets: Secrets, count: int) -> Iterator[Vendor]:
    number_sealed = secrets.seal("123456789", world.BANK_ID)  # A list shows only its last digits.
    country, currency, account = map(_drawn, (COUNTRIES, CURRENCIES, ACCOUNTS))
    for number in range(count):
        id, chance = VENDOR_ID % number, _mixed(number)
        place = chance % count
        alike = number % OF_ALL_NAMED_ALIKE == 0
        name = ALIKE if alike else f"{NAMES[chance % 10]} Supplies {place}"
        said = chance % 10 < 7  # What a vendor may leave empty three in ten do.
        yield Vendor(
            id=id, organization_id=world.ORGANIZATION, created_time=_moment(number, count),
            updated_time=_moment(place, count), name=name, archived=chance // 10 % 5 == 0,
            short_name=name[:12] if said else None, account_number=f"ACC-{number}",
            account_type=account[chance // 100 % 100],
            email=f"v{place}@example.com" if said else None,
            phone=f"919555{chance % 10_000:04d}" if said else None,
            address_line1=f"{number} Main Street", address_line2="Suite 4", address_city="San Jose",
            address_state="CA", address_zip="95002", address_country=country[chance // 1_000 % 100],
            address_country_name="United States", payee_name=name, pay_by_type=PayByType.ACH,
            bank=VendorBank(
                id="vba" + id[3:], name_on_account=name, number=number_sealed, last4="6789"
            ),
            tax_id=secrets.seal("12-3456789", id), tax_id_type=TaxIdType.EIN, track_1099=True,
            combine_payments=True, company_name=f"{name} LLC",
            bill_currency=currency[chance // 10_000 % 100], balance_cents=123456, balance_time=BEGAN,
        )  # fmt: skip


def bills(count: int, vendors: int) -> Iterator[Bill]:
    """Without the payments that those which are paid would have."""
    status = _drawn(STATUSES)
    for number in range(count):
        chance = _mixed(number)
        kinds = [_class(prefix, chance, place) for place, prefix in enumerate(CLASSES)]
        vendor = BIG_VENDOR if number % OF_ALL_OWED_ONE_VENDOR == 0 else chance % vendors
        state = status[chance // 100 % 100]
        yield bill(
            number, VENDOR_ID % vendor, created_time=_moment(number, count),
            updated_time=_moment(chance % count, count), archived=chance // 10 % 5 == 0,
            due_date=_moment(chance // 3 % count, count).date(),
            amount_cents=chance % 100_000, funding_cents=chance % 100_000, payment_status=state,
            scheduled_cents=chance % 100_000 if state is PaymentStatus.SCHEDULED else 0,
            paid_cents=chance % 100_000 if state is PaymentStatus.PAID else 0,
            exchange_rate=rates.ONE + chance // 7 % 1_000,
            description=f"Order {chance % count} of strings" if chance % 10 < 7 else None,
            pay_from_chart_of_account_id=kinds[0], chart_of_account_id=kinds[1],
            accounting_class_id=kinds[2], department_id=kinds[3], location_id=kinds[4],
            item_id=kinds[5],
        )  # fmt: skip


def bill(number: int, vendor_id: str, created_time: datetime = BEGAN, **fields) -> Bill:
    usual = {
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
CLASSES = (
    "0ca01PAYFROM", "0ca01ACCOUNT", "cls01CLASSES", "0de01DEPARTM", "loc01LOCATIO", "0ii01ITEMSOF",
)  # fmt: skip


def class_id(prefix: str, number: int) -> str:
    return f"{prefix}{number:04d}rows"


def _class(prefix: str, chance: int, place: int) -> str | None:
    number = (chance >> 3 * place) % 8
    return class_id(prefix, number) if number < 5 else None


def _mixed(number: int) -> int:
    """A number that looks like chance and is always the same."""
    number = (number + 1) * 0x9E3779B97F4A7C15 % 2**64
    return (number ^ number >> 31) % 2**61


def _drawn(shares: dict) -> list:
    return [each for each, share in shares.items() for _ in range(share)]


def _moment(number: int, count: int) -> datetime:
    """Whole milliseconds, as Billfold keeps them."""
    return BEGAN + timedelta(milliseconds=YEAR // timedelta(milliseconds=1) * number // count)

"""Lists at any length: every filter and every sort is answered from an index, in its order."""

import pytest

from billfold.access import partners_v3, users, users_v3
from billfold.access.organizations import Organization
from billfold.access.roles import Role
from billfold.access.users import User
from billfold.funding import bank_accounts_v3
from billfold.funding.bank_accounts import BankAccount
from billfold.kit import listing
from billfold.kit.database import select_among
from billfold.kit.listing import Asked, Field
from billfold.kit.money import text_to_cents
from billfold.payables import bills_v3, payments_v3, vendors_v3
from billfold.payables.bills import Bill, BillLine
from billfold.payables.payments import Payment
from billfold.payables.vendors import Vendor
from billfold.v2.bills import BILL
from billfold.v2.payments import SENT_PAY
from billfold.v2.values import Codes, day
from billfold.v2.vendor_bank_accounts import VENDOR_BANK_ACCOUNT
from billfold.v2.vendors import VENDOR

LISTS = {
    Vendor: vendors_v3.FIELDS, Bill: bills_v3.FIELDS, Payment: payments_v3.FIELDS,
    BankAccount: bank_accounts_v3.FIELDS, User: users_v3.FIELDS, Role: users_v3.ROLE_FIELDS,
    Organization: partners_v3.FIELDS,
}  # fmt: skip
# By what a list is somebody's own, where that is no organization.
OWNERS = {Organization: "partner_id"}
VALUES = {
    listing.moment: "2027-01-01", listing.yes_or_no: "true", bills_v3.date.fromisoformat: "2027-01-01",
    text_to_cents: "7.50", str: "some", day: "2027-01-01", bills_v3._payment_status: "PAID",
}  # fmt: skip


def asked_of(fields: dict) -> list[Asked]:
    """A list by each sort in both directions, and by each filter with each of its operators."""
    asked = [Asked()]
    for name, field in fields.items():
        value = VALUES.get(field.parse) or any_of(field.parse)
        several = f'"{value},{value}"'
        asked += [Asked(sort=f"{name}:{way}") for way in ("asc", "desc") if field.sorts]
        asked += [
            Asked(filters=f"{name}:{op}:{several if op in ('in', 'nin') else value}")
            for op in field.ops
        ]
    return asked


def any_of(parse) -> str:
    """Something that it reads: a member of an enum, or one of v2's codes."""
    codes = getattr(parse, "__self__", None)
    return next(iter(codes)) if isinstance(codes, Codes) else next(iter(parse)).value


def plan(desk, record, fields, asked: Asked, placed: bool) -> str:
    """How the database goes about a first page, or about one behind a cursor."""
    conditions, _ = listing._conditions(asked.filters, fields)
    order = listing._order(asked.sort, fields) if asked.sort else listing._order_of(conditions)
    owner = OWNERS.get(record, "organization_id")
    statement = listing._statement(record, owner, conditions, order, False, placed)

    def explain(work) -> str:
        compiled = work.connection.compiled(statement)
        if desk.url.startswith("sqlite:"):
            rows = work.connection.fetch(
                f"EXPLAIN QUERY PLAN {compiled.text}", [1] * len(compiled.names)
            )
            return "\n".join(str(row[-1]) for row in rows)
        text = compiled.text
        for number in range(len(compiled.names)):
            text = text.replace("%s", f"${number + 1}", 1)
        driver = work.connection.driver
        for way in ("seqscan", "sort", "bitmapscan", "hashjoin", "mergejoin"):
            # Where there is another way it is taken, however few rows there are now.
            driver.execute(f"SET LOCAL enable_{way} = off")
        return "\n".join(row[0] for row in driver.execute(f"EXPLAIN (GENERIC_PLAN) {text}".encode()))

    return desk.reads(explain)


V2_LISTS = [VENDOR, VENDOR_BANK_ACCOUNT, BILL, SENT_PAY]


@pytest.mark.parametrize(
    ("record", "fields"),
    [*LISTS.items(), *((each.record, each.fields) for each in V2_LISTS)],
)
def test_every_filter_and_every_sort_is_answered_from_an_index(desk, record, fields):
    all_asked = asked_of(fields)
    assert len(all_asked) > 10
    for asked in all_asked:
        for placed in (False, True):
            found = plan(desk, record, fields, asked, placed)
            assert "INDEX" in found.upper(), (asked, found)
            for slow in ("SCAN ", "TEMP B-TREE", "Seq Scan", "Sort"):
                assert slow not in found, (asked, placed, found)


def test_whether_an_email_address_is_taken_is_answered_from_an_index(desk):
    def explain(work) -> str:
        compiled = work.connection.compiled(users.OF_EMAIL)
        if desk.url.startswith("sqlite:"):
            return str(work.connection.fetch(f"EXPLAIN QUERY PLAN {compiled.text}", ["", ""]))
        work.connection.driver.execute("SET LOCAL enable_seqscan = off")
        text = compiled.text.replace("%s", "$1", 1).replace("%s", "$2", 1)
        rows = work.connection.driver.execute(f"EXPLAIN (GENERIC_PLAN) {text}".encode())
        return "\n".join(row[0] for row in rows)

    assert "ix_users_email_begins" in desk.reads(explain)


def test_what_has_no_index_is_seen(desk):
    """Without one the plan says so, and the test above would fail."""
    fields = {"company": Field("company_name", (), sorts=True)}
    found = plan(desk, Vendor, fields, Asked(sort="company"), False)
    assert "TEMP B-TREE" in found or "Sort" in found


@pytest.mark.parametrize("filters", [
    "updatedTime:gte:2027-01-01,archived:eq:false",
    "createdTime:gte:2027-01-01,createdTime:lt:2027-02-01,archived:ne:true",
])  # fmt: skip
def test_what_a_client_asks_who_keeps_a_copy_is_read_in_the_order_of_time(desk, filters):
    for placed in (False, True):
        found = plan(desk, Bill, LISTS[Bill], Asked(filters=filters), placed)
        assert "TEMP B-TREE" not in found and "Sort" not in found, found


@pytest.mark.parametrize(("record", "name"), [(Vendor, "id"), (Payment, "id"), (BillLine, "bill_id")])
def test_many_rows_at_once_are_looked_up_one_by_one(sqlite_desk, record, name):
    """Not by looking through everything the organization has."""

    def explain(work) -> str:
        statement, _ = select_among(record, name, ["x", "y"])
        compiled = work.connection.compiled(statement)
        rows = work.connection.fetch(f"EXPLAIN QUERY PLAN {compiled.text}", [""] * len(compiled.names))
        return str(rows[0][-1])

    assert f"{name}=?" in sqlite_desk.reads(explain)


@pytest.mark.parametrize("record", [Vendor, Bill, Payment])
def test_a_page_behind_the_cursor_begins_at_its_row(desk, record):
    """Not at the first of all that are equal in what is sorted by, nor where a filter begins."""
    fields = LISTS[record]
    plain = [
        Asked(sort=name)
        for name, field in fields.items()
        if field.sorts and not record.c[field.column].nullable
    ]
    since = [Asked(filters=f"{name}:gte:2027-01-01") for name in ("createdTime", "updatedTime")]
    assert len(plain) >= 3
    for asked in plain + since:
        found = plan(desk, record, fields, asked, placed=True)
        column = fields[(asked.sort or asked.filters).partition(":")[0]].column
        assert f"({column},id)>" in found or f"(ROW({column}, id) > ROW(" in found, (asked, found)


def test_many_ids_are_looked_up_by_the_key(sqlite_desk):
    ids = ",".join(f"00901BENCH{number:06d}many" for number in range(100))
    found = plan(sqlite_desk, Vendor, LISTS[Vendor], Asked(filters=f'id:in:"{ids}"'), placed=False)
    assert "(id=?)" in found, found

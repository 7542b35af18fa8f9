"""Lists at any length: every filter and every sort is answered from an index, in its order."""

import re

import pytest

from billfold.access import partners_v3, users, users_v3
from billfold.access.organizations import Organization
from billfold.access.roles import Role
from billfold.access.users import User
from billfold.funding import bank_accounts_v3
from billfold.funding.bank_accounts import BankAccount
from billfold.kit import listing, walks
from billfold.kit.database import select_among
from billfold.kit.listing import Asked, Field
from billfold.kit.money import text_to_cents
from billfold.payables import bills_v3, payments_v3, vendors_v3
from billfold.payables.bills import Bill, BillLine
from billfold.payables.bills_shapes_v3 import payment_status
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
    text_to_cents: "7.50", str: "some", day: "2027-01-01", payment_status: "PAID",
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


def order_of(fields, asked: Asked) -> tuple[tuple, tuple]:
    conditions, _ = listing._conditions(asked.filters, fields)
    order = listing._order(asked.sort, fields) if asked.sort else listing._order_of(conditions)
    return conditions, walks.varying(order, conditions)


def plan(desk, record, fields, asked: Asked, place=walks.ANYWHERE, backwards: bool = False) -> str:
    """How the database goes about a first page, or about one walk of a page behind a cursor."""
    conditions, order = order_of(fields, asked)
    owner = OWNERS.get(record, "organization_id")
    statement = walks.statement(record, owner, conditions, order, backwards, place)
    return desk.plan_of(statement, "sort", "bitmapscan", "hashjoin", "mergejoin")


def plans_behind(desk, record, fields, asked: Asked, backwards: bool = False) -> list[str]:
    """Those of all walks of a page behind a cursor."""
    conditions, order = order_of(fields, asked)
    places = walks.places(record, conditions, order)
    return [plan(desk, record, fields, asked, place, backwards) for place in places]


V2_LISTS = [VENDOR, VENDOR_BANK_ACCOUNT, BILL, SENT_PAY]


@pytest.mark.parametrize(
    ("record", "fields"),
    [*LISTS.items(), *((each.record, each.fields) for each in V2_LISTS)],
)
def test_every_filter_and_every_sort_is_answered_from_an_index(desk, record, fields):
    all_asked = asked_of(fields)
    assert len(all_asked) > 10
    for asked in all_asked:
        first = plan(desk, record, fields, asked)
        for found in (first, *plans_behind(desk, record, fields, asked)):
            assert "INDEX" in found.upper(), (asked, found)
            for slow in ("SCAN ", "TEMP B-TREE", "Seq Scan", "Sort"):
                assert slow not in found, (asked, found)


@pytest.mark.parametrize("record", LISTS)
@pytest.mark.parametrize("backwards", [False, True])
def test_a_page_behind_a_cursor_begins_at_its_row(desk, record, backwards):
    """Not at the first of all that are equal in what is sorted by, nor where a filter begins."""
    fields = LISTS[record]
    all_asked = asked_of(fields)
    all_asked += [
        Asked(asked.filters, f"{name}:desc")
        for asked in all_asked
        for name, field in fields.items()
        if field.sorts and asked.filters.startswith((f"{name}:eq", f"{name}:in"))
    ]
    for asked in all_asked:
        conditions, order = order_of(fields, asked)
        if {("id", "eq"), ("id", "in")} & {each[:2] for each in conditions}:
            continue  # A hundred rows at most, each looked up by its key.
        chosen = walks.chosen_names(conditions, order)
        for level, width in walks.places(record, conditions, order):
            if chosen and not level:
                found = plan(desk, record, fields, asked, walks.ANYWHERE, backwards)
                assert re.search(rf"\b{order[0][0]}( = ANY |=\?)", found), (asked, found)
            else:
                found = plan(desk, record, fields, asked, (level, width), backwards)
                further = "<" if order[level][1] != backwards else ">"
                assert re.search(entered(order, level, width, further), found), (asked, found)


def entered(order: tuple, level: int, width: int, further: str) -> str:
    """How a plan of SQLite or PostgreSQL says that an index is entered by the cursor's own keys."""
    names = [name.removeprefix(walks.SMALL) for name, _ in order]
    equal, beyond = names[:level], names[level:][:width]
    lite = [rf"({name}|<expr>)=\?" for name in equal]
    post = [rf"\b{name}\b[^=<>]* = " for name in equal]
    if width == 1:
        lite.append(rf"({beyond[0]}|<expr>){further}\?")
        post.append(rf"\b{beyond[0]}\b[^=<>]* {further} ")
    else:
        lite.append(rf"\({','.join(beyond)}\){further}\(")
        post.append(rf"ROW\({', '.join(beyond)}\) {further} ROW\(")
    return f"SEARCH .*{' AND '.join(lite)}|Index Cond: .*{'.*'.join(post)}"


def test_whether_an_email_address_is_taken_is_answered_from_an_index(desk):
    assert "ix_users_email_begins" in desk.plan_of(users.OF_EMAIL)


def test_what_has_no_index_is_seen(desk):
    """Without one the plan says so, and the test above would fail."""
    fields = {"company": Field("company_name", (), sorts=True)}
    found = plan(desk, Vendor, fields, Asked(sort="company"))
    assert "TEMP B-TREE" in found or "Sort" in found


@pytest.mark.parametrize("filters", [
    "updatedTime:gte:2027-01-01,archived:eq:false",
    "createdTime:gte:2027-01-01,createdTime:lt:2027-02-01,archived:ne:true",
])  # fmt: skip
def test_what_a_client_asks_who_keeps_a_copy_is_read_in_the_order_of_time(desk, filters):
    asked = Asked(filters=filters)
    first = plan(desk, Bill, LISTS[Bill], asked)
    for found in (first, *plans_behind(desk, Bill, LISTS[Bill], asked)):
        assert "TEMP B-TREE" not in found and "Sort" not in found, found


@pytest.mark.parametrize(("record", "name"), [(Vendor, "id"), (Payment, "id"), (BillLine, "bill_id")])
def test_many_rows_at_once_are_looked_up_one_by_one(sqlite_desk, record, name):
    """Not by looking through everything the organization has."""
    assert f"{name}=?" in sqlite_desk.plan_of(select_among(record, name, 2))


def test_many_ids_are_looked_up_by_the_key(sqlite_desk):
    ids = ",".join(f"00901BENCH{number:06d}many" for number in range(100))
    found = plan(sqlite_desk, Vendor, LISTS[Vendor], Asked(filters=f'id:in:"{ids}"'))
    assert "(id=?)" in found, found

"""Lists: every filter and order, pages that neither repeat a row nor lose one, and strangers' rows."""

import base64
from datetime import UTC, date, datetime

import pytest

from billfold import demo_world
from billfold.access import roles
from billfold.access.organizations import Organization
from billfold.access.roles import RoleType
from billfold.access.sessions import Session, SessionKind
from billfold.access.users import Login, User
from billfold.app import OPERATIONS
from billfold.funding.bank_accounts import AccountType, BankAccount, OwnerType, Status
from billfold.kit.callers import Caller
from billfold.kit.listing import moment
from billfold.kit.secrets import digest
from billfold.payables.bills import Bill, PaymentStatus
from billfold.payables.vendors import AccountType as VendorType
from tests.desk import CALLER, START, V3, bill_of, vendor_of

VENDORS, BILLS, BANKS = f"{V3}/vendors", f"{V3}/bills", f"{V3}/funding-accounts/banks"
PAYMENTS = f"{V3}/payments"
OTHER = Caller("00801OTHERORG000othe", "00601OTHERUSER00othe", trusted=True)
PARIS = {"line1": "1 rue Cler", "city": "Paris", "zipOrPostalCode": "75007", "country": "FR"}
KINDS = demo_world.CLASSIFICATIONS
MINUTES = [f"2027-01-04T17:0{minute}" for minute in range(6)]


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


def found(desk, path: str, by: str = "name", **query) -> list:
    return [row[by] for row in desk.call("GET", path, **query)["results"]]


def other_session(desk) -> str:
    """Somebody of a second organization, with the same developer key, signed in and trusted."""
    key = digest(demo_world.DEVELOPER_KEY)
    session = Session(
        digest("of the other"), key, SessionKind.PASSWORD, OTHER.organization_id, OTHER.user_id,
        RoleType.ADMINISTRATOR, True, START, START,
    )  # fmt: skip

    def found_it(work):
        work.insert(Organization(OTHER.organization_id, "Other", work.now, work.now))
        work.insert(Login("00601OTHERLOGIN0othe", "bo@other.example", ""))
        work.add(
            User, id=OTHER.user_id, login_id="00601OTHERLOGIN0othe", first_name="Bo", last_name="O",
            email="bo@other.example",
            role_id=roles.role_id(OTHER.organization_id, RoleType.ADMINISTRATOR),
        )  # fmt: skip
        work.insert(session)

    desk.writes(found_it, OTHER)
    return "of the other"


def add_bank(work, name: str, bank: str = "Operating", admins: bool = False, **more) -> BankAccount:
    return work.add(
        BankAccount, name_on_account=name, bank_name=bank, routing_number="322271627", number=b"x",
        last4="0000", type=AccountType.CHECKING, owner_type=OwnerType.BUSINESS,
        status=Status.VERIFIED, created_by=work.user_id, access_to_admins=admins, **more,
    )  # fmt: skip


# Filters


@pytest.fixture
def band(desk) -> dict[str, str]:
    """Four vendors, a minute apart; the demo world's own is put away and of another time."""
    made = {}
    for name, more in {
        "Harp": {"accountType": "BUSINESS"},
        "Happy, Inc: 1": {"accountType": "PERSON", "billCurrency": "EUR", "address": PARIS},
        "harpsichord": {"billCurrency": "CAD"},
        "Tuba_100%": {},
    }.items():
        made[name] = desk.vendor(name, **more)
        desk.advance(minutes=1)
    desk.call("POST", f"{VENDORS}/{made['Tuba_100%']}/archive")
    desk.owes(made["Harp"], 1)
    paid = desk.owes(made["harpsichord"], 1)
    state = {"payment_status": PaymentStatus.PARTIALLY_PAID}
    desk.writes(lambda work: work.connection.update(Bill, paid, state))
    return made


def test_a_day_begins_at_midnight_pacific_and_a_time_without_a_zone_is_utc():
    """(`common.yaml`, dates_and_times)"""
    assert moment("2027-01-04") == datetime(2027, 1, 4, 8, tzinfo=UTC)
    assert moment("2027-06-04") == datetime(2027, 6, 4, 7, tzinfo=UTC)
    assert moment("2027-06-04T00:00") == datetime(2027, 6, 4, tzinfo=UTC)


def test_every_filter_of_vendors(desk, band):
    harp, happy, harpsichord, tuba = band
    ids = list(band.values())
    everyone = [harp, happy, harpsichord, tuba]
    mine = f'createdTime:gte:"{MINUTES[0]}",id:ne:{demo_world.VENDOR_ID}'
    for filters, names in {
        f"id:eq:{ids[0]}": [harp],
        f'id:eq:"{ids[0]}"': [harp],
        f"id:ne:{ids[0]}": [happy, harpsichord, tuba],
        f'id:in:"{ids[0]},{ids[2]},nobody"': [harp, harpsichord],
        "archived:eq:true": [tuba],
        "archived:eq:false": [harp, happy, harpsichord],
        "archived:ne:true": [harp, happy, harpsichord],
        'name:eq:"Happy, Inc: 1"': [happy],
        "name:eq:Harp": [harp],
        "name:eq:harp": [],
        "name:sw:hA": [harp, happy, harpsichord],
        'name:sw:"happy, inc: "': [happy],
        "name:sw:tuba_": [tuba],
        "name:sw:t_ba": [],
        'name:sw:"tuba_100%"': [tuba],
        "name:sw:%": [],
        "name:sw:\\": [],
        "accountType:eq:BUSINESS": [harp],
        "accountType:ne:NONE": [harp, happy],
        'accountType:in:"PERSON,NONE"': [happy, harpsichord, tuba],
        'accountType:nin:"PERSON,NONE"': [harp],
        "address.country:eq:FR": [happy],
        "address.country:ne:FR": [harp, harpsichord, tuba],
        "billCurrency:eq:USD": [harp, tuba],
        "billCurrency:ne:USD": [happy, harpsichord],
        'billCurrency:in:"EUR,CAD"': [happy, harpsichord],
        'billCurrency:nin:"EUR,CAD"': [harp, tuba],
        "paymentStatus:eq:UNPAID": [harp],
        "paymentStatus:ne:UNPAID": [harpsichord],
        'paymentStatus:in:"UNPAID,PARTIALLY_PAID"': [harp, harpsichord],
        'paymentStatus:in:"UNPAID,PARTIAL"': [harp, harpsichord],
        'paymentStatus:nin:"UNPAID,PAID"': [harpsichord],
        f"createdTime:gt:{MINUTES[1]}:00.000Z": [harpsichord, tuba],
        f'createdTime:gte:"{MINUTES[1]}:00.000+00:00"': [happy, harpsichord, tuba],
        f"createdTime:lt:{MINUTES[1]}:00.000": [harp],
        f"createdTime:lte:{MINUTES[1]}:00": [harp, happy],
        f"createdTime:lte:{MINUTES[1]}": [harp, happy],
        "createdTime:lt:2027-01-04": [],
        "createdTime:lt:2027-01-05": everyone,
        'createdTime:lte:"2027-01-04T09:01:00.000-08:00"': [harp, happy],
        f"updatedTime:gt:{MINUTES[3]}": [tuba],
        f"updatedTime:gte:{MINUTES[2]}": [harpsichord, tuba],
        f"updatedTime:lt:{MINUTES[1]}": [harp],
        f"updatedTime:lte:{MINUTES[1]}": [harp, happy],
        "billCurrency:eq:USD,archived:eq:false": [harp],
        "archived:eq:false,archived:eq:true": [],
        "": everyone,
    }.items():
        asked = f"{filters},{mine}" if filters else mine
        assert found(desk, VENDORS, filters=asked, sort="createdTime") == names, filters


def test_every_filter_of_bills(desk):
    acme, best = desk.vendor("Acme"), desk.vendor("Best")
    fields = {
        "chartOfAccountId": "chart_of_account", "accountingClassId": "accounting_class",
        "departmentId": "department", "locationId": "location", "itemId": "item",
    }  # fmt: skip
    booked = {name: KINDS[kind][0] for name, kind in fields.items()}
    one = desk.owes(acme, 1, "1", classifications=booked, dueDate="2027-02-01")
    desk.advance(minutes=1)
    two = desk.owes(
        best, 2, "2", payFromChartOfAccountId=booked["chartOfAccountId"], dueDate="2027-02-02"
    )
    desk.advance(minutes=1)
    three = desk.owes(acme, 3, "3", dueDate="2027-02-03")
    state = {"payment_status": PaymentStatus.PARTIALLY_PAID}
    desk.writes(lambda work: work.connection.update(Bill, two, state))
    desk.advance(minutes=1)
    desk.call("POST", f"{BILLS}/{three}/archive")
    rows = {
        f"id:eq:{one}": [one], f"id:ne:{one}": [two, three], f'id:in:"{one},{three}"': [one, three],
        "archived:eq:true": [three], "archived:ne:true": [one, two],
        f"vendorId:eq:{acme}": [one, three], f'vendorId:in:"{acme},{best}"': [one, two, three],
        "dueDate:gt:2027-02-02": [three], "dueDate:gte:2027-02-02": [two, three],
        'dueDate:lt:"2027-02-02"': [one], "dueDate:lte:2027-02-02": [one, two],
        "paymentStatus:eq:UNPAID": [one, three], "paymentStatus:ne:UNPAID": [two],
        'paymentStatus:in:"UNPAID,PAID"': [one, three],
        "paymentStatus:eq:PARTIALLY_PAID": [two], "paymentStatus:eq:PARTIAL": [two],
        f"createdTime:gt:{MINUTES[1]}": [three], f"createdTime:gte:{MINUTES[1]}": [two, three],
        f"createdTime:lt:{MINUTES[1]}": [one], f"createdTime:lte:{MINUTES[1]}": [one, two],
        f"updatedTime:gt:{MINUTES[2]}": [three], f"updatedTime:gte:{MINUTES[1]}": [two, three],
        f"updatedTime:lt:{MINUTES[2]}": [one, two], f"updatedTime:lte:{MINUTES[0]}": [one],
        f"payFromChartOfAccountId:eq:{booked['chartOfAccountId']}": [two],
        f'payFromChartOfAccountId:in:"{booked["chartOfAccountId"]},x"': [two],
        f"vendorId:eq:{acme},dueDate:gte:2027-02-02,archived:eq:true": [three],
    }  # fmt: skip
    for name, id in booked.items():
        rows[f"classifications.{name}:eq:{id}"] = [one]
        rows[f'classifications.{name}:in:"{id},x"'] = [one]
        rows[f"classifications.{name}:ne:x"] = [one, two, three]
        rows[f"classifications.{name}:ne:{id}"] = [two, three]
    rows[f"payFromChartOfAccountId:ne:{booked['chartOfAccountId']}"] = [one, three]
    for filters, ids in rows.items():
        assert found(desk, BILLS, "id", filters=filters, sort="createdTime") == ids, filters


def test_every_filter_of_bank_accounts(desk):
    demo = demo_world.BANK_ACCOUNT_ID
    desk.advance(minutes=1)
    old = desk.writes(lambda work: add_bank(work, "Old", archived=True)).id
    for filters, ids in {
        f"bankAccountId:eq:{demo}": [demo], f"bankAccountId:ne:{demo}": [old],
        f'bankAccountId:in:"{demo},{old}"': [demo, old], f"id:eq:{old}": [old],
        f"id:ne:{old}": [demo], f'id:in:"{old}"': [old],
        "archived:eq:true": [old], "archived:ne:true": [demo],
        f"createdTime:gt:{MINUTES[0]}": [old], f"createdTime:lt:{MINUTES[1]}": [demo],
        f"updatedTime:gte:{MINUTES[1]}": [old], f"updatedTime:lte:{MINUTES[0]}": [demo],
    }.items():  # fmt: skip
        seen = found(desk, BANKS, "id", filters=filters, sort="nameOnAccount")
        # The demo world is made by the machine's clock, which may be past the desk's.
        if "Time" in filters:
            seen = [id for id in seen if id == old]
            ids = [id for id in ids if id == old]
        assert seen == ids, filters


def test_a_plus_that_nobody_escaped_reads_as_a_blank(desk):
    made = desk.vendor("Acme")
    query = "filters=createdTime:gte:%222027-01-04T17:00:00.000+00:00%22,name:eq:Acme"
    assert found(desk, f"{VENDORS}?{query}", "id") == [made]
    query = query.replace("+", "%2B").replace("17:", "18:")
    assert found(desk, f"{VENDORS}?{query}", "id") == []


# Orders


@pytest.mark.parametrize("path, field, values", [
    (VENDORS, "name", ["b", "A", "é", "a", "B"]),
    (VENDORS, "shortName", [None, "b", None, "a", "B"]),
    (VENDORS, "email", ["b@x", None, "a@x", "", "B@x"]),
    (VENDORS, "phone", [None, "2", "10", "1", "null"]),
    (VENDORS, "billCurrency", ["USD", "EUR", "CAD", "USD", "EUR"]),
    (BILLS, "dueDate", ["2027-03-01", "2027-01-01", "2027-02-01", "2027-01-01", "2026-12-31"]),
    (BILLS, "fundingAmount", [5, 100, 20, 5, 0]),
    (BILLS, "description", ["b", None, "null", "a", None]),
])  # fmt: skip
def test_every_order_both_ways_page_by_page(desk, path, field, values):
    """What is empty sorts as an empty text; equals stay in the order of their ids."""
    vendor = desk.vendor("Acme") if path == BILLS else ""
    desk.advance(minutes=1)
    made = []
    for value in values:
        if path == BILLS:
            amount = value if field == "fundingAmount" else 1
            made.append(
                desk.owes(vendor, amount, **({} if field == "fundingAmount" else {field: value}))
            )
        else:
            made.append(desk.vendor(**{field: value}))
    keyed = sorted(
        zip(values, made, strict=True), key=lambda each: (each[0] or type_of(values)(), each[1])
    )
    expected = [id for _, id in keyed]
    mine = f"createdTime:gte:{MINUTES[1]},id:ne:{demo_world.VENDOR_ID}"
    for sort, ids in ((f"{field}:asc", expected), (f"{field}:desc", expected[::-1]), (field, expected)):
        assert there_and_back(desk, path, sort=sort, filters=mine, max=2) == ids, sort


@pytest.mark.parametrize("sort", ["", "billCurrency:desc", "billCurrency,name:desc", "name,shortName"])
def test_a_choice_of_values_shows_each_row_once(desk, sort):
    """There and back, however the pages fall on where one value ends and the next begins."""
    currencies, kinds = ("USD", "EUR", "CAD", "CAD"), ("NONE", "PERSON", "BUSINESS")
    for number in range(20):
        made = desk.vendor(
            f"V{number % 5}", accountType=kinds[number % 3], billCurrency=currencies[number % 4],
            shortName=f"s{number % 2}" if number % 4 else None,
        )  # fmt: skip
        if number % 3 == 0:
            desk.owes(made, 1)
    for filters in (
        'accountType:in:"PERSON,NONE"', 'accountType:in:"NONE,BUSINESS,PERSON,NONE"',
        "accountType:ne:PERSON", 'accountType:nin:"PERSON,NONE"', 'billCurrency:in:"USD,CAD,JPY"',
        "billCurrency:ne:EUR", 'billCurrency:nin:"CAD,USD"', "address.country:ne:FR",
        'accountType:in:"PERSON,NONE",billCurrency:in:"EUR,CAD"', "archived:ne:true",
        'accountType:in:"PERSON,NONE",accountType:ne:NONE', "name:sw:v1", 'paymentStatus:nin:"PAID"',
    ):  # fmt: skip
        everyone = found(desk, VENDORS, "id", filters=filters, sort=sort, max=100)
        assert len(everyone) == len(set(everyone)) > 3, filters
        for most in (2, 3):
            shown = there_and_back(desk, VENDORS, filters=filters, sort=sort, max=most)
            assert shown == everyone, (filters, most)


def type_of(values: list) -> type:
    return int if isinstance(values[0], int) else str


def there_and_back(desk, path: str, **query) -> list[str]:
    """All ids, page by page to the end; coming back shows the same pages."""
    pages, page = [], desk.call("GET", path, **query)
    assert "prevPage" not in page
    while True:
        pages.append([row["id"] for row in page["results"]])
        if "nextPage" not in page:
            break
        page = desk.call("GET", path, page=page["nextPage"], max=query["max"])
    for earlier in reversed(pages[:-1]):
        page = desk.call("GET", path, page=page["prevPage"], max=query["max"])
        assert [row["id"] for row in page["results"]] == earlier
        assert "nextPage" in page
    assert "prevPage" not in page
    return [id for page in pages for id in page]


@pytest.mark.parametrize("path, fields", [
    (VENDORS, ["archived", "createdTime", "updatedTime"]),
    (BILLS, ["archived", "createdTime", "updatedTime", "exchangeRate"]),
    (BANKS, ["archived", "nameOnAccount", "bankName", "accessToAdmins", "createdTime", "updatedTime"]),
])  # fmt: skip
def test_the_orders_that_ids_or_flags_decide(desk, path, fields):
    ids = {VENDORS: some_vendors, BILLS: some_bills, BANKS: some_banks}[path](desk)
    rows = {row["id"]: row for row in desk.call("GET", path, max=100)["results"]}
    for field in fields:
        keyed = sorted(rows, key=lambda id: (rows[id].get(field, 1), id))
        assert set(ids) <= set(keyed)
        assert there_and_back(desk, path, sort=field, max=3) == keyed, field
        assert there_and_back(desk, path, sort=f"{field}:desc", max=3) == keyed[::-1], field


def some_vendors(desk) -> list[str]:
    ids = []
    for number in range(6):
        ids.append(desk.vendor(f"V{number}"))
        if number % 2:
            desk.advance(minutes=1)
            desk.call("POST", f"{VENDORS}/{ids[number // 2]}/archive")
    return ids


def some_bills(desk) -> list[str]:
    home = desk.vendor("Acme")
    abroad = desk.vendor("Dupont", address=PARIS, billCurrency="CAD")
    ids = [desk.owes(vendor, 1) for vendor in (home, abroad, home, abroad)]
    desk.advance(minutes=1)
    desk.call("POST", f"{BILLS}/{ids[2]}/archive")
    return [*ids, desk.owes(home, 1)]


def some_banks(desk) -> list[str]:
    def add(work):
        made = [
            add_bank(work, n, b, a)
            for n, b, a in (("B", "x", True), ("A", "x", False), ("B", "w", True))
        ]
        return [each.id for each in made]

    first = desk.writes(add)
    desk.advance(minutes=1)
    return [*first, *desk.writes(add)]


@pytest.mark.parametrize("sort", [
    "", "createdTime:desc", "name,createdTime:desc", "name:desc,email", "archived,name,phone:desc",
])  # fmt: skip
def test_twenty_five_rows_of_one_moment_page_without_loss_or_repetition(desk, sort):
    body = [vendor_of(f"V{number % 3}") for number in range(20)]
    made = [each["id"] for each in desk.call("POST", f"{VENDORS}/bulk", body, status=201)["vendors"]]
    made += [desk.vendor(f"V{number % 2}") for number in range(5)]
    ids = there_and_back(desk, VENDORS, sort=sort, filters=f"id:ne:{demo_world.VENDOR_ID}", max=10)
    assert sorted(ids) == sorted(made)
    if not sort:
        assert ids == made, "without an order: as they were made"


def test_twenty_rows_a_page_unless_another_number_is_asked(desk):
    for _ in range(2):
        desk.call("POST", f"{VENDORS}/bulk", [vendor_of("A")] * 20, status=201)
    for asked, rows in (
        ({}, 20),
        ({"max": 1}, 1),
        ({"max": 100}, 41),
        ({"max": 41}, 41),
        ({"max": 40}, 40),
    ):
        page = desk.call("GET", VENDORS, **asked)
        assert len(page["results"]) == rows and ("nextPage" in page) is (rows < 41), asked
        assert "prevPage" not in page


def test_a_list_of_nothing(desk):
    assert desk.call("GET", BILLS) == {"results": []}


def test_what_is_added_meanwhile_moves_no_page(desk):
    first = [desk.vendor(f"B{number}") for number in range(4)]
    query = {"sort": "name", "filters": f"id:ne:{demo_world.VENDOR_ID}"}
    page = desk.call("GET", VENDORS, max=2, **query)
    desk.vendor("A")
    rest = desk.call("GET", VENDORS, page=page["nextPage"], max=10)
    assert [row["id"] for row in rest["results"]] == first[2:]


# Cursors


def test_a_cursor_is_good_for_what_it_was_made_for_alone(desk):
    for name in "abc":
        desk.vendor(name)
    query = {"max": 1, "sort": "name", "filters": f"id:ne:{demo_world.VENDOR_ID}"}
    page = desk.call("GET", VENDORS, **query)["nextPage"]
    desk.call("GET", VENDORS, page=page, **query)
    for wrong in (
        {"sort": "name:desc"}, {"sort": "email"}, {"filters": "archived:eq:true"},
        {"page": page[:-1]}, {"page": page + "A"}, {"page": page.swapcase()}, {"page": "!!"},
        {"page": tampered(page)}, {"page": "W2ZhbHNlLCIiLCIiLFsxXV0"}, {"page": "é"}, {"page": "%00"},
    ):  # fmt: skip
        asked = query | {"page": page} | wrong
        assert desk.refused("GET", VENDORS, **asked) == (400, ["BDC_1129"]), wrong
    # Of another list, whose columns are others.
    status, _ = desk.refused("GET", BILLS, page=page)
    assert status == 400


def tampered(page: str) -> str:
    sent = base64.urlsafe_b64decode(page + "=" * (-len(page) % 4))
    assert b'"a"' in sent
    return base64.urlsafe_b64encode(sent.replace(b'"a"', b'"b"')).decode().rstrip("=")


def test_a_cursor_of_another_organization_shows_ones_own_rows_at_most(desk):
    mine = [desk.vendor(name) for name in "abc"]
    page = desk.call("GET", VENDORS, max=1, sort="name")["nextPage"]
    theirs = other_session(desk)
    own = desk.call("POST", VENDORS, vendor_of("z"), status=201, session=theirs)["id"]
    answer = desk.answer("GET", VENDORS, page=page, max=100, session=theirs)
    assert not any(id in answer.text for id in mine)
    assert answer.status_code == 400 or [row["id"] for row in answer.json()["results"]] == [own]


# Refused


def test_what_is_not_understood_is_refused(desk):
    for path, query, code in (
        (VENDORS, {"max": 0}, "BDC_1129"),
        (VENDORS, {"max": 101}, "BDC_1129"),
        (VENDORS, {"max": -1}, "BDC_1129"),
        (VENDORS, {"max": "x"}, "BDC_1129"),
        (VENDORS, {"max": ""}, "BDC_1129"),
        (VENDORS, {"max": "9" * 5000}, "BDC_1129"),
        (VENDORS, {"sort": "accountType"}, "BDC_1130"),
        (VENDORS, {"sort": "name:up"}, "BDC_1130"),
        (VENDORS, {"sort": "name,,phone"}, "BDC_1130"),
        (VENDORS, {"sort": "name,phone,email,archived"}, "BDC_1129"),
        (VENDORS, {"filters": "phone:eq:1"}, "BDC_1130"),
        (VENDORS, {"filters": "nonsense:eq:1"}, "BDC_1130"),
        (VENDORS, {"filters": "name:gt:a"}, "BDC_1131"),
        (VENDORS, {"filters": "name:like:a"}, "BDC_1131"),
        (VENDORS, {"filters": "archived:in:true"}, "BDC_1131"),
        (VENDORS, {"filters": "archived:eq:yes"}, "BDC_1129"),
        (VENDORS, {"filters": "accountType:eq:COMPANY"}, "BDC_1129"),
        (VENDORS, {"filters": 'accountType:in:"NONE,COMPANY"'}, "BDC_1129"),
        (VENDORS, {"filters": "createdTime:gt:yesterday"}, "BDC_1129"),
        (VENDORS, {"filters": "createdTime:gt:2027-02-30"}, "BDC_1129"),
        (VENDORS, {"filters": "createdTime:gt:9999-12-31T23:59:59.000-08:00"}, "BDC_1129"),
        (VENDORS, {"filters": "createdTime:lt:0001-01-01T00:00:00.000+08:00"}, "BDC_1129"),
        (VENDORS, {"filters": "nonsense"}, "BDC_1129"),
        (VENDORS, {"filters": "name:eq"}, "BDC_1129"),
        (VENDORS, {"filters": 'name:eq:"a'}, "BDC_1129"),
        (VENDORS, {"filters": 'name:eq:"a"b'}, "BDC_1129"),
        (VENDORS, {"filters": ",name:eq:a"}, "BDC_1129"),
        (VENDORS, {"filters": "name:eq:a,nonsense"}, "BDC_1129"),
        (VENDORS, {"filters": ",".join(["name:eq:a"] * 21)}, "BDC_1129"),
        (VENDORS, {"filters": f'id:in:"{",".join(["x"] * 101)}"'}, "BDC_1129"),
        (VENDORS, {"filters": "name:eq:a\0b"}, "BDC_1129"),
        (VENDORS, {"filters": "name:sw:\0"}, "BDC_1129"),
        (BILLS, {"filters": "invoice.invoiceNumber:eq:1"}, "BDC_1130"),
        (BILLS, {"filters": "approvalStatus:eq:APPROVED"}, "BDC_1130"),
        (BILLS, {"filters": "vendorId:ne:x"}, "BDC_1131"),
        (BILLS, {"filters": "dueDate:eq:2027-01-01"}, "BDC_1131"),
        (BILLS, {"filters": "dueDate:gt:soon"}, "BDC_1129"),
        (BILLS, {"filters": "paymentStatus:nin:PAID"}, "BDC_1131"),
        (BILLS, {"filters": "paymentStatus:eq:paid"}, "BDC_1129"),
        (BILLS, {"filters": "vendorId:eq:\0"}, "BDC_1129"),
        (BILLS, {"sort": "amount"}, "BDC_1130"),
        (PAYMENTS, {"filters": "amount:gt:ten"}, "BDC_1129"),
        (PAYMENTS, {"filters": "amount:eq:NaN"}, "BDC_1143"),
        (PAYMENTS, {"filters": "amount:lt:1e99"}, "BDC_1143"),
        (PAYMENTS, {"filters": "amount:gte:0.001"}, "BDC_1143"),
        (BANKS, {"filters": "status:eq:VERIFIED"}, "BDC_1130"),
        (BANKS, {"sort": "status"}, "BDC_1130"),
    ):
        assert desk.refused("GET", path, **query) == (400, [code]), (path, query)


# Strangers


def test_strangers_find_nothing_in_any_list(desk):
    desk.owes(desk.vendor("Acme"), 1)
    theirs = other_session(desk)
    for path in (VENDORS, BILLS, BANKS):
        assert desk.call("GET", path, session=theirs) == {"results": []}, path
        assert desk.call("GET", path)["results"] != []
    filters = f"id:eq:{demo_world.VENDOR_ID}"
    assert desk.call("GET", VENDORS, filters=filters, session=theirs) == {"results": []}


def test_a_filter_by_bills_looks_at_ones_own_alone(desk):
    """Somebody else's bill may not make a vendor appear."""
    acme = desk.vendor("Acme")
    row = lambda work: work.add(
        Bill, vendor_id=acme, amount_cents=1, funding_cents=1, due_date=date(2027, 1, 1),
        invoice_number="1", invoice_date=date(2027, 1, 1), created_by=OTHER.user_id,
    )  # fmt: skip
    desk.writes(row, OTHER)
    assert found(desk, VENDORS, filters="paymentStatus:eq:UNPAID") == []
    desk.writes(row, CALLER)
    assert found(desk, VENDORS, filters="paymentStatus:eq:UNPAID") == ["Acme"]


# What a request needs beside the id, for it to be refused for the id alone.
BODIES = {
    "update_vendor": {"phone": "1"}, "update_bill": {"description": "A"},
    "create_vendor_bank_account": {
        "nameOnAccount": "A", "accountNumber": "12345678", "routingNumber": "322271627",
    },
}  # fmt: skip
TAKES = {"vendor_id", "bill_id", "bank_account_id"}
WITH_IDS = [each for each in OPERATIONS if any("{" + name + "}" in each.path for name in TAKES)]


@pytest.mark.parametrize("operation", WITH_IDS, ids=lambda each: each.name)
def test_a_strangers_id_is_no_id(desk, operation):
    theirs = other_session(desk)
    vendor = desk.vendor(
        "Acme", paymentInformation={"bankAccount": BODIES["create_vendor_bank_account"]}
    )
    bill = desk.owes(vendor, 1)
    before = desk.call("GET", f"{VENDORS}/{vendor}"), desk.sees(bill)
    ids = {"vendor_id": vendor, "bill_id": bill, "bank_account_id": demo_world.BANK_ACCOUNT_ID}
    own = desk.call("POST", VENDORS, vendor_of("Own"), status=201, session=theirs)["id"]
    body = bill_of(own, 1, "1") if operation.method == "PUT" else BODIES.get(operation.name)
    path = operation.path.format(**ids)
    assert desk.refused(operation.method, path, body, session=theirs) == (404, ["BDC_1205"])
    assert (desk.call("GET", f"{VENDORS}/{vendor}"), desk.sees(bill)) == before


def test_nothing_of_a_strangers_can_be_referred_to(desk):
    theirs = other_session(desk)
    acme = desk.vendor("Acme")
    own = desk.call("POST", VENDORS, vendor_of("Own"), status=201, session=theirs)["id"]
    for body in (
        bill_of(acme, 1, "1"),
        bill_of(own, 1, "1") | {"paymentTermId": demo_world.PAYMENT_TERM_ID},
        bill_of(own, 1, "1") | {"classifications": {"itemId": KINDS["item"][0]}},
        bill_of(own, 1, "1")
        | {"billLineItems": [{"amount": 1, "classifications": {"jobId": KINDS["job"][0]}}]},
    ):
        assert desk.refused("POST", BILLS, body, session=theirs) == (422, ["BDC_1205"]), body


def test_when_nothing_is_left_of_all_that_it_can_be_nothing_is_found(desk):
    desk.vendor("Acme")
    everything = ",".join(each.value for each in VendorType)
    assert found(desk, VENDORS, filters=f'accountType:nin:"{everything}"') == []
    assert found(desk, VENDORS, filters='archived:ne:true,archived:eq:false,name:eq:"Acme"') == ["Acme"]


def test_a_cursor_is_its_owner_s(desk):
    for number in range(3):
        desk.vendor(f"V{number}")
    page = desk.call("GET", VENDORS, max=1)["nextPage"]
    other = other_session(desk)
    assert desk.refused("GET", VENDORS, page=page, session=other) == (400, ["BDC_1129"])

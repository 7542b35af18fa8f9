"""What a partner makes and changes: organizations, and what they pay for."""

import msgspec
import pytest

from billfold import demo_world
from billfold.access.organizations import Address, Organization, Owner
from billfold.access.organizations_shapes_v3 import OrganizationPatchRequest, details
from billfold.access.partners import Partner
from billfold.books.audit import AuditEntry
from billfold.kit.callers import SYSTEM_USER, Caller
from tests.counter import (
    ADDRESS,
    NOODLES,
    NOW,
    ORGANIZATIONS,
    PARTNER,
    ROLES,
    SIGN_IN,
    SMALL,
    USERS,
    Counter,
)
from tests.desk import START


def test_a_new_organization_has_everything_that_was_sent(counter):
    made = counter.call("POST", ORGANIZATIONS, NOODLES, status=201)
    address = ADDRESS | {"countryName": "United States"}
    assert made == NOODLES | {
        "id": made["id"], "archived": False, "address": address, "mailingAddress": address,
        "processingOptions": {
            "mailingAddressSameAsPhysical": True, "individualTransferOut": False,
            "individualTransferIn": False,
        },
        "createdTime": NOW, "updatedTime": NOW,
    }  # fmt: skip
    assert made["id"].startswith("008")
    assert counter.call("GET", ORGANIZATIONS, filters=f"id:eq:{made['id']}")["results"] == [made]


def test_an_organization_of_which_only_name_and_address_are_known(counter):
    made = counter.call("POST", ORGANIZATIONS, SMALL, status=201)
    assert made == SMALL | {
        "id": made["id"], "archived": False,
        "address": SMALL["address"] | {"countryName": "United States"},
        "processingOptions": {
            "mailingAddressSameAsPhysical": False, "individualTransferOut": False,
            "individualTransferIn": False,
        },
        "createdTime": NOW, "updatedTime": NOW,
    }  # fmt: skip


def test_mail_may_go_elsewhere(counter):
    there = ADDRESS | {"line1": "PO Box 9", "country": "CA"}
    options = {"individualTransferOut": True, "individualTransferIn": True}
    made = counter.call(
        "POST", ORGANIZATIONS, SMALL | {"mailingAddress": there, "processingOptions": options},
        status=201,
    )  # fmt: skip
    assert made["mailingAddress"] == there | {"countryName": "Canada"}
    assert made["processingOptions"] == options | {"mailingAddressSameAsPhysical": False}


def test_a_new_organization_has_the_six_roles_and_nobody_in_it(counter):
    made = counter.makes()
    roles = counter.call("GET", ROLES, at=made, sort="type")["results"]
    assert [role["type"] for role in roles] == [
        "ACCOUNTANT", "ADMINISTRATOR", "APPROVER", "AUDITOR", "CLERK", "PAYER"
    ]  # fmt: skip
    assert counter.call("GET", f"{ROLES}/{roles[0]['id']}", at=made) == roles[0]
    assert counter.call("GET", USERS, at=made)["results"] == []
    assert counter.refused("GET", f"{ROLES}/x", at=made) == (404, ["BDC_1205"])


def test_selected_partners_are_named_in_their_organizations(desk, counter):
    assert "partnerName" not in counter.call("POST", ORGANIZATIONS, SMALL, status=201)
    shows = {"shows_name": True}
    desk.writes(lambda work: work.connection.update(Partner, demo_world.PARTNER_ID, shows))
    made = counter.call("POST", ORGANIZATIONS, SMALL, status=201)
    assert made["partnerName"] == "Demo Partner"
    names = [row["partnerName"] for row in counter.call("GET", ORGANIZATIONS)["results"]]
    assert names == ["Demo Partner"] * 2


@pytest.mark.parametrize("wrong, faults", [
    ({"name": None, "address": None}, ["name: must not be null", "address: must not be null"]),
    ({"name": " "}, ["name: must not be blank"]),
    ({"name": "x" * 101}, ["name: size must be <= 100"]),
    ({"address": {}}, [f"address.{name}: must not be blank" for name in (
        "line1", "city", "zipOrPostalCode", "country")]),
    ({"address": ADDRESS | {"country": "USA"}}, ["address.country: invalid value"]),
    ({"address": ADDRESS | {"country": "XX"}}, ["BDC_1119"]),
    ({"mailingAddress": ADDRESS | {"country": "XX"}}, ["BDC_1119"]),
    ({"mailingAddress": ADDRESS | {"city": ""}}, ["mailingAddress.city: must not be blank"]),
    ({"industry": "x" * 501}, ["industry: size must be <= 500"]),
    ({"taxIdType": "VAT"}, ["taxIdType: invalid value"]),
    ({"accountType": "PERSON"}, ["accountType: invalid value"]),
    ({"businessCategory": "llc"}, ["businessCategory: invalid value"]),
    ({"companyOwner": {"dateOfBirth": "1.1.1980"}},
     ["companyOwner.dateOfBirth: an instance could not be constructed: invalid value"]),
])  # fmt: skip
def test_what_no_organization_is_like(counter, wrong, faults):
    assert counter.refused("POST", ORGANIZATIONS, SMALL | wrong) == (400, faults)
    assert counter.call("GET", ORGANIZATIONS)["results"] == []


def test_a_tax_number_lies_sealed(sqlite_desk, folder):
    session = sqlite_desk.call("POST", f"{PARTNER}/login", SIGN_IN, session="")["sessionId"]
    counter = Counter(sqlite_desk, session)
    noodles = counter.call("POST", ORGANIZATIONS, NOODLES | {"taxId": "987654320"}, status=201)["id"]
    pat = counter.adds(noodles)["id"]
    phone = {"phoneNumber": "2175550123", "phoneType": "MOBILE"}
    counter.call("POST", f"{PARTNER}/risk-verifications/{pat}/phone", phone, at=noodles)
    written = b"".join(path.read_bytes() for path in folder.glob("billfold.db*"))
    assert b"Example Noodles LLC" in written
    assert b"987654320" not in written and b"2175550123" not in written


KEPT = Organization(
    "00801ANY", "Any", START, START, address=Address("1 Main", None, "Reno", "NV", "89501", "US"),
    mailing_address=Address("PO Box 9", city="Reno"), owner=Owner("Pat", None),
)  # fmt: skip
MOVED = msgspec.structs.replace(KEPT.address, line1="2 Elm")


@pytest.mark.parametrize("sent, physical, columns", [
    ({}, False, {}),
    # A category that BILL does not name is kept.
    ({"businessCategory": "TRUST_2"}, False, {"business_category": "TRUST_2"}),
    ({"name": "New", "phone": None}, False, {"name": "New", "phone": None}),
    ({"address": {"line1": "2 Elm"}}, False, {"address": MOVED}),
    ({"companyOwner": {"dateOfBirth": None, "name": None}}, False, {"owner": Owner()}),
    ({"mailingAddress": {"city": "Elko"}}, False,
     {"mailing_address": Address("PO Box 9", city="Elko")}),
    ({"processingOptions": {"individualTransferIn": True}}, False, {"individual_transfer_in": True}),
    ({"processingOptions": {"mailingAddressSameAsPhysical": True}}, False,
     {"mailing_is_physical": True}),
    ({"address": {"line1": "2 Elm"}, "mailingAddress": {"city": "Elko"}}, True, {"address": MOVED}),
    # From here on mail goes where the organization was.
    ({"processingOptions": {"mailingAddressSameAsPhysical": False}}, True,
     {"mailing_is_physical": False, "mailing_address": KEPT.address}),
])  # fmt: skip
def test_objects_merge_with_what_was_there_before(sent, physical, columns):
    before = msgspec.structs.replace(KEPT, mailing_is_physical=physical)
    found = details(msgspec.convert(sent, OrganizationPatchRequest), before)
    assert {name: value for name, value in found.items()
            if getattr(before, name) != value or value is None} == columns  # fmt: skip


def test_organizations_are_filtered_and_sorted(desk, counter):
    names = []
    for name in ("Ceres", "Apollo", "Bacchus"):
        names.append(counter.makes(name=name))
        desk.advance(minutes=1)

    def found(**query) -> list[str]:
        return [row["name"] for row in counter.call("GET", ORGANIZATIONS, **query)["results"]]

    assert found() == ["Ceres", "Apollo", "Bacchus"]
    assert found(sort="name") == ["Apollo", "Bacchus", "Ceres"]
    assert found(sort="name:desc", max=1) == ["Ceres"]
    assert found(sort="createdTime:desc") == ["Bacchus", "Apollo", "Ceres"]
    assert found(filters="createdTime:gte:2027-01-04T17:01") == ["Apollo", "Bacchus"]
    assert found(filters=f'id:in:"{names[0]},{names[2]}"') == ["Ceres", "Bacchus"]
    assert found(filters=f"id:ne:{names[0]}") == ["Apollo", "Bacchus"]
    plan = {"pricePlanType": "PricePlan2"}
    counter.call("PATCH", f"{ORGANIZATIONS}/{names[0]}/price-plan", plan)
    assert found(sort="updatedTime:desc", max=1) == ["Ceres"]
    first = counter.call("GET", ORGANIZATIONS, sort="name", max=2)
    second = counter.call("GET", ORGANIZATIONS, sort="name", max=2, page=first["nextPage"])
    assert [row["name"] for row in second["results"]] == ["Ceres"] and "nextPage" not in second
    for query in ({"filters": "name:eq:Ceres"}, {"filters": "archived:eq:true"}, {"sort": "phone"}):
        assert counter.refused("GET", ORGANIZATIONS, **query) == (400, ["BDC_1130"])


def test_a_price_plan_is_one_of_five(desk, counter):
    made = counter.makes()
    path = f"{ORGANIZATIONS}/{made}/price-plan"
    for plan in ("PricePlan1", "PricePlan5"):
        assert counter.call("PATCH", path, {"pricePlanType": plan}) == {"status": "SUCCESS"}
    kept = lambda work: work.connection.first(Organization, id=made).price_plan
    assert desk.reads(kept) == "PricePlan5"
    for wrong in ("PricePlan6", "", None):
        assert counter.refused("PATCH", path, {"pricePlanType": wrong})[0] == 400
    assert counter.refused("PATCH", path, {}) == (400, ["pricePlanType: must not be null"])
    trail = desk.reads(lambda work: work.rows(AuditEntry), Caller(made, SYSTEM_USER, False))
    who = [(entry.user_id, entry.changes[0].after) for entry in trail]
    login_id = demo_world.PARTNER_LOGIN_ID
    assert who == [(login_id, "PricePlan1"), (login_id, "PricePlan5")]

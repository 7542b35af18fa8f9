"""The users of a partner's organizations, and their phones."""

import asyncio

import pytest

from billfold import demo_world
from billfold.access.risk import RiskPhone
from billfold.access.roles import RoleType, role_id
from billfold.access.users import User
from billfold.kit.callers import Caller
from tests.counter import (
    NOW,
    PARTNER,
    PAT,
    USERS,
)
from tests.desk import CONTROL, LOGIN, START, V3


def test_a_partners_user_is_an_administrator_and_what_only_the_partner_knows_is_not_told(desk, counter):
    organization = counter.makes()
    made = counter.adds(organization)
    assert made == {
        "id": made["id"], "archived": False, "firstName": "Pat", "lastName": "Owner",
        "email": "pat@noodles.example", "createdTime": NOW, "updatedTime": NOW,
        "role": {
            "id": role_id(organization, RoleType.ADMINISTRATOR), "type": "ADMINISTRATOR",
            "description": "Administrator",
        },
    }  # fmt: skip
    assert counter.call("GET", f"{USERS}/{made['id']}", at=organization) == made
    assert counter.call("GET", USERS, at=organization, sort="firstName")["results"] == [made]
    kept = desk.reads(lambda work: work.connection.first(User, id=made["id"]))
    assert kept.external_reference_id == "P-77" and kept.terms_accepted_time == START
    assert desk.call("GET", f"{CONTROL}/messages", session="")["results"] == []
    by_name = LOGIN | {"username": "pat-1!", "organizationId": organization,
                       "devKey": demo_world.PARTNER_DEVELOPER_KEY}  # fmt: skip
    assert desk.refused("POST", f"{V3}/login", by_name, session="") == (401, ["BDC_1101"])


def test_a_last_name_may_be_missing(counter):
    organization = counter.makes()
    body = {name: value for name, value in PAT.items() if name != "lastName"}
    made = counter.call("POST", USERS, body, at=organization, status=201)
    assert "lastName" not in made
    assert "lastName" not in counter.call("GET", f"{USERS}/{made['id']}", at=organization)
    assert counter.adds(organization, username="pat-2", lastName=None)["id"]


@pytest.mark.parametrize("wrong, refusal", [
    ({"username": "x" * 41}, (400, ["username: size must be <= 40"])),
    ({"username": " "}, (400, ["username: must not be blank"])),
    ({"username": "pat@noodles.example"}, (400, ["username: must not be an e-mail address"])),
    # What has no shape is said before what is not there.
    ({"username": "a@b", "roleId": "x"}, (400, ["username: must not be an e-mail address"])),
    ({"email": "pat", "acceptTermsOfService": False},
     (400, ["email: must be a well-formed email address", "acceptTermsOfService: must be true"])),
    ({"roleId": "x"}, (404, ["BDC_1205"])),
    ({"roleId": role_id(demo_world.ORGANIZATION_ID, RoleType.CLERK)}, (404, ["BDC_1205"])),
    ({"firstName": "", "externalReferenceId": "x" * 101},
     (400, ["firstName: must not be blank", "externalReferenceId: size must be <= 100"])),
])  # fmt: skip
def test_what_no_partners_user_is_like(counter, wrong, refusal):
    organization = counter.makes()
    assert counter.refused("POST", USERS, PAT | wrong, at=organization) == refusal
    assert counter.call("GET", USERS, at=organization)["results"] == []


def test_every_missing_field_of_a_user_is_named(counter):
    status, faults = counter.refused("POST", USERS, {}, at=counter.makes())
    assert status == 400 and [fault.partition(":")[0] for fault in faults] == [
        "firstName", "email", "username", "acceptTermsOfService"
    ]  # fmt: skip


def test_a_user_name_is_one_persons_alone_everywhere(counter, other_counter):
    organization = counter.makes()
    counter.adds(organization)
    for who, where in ((counter, organization), (counter, counter.makes()),
                       (other_counter, other_counter.makes())):  # fmt: skip
        body = PAT | {"username": "PAT-1!", "email": "else@noodles.example"}
        assert who.refused("POST", USERS, body, at=where) == (400, ["BDC_1143"])
    # An e-mail address is not what tells a partner's users apart.
    assert counter.adds(organization, username="x" * 40)["email"] == PAT["email"]


def test_a_partner_changes_also_the_email_address(counter):
    organization = counter.makes()
    before = counter.adds(organization)
    path = f"{USERS}/{before['id']}"
    changed = counter.call("PATCH", path, {"email": "new@noodles.example"}, at=organization)
    assert changed == before | {"email": "new@noodles.example"}
    body = {"firstName": "Patty", "lastName": "O", "roleId": role_id(organization, RoleType.CLERK)}
    assert counter.refused("PATCH", path, body, at=organization) == (422, ["BDC_1143"])
    counter.adds(organization, username="second")
    changed = counter.call("PATCH", path, body, at=organization)
    assert (changed["firstName"], changed["lastName"]) == ("Patty", "O")
    assert changed["role"]["type"] == "CLERK"
    for wrong, faults in (
        ({"email": "new"}, ["email: must be a well-formed email address"]),
        ({"email": None}, ["email: must not be null"]),
    ):
        assert counter.refused("PATCH", path, wrong, at=organization) == (400, faults)


def test_a_partner_archives_and_restores(counter):
    organization = counter.makes()
    pat = counter.adds(organization)
    path = f"{USERS}/{pat['id']}"
    assert counter.refused("POST", f"{path}/archive", at=organization) == (422, ["BDC_1143"])
    counter.adds(organization, username="second")
    archived = counter.call("POST", f"{path}/archive", at=organization)
    assert archived == pat | {"archived": True}
    assert counter.call("POST", f"{path}/archive", at=organization) == archived
    listed = counter.call("GET", USERS, at=organization, filters="archived:eq:true")
    assert listed["results"] == [archived]
    assert counter.call("POST", f"{path}/restore", at=organization) == pat
    assert counter.call("POST", f"{path}/restore", at=organization) == pat
    for unknown in ("00601NOBODYHERE0none", demo_world.USER_ID):
        for what in ("archive", "restore"):
            refusal = counter.refused("POST", f"{USERS}/{unknown}/{what}", at=organization)
            assert refusal == (404, ["BDC_1205"])
        for method, body in (("GET", None), ("PATCH", {"firstName": "X"})):
            refusal = counter.refused(method, f"{USERS}/{unknown}", body, at=organization)
            assert refusal == (404, ["BDC_1205"])


# The phone of a risk verification


def test_a_users_phone_is_kept_sealed_and_the_next_one_replaces_it(desk, counter):
    organization = counter.makes()
    pat = counter.adds(organization)["id"]
    path = f"{PARTNER}/risk-verifications/{pat}/phone"
    there = Caller(organization, pat, True)

    def kept(work):
        (phone,) = work.rows(RiskPhone)
        return work.secrets.open(phone.number, phone.id), phone.last4, phone.type

    for number, type in (("+1 2175550100", "MOBILE"), ("2175550101", "WORK"), ("2175550102", "HOME")):
        body = {"phoneNumber": number, "phoneType": type}
        assert counter.call("POST", path, body, at=organization) is None
        assert desk.reads(kept, there) == (number, number[-4:], type)


@pytest.mark.parametrize("wrong", [
    {"phoneNumber": "217-555-0100"}, {"phoneNumber": "217555010"}, {"phoneNumber": "2175550100 "},
    {"phoneNumber": "2175550100\n"}, {"phoneNumber": "٢١٧٥٥٥٠١٠٠"}, {"phoneNumber": None},
    {"phoneType": "UNDEFINED"}, {"phoneType": "FAX"}, {"phoneType": None},
])  # fmt: skip
def test_which_phone_is_none(counter, wrong):
    organization = counter.makes()
    pat = counter.adds(organization)["id"]
    good = {"phoneNumber": "2175550100", "phoneType": "MOBILE"}
    path = f"{PARTNER}/risk-verifications"
    status, (fault,) = counter.refused("POST", f"{path}/{pat}/phone", good | wrong, at=organization)
    assert status == 400 and fault.partition(":")[0] in wrong
    refusal = counter.refused("POST", f"{path}/00601NOBODYHERE0none/phone", good, at=organization)
    assert refusal == (404, ["BDC_1205"])


def test_two_first_phones_at_once_are_one_phone(desk, counter):
    organization = counter.makes()
    pat = counter.adds(organization)["id"]
    path = f"{PARTNER}/risk-verifications/{pat}/phone"
    body = {"phoneNumber": "2175550100", "phoneType": "MOBILE"}
    headers = counter.headers | {"organizationId": organization}

    async def all_at_once():
        asks = (desk.asks("POST", path, body, headers=headers, session="") for _ in range(4))
        return await asyncio.gather(*asks)

    assert [answer.status_code for answer in desk.runner.run(all_at_once())] == [200] * 4
    assert len(desk.reads(lambda work: work.rows(RiskPhone), Caller(organization, pat, True))) == 1

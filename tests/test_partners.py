"""Partners: who signs in for the people of their organizations, and reaches nobody else."""

import pytest

from billfold import demo_world
from billfold.access import partners, sessions
from billfold.access.organizations import Organization
from billfold.access.roles import RoleType, role_id
from billfold.funding.bank_accounts import AccountType, BankAccount, OwnerType, Status
from billfold.kit.callers import Caller
from billfold.kit.secrets import digest
from tests.counter import (
    NOODLES,
    ORGANIZATIONS,
    OTHERS,
    OTHERS_DEVELOPER_KEY,
    PARTNER,
    PAT,
    ROLES,
    SIGN_IN,
    SMALL,
    USERS,
    Counter,
)
from tests.desk import CONTROL, LOGIN, V3, bill_of, vendor_of


def with_key(session: str, key: str = demo_world.PARTNER_DEVELOPER_KEY) -> dict:
    return {"session": session, "headers": {"devKey": key}}


# The whole story


def test_a_partner_brings_an_organization_from_nothing_to_its_first_payment(desk, counter):
    noodles = counter.call("POST", ORGANIZATIONS, NOODLES, status=201)["id"]
    pat = counter.adds(noodles)["id"]
    phone = {"phoneNumber": "12175550100", "phoneType": "MOBILE"}
    counter.call("POST", f"{PARTNER}/risk-verifications/{pat}/phone", phone, at=noodles)
    # Nobody was written to, and nobody signs in with a password.
    assert desk.call("GET", f"{CONTROL}/messages", session="")["results"] == []
    login = counter.signs_in_as(noodles, pat)
    assert login == {"sessionId": login["sessionId"], "trusted": False}
    mine = with_key(login["sessionId"])
    vendor = desk.call("POST", f"{V3}/vendors", vendor_of("Flour"), status=201, **mine)["id"]
    bill = desk.call("POST", f"{V3}/bills", bill_of(vendor, "12.00", "1"), status=201, **mine)["id"]
    account = bank_of(desk, noodles, pat)
    pays = {
        "billId": bill, "amount": 12, "processDate": "2027-01-06",
        "fundingAccount": {"type": "BANK_ACCOUNT", "id": account}, "processingOptions": {},
    }  # fmt: skip
    assert desk.refused("POST", f"{V3}/payments", pays, **mine) == (403, ["BDC_1361"])

    remembered = passes_mfa(desk, mine)
    again = counter.signs_in_as(noodles, pat, rememberMeId=remembered, device="kiosk")
    assert again["trusted"] is True
    ours = with_key(again["sessionId"])
    assert desk.call("GET", f"{V3}/login/session", **ours) == {
        "organizationId": noodles, "userId": pat, "mfaStatus": "COMPLETE", "mfaBypass": False
    }  # fmt: skip
    # No money moves before the organization is verified, for which it has everything now.
    refused = (422, ["BDC_1150"] * 2)
    assert desk.refused("POST", f"{V3}/payments", pays, **ours) == refused
    began = desk.call("POST", f"{V3}/risk-verifications", **ours)
    assert (began["processingStatus"], began["decision"]) == ("IN_PROGRESS", "IN_PROGRESS")
    desk.advance(hours=1)
    counter.signs_in()
    again = counter.signs_in_as(noodles, pat, rememberMeId=remembered, device="kiosk")
    ours = with_key(again["sessionId"])
    assert desk.call("GET", f"{V3}/risk-verifications", **ours)["decision"] == "APPROVE"
    paid = desk.call("POST", f"{V3}/payments", pays, status=201, **ours)
    assert (paid["amount"], paid["status"]) == (12, "SCHEDULED")
    # What the remembered id is not good for.
    for wrong in ({"device": "another"}, {"device": None}, {"rememberMeId": "invented"}):
        asked = {"rememberMeId": remembered, "device": "kiosk"} | wrong
        assert counter.signs_in_as(noodles, pat, **asked)["trusted"] is False


def passes_mfa(desk, mine: dict) -> str:
    """Register a phone, then answer a challenge on it, to be remembered."""
    phone = {"phone": "2175550100", "type": "TEXT"}
    setup = desk.call("POST", f"{V3}/mfa/setup", phone, **mine)["setupId"]
    answer = {"setupId": setup, "type": "TEXT", "token": desk.code()}
    desk.call("POST", f"{V3}/mfa/setup/validate", answer, **mine)
    challenge = desk.call("POST", f"{V3}/mfa/challenge", {}, **mine)["challengeId"]
    answer = {"challengeId": challenge, "token": desk.code(), "device": "kiosk", "rememberMe": True}
    return desk.call("POST", f"{V3}/mfa/challenge/validate", answer, **mine)["rememberMeId"]


def bank_of(desk, organization: str, user: str) -> str:
    """A verified account, as if its owner had set it up."""

    def add(work) -> str:
        return work.add(
            BankAccount, name_on_account="Noodles", bank_name="Operating", routing_number="322271627",
            number=b"x", last4="0000", type=AccountType.CHECKING, owner_type=OwnerType.BUSINESS,
            status=Status.VERIFIED, created_by=user, access_to_admins=True,
        ).id  # fmt: skip

    return desk.writes(add, Caller(organization, user, True))


# Signing in


@pytest.mark.parametrize("wrong, refusal", [
    ({"password": "guess"}, (401, ["BDC_1101"])),
    ({"username": "nobody@partner.example"}, (401, ["BDC_1101"])),
    ({"appKey": "invented"}, (400, ["BDC_1102"])),
    # A developer key is no application key.
    ({"appKey": demo_world.PARTNER_DEVELOPER_KEY}, (400, ["BDC_1102"])),
    # Somebody with a right password who is not of this partner.
    ({"username": demo_world.USERNAME, "password": demo_world.PASSWORD}, (403, ["BDC_1106"])),
    ({"appKey": "", "password": None},
     (400, ["appKey: must not be blank", "password: must not be null"])),
])  # fmt: skip
def test_which_partner_is_not_let_in(desk, wrong, refusal):
    assert desk.refused("POST", f"{PARTNER}/login", SIGN_IN | wrong, session="") == refusal


def test_a_partners_person_is_of_one_partner(desk, other_counter):
    body = SIGN_IN | {"username": OTHERS["username"], "password": OTHERS["password"]}
    assert desk.refused("POST", f"{PARTNER}/login", body, session="") == (403, ["BDC_1106"])


def test_the_keys_of_a_partner_and_of_an_organization_are_told_apart(desk):
    """A partner's developer key opens only the partner's organizations."""
    body = LOGIN | {"devKey": demo_world.PARTNER_DEVELOPER_KEY}
    assert desk.refused("POST", f"{V3}/login", body, session="") == (403, ["BDC_1106"])


def test_a_partners_session_answers_with_nothing_but_its_id(desk):
    answer = desk.call("POST", f"{PARTNER}/login", SIGN_IN, session="")
    assert list(answer) == ["sessionId"]


def test_a_partners_session_ends_by_logout_and_after_thirty_five_idle_minutes(desk, counter):
    desk.advance(minutes=34)
    counter.call("GET", ORGANIZATIONS)
    desk.advance(minutes=34)
    counter.call("GET", ORGANIZATIONS)
    desk.advance(minutes=35)
    assert counter.refused("GET", ORGANIZATIONS) == (401, ["BDC_1109"])
    session = desk.call("POST", f"{PARTNER}/login", SIGN_IN, session="")["sessionId"]
    newer = Counter(desk, session)
    newer.call("GET", ORGANIZATIONS)
    newer.call("POST", f"{V3}/logout")
    assert newer.refused("GET", ORGANIZATIONS) == (401, ["BDC_1109"])


# Who reaches what


EVERYTHING_OF_A_PARTNER = [
    ("GET", ORGANIZATIONS), ("POST", ORGANIZATIONS), ("PATCH", f"{ORGANIZATIONS}/x/price-plan"),
    ("POST", f"{PARTNER}/login-as-user"), ("POST", f"{PARTNER}/risk-verifications/x/phone"),
    ("GET", ROLES), ("GET", f"{ROLES}/x"), ("GET", USERS), ("POST", USERS), ("GET", f"{USERS}/x"),
    ("PATCH", f"{USERS}/x"), ("POST", f"{USERS}/x/archive"), ("POST", f"{USERS}/x/restore"),
]  # fmt: skip


@pytest.mark.parametrize("method, path", EVERYTHING_OF_A_PARTNER, ids=lambda each: each)
def test_nothing_of_a_partner_is_reached_without_its_session_and_its_key(desk, counter, method, path):
    desk.signs_in()
    ada, at = desk.session, {"organizationId": demo_world.ORGANIZATION_ID}
    key, session = demo_world.APPLICATION_KEY, counter.headers["sessionId"]
    for headers in (
        {}, {"sessionId": ada, "devKey": demo_world.DEVELOPER_KEY}, {"sessionId": ada, "appKey": key},
        {"sessionId": session}, {"sessionId": session, "devKey": demo_world.PARTNER_DEVELOPER_KEY},
        {"appKey": key}, {"sessionId": "invented", "appKey": key},
    ):  # fmt: skip
        refusal = desk.refused(method, path, {} if method != "GET" else None, headers=at | headers,
                               session="")  # fmt: skip
        assert refusal == (401, ["BDC_1109"]), headers
    unknown = {"sessionId": session, "appKey": "invented"} | at
    assert desk.refused(method, path, headers=unknown, session="") == (400, ["BDC_1102"])


def test_a_session_that_a_partner_opened_for_a_user_is_no_partners(desk, counter):
    organization = counter.makes()
    as_user = counter.signs_in_as(organization, counter.adds(organization)["id"])["sessionId"]
    pretender = Counter(desk, as_user)
    assert pretender.refused("GET", ORGANIZATIONS) == (401, ["BDC_1109"])
    assert pretender.refused("GET", USERS, at=organization) == (401, ["BDC_1109"])


@pytest.mark.parametrize("method, path", [
    ("GET", "/vendors"), ("POST", "/vendors"), ("GET", "/bills"), ("POST", "/payments/bulk"),
    ("GET", "/users"), ("POST", "/users"), ("GET", "/roles"), ("GET", "/login/session"),
    ("GET", "/login/organizations"), ("POST", "/mfa/challenge"), ("GET", "/funding-accounts/banks"),
])  # fmt: skip
def test_a_partners_session_reaches_no_organization(desk, counter, method, path):
    app_key = SIGN_IN["appKey"]
    shown = {"devKey": demo_world.PARTNER_DEVELOPER_KEY}, {"appKey": app_key}, {"devKey": app_key}
    for key in shown:
        headers = key | {
            "sessionId": counter.headers["sessionId"], "organizationId": demo_world.ORGANIZATION_ID
        }  # fmt: skip
        refusal = desk.refused(method, f"{V3}{path}", headers=headers, session="")
        assert refusal == (401, ["BDC_1109"])


def test_a_partner_finds_only_organizations_of_its_own(desk, counter, other_counter):
    mine, theirs = counter.makes(name="Mine"), other_counter.makes(name="Theirs")
    user = other_counter.adds(theirs)["id"]
    assert [row["id"] for row in counter.call("GET", ORGANIZATIONS)["results"]] == [mine]
    assert counter.call("GET", ORGANIZATIONS, filters=f"id:eq:{theirs}")["results"] == []
    plan, phone = {"pricePlanType": "PricePlan1"}, {"phoneNumber": "2175550100", "phoneType": "HOME"}
    for stranger in (theirs, demo_world.ORGANIZATION_ID, "00801NOBODYS0000none", "x"):
        for method, path, body in (
            ("GET", USERS, None), ("POST", USERS, PAT), ("GET", f"{USERS}/{user}", None),
            ("PATCH", f"{USERS}/{user}", {"firstName": "X"}), ("GET", ROLES, None),
            ("POST", f"{USERS}/{user}/archive", None), ("POST", f"{USERS}/{user}/restore", None),
            ("POST", f"{PARTNER}/risk-verifications/{user}/phone", phone),
        ):  # fmt: skip
            assert counter.refused(method, path, body, at=stranger) == (404, ["BDC_1205"])
        path = f"{ORGANIZATIONS}/{stranger}/price-plan"
        assert counter.refused("PATCH", path, plan) == (404, ["BDC_1205"])
        body = {"organizationId": stranger, "userId": user}
        refusal = counter.refused("POST", f"{PARTNER}/login-as-user", body)
        assert refusal == (404, ["BDC_1205"])
    # Nor by way of an organization of its own, and nothing tells whose user it is.
    body = {"organizationId": mine, "userId": user}
    said = counter.call("POST", f"{PARTNER}/login-as-user", body, status=404)
    assert theirs not in str(said)
    for method, path, body in (
        ("GET", f"{USERS}/{user}", None), ("PATCH", f"{USERS}/{user}", {"firstName": "X"}),
        ("POST", f"{USERS}/{user}/archive", None), ("POST", f"{USERS}/{user}/restore", None),
        ("POST", f"{PARTNER}/risk-verifications/{user}/phone", phone),
        ("GET", f"{ROLES}/{role_id(theirs, RoleType.CLERK)}", None),
    ):  # fmt: skip
        assert counter.refused(method, path, body, at=mine) == (404, ["BDC_1205"])


def test_which_organization_is_meant_must_be_said(counter):
    for method, path in (("GET", USERS), ("POST", USERS), ("GET", ROLES)):
        assert counter.refused(method, path) == (400, ["organizationId: must not be blank"])


# Signing in for a user


def test_the_session_goes_with_any_developer_key_of_the_partner_and_with_no_other(
    desk, counter, other_counter
):
    organization = counter.makes()
    session = counter.signs_in_as(organization, counter.adds(organization)["id"])["sessionId"]
    second = "01DEMOPARTNERDEVKEY2"
    add = lambda work: partners.keys.add_developer_key(work, second, partner_id=demo_world.PARTNER_ID)
    desk.writes(add)
    here = f"{V3}/login/session"
    for key in (demo_world.PARTNER_DEVELOPER_KEY, second):
        assert desk.call("GET", here, **with_key(session, key))["organizationId"] == organization
    desk.writes(lambda work: sessions.revoke_key(work, digest(second)))
    for key in (demo_world.DEVELOPER_KEY, OTHERS_DEVELOPER_KEY, second):
        assert desk.refused("GET", here, **with_key(session, key)) == (401, ["BDC_1109"])
    for key in (SIGN_IN["appKey"], "invented"):
        assert desk.refused("GET", here, **with_key(session, key)) == (400, ["BDC_1102"])
    app_key = {"sessionId": session, "appKey": SIGN_IN["appKey"], "devKey": ""}
    assert desk.refused("GET", here, headers=app_key, session="") == (401, ["BDC_1109"])


def test_a_user_must_be_active_and_of_the_organization(desk, counter):
    here, there = counter.makes(name="Here"), counter.makes(name="There")
    pat = counter.adds(here)["id"]
    body = {"organizationId": there, "userId": pat}
    path = f"{PARTNER}/login-as-user"
    assert counter.refused("POST", path, body) == (401, ["BDC_1111"])
    for unknown in ("00601NOBODYHERE0none", "x", demo_world.USER_ID):
        refusal = counter.refused("POST", path, body | {"userId": unknown})
        assert refusal == (404, ["BDC_1205"])
    assert counter.refused("POST", path, {}) == (
        400, ["userId: must not be blank", "organizationId: must not be blank"]
    )  # fmt: skip
    session = counter.signs_in_as(here, pat)["sessionId"]
    counter.adds(here, username="quin", email="quin@noodles.example")
    counter.call("POST", f"{USERS}/{pat}/archive", at=here)
    assert counter.refused("POST", path, body | {"organizationId": here}) == (401, ["BDC_1111"])
    assert desk.refused("GET", f"{V3}/users", **with_key(session)) == (401, ["BDC_1109"])
    counter.call("POST", f"{USERS}/{pat}/restore", at=here)
    counter.signs_in_as(here, pat)
    desk.writes(lambda work: work.connection.update(Organization, here, {"archived": True}))
    assert counter.refused("POST", path, body | {"organizationId": here}) == (401, ["BDC_1111"])


def test_what_the_user_may_is_what_their_role_allows(desk, counter):
    organization = counter.makes()
    auditor = counter.adds(organization, roleId=role_id(organization, RoleType.AUDITOR))["id"]
    mine = with_key(counter.signs_in_as(organization, auditor)["sessionId"])
    assert desk.call("GET", f"{V3}/vendors", **mine)["results"] == []
    assert desk.refused("POST", f"{V3}/vendors", vendor_of("A"), **mine)[0] == 403
    assert desk.refused("GET", f"{V3}/vendors/{demo_world.VENDOR_ID}", **mine) == (404, ["BDC_1205"])


def test_an_older_client_sends_its_session_in_the_body(desk, counter):
    organization = counter.makes()
    pat = counter.adds(organization)["id"]
    path, key = f"{PARTNER}/login-as-user", {"appKey": SIGN_IN["appKey"]}
    body = {"organizationId": organization, "userId": pat}
    older = body | {"sessionId": counter.headers["sessionId"]}
    asked = {"headers": key, "session": ""}
    assert desk.call("POST", path, older, **asked)["trusted"] is False
    # The header counts where there is one, and nothing but a session of the partner lets in.
    wrong = {"headers": key | {"sessionId": "invented"}, "session": ""}
    assert desk.refused("POST", path, older, **wrong) == (401, ["BDC_1109"])
    desk.signs_in()
    for found in (desk.session, "", None, 7, ["x"]):
        said = desk.refused("POST", path, body | {"sessionId": found}, **asked)
        assert said == (401, ["BDC_1109"])
    for nonsense in (b"", b"{", b"[]", b"null", b"[" * 5000, b"\xff", b'{"sessionId":"\\u0000"}'):
        assert desk.refused("POST", path, nonsense, **asked) == (401, ["BDC_1109"])
    # Elsewhere the body is no place for it.
    refusal = desk.refused("POST", ORGANIZATIONS, SMALL | older, **asked)
    assert refusal == (401, ["BDC_1109"])

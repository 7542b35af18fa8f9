"""Partners: who makes organizations for others, signs in for their people, and reaches nobody else."""

import asyncio

import msgspec
import pytest

from billfold import demo_world
from billfold.access import partners, sessions
from billfold.access.organizations import Address, Organization, Owner
from billfold.access.organizations_shapes_v3 import OrganizationPatchRequest, details
from billfold.access.partners import Partner
from billfold.access.risk import RiskPhone
from billfold.access.roles import RoleType, role_id
from billfold.access.users import Login, User
from billfold.books.audit import AuditEntry
from billfold.funding.bank_accounts import AccountType, BankAccount, OwnerType, Status
from billfold.kit.secrets import digest
from billfold.kit.work import SYSTEM_USER, Caller
from tests.desk import CONTROL, LOGIN, START, V3, bill_of, vendor_of

PARTNER = f"{V3}/partner"
ORGANIZATIONS, USERS, ROLES = f"{PARTNER}/organizations", f"{PARTNER}/users", f"{PARTNER}/roles"
NOW = START.isoformat(timespec="milliseconds")
SIGN_IN = {
    "appKey": demo_world.APPLICATION_KEY, "username": demo_world.PARTNER_USERNAME,
    "password": demo_world.PARTNER_PASSWORD,
}  # fmt: skip
ADDRESS = {
    "line1": "1 Main St", "line2": "Suite 2", "city": "Springfield", "stateOrProvince": "IL",
    "zipOrPostalCode": "62701", "country": "US",
}  # fmt: skip
NOODLES = {
    "name": "Example Noodles LLC", "address": ADDRESS, "phone": "2175550100", "taxId": "111222333",
    "taxIdType": "EIN", "companyOwner": {"name": "Pat Owner", "dateOfBirth": "1980-01-01"},
    "industry": "Restaurant Caterer or Bar", "businessCategory": "LLC", "accountType": "BUSINESS",
    "processingOptions": {"mailingAddressSameAsPhysical": "true"},
}  # fmt: skip
SMALL = {
    "name": "Small",
    "address": {"line1": "2 Elm", "city": "Reno", "zipOrPostalCode": "89501", "country": "US"},
}
PAT = {
    "firstName": "Pat", "lastName": "Owner", "email": "pat@noodles.example", "username": "pat-1!",
    "acceptTermsOfService": True, "externalReferenceId": "P-77",
}  # fmt: skip
# A second partner, with keys and a person of its own.
OTHERS = {"appKey": "other-app", "username": "otto@other.example", "password": "Other-partner-1"}
OTHERS_DEVELOPER_KEY = "other-dev"


class Counter:
    """A partner's session, and what is asked with it."""

    def __init__(self, desk, session: str, app_key: str = SIGN_IN["appKey"]) -> None:
        self.desk = desk
        self.headers = {"sessionId": session, "appKey": app_key}

    def call(self, method: str, path: str, body=None, *, at: str = "", **options):
        return self.desk.call(method, path, body, headers=self._headers(at), session="", **options)

    def refused(self, method: str, path: str, body=None, *, at: str = "", **options):
        return self.desk.refused(method, path, body, headers=self._headers(at), session="", **options)

    def _headers(self, at: str) -> dict:
        return self.headers | ({"organizationId": at} if at else {})

    def signs_in(self) -> None:
        """Again: the session before has ended."""
        login = self.desk.call("POST", f"{PARTNER}/login", SIGN_IN, session="")
        self.headers["sessionId"] = login["sessionId"]

    def makes(self, **more) -> str:
        return self.call("POST", ORGANIZATIONS, SMALL | more, status=201)["id"]

    def adds(self, organization: str, **more) -> dict:
        return self.call("POST", USERS, PAT | more, at=organization, status=201)

    def signs_in_as(self, organization: str, user: str, status: int = 200, **more) -> dict:
        body = {"organizationId": organization, "userId": user, **more}
        return self.call("POST", f"{PARTNER}/login-as-user", body, status=status)


def with_key(session: str, key: str = demo_world.PARTNER_DEVELOPER_KEY) -> dict:
    return {"session": session, "headers": {"devKey": key}}


@pytest.fixture
def counter(desk) -> Counter:
    return Counter(desk, desk.call("POST", f"{PARTNER}/login", SIGN_IN, session="")["sessionId"])


@pytest.fixture
def other_counter(desk) -> Counter:
    hashed = desk.runner.run(desk.environment.passwords.hash(OTHERS["password"]))

    def add(work):
        partner = partners.add(work, "Other", OTHERS["appKey"], OTHERS_DEVELOPER_KEY)
        login = work.insert(Login("00601OTHERLOGIN0othe", OTHERS["username"], hashed))
        partners.add_person(work, partner, login)

    desk.writes(add)
    session = desk.call("POST", f"{PARTNER}/login", OTHERS, session="")["sessionId"]
    return Counter(desk, session, OTHERS["appKey"])


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


# Organizations


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


# Users


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

"""Users and their roles: who is added, invited, changed, put away and taken back, and by whom."""

import pytest

from billfold import demo_world
from billfold.access import invitations, keys, organizations, users
from billfold.access.keys import KeyKind
from billfold.access.roles import DEFAULTS, RoleType, role_id
from billfold.access.users import Login, User
from billfold.kit.callers import SYSTEM_USER, Caller
from tests.desk import CONTROL, LOGIN, START, V3

USERS, ROLES, ME = f"{V3}/users", f"{V3}/roles", f"{V3}/users/{demo_world.USER_ID}"
NOW = START.isoformat(timespec="milliseconds")
NOBODY = "00601NOBODYHERE0none"
BEN = demo_world.user_id(RoleType.ACCOUNTANT)
ADA_ROLE, CLERK = (
    role_id(demo_world.ORGANIZATION_ID, each) for each in (RoleType.ADMINISTRATOR, RoleType.CLERK)
)
NEW = {
    "firstName": "Gil", "lastName": "Grant", "email": "gil@demo.example", "roleId": CLERK,
    "acceptTermsOfService": True,
}  # fmt: skip


@pytest.fixture
def desk(desk):
    desk.signs_in(trusted=False)
    return desk


def adds(desk, **more) -> dict:
    return desk.call("POST", USERS, NEW | more, status=201)


def accepts(desk, name: str) -> None:
    """The person behind a login has accepted every invitation."""

    def accept(work) -> None:
        for user in users.users_of(work, users.login_of(work, name)):
            if user.organization_id == work.organization_id:
                work.change(work.hold(User, user.id), invited=False)

    desk.writes(accept)


def names(desk, path: str = USERS, by: str = "firstName", **query) -> list[str]:
    return [row[by] for row in desk.call("GET", path, **query)["results"]]


def password_of(desk, name: str) -> None:
    """As if an invitation had been accepted: the login has the demo company's password."""

    def give(work):
        ada = work.connection.first(Login, id=demo_world.LOGIN_ID)
        login = work.connection.first(Login, name=name)
        work.connection.update(Login, login.id, {"password_hash": ada.password_hash})

    desk.writes(give)


# A new user


def test_a_new_user_has_everything_documented_and_is_read_as_answered(desk):
    made = adds(desk)
    assert made | {"id": ""} == {
        "id": "", "archived": False, "firstName": "Gil", "lastName": "Grant",
        "email": "gil@demo.example", "createdTime": NOW, "updatedTime": NOW,
        "role": {"id": CLERK, "type": "CLERK", "description": "Clerk"},
    }  # fmt: skip
    assert made["id"].startswith("006") and desk.call("GET", f"{USERS}/{made['id']}") == made
    assert desk.call("GET", USERS, filters=f"id:eq:{made['id']}")["results"] == [made]


def test_the_new_user_is_told_by_whom_they_are_invited_and_to_what(desk):
    made = adds(desk)
    (message,) = desk.call("GET", f"{CONTROL}/messages", session="")["results"]
    assert (message["to"], message["channel"]) == ("gil@demo.example", "EMAIL")
    assert message["userId"] == made["id"]
    assert "Ada Payer" in message["text"] and "Demo Company" in message["text"]
    assert "Demo Company" in message["subject"]


def test_nobody_signs_in_before_the_invitation_is_accepted(desk):
    adds(desk)
    gil = LOGIN | {"username": "gil@demo.example"}
    assert desk.refused("POST", f"{V3}/login", gil, session="") == (401, ["BDC_1101"])
    password_of(desk, "gil@demo.example")
    assert desk.refused("POST", f"{V3}/login", gil, session="") == (401, ["BDC_1111"])
    accepts(desk, "gil@demo.example")
    assert desk.call("POST", f"{V3}/login", gil, session="")["trusted"] is False


def test_without_a_role_a_new_user_is_an_administrator(desk):
    made = adds(desk, roleId=None)
    assert made["role"] == {"id": ADA_ROLE, "type": "ADMINISTRATOR", "description": "Administrator"}


def test_who_works_elsewhere_already_signs_in_here_with_the_same_password(desk):
    because = "the test makes another organization"

    def found_another(work):
        organizations.found(work, "Other", because=because, id="00801OTHERORG000othe")
        users.add_user(work, first_name="Hal", last_name="H", email="hal@other.example")

    desk.writes(found_another, Caller("00801OTHERORG000othe", SYSTEM_USER, False))
    password_of(desk, "hal@other.example")
    adds(desk, email="Hal@other.example")
    accepts(desk, "hal@other.example")
    hal = LOGIN | {"username": "hal@other.example"}
    for organization_id in ("00801OTHERORG000othe", demo_world.ORGANIZATION_ID):
        body = hal | {"organizationId": organization_id}
        session = desk.call("POST", f"{V3}/login", body, session="")["sessionId"]
        found = desk.call("GET", f"{V3}/login/session", session=session)
        assert found["organizationId"] == organization_id


@pytest.mark.parametrize("email", ["ben@demo.example", "BEN@demo.Example"])
def test_a_person_is_a_user_of_an_organization_once(desk, email):
    assert desk.refused("POST", USERS, NEW | {"email": email}) == (400, ["BDC_1143"])


def test_an_address_that_a_partners_user_has_is_taken_too(desk):
    """That user signs in by another name, and still there would be two of them."""
    add = lambda work: users.add_user(
        work, first_name="Gil", last_name="", email="GIL@demo.example", username="gil-of-partner"
    )
    desk.writes(add)
    assert desk.refused("POST", USERS, NEW) == (400, ["BDC_1143"])


def test_the_same_person_twice_at_once_is_added_once(desk):
    answers = desk.together([("POST", USERS, NEW)] * 4)
    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400]
    assert names(desk).count("Gil") == 1


BAD_EMAIL = "email: must be a well-formed email address"


@pytest.mark.parametrize("wrong, faults", [
    ({"firstName": " "}, ["firstName: must not be blank"]),
    ({"lastName": "x" * 101}, ["lastName: size must be <= 100"]),
    ({"lastName": None, "email": None}, ["lastName: must not be null", "email: must not be null"]),
    ({"roleId": "", "email": "x" * 255},
     ["email: size must be <= 254", "roleId: must not be blank"]),
    ({"acceptTermsOfService": False}, ["acceptTermsOfService: must be true"]),
    ({"acceptTermsOfService": None}, ["acceptTermsOfService: must not be null"]),
    ({"email": "gil", "acceptTermsOfService": "false"},
     [BAD_EMAIL, "acceptTermsOfService: must be true"]),
    *(({"email": email}, [BAD_EMAIL]) for email in (
        "gil@", "@demo.example", "gil@demo", "gil grant@demo.example", "Gil <gil@demo.example>",
        "gil@demo.example, hal@demo.example", "gil@demo..example",
        "gil@[127.0.0.1]", "gil@demo.example\n",
    )),
])  # fmt: skip
def test_what_no_user_is_like(desk, wrong, faults):
    assert desk.refused("POST", USERS, NEW | wrong) == (400, faults)
    assert "Gil" not in names(desk)


def test_every_missing_field_is_named(desk):
    status, faults = desk.refused("POST", USERS, {})
    assert status == 400
    assert [fault.partition(":")[0] for fault in faults] == [
        "firstName", "lastName", "email", "acceptTermsOfService"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "email",
    ["gil@shop.test", "o'neil+bills@demo.example", "jürgen@demo.example", "g@xn--bcher-kva.example"],
)
def test_addresses_that_are_unusual_and_right(desk, email):
    assert adds(desk, email=email)["email"] == email


def test_a_role_must_be_one_of_the_organizations_own(desk):
    for other in ("0po01NOBODYHERE0none", role_id("00801OTHERORG000othe", RoleType.CLERK), "x"):
        assert desk.refused("POST", USERS, NEW | {"roleId": other}) == (404, ["BDC_1205"])
        assert desk.refused("PATCH", f"{USERS}/{BEN}", {"roleId": other}) == (404, ["BDC_1205"])


# Changes


def test_what_is_sent_is_changed_and_nothing_else(desk):
    before = desk.call("GET", f"{USERS}/{BEN}")
    desk.advance(seconds=1)
    changed = desk.call("PATCH", f"{USERS}/{BEN}", {"lastName": "Booker", "email": "new@x.example"})
    later = START.replace(second=1).isoformat(timespec="milliseconds")
    # The e-mail address is not changed here.
    assert changed == before | {"lastName": "Booker", "updatedTime": later}
    again = desk.call("PATCH", f"{USERS}/{BEN}", {"firstName": "Benno", "roleId": CLERK})
    assert again == changed | {
        "firstName": "Benno", "role": {"id": CLERK, "type": "CLERK", "description": "Clerk"},
    }  # fmt: skip
    assert desk.call("GET", f"{USERS}/{BEN}") == again


@pytest.mark.parametrize("body, faults", [
    ({"firstName": None}, ["firstName: must not be null"]),
    ({"lastName": "", "roleId": ""}, ["lastName: must not be blank", "roleId: must not be blank"]),
])  # fmt: skip
def test_what_no_change_is_like(desk, body, faults):
    assert desk.refused("PATCH", f"{USERS}/{BEN}", body) == (400, faults)


@pytest.mark.parametrize("body", [{}, {"email": "new@x.example"}])
def test_what_is_not_known_of_a_change_is_ignored(desk, body):
    before = desk.call("GET", f"{USERS}/{BEN}")
    assert desk.call("PATCH", f"{USERS}/{BEN}", body) == before


def test_a_new_role_counts_for_who_is_signed_in(desk):
    ben = LOGIN | {"username": "ben@demo.example"}
    session = desk.call("POST", f"{V3}/login", ben, session="")["sessionId"]
    asked = {"method": "PATCH", "path": f"{USERS}/{BEN}", "body": {"lastName": "B"}, "session": session}
    assert desk.refused(**asked)[0] == 403
    desk.call("PATCH", f"{USERS}/{BEN}", {"roleId": ADA_ROLE})
    assert desk.call(**asked)["lastName"] == "B"
    desk.call("PATCH", f"{USERS}/{BEN}", {"roleId": CLERK})
    assert desk.refused(**asked)[0] == 403


def test_the_last_administrator_stays_one(desk):
    assert desk.refused("PATCH", ME, {"roleId": CLERK}) == (422, ["BDC_1143"])
    desk.call("PATCH", ME, {"roleId": ADA_ROLE, "lastName": "Prime"})
    made = adds(desk, roleId=None)["id"]
    # Nor does one who was only invited, or one that is archived.
    assert desk.refused("PATCH", ME, {"roleId": CLERK}) == (422, ["BDC_1143"])
    accepts(desk, NEW["email"])
    desk.call("POST", f"{USERS}/{made}/archive")
    assert desk.refused("PATCH", ME, {"roleId": CLERK}) == (422, ["BDC_1143"])
    desk.call("POST", f"{USERS}/{made}/restore")
    assert desk.call("PATCH", ME, {"roleId": CLERK})["role"]["type"] == "CLERK"


def test_two_administrators_do_not_step_down_at_once(desk):
    made = adds(desk, roleId=None)["id"]
    accepts(desk, NEW["email"])
    down = {"roleId": CLERK}
    answers = desk.together([("PATCH", ME, down), ("PATCH", f"{USERS}/{made}", down)])
    # Whoever comes second is refused: by the rule, or because the role is gone already.
    assert sorted(answer.status_code for answer in answers)[0] == 200
    assert sorted(answer.status_code for answer in answers)[1] in (403, 422)
    roles = lambda work: [work.find(User, id).role_id for id in (demo_world.USER_ID, made)]
    assert sorted(desk.reads(roles)) == sorted([ADA_ROLE, CLERK])


# Put away and taken back


def test_who_is_archived_is_signed_out_and_stays_out_until_restored(desk):
    ben = LOGIN | {"username": "ben@demo.example"}
    session = desk.call("POST", f"{V3}/login", ben, session="")["sessionId"]
    before = desk.call("GET", f"{USERS}/{BEN}")
    desk.advance(seconds=1)
    archived = desk.call("POST", f"{USERS}/{BEN}/archive")
    assert archived == before | {"archived": True, "updatedTime": archived["updatedTime"]}
    assert archived["updatedTime"] > before["updatedTime"]
    assert desk.refused("GET", USERS, session=session) == (401, ["BDC_1109"])
    assert desk.refused("POST", f"{V3}/login", ben, session="") == (401, ["BDC_1111"])
    desk.advance(seconds=1)
    assert desk.call("POST", f"{USERS}/{BEN}/archive") == archived
    restored = desk.call("POST", f"{USERS}/{BEN}/restore")
    assert restored == before | {"updatedTime": restored["updatedTime"]}
    desk.advance(seconds=1)
    assert desk.call("POST", f"{USERS}/{BEN}/restore") == restored
    # The session that was ended is not brought back.
    assert desk.refused("GET", USERS, session=session) == (401, ["BDC_1109"])
    session = desk.call("POST", f"{V3}/login", ben, session="")["sessionId"]
    # To restore whoever is not archived ends nobody's session.
    desk.call("POST", f"{USERS}/{BEN}/restore")
    desk.call("GET", USERS, session=session)


def test_nobody_archives_themselves_nor_the_last_administrator(desk):
    assert desk.refused("POST", f"{ME}/archive") == (422, ["BDC_1143"])
    adds(desk, roleId=None)
    password_of(desk, "gil@demo.example")
    accepts(desk, "gil@demo.example")
    assert desk.refused("POST", f"{ME}/archive") == (422, ["BDC_1143"])
    gil = desk.call("POST", f"{V3}/login", LOGIN | {"username": "gil@demo.example"}, session="")
    desk.call("POST", f"{ME}/archive", session=gil["sessionId"])
    only = f"{USERS}/{gil['userId']}/archive"
    assert desk.refused("POST", only, session=gil["sessionId"]) == (422, ["BDC_1143"])


def test_there_is_nobody_of_another_id(desk):
    for path in (f"{USERS}/{NOBODY}", f"{USERS}/x", f"{USERS}/{ADA_ROLE}"):
        assert desk.refused("GET", path) == (404, ["BDC_1205"])
        assert desk.refused("PATCH", path, {"lastName": "X"}) == (404, ["BDC_1205"])
        assert desk.refused("POST", f"{path}/archive") == (404, ["BDC_1205"])
        assert desk.refused("POST", f"{path}/restore") == (404, ["BDC_1205"])
    assert desk.refused("GET", f"{ROLES}/{demo_world.USER_ID}") == (404, ["BDC_1205"])


# Who may


MAY = {role: role is RoleType.ADMINISTRATOR for role in DEFAULTS}


@pytest.mark.parametrize("role", MAY)
def test_everybody_sees_who_works_here_and_administrators_change_it(desk, role):
    desk.signs_in(trusted=False, username=demo_world.username(role))
    assert len(names(desk)) == 6 and len(names(desk, ROLES, "type")) == 6
    desk.call("GET", f"{USERS}/{BEN}")
    desk.call("GET", f"{ROLES}/{CLERK}")
    fay = f"{USERS}/{demo_world.user_id(RoleType.AUDITOR)}"
    statuses = [
        desk.answer(method, path, body).status_code
        for method, path, body in (
            ("POST", USERS, NEW), ("PATCH", fay, {"lastName": "F"}),
            ("POST", f"{fay}/archive", None), ("POST", f"{fay}/restore", None),
        )
    ]  # fmt: skip
    assert statuses == ([201, 200, 200, 200] if MAY[role] else [403] * 4)


def test_a_role_is_asked_before_the_body_is_looked_at(desk):
    desk.signs_in(trusted=False, username="ben@demo.example")
    (error,) = desk.answer("POST", USERS, {"email": "nonsense"}).json()
    assert error["category"] == "APPLICATION" and "code" not in error


def test_a_sync_token_sees_the_users_and_changes_none(desk):
    user_id, organization_id = demo_world.USER_ID, demo_world.ORGANIZATION_ID
    desk.writes(
        lambda work: keys.add(
            work, KeyKind.SYNC_TOKEN, "sync-1", name="books", organization_id=organization_id,
            user_id=user_id,
        )
    )  # fmt: skip
    desk.signs_in(trusted=False, username="books", password="sync-1")
    assert len(names(desk)) == 6
    assert desk.refused("POST", USERS, NEW)[0] == 403


def test_nobody_who_is_not_signed_in(desk):
    for method, path in (("GET", USERS), ("GET", ROLES), ("POST", USERS), ("POST", f"{ME}/archive")):
        assert desk.refused(method, path, session="") == (401, ["BDC_1109"])


# Lists


def test_users_are_filtered_and_sorted(desk):
    desk.advance(minutes=1)
    adds(desk, firstName="Abe", lastName="Zorn")
    desk.call("POST", f"{USERS}/{BEN}/archive")
    everyone = ["Ada", "Ben", "Cleo", "Dora", "Emil", "Fay"]
    assert sorted(names(desk)) == sorted([*everyone, "Abe"])
    assert names(desk, filters="archived:eq:true") == ["Ben"]
    assert "Ben" not in names(desk, filters="archived:ne:true")
    assert names(desk, filters="createdTime:gt:2027-01-04T17:00") == ["Abe"]
    assert sorted(names(desk, filters="updatedTime:gte:2027-01-04T17:01")) == ["Abe", "Ben"]
    assert names(desk, filters=f'id:in:"{BEN},{NOBODY}"') == ["Ben"]
    assert names(desk, sort="firstName") == ["Abe", *everyone]
    assert names(desk, sort="lastName:desc", max=1) == ["Abe"]
    assert names(desk, sort="archived:desc,firstName", max=2) == ["Ben", "Abe"]
    assert names(desk, sort="createdTime:desc", max=1) == ["Abe"]
    assert names(desk, sort="updatedTime:desc,firstName", max=2) == ["Abe", "Ben"]


def test_users_come_page_by_page(desk):
    first = desk.call("GET", USERS, sort="firstName", max=4)
    second = desk.call("GET", USERS, sort="firstName", max=4, page=first["nextPage"])
    assert [len(page["results"]) for page in (first, second)] == [4, 2]
    assert "nextPage" not in second and "prevPage" not in first
    assert desk.call("GET", USERS, sort="firstName", max=4, page=second["prevPage"]) == first


def test_an_organization_has_six_roles_with_ids_of_its_own(desk):
    roles = desk.call("GET", ROLES, sort="description")["results"]
    assert [role["type"] for role in roles] == [
        "ACCOUNTANT", "ADMINISTRATOR", "APPROVER", "AUDITOR", "CLERK", "PAYER"
    ]  # fmt: skip
    assert [role["id"] for role in roles] == [
        role_id(demo_world.ORGANIZATION_ID, RoleType(role["type"])) for role in roles
    ]
    clerk = desk.call("GET", f"{ROLES}/{CLERK}")
    assert clerk in roles
    assert clerk | {"createdTime": "", "updatedTime": ""} == {
        "id": CLERK, "type": "CLERK", "description": "Clerk", "createdTime": "", "updatedTime": ""
    }  # fmt: skip
    assert names(desk, ROLES, "type", sort="type:desc", max=1) == ["PAYER"]
    assert names(desk, ROLES, "type", filters=f"id:eq:{CLERK}") == ["CLERK"]
    assert names(desk, ROLES, "type", filters="createdTime:gt:2027-02-01") == []
    assert len(names(desk, ROLES, "type", sort="createdTime,updatedTime:desc")) == 6


@pytest.mark.parametrize("path, query, refusal", [
    (USERS, {"filters": "email:eq:ben@demo.example"}, (400, ["BDC_1130"])),
    (USERS, {"filters": "firstName:sw:B"}, (400, ["BDC_1130"])),
    (USERS, {"filters": "archived:gt:true"}, (400, ["BDC_1131"])),
    (USERS, {"sort": "email"}, (400, ["BDC_1130"])),
    (USERS, {"max": 101}, (400, ["BDC_1129"])),
    (ROLES, {"filters": "archived:eq:true"}, (400, ["BDC_1130"])),
    (ROLES, {"filters": "type:eq:CLERK"}, (400, ["BDC_1130"])),
    (ROLES, {"sort": "name"}, (400, ["BDC_1130"])),
])  # fmt: skip
def test_what_no_list_is_asked_by(desk, path, query, refusal):
    assert desk.refused("GET", path, **query) == refusal


def test_who_has_a_login_already_accepts_an_invitation_too(desk):
    """Their password is known, and still nobody is made a member of anything without a word."""
    other = "00801SECOND00000seco"

    def found(work):
        organizations.found(work, "Second", id=other, because="a test needs a second organization")
        user = users.add_user(
            work, first_name="Ben", last_name="Books", email="ben@demo.example", invited=True
        )
        return invitations.link(work, user).rpartition("/")[2]

    token = desk.writes(found, None)
    ben = LOGIN | {"username": "ben@demo.example", "organizationId": other}
    assert desk.refused("POST", f"{V3}/login", ben, session="") == (401, ["BDC_1111"])
    desk.signs_in(username="ben@demo.example")
    seen = lambda: [
        each["organization"]["id"] for each in desk.call("GET", f"{V3}/login/organizations")["results"]
    ]
    assert seen() == [demo_world.ORGANIZATION_ID]
    desk.runner.run(invitations.accept(desk.environment, token, demo_world.PASSWORD))
    desk.call("POST", f"{V3}/login", ben, session="")
    assert sorted(seen()) == sorted([demo_world.ORGANIZATION_ID, other])

"""Setting up two-step sign-in: a phone of one's own, its backup, and who may not."""

import pytest

from billfold import demo_world
from billfold.access import keys, organizations, users
from billfold.access.keys import KeyKind
from billfold.access.mfa import MfaPhone
from tests.desk import CONTROL, LOGIN, V3

SETUP, VALIDATE, OLDER = f"{V3}/mfa/setup", f"{V3}/mfa/setup/validate", f"{V3}/mfa/validate"
SESSION = f"{V3}/login/session"
PHONE = {"phone": "(415) 555-0170", "type": "TEXT"}


@pytest.fixture
def newcomer(desk):
    """Ada before she has a phone."""

    def forget(work):
        for phone in work.rows(MfaPhone, user_id=demo_world.USER_ID):
            work.remove(work.hold(MfaPhone, phone.id))

    desk.writes(forget)
    desk.signs_in(trusted=False)
    return desk


def sets_up(desk, path: str = VALIDATE, **more) -> dict:
    phone = PHONE | more
    id = desk.call("POST", SETUP, phone)["setupId"]
    asked = {"setupId": id, "type": phone["type"], "token": desk.code()}
    return desk.call("POST", path, asked)


def phones(desk) -> list[tuple]:
    found = desk.call("GET", f"{V3}/mfa/phones")["results"]
    return sorted((each["primary"], each["last4digits"], each["type"]) for each in found)


@pytest.mark.parametrize("path", [VALIDATE, OLDER])
def test_a_phone_is_registered_in_two_steps_and_the_session_trusted_in_two_more(newcomer, path):
    """Under the path of the announcement as well (`mfa.yaml`, aliases)."""
    desk = newcomer
    assert desk.call("GET", SESSION)["mfaStatus"] == "SETUP" and phones(desk) == []
    assert desk.refused("POST", f"{V3}/mfa/challenge") == (400, ["BDC_1354"])
    assert sets_up(desk, path) == {"status": "SUCCESS"}
    (sent, *_) = reversed(desk.call("GET", f"{CONTROL}/messages", session="")["results"])
    assert (sent["to"], sent["channel"]) == ("+14155550170", "TEXT")
    assert phones(desk) == [(True, "0170", "MOBILE")]
    assert desk.call("GET", SESSION)["mfaStatus"] == "CHALLENGE"
    desk.passes_mfa()
    assert desk.call("GET", SESSION)["mfaStatus"] == "COMPLETE"


@pytest.mark.parametrize(("wrong", "faults"), [
    ({"phone": "12345"}, ["phone: must be a US phone number of ten digits"]),
    ({"phone": "+44 20 7946 0000"}, ["phone: must be a US phone number of ten digits"]),
    ({"phone": ""}, ["phone: must not be blank"]), ({"type": "FAX"}, ["type: invalid value"]),
    ({"type": None}, ["type: must not be null"]),
])  # fmt: skip
def test_what_is_no_phone_is_named(newcomer, wrong, faults):
    assert newcomer.refused("POST", SETUP, PHONE | wrong) == (400, faults)
    assert newcomer.call("GET", f"{CONTROL}/messages", session="")["results"] == []


@pytest.mark.parametrize("written", ["4155550170", "+1 415 555 0170", "415.555.0170", "1-415-555-0170"])
def test_a_phone_is_read_as_people_write_it(newcomer, written):
    sets_up(newcomer, phone=written, type="VOICE", primary="true")
    assert phones(newcomer) == [(True, "0170", "WORK")]


def test_a_code_of_a_set_up_is_good_once_for_five_minutes_and_for_three_tries(newcomer):
    desk = newcomer
    ask = lambda **more: {"setupId": id, "type": "TEXT", "token": code} | more
    id, code = desk.call("POST", SETUP, PHONE)["setupId"], desk.code()
    assert desk.refused("POST", VALIDATE, ask(setupId="invented")) == (400, ["BDC_1354"])
    assert desk.refused("POST", VALIDATE, ask(type="VOICE")) == (400, ["BDC_1354"])
    for _ in range(3):
        wrong = ask(token="000000" if code != "000000" else "111111")
        assert desk.refused("POST", VALIDATE, wrong) == (400, ["BDC_1356"])
    assert desk.refused("POST", VALIDATE, ask()) == (400, ["BDC_1358"])
    id, code = desk.call("POST", SETUP, PHONE)["setupId"], desk.code()
    desk.advance(minutes=5)
    assert desk.refused("POST", VALIDATE, ask()) == (400, ["BDC_1356"])
    id, code = desk.call("POST", SETUP, PHONE)["setupId"], desk.code()
    desk.call("POST", VALIDATE, ask(token=f"{code[:3]}-{code[3:]}"))
    assert desk.refused("POST", VALIDATE, ask()) == (400, ["BDC_1356"])
    assert len(phones(desk)) == 1


def test_who_has_a_phone_changes_it_only_in_a_trusted_session(desk):
    desk.signs_in(trusted=False)
    assert desk.refused("POST", SETUP, PHONE) == (400, ["BDC_5324"])
    remembered = desk.passes_mfa(rememberMe=True, device="till-1")
    sets_up(desk)
    assert phones(desk) == [(True, "0170", "MOBILE")]
    asked = {"rememberMeId": remembered, "device": "till-1"}
    assert desk.signs_in(trusted=False, **asked)["trusted"] is False
    (told,) = [
        m for m in desk.call("GET", f"{CONTROL}/messages", session="")["results"] if m.get("subject")
    ]
    assert "changed" in told["subject"] and "0170" in told["text"] and "0142" in told["text"]


def test_of_two_first_phones_the_second_needs_a_trusted_session(newcomer):
    desk = newcomer
    waiting = desk.call("POST", SETUP, PHONE | {"phone": "(415) 555-0171"})["setupId"]
    asked = {"setupId": waiting, "type": "TEXT", "token": desk.code()}
    sets_up(desk)
    assert desk.refused("POST", VALIDATE, asked) == (400, ["BDC_5324"])
    assert phones(desk) == [(True, "0170", "MOBILE")]


def test_a_backup_phone_stands_beside_the_first_and_forgets_no_device(desk):
    desk.signs_in(trusted=False)
    remembered = desk.passes_mfa(rememberMe=True, device="till-1")
    sets_up(desk, primary="false")
    assert phones(desk) == [(False, "0170", "MOBILE"), (True, "0142", "MOBILE")]
    desk.call("POST", f"{V3}/mfa/challenge", {"useBackup": "true"})
    assert desk.call("GET", f"{CONTROL}/messages", session="")["results"][-1]["to"] == "+14155550170"
    asked = {"rememberMeId": remembered, "device": "till-1"}
    assert desk.signs_in(trusted=False, **asked)["trusted"] is True


def test_a_sync_token_s_session_knows_no_two_step_sign_in_and_lasts_two_days(desk):
    token = "synchronise-nightly-0001"
    desk.writes(lambda work: keys.add(
        work, KeyKind.SYNC_TOKEN, token, name="Nightly", organization_id=demo_world.ORGANIZATION_ID,
        user_id=demo_world.USER_ID,
    ))  # fmt: skip
    login = desk.signs_in(trusted=False, username="nightly", password=token)
    assert (login["trusted"], login["userId"]) == (False, demo_world.USER_ID)
    assert desk.call("GET", SESSION)["mfaStatus"] == "UNDEFINED"
    for method, path in (("POST", f"{V3}/mfa/challenge"), ("POST", SETUP), ("POST", f"{V3}/payments")):
        assert desk.refused(method, path, {}) == (403, ["BDC_1361"])
    assert desk.refused("POST", f"{V3}/users", {})[0] == 403
    desk.vendor()
    for _ in range(2):
        desk.advance(hours=47, minutes=59)
        desk.call("GET", f"{V3}/bills")
    desk.advance(hours=48)
    assert desk.refused("GET", f"{V3}/bills") == (401, ["BDC_1109"])


def test_the_organizations_of_a_login_come_a_hundred_a_page(desk):
    def found(work):
        for number in range(103):
            id = f"00801MANY{number:07d}many"
            organizations.found(work, f"Branch {number}", id=id, because="a test needs many")
            users.add_user(work, first_name="Ada", last_name="P", email=demo_world.USERNAME)

    desk.writes(found, None)
    desk.signs_in(trusted=False)
    path = f"{V3}/login/organizations"
    first = desk.call("GET", path)
    second = desk.call("GET", path, page=first["nextPage"])
    ids = [each["organization"]["id"] for each in first["results"] + second["results"]]
    assert (len(first["results"]), len(second["results"])) == (100, 4)
    assert len(set(ids)) == 104 and demo_world.ORGANIZATION_ID in ids
    assert "nextPage" not in second and "prevPage" in second
    assert desk.refused("GET", path, page="invented") == (400, ["BDC_1129"])


def test_without_credentials_every_missing_field_of_a_login_is_told_in_the_end(desk):
    assert desk.refused("POST", f"{V3}/login", {}, session="")[0] == 400
    without = {name: value for name, value in LOGIN.items() if name not in ("password", "devKey")}
    faults = [f"{name}: must not be blank" for name in ("password", "devKey")]
    assert desk.refused("POST", f"{V3}/login", without, session="") == (400, faults)

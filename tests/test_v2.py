"""v2's room: signing in by forms and envelopes, over the same sessions and rules as v3."""

from time import process_time
from urllib.parse import quote, quote_plus, unquote_plus, urlencode

import pytest
from hypothesis import given, strategies
from structlog.testing import capture_logs

from billfold import demo_world
from billfold.access import partners
from billfold.access.keys import Key
from billfold.access.mfa import Remembered
from billfold.access.organizations import Organization
from billfold.access.roles import RoleType
from billfold.access.users import User
from billfold.app import OPERATIONS
from billfold.kit import errors, rates
from billfold.kit.environment import CLOCK_ID, StoredClock
from billfold.kit.errors import Problem
from billfold.kit.secrets import digest
from billfold.v2.envelope import V2 as DIALECT
from billfold.v2.envelope import _decoded
from tests.desk import LOGIN_V2, V2, V3
from tests.test_bad_input import SECONDS_MAX

SESSION = f"{V3}/login/session"
WITH_SESSION = (
    "GetSessionInfo",
    "Logout",
    "MFAChallenge",
    "MFAAuthenticate",
    "MFAStatus",
    "CurrentTime",
)
PUBLIC = ("ListOrgs", "Login", "Errors")
NINE = (*PUBLIC, *WITH_SESSION)
LIST_ORGS = {name: LOGIN_V2[name] for name in ("userName", "password", "devKey")}
TWENTY = "00801NOBODYS0000none"


def test_the_nine_calls_are_rows_of_the_operation_table():
    rows = {(each.method, each.path) for each in OPERATIONS if each.dialect is DIALECT}
    assert rows > {("POST", f"{V2}/{name}.json") for name in NINE} | {("GET", f"{V2}/Errors.json")}


# What the calls do


def test_a_login_lists_its_organizations_and_opens_a_session_in_one(desk):
    (mine,) = desk.call_v2("ListOrgs", **LIST_ORGS)
    assert mine == {"orgId": demo_world.ORGANIZATION_ID, "orgName": "Demo Company"}
    login = desk.signs_in_v2(orgId=mine["orgId"])
    assert login.pop("sessionId")
    assert login == {
        "orgId": demo_world.ORGANIZATION_ID, "usersId": demo_world.USER_ID,
        "apiEndPoint": "http://127.0.0.1:8080/api/v2",
    }  # fmt: skip
    assert desk.call_v2("GetSessionInfo") == {
        "organizationId": demo_world.ORGANIZATION_ID, "userId": demo_world.USER_ID,
    }  # fmt: skip


def test_a_list_of_organizations_opens_no_session_and_leaves_out_where_one_is_archived(desk):
    def join_another(work):
        work.insert(Organization(TWENTY, "Other", work.now, work.now))
        work.for_organization(TWENTY, demo_world.USER_ID, because="the test says so")
        return work.add(
            User, id="00601SAMEPERSON0same", login_id=demo_world.LOGIN_ID, first_name="Ada",
            last_name="Payer", email=demo_world.USERNAME, role_id="none",
        )  # fmt: skip

    user = desk.writes(join_another)
    names = lambda: {each["orgName"] for each in desk.call_v2("ListOrgs", **LIST_ORGS)}
    assert names() == {"Demo Company", "Other"}
    desk.writes(lambda work: work.connection.update(User, user.id, {"archived": True}))
    assert names() == {"Demo Company"}


def test_a_logout_answers_an_empty_object_and_ends_the_session_in_both_versions(desk):
    desk.signs_in_v2()
    assert desk.call_v2("Logout") == {}
    code, words = desk.refused_v2("GetSessionInfo")
    # Programs that read this, with its two blanks, log in again.
    assert code == "BDC_1109" and words.startswith("Session is invalid.  ")
    assert desk.refused("GET", SESSION) == (401, ["BDC_1109"])


def test_the_time_is_the_environments_and_is_written_without_a_colon(desk):
    desk.signs_in_v2()
    assert desk.call_v2("CurrentTime") == {"currentTime": "2027-01-04T17:00:00.000+0000"}
    desk.advance(minutes=1)
    assert desk.call_v2("CurrentTime") == {"currentTime": "2027-01-04T17:01:00.000+0000"}


def test_every_code_is_listed_once(desk):
    listed = desk.call_v2("Errors")
    assert desk.answer("GET", f"{V2}/Errors.json", session="").json()["response_data"] == listed
    found = {each["error_code"]: each["error_message"] for each in listed}
    assert len(found) == len(listed)
    ours = {each.code for each in vars(errors).values() if isinstance(each, Problem) and each.code}
    # BDC_1123 is said as BDC_1129 here, BDC_1205 as BDC_1119 or BDC_1120, and BDC_1002 is for what has
    # no code in v3.
    assert found.keys() == ours - {"BDC_1123", "BDC_1205"} | {"BDC_1002", "BDC_1120"}
    assert all(words and "{" not in words for words in found.values())
    assert "Session is invalid" in found["BDC_1109"] and "Untrusted session" in found["BDC_1361"]
    assert "20000" in found["BDC_1144"] and "uplicate invoice number" in found["BDC_1171"]


# The second step


def challenges(desk, **data) -> dict:
    """What MFAAuthenticate asks, with the right token."""
    challenge = desk.call_v2("MFAChallenge", data or None)["challengeId"]
    return {"challengeId": challenge, "token": desk.code(), "deviceId": "till-1"}


def test_the_second_step_makes_the_session_trusted_and_the_device_remembered(desk):
    desk.signs_in_v2()
    answer = challenges(desk, useBackup=False) | {"machineName": "srv", "rememberMe": True}
    said = desk.call_v2("MFAAuthenticate", answer)
    assert said.keys() == {"mfaId", "machineName"} and said["machineName"] == "srv"
    assert desk.call("GET", SESSION)["mfaStatus"] == "COMPLETE"

    desk.signs_in_v2()
    assert desk.call("GET", SESSION)["mfaStatus"] == "CHALLENGE"
    mine = {"mfaId": said["mfaId"], "deviceId": "till-1"}
    trusted = lambda **more: desk.call_v2("MFAStatus", mine | more)["isTrusted"]
    assert trusted() is True
    assert trusted(deviceId="till-2") is False and trusted(mfaId="invented") is False

    desk.signs_in_v2(**mine)
    assert desk.call("GET", SESSION)["mfaStatus"] == "COMPLETE"
    desk.signs_in_v2(**mine | {"deviceId": "till-2"})
    assert desk.call("GET", SESSION)["mfaStatus"] == "CHALLENGE"
    # And v3 honours it as well.
    assert desk.signs_in(rememberMeId=said["mfaId"], device="till-1")["trusted"] is True
    desk.advance(days=30)
    desk.signs_in_v2()
    assert trusted() is False


def test_an_id_is_another_users_as_little_as_another_devices(desk):
    desk.signs_in_v2()
    mfa_id = desk.call_v2("MFAAuthenticate", challenges(desk) | {"rememberMe": True})["mfaId"]
    desk.signs_in_v2(userName=demo_world.username(RoleType.CLERK))
    assert desk.call_v2("MFAStatus", {"mfaId": mfa_id, "deviceId": "till-1"}) == {"isTrusted": False}


def test_an_id_that_was_not_to_be_remembered_ends_with_its_session(desk):
    desk.signs_in_v2()
    said = desk.call_v2("MFAAuthenticate", challenges(desk) | {"rememberMe": "false"})
    assert said["machineName"] is None
    mine = {"mfaId": said["mfaId"], "deviceId": "till-1"}
    assert desk.call("GET", SESSION)["mfaStatus"] == "COMPLETE"
    assert desk.call_v2("MFAStatus", mine) == {"isTrusted": False}
    desk.signs_in_v2(**mine)
    assert desk.call("GET", SESSION)["mfaStatus"] == "CHALLENGE"
    assert desk.reads(lambda work: work.rows(Remembered)) == []


def test_a_token_is_read_with_a_dash_in_the_middle(desk):
    desk.signs_in_v2()
    answer = challenges(desk)
    desk.call_v2("MFAAuthenticate", answer | {"token": f"{answer['token'][:3]}-{answer['token'][3:]}"})


def test_a_wrong_token_counts_and_three_are_enough(desk):
    desk.signs_in_v2()
    answer = challenges(desk)
    wrong = answer | {"token": "000000" if answer["token"] != "000000" else "111111"}
    for _ in range(3):
        assert desk.refused_v2("MFAAuthenticate", wrong)[0] == "BDC_1356"
    assert desk.refused_v2("MFAAuthenticate", answer)[0] == "BDC_1358"


def test_what_the_second_step_refuses(desk):
    desk.signs_in_v2()
    assert desk.refused_v2("MFAChallenge", {"useBackup": True})[0] == "BDC_1354"
    long = challenges(desk) | {"deviceId": "x" * 49}
    code, words = desk.refused_v2("MFAAuthenticate", long)
    assert code == "BDC_1143" and "deviceId" in words
    desk.call_v2("MFAAuthenticate", long | {"deviceId": "x" * 19})


# Both versions


def test_a_session_made_by_v3_works_in_v2(desk):
    desk.signs_in(trusted=False)
    assert desk.call_v2("GetSessionInfo")["userId"] == demo_world.USER_ID
    desk.call_v2("MFAAuthenticate", challenges(desk))
    vendor = desk.vendor()
    desk.call("GET", f"{V3}/vendors/{vendor}")
    desk.call_v2("Logout")
    assert desk.refused("GET", f"{V3}/vendors/{vendor}") == (401, ["BDC_1109"])


def test_a_session_made_by_v2_works_in_v3_and_is_renewed_by_both(desk):
    desk.signs_in_v2()
    desk.advance(minutes=34)
    desk.call("GET", SESSION)
    desk.advance(minutes=34)
    desk.call_v2("CurrentTime")
    desk.advance(minutes=34)
    desk.passes_mfa()
    desk.advance(minutes=35)
    assert desk.refused_v2("CurrentTime")[0] == "BDC_1109"


def test_a_partners_session_is_none_in_v2(desk):
    key = demo_world.APPLICATION_KEY
    who = demo_world.PARTNER_USERNAME, demo_world.PARTNER_PASSWORD
    session = desk.runner.run(partners.sign_in(desk.environment, key, *who))
    for name in ("devKey", "appKey"):
        refusal = desk.refused_v2("GetSessionInfo", **{"devKey": None, "sessionId": session, name: key})
        assert refusal[0] == "BDC_1109", name


# Refusals


@pytest.mark.parametrize(
    "wrong, code, words",
    [
        ({"password": "guess"}, "BDC_1101", "password"),
        ({"userName": "nobody@demo.example"}, "BDC_1101", "password"),
        ({"devKey": "x"}, "BDC_1102", "developer key"),
        ({"orgId": "fakeOrganizationId"}, "BDC_1129", "orgId, fakeOrganizationId."),
        ({"orgId": TWENTY}, "BDC_1129", f"orgId, {TWENTY}."),
        ({"userName": None}, "BDC_1108", "userName"),
        ({"password": None}, "BDC_1108", "password"),
        ({"password": " "}, "BDC_1108", "password"),
        ({"devKey": None}, "BDC_1108", "devKey"),
        ({"orgId": None}, "BDC_1108", "orgId"),
        ({"deviceId": "x" * 49}, "BDC_1143", "deviceId"),
        ({"userName": "x" * 1001}, "BDC_1119", "userName"),
    ],
)
def test_who_is_not_let_in(desk, wrong, code, words):
    found = desk.refused_v2("Login", **LOGIN_V2 | wrong)
    assert found[0] == code and words in found[1]
    if "orgId" not in wrong and "deviceId" not in wrong:
        found = desk.refused_v2("ListOrgs", **LIST_ORGS | wrong)
        assert found[0] == code and words in found[1]


def test_who_is_archived_is_told_with_the_names_that_were_asked(desk):
    desk.writes(lambda work: work.change(work.hold(User, demo_world.USER_ID), archived=True))
    code, words = desk.refused_v2("Login", **LOGIN_V2)
    assert code == "BDC_1111"
    assert words.endswith(f": {demo_world.USERNAME}, {demo_world.ORGANIZATION_ID}")


def test_a_key_that_is_another_partners_or_switched_off(desk):
    partners = LOGIN_V2 | {"devKey": demo_world.PARTNER_DEVELOPER_KEY}
    assert desk.refused_v2("Login", **partners)[0] == "BDC_1106"
    off = {"active": False}
    desk.writes(lambda w: w.connection.update(Key, digest(demo_world.DEVELOPER_KEY), off))
    assert desk.refused_v2("Login", **LOGIN_V2)[0] == "BDC_1103"
    assert desk.refused_v2("ListOrgs", **LIST_ORGS)[0] == "BDC_1103"


def test_five_wrong_passwords_lock_a_login_for_a_quarter_of_an_hour_in_both_versions(desk):
    wrong = LOGIN_V2 | {"password": "guess"}
    for _ in range(3):
        assert desk.refused_v2("Login", **wrong)[0] == "BDC_1101"
    for _ in range(2):
        assert desk.refused_v2("ListOrgs", **LIST_ORGS | {"password": "guess"})[0] == "BDC_1101"
    assert desk.refused_v2("Login", **LOGIN_V2)[0] == "BDC_1110"
    assert desk.refused_v2("ListOrgs", **LIST_ORGS)[0] == "BDC_1110"
    v3 = {"username": demo_world.USERNAME, "password": demo_world.PASSWORD,
          "organizationId": demo_world.ORGANIZATION_ID, "devKey": demo_world.DEVELOPER_KEY}  # fmt: skip
    assert desk.refused("POST", f"{V3}/login", v3, session="") == (403, ["BDC_1110"])
    desk.advance(minutes=15)
    desk.signs_in_v2()


def test_fifty_wrong_passwords_lock_an_organization(desk):
    for number in range(50):
        wrong = LOGIN_V2 | {"userName": f"guess{number}@demo.example"}
        assert desk.refused_v2("Login", **wrong)[0] == "BDC_1101"
    assert desk.refused_v2("Login", **LOGIN_V2)[0] == "BDC_1107"


def test_a_production_takes_two_hundred_sign_ins_an_hour_of_both_calls(open_desk, database_url):
    desk = open_desk(database_url, policy="production")
    ask = lambda: desk.answer_v2("ListOrgs", **LIST_ORGS | {"sessionId": None})

    def nearly_all(work):
        for _ in range(199):
            rates.take_login(work, digest(demo_world.DEVELOPER_KEY))
            work.write()

    desk.writes(nearly_all)
    assert ask()["response_status"] == 0
    code, words = desk.refused_v2("Login", **LOGIN_V2)
    assert code == "BDC_1144" and "20000" in words and "200 logins" in words


@pytest.mark.parametrize("call", WITH_SESSION)
@pytest.mark.parametrize(
    "wrong, code, words",
    [
        ({"sessionId": "invented"}, "BDC_1109", "Session is invalid.  "),
        ({"sessionId": None}, "BDC_1109", "Session is invalid.  "),
        ({"devKey": demo_world.PARTNER_DEVELOPER_KEY}, "BDC_1109", "Session is invalid.  "),
        ({"devKey": "invented"}, "BDC_1102", "developer key"),
        ({"devKey": None}, "BDC_1108", "devKey"),
    ],
)
def test_credentials_are_looked_at_before_anything_else(desk, call, wrong, code, words):
    desk.signs_in_v2()
    for data in (None, "{", "[" * 20_000):
        found = desk.refused_v2(call, data, **wrong)
        assert found[0] == code and words in found[1]


def test_credentials_in_headers_are_none(desk):
    desk.signs_in_v2()
    headers = {"sessionId": desk.session, "devKey": demo_world.DEVELOPER_KEY}
    answer = desk.answer("POST", f"{V2}/CurrentTime.json", b"", headers=headers)
    assert answer.json()["response_data"]["error_code"] == "BDC_1108"


@pytest.mark.parametrize(
    "call, data, code, words",
    [
        ("MFAAuthenticate", None, "BDC_1108", "data"),
        ("MFAAuthenticate", " ", "BDC_1108", "data"),
        ("MFAAuthenticate", {}, "BDC_1108", "challengeId"),
        ("MFAAuthenticate", {"challengeId": "a"}, "BDC_1108", "token"),
        ("MFAAuthenticate", {"challengeId": "a", "token": "1"}, "BDC_1108", "deviceId"),
        ("MFAAuthenticate", {"challengeId": "a", "token": None}, "BDC_1108", "token"),
        ("MFAAuthenticate", {"challengeId": ["a"], "token": "1"}, "BDC_1124", "challengeId"),
        ("MFAAuthenticate", "{", "BDC_1122", "JSON"),
        ("MFAAuthenticate", "challengeId=1", "BDC_1122", "JSON"),
        ("MFAAuthenticate", "[" * 65 + "]" * 65, "BDC_1122", "deeper than 64"),
        ("MFAAuthenticate", "[" * 20_000, "BDC_1122", "deeper than 64"),
        ("MFAAuthenticate", '{"token":"\\u0000"}', "BDC_1002", "NUL"),
        ("MFAChallenge", {"useBackup": "perhaps"}, "BDC_1124", "useBackup"),
        ("MFAChallenge", {"useBackup": 7}, "BDC_1124", "useBackup"),
        ("MFAChallenge", [], "BDC_1124", "data"),
        ("MFAStatus", {"mfaId": "a"}, "BDC_1108", "deviceId"),
        ("MFAStatus", {"mfaId": " ", "deviceId": "a"}, "BDC_1108", "mfaId"),
    ],
)
def test_data_that_is_not_as_it_must_be(desk, call, data, code, words):
    desk.signs_in_v2()
    found = desk.refused_v2(call, data)
    assert found[0] == code and words in found[1], found


def test_data_is_not_asked_where_there_are_no_arguments(desk):
    desk.signs_in_v2()
    for data in (None, "", "{}", "nonsense"):
        desk.call_v2("GetSessionInfo", data)
        desk.call_v2("CurrentTime", data)
    desk.call_v2("MFAChallenge", {"unknown": [1]})
    desk.call_v2("Logout", "{}")


# Forms


def test_everything_may_stand_in_the_query(desk):
    query = urlencode(LIST_ORGS)
    answer = desk.answer("POST", f"{V2}/ListOrgs.json?{query}", session="")
    assert answer.json()["response_data"][0]["orgId"] == demo_world.ORGANIZATION_ID
    answer = desk.answer("POST", f"{V2}/Login.json?{urlencode(LOGIN_V2)}", session="")
    session = {"sessionId": answer.json()["response_data"]["sessionId"]}
    query = urlencode(session | {"devKey": demo_world.DEVELOPER_KEY, "data": '{"useBackup":false}'})
    answer = desk.answer("POST", f"{V2}/MFAChallenge.json?{query}", session="")
    assert answer.json()["response_status"] == 0
    # Where both have a name, the body's counts.
    body = urlencode({"sessionId": "invented"}).encode()
    answer = desk.answer("POST", f"{V2}/CurrentTime.json?{query}", body, session="")
    assert answer.json()["response_data"]["error_code"] == "BDC_1109"


def test_a_form_is_read_whatever_its_type_is_called(desk):
    body = urlencode(LIST_ORGS).encode()
    for kind in (None, "application/x-www-form-urlencoded", "text/plain", "application/json"):
        headers = {"content-type": kind} if kind else {}
        answer = desk.answer("POST", f"{V2}/ListOrgs.json", body, headers=headers, session="")
        assert answer.json()["response_status"] == 0, kind


@pytest.mark.parametrize(
    "body, code",
    [
        (b"devKey=%ff", "BDC_1002"),
        (b"devKey=\xff", "BDC_1002"),
        (b"&" * 999, "BDC_1108"),
        (b"&" * 1000, "BDC_1002"),
        (b"&a=1" * 1001, "BDC_1002"),
        (b"devKey=50%", "BDC_1002"),
        (b"devKey=%z1&sessionId=a", "BDC_1002"),
        (b"devKey=%00", "BDC_1129"),
        (b"devKey=\0", "BDC_1129"),
        (b"%00=1", "BDC_1129"),
        (b"devKey", "BDC_1108"),
        (b"=", "BDC_1108"),
        (b"", "BDC_1108"),
        (b"{}", "BDC_1108"),
        (b'{"devKey":"a"}', "BDC_1108"),
        (b"\xef\xbb\xbf", "BDC_1108"),
    ],
)
def test_an_odd_form(desk, body, code):
    for name in NINE:
        answer = desk.answer("POST", f"{V2}/{name}.json", body, session="")
        said = answer.json()
        assert answer.status_code == 200 and said.keys() == {
            "response_status", "response_message", "response_data",
        }  # fmt: skip
        if name != "Errors":
            assert said["response_data"]["error_code"] == code, (name, said)


def test_a_form_in_parts_is_refused_and_says_so(desk):
    body = b'--x\r\nContent-Disposition: form-data; name="devKey"\r\n\r\nkey\r\n--x--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = desk.answer("POST", f"{V2}/Login.json", body, headers=headers, session="").json()
    assert answer["response_data"]["error_code"] == "BDC_1002"
    assert "form-urlencoded" in answer["response_data"]["error_message"]


@given(strategies.text(strategies.sampled_from("a=_%+? \t\r\n.\u00e9\U0001f3bb"), max_size=12))
def test_percent_decoding_is_the_librarys(text):
    for sent in (quote(text), quote_plus(text), quote(text, safe="=_ \r\n\t"), text.replace("%", "")):
        assert _decoded(sent.encode()) == unquote_plus(sent)


def test_a_name_that_was_sent_twice_counts_with_its_last_value(desk):
    twice = urlencode({"devKey": "invented"}) + "&" + urlencode(LIST_ORGS)
    answer = desk.answer("POST", f"{V2}/ListOrgs.json", twice.encode(), session="")
    assert answer.json()["response_status"] == 0


def test_an_old_client_calls_its_developer_key_app_key(desk):
    desk.signs_in_v2(devKey=None, appKey=demo_world.DEVELOPER_KEY)
    desk.call_v2("CurrentTime", devKey=None, appKey=demo_world.DEVELOPER_KEY)


def test_a_megabyte_is_the_most_and_is_read_in_time(desk):
    size = 1024 * 1024 - 100
    worst = {
        "fields": b"&" * size, "names": b"a=1&" * (size // 4),
        "escapes": b"data=" + b"%41" * (size // 3),
        "signs": b"data=" + b"+" * size, "half escapes": b"data=" + b"%" * size,
        "brackets": b"data=" + b"[" * size, "quotes": b"data=[[" + b'"' * (size - 5),
        "key": b"devKey=" + b"a" * size,
    }  # fmt: skip
    desk.signs_in_v2()
    credentials = urlencode({"devKey": demo_world.DEVELOPER_KEY, "sessionId": desk.session})
    for what, body in worst.items():
        began = process_time()
        path = f"{V2}/MFAAuthenticate.json?{credentials}"
        answer = desk.answer("POST", path, body, session="")
        seconds = process_time() - began
        assert answer.status_code == 200 and answer.json()["response_status"] == 1
        assert seconds < SECONDS_MAX, (what, seconds)
    answer = desk.answer("POST", f"{V2}/Errors.json", b"a=" + b"1" * 1024 * 1024, session="")
    assert (answer.status_code, answer.json()["response_message"]) == (413, "Error")


# Paths, methods and ourselves


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("POST", f"{V2}/Nothing.json", 404),
        ("POST", f"{V2}/login.json", 404),
        ("POST", f"{V2}/Login", 404),
        ("POST", f"{V2}/Crud/Destroy/Vendor.json", 404),
        ("POST", V2, 404),
        ("POST", f"{V2}/", 404),
        ("POST", f"{V2}/%00", 404),
        ("POST", f"http://127.0.0.1:8080/{V2}//Nothing.json", 404),
        ("GET", f"{V2}/Login.json", 405),
        ("DELETE", f"{V2}/Errors.json", 405),
    ],
)
def test_what_is_no_call_is_said_in_the_envelope(desk, method, path, status):
    answer = desk.answer(method, f"{path}", session="")
    assert answer.status_code == status
    assert answer.json()["response_data"]["error_code"] == "BDC_1121"
    if status == 405:
        assert answer.headers["allow"] == ("POST" if "Login" in path else "GET, POST")


def test_a_path_that_only_looks_like_v2_is_not_answered_in_its_envelope(desk):
    for path in ("/api/v2x/Login.json", "/api/v1/Login.json", "/api", f"/x{V2}/Login.json"):
        assert desk.refused("POST", path, session="") == (404, ["BDC_1121"])


def test_clients_may_put_slashes_together_as_they_like(desk):
    point = desk.signs_in_v2()["apiEndPoint"]
    form = urlencode({"devKey": demo_world.DEVELOPER_KEY, "sessionId": desk.session}).encode()
    for url in (
        f"{point}/CurrentTime.json", f"{point}//CurrentTime.json",
        point.replace("/api", "//api") + "/CurrentTime.json",
    ):  # fmt: skip
        assert desk.answer("POST", url, form, session="").json()["response_status"] == 0, url


def test_the_end_point_is_where_the_client_or_the_settings_say_the_server_is(open_desk, sqlite_url):
    desk = open_desk(sqlite_url)
    form = urlencode(LOGIN_V2).encode()
    answer = desk.answer(
        "POST", f"{V2}/Login.json", form, headers={"host": "books.example:8443"}, session=""
    )
    assert answer.json()["response_data"]["apiEndPoint"] == "http://books.example:8443/api/v2"
    public = open_desk(sqlite_url, public_url="https://pay.example/billfold/")
    end_point = public.signs_in_v2()["apiEndPoint"]
    assert end_point == "https://pay.example/billfold/api/v2"


def test_a_crash_has_the_envelope_too(desk):
    desk.writes(lambda work: work.connection.delete(StoredClock, CLOCK_ID))
    answer = desk.answer_v2("ListOrgs", **LIST_ORGS, status=500)
    assert answer["response_status"] == 1
    assert answer["response_data"] == {"error_code": "BDC_1001", "error_message": "System failure."}


def test_only_the_path_of_a_call_is_counted_and_logged(desk):
    desk.billfold.watch.every_request = True
    with capture_logs() as lines:
        desk.answer("POST", f"{V2}/ListOrgs.json?{urlencode(LIST_ORGS)}", session="")
    (line,) = lines
    assert line["route"] == f"{V2}/ListOrgs.json"
    said = str(line)
    assert not [secret for secret in LIST_ORGS.values() if secret in said or quote(secret) in said]
    assert ("POST", f"{V2}/ListOrgs.json", 200) in desk.billfold.watch.answers

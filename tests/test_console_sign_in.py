"""Signing in to the console: password, organization, second step; and how a session ends."""

import pyotp
import pytest

from billfold import demo_world
from billfold.access import authenticators, mfa
from tests.console import CONSOLE, SECOND, SIGN_IN, Person, browsers_of, second_organization
from tests.desk import V3
from tests.test_webhooks import SUBSCRIPTIONS


@pytest.fixture
def person(desk):
    return Person(desk)


def test_a_password_and_a_code_lead_in(desk, person):
    person.opens("/console")
    assert person.path == SIGN_IN
    person.signs_in()
    assert person.path == SECOND and "ends in 0142" in person.page.text
    person.presses("Continue", {"code": "000000"}, 400)
    assert "wrong or has expired" in person.page.text
    person.presses("Continue", {"code": desk.code()})
    assert person.path == CONSOLE and "Demo Company" in person.page.text
    assert "No subscriptions yet" in person.page.text


def test_a_wrong_password_is_said_and_counted(desk, person):
    person.signs_in(password="guess", status=401)
    assert "user name or the password is wrong" in person.page.text
    assert person.page.inputs["username"]["value"] == demo_world.USERNAME
    for _ in range(4):
        person.presses("Sign in", {"password": "guess"}, 401)
    person.presses("Sign in", {"password": demo_world.PASSWORD}, 403)
    assert "locked" in person.page.text
    # It is the same lock as the API's.
    login = {"username": demo_world.USERNAME, "password": demo_world.PASSWORD}
    login |= {"organizationId": demo_world.ORGANIZATION_ID, "devKey": demo_world.DEVELOPER_KEY}
    assert desk.refused("POST", f"{V3}/login", login, session="") == (403, ["BDC_1110"])
    desk.advance(minutes=15)
    person.signs_in()
    assert browsers_of(desk)


def test_an_organization_that_is_locked_lets_nobody_in(desk, person):
    for number in range(50):
        body = {"username": f"n{number}@demo.example", "password": "guess"}
        body |= {"organizationId": demo_world.ORGANIZATION_ID, "devKey": demo_world.DEVELOPER_KEY}
        desk.answer("POST", f"{V3}/login", body, session="")
    person.signs_in(status=423)
    assert not browsers_of(desk)


def test_of_several_organizations_one_is_chosen(desk, person):
    other = second_organization(desk)
    person.signs_in()
    assert "Which organization?" in person.page.text and browsers_of(desk) == []
    form = person.page.forms[0]
    assert set(form["choices"]) == {demo_world.ORGANIZATION_ID, other}
    # Neither another's organization nor another browser's ticket leads anywhere.
    answer = person.asks(
        "POST", form["action"], form["sent"] | {"organization": "00801NOBODYS0000none"}
    )
    assert answer.status_code == 401
    stranger = Person(desk)
    stranger.opens(SIGN_IN)
    sent = form["sent"] | {"mark": stranger.page.forms[0]["sent"]["mark"], "organization": other}
    assert stranger.asks("POST", form["action"], sent).status_code == 404
    person.goes("POST", form["action"], form["sent"] | {"organization": other})
    # It has no two-step sign-in.
    assert person.path == CONSOLE and "Second Company" in person.page.text
    assert [each.organization_id for each in browsers_of(desk)] == [other]
    assert person.asks("GET", form["action"]).headers["location"] == SIGN_IN


def test_a_ticket_is_good_for_five_minutes_and_one_password(desk, person):
    other = second_organization(desk)
    person.signs_in()
    form = person.page.forms[0]
    typed = form["sent"] | {"organization": other}
    desk.advance(minutes=5)
    assert person.asks("POST", form["action"], typed).status_code == 404
    for spoilt in ("", "x", "%%%", form["sent"]["ticket"][:-4]):
        assert person.asks("POST", form["action"], typed | {"ticket": spoilt}).status_code == 404


def test_an_app_s_code_is_taken(database_url, open_desk):
    desk = open_desk(database_url, second_factor="both")
    secret = authenticators.new_secret()

    def enrol(work):
        for phone in mfa.phones(work):
            work.remove(work.hold(mfa.MfaPhone, phone.id))
        authenticators.enrol(work, demo_world.USER_ID, secret)

    desk.writes(enrol)
    person = Person(desk)
    person.signs_in()
    assert "Your app shows a code" in person.page.text
    person.presses("Continue", {"code": pyotp.TOTP(secret).now()})
    assert person.path == CONSOLE


def test_who_has_no_second_factor_is_told_where_to_get_one(desk, person):
    def remove(work):
        for phone in mfa.phones(work):
            work.remove(work.hold(mfa.MfaPhone, phone.id))

    desk.writes(remove)
    person.signs_in()
    assert "No second factor yet" in person.page.text
    answer = person.asks("GET", CONSOLE)
    assert answer.headers["location"] == SECOND


def test_another_code_is_sent_when_it_is_asked_for(desk, person):
    person.signs_in()
    messages = lambda: len(desk.call("GET", "/_control/messages", session="")["results"])
    before = messages()
    person.presses("Send a new code")
    assert messages() == before + 1
    person.presses("Continue", {"code": desk.code()})
    assert person.path == CONSOLE


def test_after_three_wrong_codes_another_is_asked_for(desk, person):
    person.signs_in()
    for _ in range(3):
        person.presses("Continue", {"code": "000000"}, 400)
    person.presses("Continue", {"code": desk.code()}, 400)
    assert "Too many" in person.page.text
    person.presses("Send a new code")
    person.presses("Continue", {"code": desk.code()})
    assert person.path == CONSOLE


def test_a_browser_is_remembered_for_thirty_days(desk, person):
    person.comes_in(remember="yes")
    (kept,) = [each for each in person.set if demo_world.USER_ID in each]
    assert "Max-Age=2592000" in kept and "HttpOnly" in kept and "Path=/console;" in kept
    person.presses("Sign out")
    assert person.path == SIGN_IN
    person.signs_in()
    assert person.path == CONSOLE
    desk.advance(days=30)
    person.signs_in()
    assert person.path == SECOND
    # Without the wish it is not.
    other = Person(desk)
    other.comes_in()
    other.signs_in()
    assert other.path == SECOND


def test_the_cookie_is_the_console_s_alone(desk, person):
    person.comes_in()
    (given,) = [each for each in person.set if each.startswith("billfold-console=")]
    assert "; Path=/console; HttpOnly; SameSite=Strict" in given
    assert "Secure" not in given and "Max-Age" not in given


def test_behind_https_the_cookie_is_secure(sqlite_url, open_desk):
    desk = open_desk(sqlite_url, public_url="https://ap.company.example")
    person = Person(desk)
    person.signs_in()
    (given,) = [each for each in person.set if "billfold-console=" in each]
    assert given.startswith("__Secure-") and given.endswith("; Secure")


def test_each_sign_in_has_an_id_of_its_own_and_ends_the_one_before(desk, person):
    person.cookies["billfold-console"] = "chosen-by-somebody"
    person.signs_in()
    first = person.cookies["billfold-console"]
    assert first != "chosen-by-somebody"
    person.signs_in()
    assert person.cookies["billfold-console"] != first
    assert len(browsers_of(desk)) == 1


def test_signed_out_means_out(desk, person):
    person.comes_in()
    kept = dict(person.cookies)
    person.presses("Sign out")
    assert "billfold-console" not in person.cookies and browsers_of(desk) == []
    person.cookies = kept
    assert person.asks("GET", CONSOLE).headers["location"] == SIGN_IN


def test_whoever_is_idle_for_35_minutes_is_out(desk, person):
    person.comes_in()
    for _ in range(3):
        desk.advance(minutes=34)
        person.opens()
        assert person.path == CONSOLE
    desk.advance(minutes=35)
    person.opens()
    assert person.path == SIGN_IN


def test_a_page_that_looks_by_itself_keeps_no_session(desk, person):
    person.comes_in()
    for _ in range(2):
        desk.advance(minutes=18)
        answer = person.asks("GET", f"{CONSOLE}?seen=old", **{"hx-request": "true"})
    assert answer.status_code == 204 and answer.headers["hx-redirect"] == SIGN_IN


def test_a_browser_s_session_opens_nothing_of_the_api(desk, person):
    person.comes_in()
    token = person.cookies["billfold-console"]
    for key in (demo_world.DEVELOPER_KEY, ""):
        headers = {"sessionId": token, "devKey": key}
        for path in (f"{V3}/vendors", f"{V3}/login/session", SUBSCRIPTIONS):
            answer = desk.answer("GET", path, session="", headers=headers)
            assert answer.status_code in (400, 401), path
    desk.signs_in()
    person.cookies["billfold-console"] = desk.session
    assert person.asks("GET", CONSOLE).headers["location"] == SIGN_IN

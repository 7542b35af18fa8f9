"""The console: signing in, looking at webhooks and pressing buttons, as a browser without a script."""

import json
import uuid

import pyotp
import pytest

from billfold import demo_world
from billfold.access import authenticators, mfa, users
from billfold.access.roles import RoleType
from billfold.access.sessions import Session, SessionKind
from billfold.events.outbox import Delivery
from billfold.kit.work import Caller
from tests.console import CONSOLE, Person, words
from tests.desk import V3
from tests.test_webhooks import SUBSCRIPTIONS, Receiver, subscribes

SIGN_IN, SECOND = "/console/sign-in", "/console/second-factor"


@pytest.fixture
def person(desk):
    return Person(desk)


@pytest.fixture
def receiver(desk):
    receiver = Receiver(desk)
    receiver.url = desk.runner.run(receiver.open())
    yield receiver
    desk.runner.run(receiver.close())


@pytest.fixture
def heard(desk, receiver) -> dict:
    """A subscription to new vendors that the receiver has heard of one of."""
    desk.signs_in()
    made = subscribes(desk, receiver.url, "vendor.created", name="Warehouse")
    desk.vendor("Acme")
    desk.advance(seconds=1)
    return made


def browsers_of(desk) -> list[Session]:
    return desk.reads(lambda work: work.connection.where(Session, kind=SessionKind.BROWSER))


# Signing in


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


def test_before_the_second_step_nothing_is_shown(desk, person, heard):
    person.signs_in()
    for path in (CONSOLE, f"{CONSOLE}/{heard['id']}"):
        answer = person.asks("GET", path)
        assert (answer.status_code, answer.headers["location"]) == (303, SECOND)
    status = {"mark": person.page.form("Continue")["sent"]["mark"], "enabled": "no"}
    answer = person.asks("POST", f"{CONSOLE}/{heard['id']}/status", status)
    assert answer.headers["location"] == SECOND
    assert desk.call("GET", f"{SUBSCRIPTIONS}/{heard['id']}")["status"]["enabled"]


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
    assert (
        person.path == CONSOLE and "Second Company" in person.page.text
    )  # It has no two-step sign-in.
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


def second_organization(desk) -> str:
    """Where the demo administrator works as well, and nobody asks for a second step."""
    id = "00801SECONDCOMPNdemo"

    def found(work):
        from billfold.access import organizations

        login = users.login_of(work, demo_world.USERNAME)
        organizations.found(work, "Second Company", because="of the test", id=id, mfa_enabled=False)
        made = users.add_user(work, first_name="Ada", last_name="A", email=login.name)
        assert made.login_id == login.id

    desk.writes(found, None)
    return id


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
    first = desk.code()
    person.presses("Send a new code")
    if first != desk.code():
        person.presses("Continue", {"code": first}, 400)
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


@pytest.mark.parametrize("role", [RoleType.AUDITOR, RoleType.PAYER])
def test_roles_that_manage_no_webhooks_see_none(desk, role):
    person = Person(desk)
    person.signs_in(role)
    person.presses("Continue", {"code": desk.code()}, 403)
    assert "role of this user does not allow" in person.page.text


def test_an_accountant_may(desk, person, heard):
    person.comes_in(RoleType.ACCOUNTANT)
    assert "Warehouse" in person.page.text


# What is seen


def test_health_and_deliveries_are_seen(desk, person, heard, receiver):
    person.comes_in()
    text = words(person.page.text)
    assert "Warehouse" in text and "Enabled" in text and receiver.url in text
    assert "Last attempt ✓ HTTP 200" in text and "1 delivered, 0 failed, 0 stopped or not sent" in text
    receiver.status = 503
    desk.vendor("Late")
    desk.advance(seconds=1)
    person.follows("Warehouse")
    text = words(person.page.text)
    assert "Waiting 1, none overdue" in text and "Retrying" in text and "HTTP 503" in text
    desk.advance(minutes=1)
    person.opens()
    assert "Disabled" in person.page.text and "1 failed" in person.page.text


def test_one_delivery_is_seen_in_full(desk, person, heard, receiver):
    receiver.status, receiver.says = 503, "come <b>later</b>"
    desk.vendor("O'Neil <script>alert(1)</script> & Söhne")
    desk.advance(seconds=1)
    receiver.status = 200
    desk.advance(seconds=2)
    person.comes_in()
    person.follows("Warehouse")
    answer = person.follows("vendor.created")
    text = words(person.page.text)
    assert "Attempt 2 ✓ HTTP 200" in text and "Attempt 1 ✕ HTTP 503" in text
    _, headers, body, _ = receiver.got[-1]
    assert headers["x-bill-sha-signature"] in text and "x-bill-sha-signature" in text
    assert body.decode() in person.page.text
    assert "come <b>later</b>" in person.page.text and "<b>later" not in answer.text
    assert "<script>alert" not in answer.text
    assert "2027-01-04 17:00:0" in text and json.loads(body)["metadata"]["eventId"] in text


def test_why_there_was_no_answer_is_seen(desk, person):
    desk.signs_in()
    made = subscribes(desk, "http://127.0.0.1:9/hook", "vendor.created")
    desk.vendor()
    desk.advance(seconds=1)
    person.comes_in()
    person.opens(f"{CONSOLE}/{made['id']}")
    person.follows("vendor.created")
    assert "No answer" in person.page.text and "ClientConnectorError" in person.page.text


def test_a_name_may_hold_html(desk, person, receiver):
    desk.signs_in()
    subscribes(desk, receiver.url, "vendor.created", name='"><img src=x onerror=alert(1)>')
    person.comes_in()
    assert "<img" not in person.opens().text
    answer = person.follows('"><img src=x onerror=alert(1)>')
    assert "<img" not in answer.text and not [t for t, a in person.page.tags if "onerror" in a]


def test_deliveries_come_by_pages(desk, person, heard):
    for number in range(45):
        desk.vendor(f"V{number}")
    desk.advance(minutes=1)
    person.comes_in()
    person.follows("Warehouse")
    seen, pages = set(), 1
    while True:
        opened = [
            a["id"] for t, a in person.page.tags if t == "a" and a.get("id", "").startswith("open-")
        ]
        assert len(opened) <= 20 and not seen & set(opened)
        seen |= set(opened)
        if "Older" not in person.page.links:
            break
        person.follows("Older")
        pages += 1
    assert (len(seen), pages) == (46, 3)
    person.follows("Newest")
    assert "Older" in person.page.links
    assert person.asks("GET", f"{person.path}?page=invented").status_code == 400


def test_who_has_seen_it_is_told_nothing_again(desk, person, heard):
    person.comes_in()
    person.follows("Warehouse")
    (looks,) = [a["hx-get"] for t, a in person.page.tags if a.get("id") == "live"]
    answer = person.asks("GET", looks, **{"hx-request": "true"})
    assert (answer.status_code, answer.content) == (204, b"")
    desk.vendor("News")
    answer = person.asks("GET", looks, **{"hx-request": "true"})
    assert answer.status_code == 200 and "Waiting" in answer.text
    person.opens(f"{person.path}?live=off")
    assert not [a for t, a in person.page.tags if "hx-get" in a]


def test_what_is_another_organization_s_is_not_found(desk, person, heard, receiver):
    """Nor what is another subscription's."""
    other, foreign = second_organization(desk), str(uuid.uuid4())
    caller = Caller(other, "00601NOBODY000000demo"[:20], True)

    def subscribe(work):
        from billfold.events import subscriptions

        made, _ = subscriptions.subscribe(
            work, "Theirs", receiver.url, [subscriptions.Wanted("vendor.created", "1")], True
        )
        from billfold.events import outbox

        sent = outbox.send_one(work, made, "vendor.created", "x", b'{"vendor":{}}')
        return made.id, sent.id

    theirs, delivery = desk.writes(subscribe, caller)
    mine = desk.reads(lambda work: work.rows(Delivery)[0].id)
    person.signs_in()
    form = person.page.forms[0]
    person.goes("POST", form["action"], form["sent"] | {"organization": demo_world.ORGANIZATION_ID})
    person.presses("Continue", {"code": desk.code()})
    assert "Theirs" not in person.page.text
    mark = person.page.form("Sign out")["sent"]["mark"]
    for path in (
        theirs, foreign, f"{theirs}/deliveries/{delivery}", f"{heard['id']}/deliveries/{delivery}",
        f"{theirs}/deliveries/{mine}", "x", "%27",
    ):  # fmt: skip
        person.opens(f"{CONSOLE}/{path}", 404)
    for path in (f"{theirs}/status", f"{theirs}/missed", f"{heard['id']}/deliveries/{delivery}/resend"):
        typed = {"mark": mark, "since": "2027-01-01T00:00"}
        assert person.asks("POST", f"{CONSOLE}/{path}", typed).status_code == 404, path
    assert len(receiver.got) == 1


def test_what_is_too_old_to_be_told_is_not_found(desk, person, heard):
    (delivery,) = desk.reads(lambda work: work.rows(Delivery))
    desk.advance(days=181)
    person.comes_in()
    person.opens(f"{CONSOLE}/{heard['id']}/deliveries/{delivery.id}", 404)


# Buttons


def test_resend_sends_again_under_the_same_id(desk, person, heard, receiver):
    person.comes_in()
    person.follows("Warehouse")
    person.presses("Resend vendor.created")
    assert person.path == f"{CONSOLE}/{heard['id']}" and "on its way again" in person.page.said
    desk.advance(seconds=1)
    person.follows("vendor.created")
    person.presses("Resend")
    assert "/deliveries/" in person.path and "Attempt 2" in person.page.text
    desk.advance(seconds=1)
    ids = [body["metadata"]["eventId"] for body in receiver.bodies]
    assert len(ids) == 3 and len(set(ids)) == 1


def test_what_was_missed_between_two_times_is_resent(desk, person, heard, receiver):
    path = f"{CONSOLE}/{heard['id']}"
    person.comes_in()
    person.opens(path)
    person.presses("Disable")
    assert "Disabled" in person.page.said
    assert not desk.call("GET", f"{SUBSCRIPTIONS}/{heard['id']}")["status"]["enabled"]
    desk.vendor("First")
    desk.advance(minutes=10)
    desk.vendor("Second")
    person.presses("Resend everything", status=400)
    assert "enable it first" in words(person.page.text)
    person.opens(path)
    assert [form["button"] for form in person.page.forms if form["button"].startswith("Resend v")] == []
    person.presses("Enable")
    assert "Enabled" in person.page.said
    person.presses("Resend everything", {"since": "2027-01-04T17:00", "until": "2027-01-04T17:05"})
    assert person.page.said == "Events to be sent again: 1."
    person.presses("Resend everything", {"since": "2027-01-04T17:00"})
    assert person.page.said == "Events to be sent again: 1."
    person.presses("Resend everything", {"since": "2027-01-04T17:00"})
    assert person.page.said.startswith("Nothing was missed")
    desk.advance(seconds=1)
    # Several are in flight at once: they leave in order, and may arrive in another.
    assert sorted(each["vendor"]["name"] for each in receiver.bodies) == ["Acme", "First", "Second"]


@pytest.mark.parametrize("since", ["", "yesterday", "2027-13-01T00:00"])
def test_a_time_that_is_none_is_refused(sqlite_desk, since):
    desk = sqlite_desk
    desk.signs_in()
    made = subscribes(desk, "http://127.0.0.1:9/hook", "vendor.created")
    person = Person(desk)
    person.comes_in()
    person.opens(f"{CONSOLE}/{made['id']}")
    person.presses("Resend everything", {"since": since}, 400)
    assert "From: must be a moment" in words(person.page.text)


def test_a_test_event_is_sent(desk, person, heard, receiver):
    person.comes_in()
    person.follows("Warehouse")
    person.presses("Send a test event")
    assert "test event is on its way" in person.page.said
    desk.advance(seconds=1)
    assert receiver.bodies[-1]["metadata"]["eventType"] == "vendor.created"
    for invented in ("vendor.invented", "", "spend.transaction.updated"):
        person.opens(f"{CONSOLE}/{heard['id']}")
        person.presses("Send a test event", {"event_type": invented}, 400)
    assert len(receiver.got) == 2


def test_for_a_script_a_refusal_leaves_what_is_there(desk, person, heard):
    person.comes_in()
    person.follows("Warehouse")
    person.presses("Disable")
    answer = person.presses("Send a test event", None, 400, **{"hx-request": "true"})
    assert answer.headers["hx-reswap"] == "none" and "enable it first" in person.page.said


# What a stranger tries


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:8080", "sec-fetch-site": "cross-site"},
        {"host": "evil.example:8080"},
    ],
)  # fmt: skip
def test_a_button_that_is_pressed_from_elsewhere_does_nothing(sqlite_desk, headers):
    desk = sqlite_desk
    desk.signs_in()
    made = subscribes(desk, "http://127.0.0.1:9/hook", "vendor.created")
    person = Person(desk)
    person.comes_in()
    person.opens(f"{CONSOLE}/{made['id']}")
    person.presses("Disable", None, 403, **headers)
    assert desk.call("GET", f"{SUBSCRIPTIONS}/{made['id']}")["status"]["enabled"]


@pytest.mark.parametrize("mark", ["", "0" * 64])
def test_a_form_without_its_mark_is_refused(sqlite_desk, mark):
    desk = sqlite_desk
    desk.signs_in()
    made = subscribes(desk, "http://127.0.0.1:9/hook", "vendor.created")
    person = Person(desk)
    person.comes_in()
    person.opens(f"{CONSOLE}/{made['id']}")
    for button in ("Disable", "Send a test event", "Resend everything", "Sign out"):
        action = person.page.form(button)["action"]
        assert person.asks("POST", action, {"mark": mark, "enabled": "no"}).status_code == 403
    person.opens(SIGN_IN)
    person.presses("Sign in", {"mark": mark}, 403)
    assert desk.call("GET", f"{SUBSCRIPTIONS}/{made['id']}")["status"]["enabled"]
    assert len(browsers_of(desk)) == 1


def test_looking_changes_nothing(desk, person, heard):
    person.comes_in()
    before = desk.reads(lambda work: work.rows(Delivery))
    for path in ("status", "test", "missed", f"deliveries/{before[0].id}/resend"):
        answer = person.asks("GET", f"{CONSOLE}/{heard['id']}/{path}?enabled=no&since=2027-01-01T00:00")
        assert answer.status_code in (404, 405)
    person.signs_in()
    codes = len(desk.call("GET", "/_control/messages", session="")["results"])
    person.opens(SECOND)
    person.opens(SECOND)
    assert len(desk.call("GET", "/_control/messages", session="")["results"]) == codes
    assert desk.reads(lambda work: work.rows(Delivery)) == before


def test_nothing_of_an_address_is_said(desk, person):
    person.comes_in()
    person.opens(f"{CONSOLE}?said=missed&n=<b>9</b>")
    assert "9" not in person.page.said
    person.opens(f"{CONSOLE}?said=Call+us&n=1")
    assert person.page.said == ""


# What the pages are


def test_pages_are_plain_labelled_and_kept_to_themselves(desk, person, heard):
    person.comes_in()
    paths = [CONSOLE, f"{CONSOLE}/{heard['id']}"]
    person.opens(paths[1])
    paths.append(person.page.links["vendor.created"])
    for path in paths:
        answer = person.opens(path)
        page, policy = person.page, answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy
        assert "unsafe" not in policy and answer.headers["cache-control"] == "no-store"
        assert not [t for t, a in page.tags if t in ("style", "iframe") or "style" in a]
        assert not [n for _, a in page.tags for n in a if n.startswith("on")]
        assert all(a.get("src") for t, a in page.tags if t == "script")
        assert page.labels == set(page.inputs)
        assert [t for t, _ in page.tags if t == "h1"] == ["h1"]
        ids = [a["id"] for _, a in page.tags if "id" in a]
        assert len(ids) == len(set(ids))
        assert [a for _, a in page.tags if a.get("role") == "status"]
        for asset in [a["src"] for t, a in page.tags if t == "script"]:
            assert person.asks("GET", asset).status_code == 200
    plain = person.asks("GET", "/password").headers["content-security-policy"]
    assert "script-src" not in plain


def test_numbers_say_the_page_and_no_secret(desk, person, heard):
    person.comes_in()
    person.opens(f"{CONSOLE}/{heard['id']}")
    numbers = desk.answer("GET", "/metrics", session="").text
    assert 'route="/console/webhooks/{subscription_id}"' in numbers
    assert heard["id"] not in numbers


def test_an_address_that_leads_nowhere_is_a_page(desk, person):
    person.opens("/console/invented", 404)
    assert "no such page" in person.page.text


def test_another_environment_has_a_console_of_its_own(database_url, open_desk):
    desk = open_desk(database_url)
    desk.call(
        "POST", "/_control/environments", {"name": "stage", "policy": "sandbox"}, session="", status=201
    )
    first, other = Person(desk), Person(desk, "/env/stage")
    first.comes_in()
    other.opens("/console")
    assert other.path == f"/env/stage{SIGN_IN}"
    name = "ada@demo.stage.example"
    other.presses("Sign in", {"username": name, "password": demo_world.PASSWORD})
    assert other.path == f"/env/stage{SECOND}"
    codes = desk.call("GET", "/env/stage/_control/messages", session="")["results"]
    other.presses("Continue", {"code": codes[-1]["code"]})
    assert other.path == f"/env/stage{CONSOLE}" and "stage" in other.page.text
    (given,) = [each for each in other.set if each.startswith("billfold-console=")]
    assert "Path=/env/stage/console;" in given
    assert other.page.form("Sign out")["action"] == "/env/stage/console/sign-out"
    # One's session is nobody in the other.
    first.cookies["billfold-console"] = other.cookies["billfold-console"]
    first.opens()
    assert first.path == SIGN_IN

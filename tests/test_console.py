"""The console: signing in, looking at webhooks and pressing buttons, as a browser without a script."""

import json
import uuid

import pytest

from billfold import demo_world
from billfold.access.roles import RoleType
from billfold.events import outbox, subscriptions
from billfold.events.outbox import Delivery
from billfold.kit.callers import SYSTEM_USER, Caller
from tests.console import CONSOLE, SECOND, SIGN_IN, Person, browsers_of, second_organization, words
from tests.test_webhooks import SUBSCRIPTIONS, subscribes


@pytest.fixture
def person(desk):
    return Person(desk)


@pytest.fixture
def heard(desk, receiver) -> dict:
    """A subscription to new vendors that the receiver has heard of one of."""
    desk.signs_in()
    made = subscribes(desk, receiver.url, "vendor.created", name="Warehouse")
    desk.vendor("Acme")
    desk.advance(seconds=1)
    return made


def at_a_subscription(desk) -> tuple[dict, Person]:
    """One whose receiver is not there, and who looks at it."""
    desk.signs_in()
    made = subscribes(desk, "http://127.0.0.1:9/hook", "vendor.created")
    person = Person(desk)
    person.comes_in()
    person.opens(f"{CONSOLE}/{made['id']}")
    return made, person


# What is seen, and by whom


def test_before_the_second_step_nothing_is_shown(desk, person, heard):
    person.signs_in()
    for path in (CONSOLE, f"{CONSOLE}/{heard['id']}"):
        answer = person.asks("GET", path)
        assert (answer.status_code, answer.headers["location"]) == (303, SECOND)
    status = {"mark": person.page.form("Continue")["sent"]["mark"], "enabled": "no"}
    answer = person.asks("POST", f"{CONSOLE}/{heard['id']}/status", status)
    assert answer.headers["location"] == SECOND
    assert desk.call("GET", f"{SUBSCRIPTIONS}/{heard['id']}")["status"]["enabled"]


@pytest.mark.parametrize("role", [RoleType.AUDITOR, RoleType.PAYER])
def test_roles_that_manage_no_webhooks_see_none(desk, role):
    person = Person(desk)
    person.signs_in(role)
    person.presses("Continue", {"code": desk.code()}, 403)
    assert "role of this user does not allow" in person.page.text


def test_an_accountant_may(desk, person, heard):
    person.comes_in(RoleType.ACCOUNTANT)
    assert "Warehouse" in person.page.text


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
    caller = Caller(other, SYSTEM_USER, True)

    def subscribe(work):
        made, _ = subscriptions.subscribe(
            work, "Theirs", receiver.url, [subscriptions.Wanted("vendor.created", "1")], True
        )
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
        typed = {"mark": mark, "since": "2027-01-01T00:00", "enabled": "no"}
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
    _, person = at_a_subscription(sqlite_desk)
    person.presses("Resend everything", {"since": since}, 400)
    assert "From: must be a moment" in words(person.page.text)


@pytest.mark.parametrize(("until", "status"), [
    ("9999-12-31T23:59", 200), ("9999-12-31T23:59:30", 400), ("9999-12-31T23:59-01:00", 400),
])  # fmt: skip
def test_the_ends_of_time_may_be_asked_for_and_what_is_beyond_is_refused(
    desk, person, heard, until, status
):
    person.comes_in()
    person.opens(f"{CONSOLE}/{heard['id']}")
    person.presses("Resend everything", {"since": "0001-01-01T00:00", "until": until}, status)
    said = "Nothing was missed" if status == 200 else "To: must be a moment"
    assert said in words(person.page.text)


@pytest.mark.parametrize("enabled", ["zz", "", "true", None])
def test_only_yes_and_no_change_the_status(desk, person, heard, enabled):
    person.comes_in()
    person.opens(f"{CONSOLE}/{heard['id']}")
    form = person.page.form("Disable")
    typed = {"mark": form["sent"]["mark"]} | ({} if enabled is None else {"enabled": enabled})
    answer = person.asks("POST", form["action"], typed)
    assert answer.status_code == 400 and "Status: must be yes or no" in words(answer.text)
    assert desk.call("GET", f"{SUBSCRIPTIONS}/{heard['id']}")["status"]["enabled"]


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
    made, person = at_a_subscription(desk)
    person.presses("Disable", None, 403, **headers)
    assert desk.call("GET", f"{SUBSCRIPTIONS}/{made['id']}")["status"]["enabled"]


@pytest.mark.parametrize("mark", ["", "0" * 64])
def test_a_form_without_its_mark_is_refused(sqlite_desk, mark):
    desk = sqlite_desk
    made, person = at_a_subscription(desk)
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

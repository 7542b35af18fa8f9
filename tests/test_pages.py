"""Pages: sign-up, invitation and password as a browser sees them, and as a stranger tries them."""

import re
from html.parser import HTMLParser

import pyotp
import pytest

from billfold import demo_world
from billfold.access import invitations, users
from billfold.access.users import Login
from tests.desk import CONTROL, LOGIN, V3
from tests.test_sign_up import GOOD, inbox, token_of

PAGES = ["/signup", "/password", "/password/forgot"]
APPLIES = {
    "organization": "Carla's <Guitars>", "first_name": "Carla", "last_name": "Luthier",
    "email": "carla@guitars.example", "phone": "(415) 555-0111", "password": GOOD,
}  # fmt: skip


class Seen(HTMLParser):
    """What a page asks: its fields with their values, labels, where the form goes; and what it says."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: dict[str, dict] = {}
        self.labels: set[str] = set()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.action, self.method, self.text = "", "", ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        self.tags.append(tag)
        self.attributes |= set(said)
        if tag == "input":
            self.fields[said["name"]] = said
        if tag == "label":
            self.labels.add(said["for"])
        if tag == "form":
            self.action, self.method = said.get("action", ""), said["method"]

    def handle_data(self, data):
        self.text += data


class Browser:
    """One browser: its cookie, the page it is on, and what it tells of itself."""

    def __init__(self, desk, **headers: str) -> None:
        self.desk, self.headers = desk, headers
        self.cookie = ""
        self.page, self.at = Seen(""), ""

    def asks(self, method: str, path: str, data=None, **headers: str):
        sent = self.headers | ({"cookie": self.cookie} if self.cookie else {}) | headers
        self.desk.client.cookies.clear()  # Each browser keeps its own.
        asks = self.desk.client.request(method, path, data=data, headers=sent)
        answer = self.desk.runner.run(asks)
        if given := answer.headers.get("set-cookie"):
            self.cookie = given.partition(";")[0]
        self.page = Seen(answer.text)
        return answer

    def opens(self, path: str, status: int = 200, **headers: str):
        self.at = path
        answer = self.asks("GET", path, **headers)
        assert answer.status_code == status, answer.text
        return answer

    def sends(self, typed: dict, status: int = 200, **headers: str):
        """Fills in the form of the page and sends it."""
        hidden = {n: f["value"] for n, f in self.page.fields.items() if f["type"] == "hidden"}
        self.at = self.page.action or self.at
        answer = self.asks("POST", self.at, hidden | typed, **headers)
        assert answer.status_code == status, answer.text
        return answer


@pytest.fixture
def browser(desk):
    return Browser(desk)


# The stories


def test_somebody_signs_up_and_a_program_signs_in_with_what_was_shown(desk, browser):
    browser.opens("/signup")
    browser.sends(APPLIES)
    mail, text = inbox(desk)
    browser.sends({"mailed": mail["code"], "code": "000000"}, 400)
    assert "wrong or has expired" in browser.page.text
    browser.sends({"mailed": mail["code"], "code": text["code"]})
    words = browser.page.text.partition("only now.")[2].split()
    shown = dict(zip(words[::2], words[1::2], strict=True))
    body = {
        "username": shown["username"], "password": GOOD, "organizationId": shown["organizationId"],
        "devKey": shown["devKey"],
    }  # fmt: skip
    login = desk.call("POST", f"{V3}/login", body, session="")
    assert login["userId"] == shown["userId"] and login["trusted"] is False


def test_with_an_app_as_the_factor_its_key_is_shown_and_proved(database_url, open_desk):
    desk = open_desk(database_url, second_factor="both")
    browser = Browser(desk)
    browser.opens("/signup")
    answer = browser.sends(APPLIES | {"phone": ""})
    (key,) = re.findall(r"[A-Z2-7]{32}", browser.page.text)
    assert 'src="data:image/png;base64,' in answer.text
    (mail,) = inbox(desk)
    browser.sends({"mailed": mail["code"], "code": pyotp.TOTP(key).now()})
    assert "devKey" in browser.page.text


def test_what_is_wrong_is_said_by_its_label_and_the_rest_stays(desk, browser):
    browser.opens("/signup")
    answer = browser.sends(APPLIES | {"password": "password1234"}, 400)
    assert '<a href="#password">Password: is too common' in answer.text
    assert browser.page.fields["organization"]["value"] == APPLIES["organization"]
    assert browser.page.fields["password"].get("value") is None
    assert browser.page.fields["password"]["aria-invalid"] == "true"
    browser.sends(APPLIES | {"phone": "12"}, 400)
    assert "Mobile phone (US): must be a US phone number" in browser.page.text
    browser.sends(APPLIES | {"email": ""}, 400)
    assert "E-mail address: is missing" in browser.page.text
    assert inbox(desk) == []


def invited(desk) -> str:
    def invite(work):
        user = users.add_user(work, first_name="Carla", last_name="Luthier", email=APPLIES["email"])
        invitations.invite(work, user)

    desk.writes(invite)
    return "/invitation/" + token_of(inbox(desk)[-1])


def test_an_invitation_ends_with_a_password(desk, browser):
    path = invited(desk)
    browser.opens(path)
    assert "Welcome to Demo Company" in browser.page.text
    browser.sends({"password": GOOD, "again": GOOD + "!"}, 400)
    browser.sends({"password": GOOD, "again": GOOD})
    desk.call(
        "POST", f"{V3}/login", LOGIN | {"username": APPLIES["email"], "password": GOOD}, session=""
    )
    browser.opens(path, 404)
    browser.opens("/invitation/invented", 404)


def test_a_forgotten_password_is_set_anew(desk, browser):
    said = []
    for name in (demo_world.USERNAME, "nobody@demo.example"):
        browser.opens("/password/forgot")
        said.append(browser.sends({"username": name}).text)
    assert said[0] == said[1]
    (mail,) = inbox(desk)
    browser.opens("/password/reset/" + token_of(mail))
    browser.sends({"password": GOOD, "again": GOOD})
    desk.signs_in(password=GOOD)
    browser.opens("/password/reset/" + token_of(mail), 404)


def test_the_link_goes_to_the_logins_own_address(desk, browser):
    """Not to a user's, which an organization or its partner may change."""
    change = lambda work: users.change_user(work, demo_world.USER_ID, email="else@noodles.example")
    desk.writes(change)
    browser.opens("/password/forgot")
    browser.sends({"username": demo_world.USERNAME})
    (mail,) = inbox(desk)
    assert mail["to"] == demo_world.USERNAME
    browser.opens("/password/reset/" + token_of(mail))
    browser.sends({"password": GOOD, "again": GOOD})
    assert [each["to"] for each in inbox(desk)] == [demo_world.USERNAME] * 2


def test_a_crash_is_a_page_as_well_and_is_logged(sqlite_desk, monkeypatch):
    def crash(*_):
        raise ArithmeticError("of the test")

    noted = []
    watch = sqlite_desk.billfold.watch
    monkeypatch.setattr(watch, "note", lambda *said: noted.append(said[1:]) or b"")
    monkeypatch.setattr(invitations, "guest_of", crash)
    browser = Browser(sqlite_desk)
    answer = browser.opens("/invitation/any", 500)
    assert "of the test" not in answer.text and answer.headers["cache-control"] == "no-store"
    ((status, _, error),) = noted
    assert status == 500 and isinstance(error, ArithmeticError)


def test_a_password_is_changed_by_who_knows_the_old_one(desk, browser):
    desk.signs_in(trusted=False)
    typed = {"username": demo_world.USERNAME, "old": "guess", "password": GOOD, "again": GOOD}
    browser.opens("/password")
    browser.sends(typed, 401)
    desk.call("GET", f"{V3}/login/session")
    browser.sends(typed | {"old": demo_world.PASSWORD})
    assert desk.refused("GET", f"{V3}/login/session") == (401, ["BDC_1109"])
    desk.signs_in(password=GOOD)


def test_guesses_at_the_page_lock_the_login(desk, browser):
    typed = {"username": demo_world.USERNAME, "old": "guess", "password": GOOD, "again": GOOD}
    browser.opens("/password")
    for _ in range(5):
        browser.sends(typed, 401)
    browser.sends(typed | {"old": demo_world.PASSWORD}, 403)
    assert "locked" in browser.page.text


def test_in_production_a_page_to_sign_up_is_a_choice(sqlite_url, open_desk):
    Browser(open_desk(sqlite_url, policy="production")).opens("/signup", 404)
    Browser(open_desk(sqlite_url, policy="production", signup=True)).opens("/signup")


def test_without_mail_everybody_is_told_so(sqlite_url, open_desk):
    browser = Browser(open_desk(sqlite_url, policy="production"))
    for name in (demo_world.USERNAME, "nobody@demo.example"):
        browser.opens("/password/forgot")
        browser.sends({"username": name}, 400)
        assert "No way to send messages" in browser.page.text


# What a page is


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_plain_labelled_and_kept_to_itself(sqlite_desk, path):
    browser = Browser(sqlite_desk)
    answer = browser.opens(path)
    page, headers = browser.page, answer.headers
    assert not {"script", "style", "iframe"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on") or name == "style"]
    shown = {name for name, each in page.fields.items() if each["type"] != "hidden"}
    assert page.labels == shown and all(page.fields[name].get("autocomplete") for name in shown)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy and "unsafe" not in policy
    assert headers["cache-control"] == "no-store" and headers["referrer-policy"] == "no-referrer"
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie


def test_by_https_the_cookie_is_secure_and_nobody_else_s(sqlite_desk):
    answer = Browser(sqlite_desk).opens("https://127.0.0.1/password")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-") and "; Secure" in cookie and "Path=/;" in cookie


def test_what_was_typed_is_never_html(desk, browser):
    browser.opens("/signup")
    evil = '"><script>alert(1)</script>'
    answer = browser.sends(APPLIES | {"organization": evil, "password": "short"}, 400)
    assert "<script" not in answer.text and browser.page.fields["organization"]["value"] == evil


def test_looking_changes_nothing(desk, browser):
    path = invited(desk)
    before = desk.reads(lambda work: work.connection.where(Login))
    for each in (*PAGES, path, path):
        browser.opens(each)
        browser.asks("HEAD", each)
        browser.opens(each + "?username=ada@demo.example&password=x&mark=y")
    assert desk.reads(lambda work: work.connection.where(Login)) == before
    assert len(inbox(desk)) == 1
    browser.sends({"password": GOOD, "again": GOOD})


# What a stranger's page tries

FORGET = {"username": demo_world.USERNAME}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:8080.evil.example"},
        {"origin": "http://127.0.0.1:9"},
        {"origin": "null"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:8080", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "evil.example:8080"},
        {"host": "evil.example:8080", "origin": "http://evil.example:8080"},
        {"content-type": "text/plain"},
        {"content-type": "application/json"},
    ],
)
def test_a_form_from_elsewhere_is_refused(sqlite_desk, headers):
    browser = Browser(sqlite_desk)
    browser.opens("/password/forgot")
    browser.sends(FORGET, 403, **headers)
    assert inbox(sqlite_desk) == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:8080"},
        {"origin": "null", "sec-fetch-site": "same-origin"},
        {"origin": "http://localhost:8080", "host": "localhost:8080"},
    ],
)
def test_our_own_form_is_taken(sqlite_desk, headers):
    browser = Browser(sqlite_desk)
    browser.opens("/password/forgot")
    browser.sends(FORGET, **headers)
    assert len(inbox(sqlite_desk)) == 1


def test_a_mark_belongs_to_a_cookie(desk, browser):
    browser.opens("/password/forgot")
    other = Browser(desk)
    other.opens("/password/forgot")
    for mark, cookie in (("", browser.cookie), (other.page.fields["mark"]["value"], browser.cookie),
                         (browser.page.fields["mark"]["value"], "")):  # fmt: skip
        stranger = Browser(desk)
        stranger.cookie, stranger.at = cookie, "/password/forgot"
        stranger.sends(FORGET | {"mark": mark}, 403)
    assert inbox(desk) == []


@pytest.mark.parametrize("path", ["/password/forgot", "/password", "/signup"])
def test_a_name_that_leads_here_is_not_ours(sqlite_desk, path):
    Browser(sqlite_desk, host="rebound.example").opens(path, 403)


def test_behind_a_proxy_the_public_name_is_ours(sqlite_url, open_desk):
    desk = open_desk(sqlite_url, public_url="https://ap.company.example")
    browser = Browser(desk, host="ap.company.example")
    browser.opens("/password/forgot")
    browser.sends(FORGET, origin="https://ap.company.example")
    assert "https://ap.company.example/password/reset/" in inbox(desk)[-1]["text"]
    browser.opens("/password/forgot")
    browser.sends(FORGET, 403, origin="https://other.example")


@pytest.mark.parametrize(
    "body", [b"x" * 20_000, b"username=%ff%fe", b"username=\xff", b"username=a%00"]
)
def test_a_body_that_is_no_form_is_refused(sqlite_desk, body):
    browser = Browser(sqlite_desk)
    browser.opens("/password/forgot")
    headers = {"content-type": "application/x-www-form-urlencoded", "cookie": browser.cookie}
    asks = sqlite_desk.client.request("POST", "/password/forgot", content=body, headers=headers)
    assert sqlite_desk.runner.run(asks).status_code in (403, 413)


def test_how_often_a_mail_is_asked_for_is_bounded_in_production(database_url, open_desk):
    desk = open_desk(database_url, policy="production", smtp="smtp://127.0.0.1:9", mail_from="a@b.test")
    browser = Browser(desk)
    for name in (demo_world.USERNAME, "nobody@demo.example"):
        statuses = []
        for _ in range(6):
            browser.opens("/password/forgot")
            statuses.append(browser.asks(
                "POST", "/password/forgot", FORGET | {"username": name, "mark": mark(browser)}
            ).status_code)  # fmt: skip
        assert statuses == [200] * 5 + [422]


def mark(browser) -> str:
    return browser.page.fields["mark"]["value"]


def test_the_control_api_is_out_of_the_pages_reach(sqlite_desk):
    answer = Browser(sqlite_desk).asks("GET", f"{CONTROL}/messages", origin="http://evil.example")
    assert answer.status_code == 404

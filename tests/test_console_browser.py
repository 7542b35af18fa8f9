"""The console in a real browser: by keyboard, without a whole page load, within its own policy."""

import shutil
from urllib.parse import urlsplit

import pytest

from billfold import demo_world
from tests.server import Receiver, Server, subscribe

SECONDS_MAX = 10
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
# What the page's own policy forbids; the console need not say it.
LISTENS = """
window.broken = [];
document.addEventListener("securitypolicyviolation", (e) => window.broken.push(e.violatedDirective));
"""
# What is read out of what has the focus: its label, or what it says itself.
CALLED = "each => [...(each.labels ?? [])].map(l => l.innerText).join() || each.innerText || each.id"


@pytest.fixture(scope="module")
def chromium():
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"NO BROWSER HERE, the console is not looked at in one: none of {PROGRAMS}")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


class Keyboard:
    """A person who has no mouse, and what the browser complains of meanwhile."""

    def __init__(self, chromium, base: str, **options) -> None:
        self.base = base
        self.page = chromium.new_context(**options).new_page()
        self.page.set_default_timeout(SECONDS_MAX * 1000)
        self.complaints: list[str] = []
        self.loads = 0
        self.page.on("console", self._complains)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("load", self._loads)
        self.page.add_init_script(LISTENS)

    def _complains(self, message) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _loads(self, _) -> None:
        self.loads += 1

    def opens(self, path: str) -> None:
        self.page.goto(self.base + path)

    def tabs_to(self, name: str) -> None:
        """By what is read out of what has the focus; caught in a trap one would never get there."""
        passed = []
        for _ in range(60):
            self.page.keyboard.press("Tab")
            passed.append(self.focused())
            if passed[-1] == name:
                return
        raise AssertionError(f"Tab does not reach {name}: {passed}")

    def focused(self) -> str:
        found = self.page.locator("*:focus")
        return found.evaluate(CALLED).strip() if found.count() else ""

    def enters(self) -> None:
        self.page.keyboard.press("Enter")

    def types(self, text: str) -> None:
        self.page.keyboard.type(text)

    def arrives(self, path: str) -> None:
        self.page.wait_for_url(lambda url: urlsplit(url).path == path)
        self.page.wait_for_load_state()

    def has_complained(self) -> list[str]:
        return self.complaints + self.page.evaluate("window.broken")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One for all: each test has a receiver, a subscription and a browser's memory of its own."""
    server = Server(tmp_path_factory.mktemp("console"))
    server.signs_in()
    yield server
    server.kill()


@pytest.fixture
def heard(server, receiver) -> dict:
    made = subscribe(server, receiver.url)
    test = f"/connect-events/v3/subscriptions/{made['id']}/test"
    server.call("POST", test, {"eventType": "vendor.created"})
    assert receiver.asked.wait(SECONDS_MAX)
    yield made
    server.call("DELETE", f"/connect-events/v3/subscriptions/{made['id']}")


def comes_in(keyboard, server) -> None:
    keyboard.opens("/console")
    keyboard.arrives("/console/sign-in")
    keyboard.tabs_to("E-mail address or user name")
    keyboard.types(demo_world.USERNAME)
    keyboard.tabs_to("Password")
    keyboard.types(demo_world.PASSWORD)
    keyboard.enters()
    keyboard.arrives("/console/second-factor")
    code = server.call("GET", "/_control/messages")["results"][-1]["code"]
    keyboard.tabs_to("Code of six digits")
    keyboard.types(code)
    keyboard.enters()
    keyboard.arrives("/console/webhooks")


def test_by_keyboard_alone_an_event_is_sent_again_and_seen(chromium, server, heard, receiver):
    keyboard = Keyboard(chromium, server.base)
    comes_in(keyboard, server)
    keyboard.tabs_to("Skip to the content")
    keyboard.enters()
    keyboard.tabs_to("n")  # What the subscription is called.
    keyboard.enters()
    keyboard.arrives(f"/console/webhooks/{heard['id']}")
    keyboard.tabs_to("vendor.created")
    keyboard.enters()
    keyboard.page.wait_for_url("**/deliveries/*")
    page = keyboard.page
    assert page.get_by_role("heading", name="Attempt 1").is_visible()
    before, address = keyboard.loads, page.url
    keyboard.tabs_to("Resend")
    keyboard.enters()
    page.get_by_role("heading", name="Attempt 2").wait_for()
    assert "on its way again" in page.locator("#said").inner_text()
    assert (keyboard.loads, page.url) == (before, address)
    assert keyboard.focused() == "Resend"  # Where it was, to go on from.
    ids = [each["metadata"]["eventId"] for each in receiver.got]
    assert len(ids) == 2 and len(set(ids)) == 1
    page.keyboard.press("Shift+Tab")
    assert keyboard.focused() == "n"  # The way back is one step back.
    assert keyboard.has_complained() == []


def test_what_happens_is_seen_without_asking(chromium, server, heard, receiver):
    keyboard = Keyboard(chromium, server.base)
    comes_in(keyboard, server)
    page = keyboard.page
    keyboard.opens(f"/console/webhooks/{heard['id']}")
    assert page.locator("tbody tr").count() == 1
    before = keyboard.loads
    page.get_by_label("From (UTC)").fill("2027-01-04T10:00")
    server.call("POST", f"/connect-events/v3/subscriptions/{heard['id']}/test")
    page.locator("tbody tr").nth(1).wait_for()
    assert page.get_by_label("From (UTC)").input_value() == "2027-01-04T10:00"
    page.locator("#status").click()
    page.get_by_role("button", name="Enable", exact=True).wait_for()
    assert keyboard.focused() == "Enable"
    page.get_by_role("button", name="Send a test event").click()
    page.get_by_text("enable it first").wait_for()
    assert page.locator("tbody tr").count() == 2  # What was there stays there.
    assert keyboard.loads == before
    # The browser itself says that the answer was a refusal; nothing else is wrong.
    assert [each for each in keyboard.has_complained() if "status of 400" not in each] == []


def test_without_a_script_it_works_as_well(chromium, server, heard):
    keyboard = Keyboard(chromium, server.base, java_script_enabled=False)
    page = keyboard.page
    page.goto(server.base + "/console")
    page.get_by_label("E-mail address or user name").fill(demo_world.USERNAME)
    page.get_by_label("Password").fill(demo_world.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    keyboard.arrives("/console/second-factor")
    code = server.call("GET", "/_control/messages")["results"][-1]["code"]
    page.get_by_label("Code of six digits").fill(code)
    page.get_by_role("button", name="Continue").click()
    keyboard.arrives("/console/webhooks")
    page.goto(f"{server.base}/console/webhooks/{heard['id']}")
    page.get_by_role("button", name="Resend vendor.created").click()
    page.get_by_text("on its way again").wait_for()
    page.get_by_role("button", name="Sign out").click()
    keyboard.arrives("/console/sign-in")


def test_a_telephone_s_width_is_enough(chromium, server, heard):
    keyboard = Keyboard(chromium, server.base, viewport={"width": 320, "height": 640})
    comes_in(keyboard, server)
    keyboard.opens(f"/console/webhooks/{heard['id']}")
    keyboard.page.get_by_role("link", name="vendor.created").click()
    for path in (
        "/console/webhooks", f"/console/webhooks/{heard['id']}", urlsplit(keyboard.page.url).path
    ):  # fmt: skip
        keyboard.opens(path)
        wide = keyboard.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 320, path

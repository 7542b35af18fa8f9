"""A person at the console: a browser without a script, its cookies, and the page it is on."""

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

from billfold import demo_world
from billfold.access import organizations, users
from billfold.access.roles import RoleType
from billfold.access.sessions import Session, SessionKind

CONSOLE = "/console/webhooks"
SIGN_IN, SECOND = "/console/sign-in", "/console/second-factor"


class Seen(HTMLParser):
    """What a page says, its forms with what stands in them, and its links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.text, self.said = html, "", ""
        self.forms: list[dict] = []
        self.links: dict[str, str] = {}
        self.labels: set[str] = set()
        self.inputs: dict[str, dict] = {}
        self.tags: list[tuple[str, dict]] = []
        self._says = False
        self._words, self._link = "", ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        said = {name: value or "" for name, value in attrs}
        self.tags.append((tag, said))
        if tag == "form":
            self.forms.append({"action": said.get("action", ""), "sent": {}, "button": ""})
        elif tag == "input":
            if said["type"] != "checkbox":
                self.forms[-1]["sent"][said["name"]] = said.get("value", "")
            if said["type"] != "hidden":
                self.inputs[said["id"]] = said
        elif tag == "select":
            self.inputs[said["id"]] = said
            self.forms[-1]["sent"][said["name"]] = ""
        elif tag == "button" and "name" in said:
            self.forms[-1].setdefault("choices", {})[said["value"]] = said["name"]
        elif tag == "label":
            self.labels.add(said["for"])
        elif tag == "a":
            self._link = said["href"]
        if tag in ("button", "a", "p", "option"):
            self._words, self._says = "", said.get("id") == "said"

    def handle_data(self, data):
        self.text += data + " "
        self._words += data

    def handle_endtag(self, tag):
        words = " ".join(self._words.split())
        if tag == "button":
            self.forms[-1]["button"] = words
        elif tag == "a":
            self.links.setdefault(words, self._link)
        elif tag == "p" and self._says:
            self.said = words
        elif tag == "option" and not self.forms[-1]["sent"].get("event_type"):
            self.forms[-1]["sent"]["event_type"] = words

    def form(self, button: str) -> dict:
        return next(each for each in self.forms if each["button"].startswith(button))


class Person:
    """Does what a person does in a browser; redirects are followed."""

    def __init__(self, desk, under: str = "", base: str = "") -> None:
        self.desk, self.under, self.base = desk, under, base
        self.cookies: dict[str, str] = {}
        self.set: list[str] = []
        self.at, self.page = "", Seen("")

    def asks(self, method: str, path: str, data=None, **headers: str):
        self.desk.client.cookies.clear()
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = ({"cookie": kept} if kept else {}) | headers
        asks = self.desk.client.request(method, self.base + path, data=data, headers=sent)
        answer = self.desk.runner.run(asks)
        for given in answer.headers.get_list("set-cookie"):
            self.set.append(given)
            name, _, rest = given.partition("=")
            self.cookies[name] = rest.partition(";")[0]
            if "Max-Age=0" in rest:
                del self.cookies[name]
        return answer

    def goes(self, method: str, path: str, data=None, status: int = 200, **headers: str):
        answer = self.asks(method, path, data, **headers)
        while answer.status_code == 303:
            path = answer.headers["location"]
            answer = self.asks("GET", path, **headers)
        assert answer.status_code == status, answer.text
        self.at, self.page = path, Seen(answer.text)
        return answer

    def opens(self, path: str = CONSOLE, status: int = 200, **headers: str):
        return self.goes("GET", self.under + path, status=status, **headers)

    def follows(self, link: str, status: int = 200):
        return self.goes("GET", self.page.links[link], status=status)

    def presses(self, button: str, typed: dict | None = None, status: int = 200, **headers: str):
        form = self.page.form(button)
        path = form["action"] or self.at
        return self.goes("POST", path, form["sent"] | (typed or {}), status, **headers)

    def signs_in(self, role=RoleType.ADMINISTRATOR, password=demo_world.PASSWORD, status=200):
        """As far as the password leads."""
        self.opens("/console/sign-in")
        name = demo_world.username(role)
        return self.presses("Sign in", {"username": name, "password": password}, status)

    def comes_in(self, role=RoleType.ADMINISTRATOR, **typed: str):
        """Both steps."""
        self.signs_in(role)
        return self.presses("Continue", {"code": self.desk.code(), **typed})

    @property
    def path(self) -> str:
        return urlsplit(self.at).path


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def browsers_of(desk) -> list[Session]:
    return desk.reads(lambda work: work.connection.where(Session, kind=SessionKind.BROWSER))


def second_organization(desk) -> str:
    """Where the demo administrator works as well, and nobody asks for a second step."""
    id = "00801SECONDCOMPNdemo"

    def found(work):
        login = users.login_of(work, demo_world.USERNAME)
        organizations.found(work, "Second Company", because="of the test", id=id, mfa_enabled=False)
        made = users.add_user(work, first_name="Ada", last_name="A", email=login.name)
        assert made.login_id == login.id

    desk.writes(found, None)
    return id

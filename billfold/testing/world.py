"""A world: the demo company as nobody has touched it, for one test."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from billfold.events.catalog import TYPES, VERSIONS
from billfold.testing.wire import ask, good, must

if TYPE_CHECKING:
    from billfold.testing.server import Server

WAIT_SECONDS = 5.0
SESSION_ENDED = 401
EVENTS_SHOWN = 100


class World:
    """`base_url`, `events_url`, `v2_url` and `control_url` are what a client of BILL's is set up with;
    `credentials` are its people and keys, as `GET /_control/credentials` tells them; `headers` those of
    a session that is signed in."""

    def __init__(self, server: Server, made: dict[str, Any]) -> None:
        self.server = server
        self.name: str = made["name"]
        self.base_url: str = made["baseUrl"]
        self.events_url: str = made["eventsUrl"]
        self.v2_url: str = made["v2Url"]
        self.control_url: str = made["controlUrl"]
        self.credentials: dict[str, Any] = made["credentials"]
        self.path = f"/{self.name}"
        self.headers: dict[str, str] = {}
        self._remembered: dict[str, str] = {}
        self.clock = Clock(self)
        self.messages = Messages(self)
        self.webhooks = Webhooks(self)

    def begin(self) -> None:
        """Sign in, and hear of everything that happens from here on."""
        self.headers = self.sign_in()
        self.webhooks.listen()

    def sign_in(self, **more: str) -> dict[str, str]:
        """A new session, for which `more` is taken in the place of the credentials: the headers of the
        requests that follow."""
        names = ("username", "password", "organizationId", "devKey")
        login = {name: self.credentials[name] for name in names} | self._remembered | more
        session = must("POST", f"{self.base_url}/v3/login", login)["sessionId"]
        return {"sessionId": session, "devKey": login["devKey"]}

    def trust(self) -> None:
        """Take the second step, with the code that is sent; sessions after this one are trusted too."""
        asked = self.call("POST", "/v3/mfa/challenge", {"useBackup": False})
        device = {"device": "tests", "rememberMe": True}
        answer = {"challengeId": asked["challengeId"], "token": self.messages.code()} | device
        remembered = self.call("POST", "/v3/mfa/challenge/validate", answer)["rememberMeId"]
        self._remembered = {"rememberMeId": remembered, "device": "tests"}

    def call(self, method: str, path: str, body: object = None) -> Any:
        """An operation of v3 as the administrator, signed in again where time has ended the session:
        `call("GET", "/v3/vendors")`. Raises `Refused`."""
        url = self.base_url + path
        status, said = ask(method, url, body, self.headers)
        if status == SESSION_ENDED:
            self.headers = self.sign_in()
            status, said = ask(method, url, body, self.headers)
        return good(method, url, status, said)

    def control(self, method: str, path: str, body: object = None) -> Any:
        return must(method, self.control_url + path, body)


class Clock:
    """The world's own; what falls due on the way is done before a move ends."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self._world.control("GET", "/clock")["now"])

    def advance(self, **units: int) -> datetime:
        """By `days`, `hours`, `minutes` and `seconds`; a session ends after 35 minutes without use."""
        return self._move(advance=units)

    def set(self, moment: datetime) -> datetime:
        return self._move(set=moment.isoformat())

    def next(self) -> datetime:
        """To what falls due next."""
        return self._move(next=True)

    def freeze(self, frozen: bool = True) -> datetime:
        return self._move(freeze=frozen)

    def _move(self, **how: Any) -> datetime:
        return datetime.fromisoformat(self._world.control("POST", "/clock", how)["now"])


class Messages:
    """What would have been texted, spoken or mailed."""

    def __init__(self, world: World) -> None:
        self._world = world

    def all(self) -> list[dict[str, Any]]:
        """The newest last."""
        return self._world.control("GET", "/messages")["results"]

    def code(self, to: str = "") -> str:
        """The code that was sent last, to a telephone or to anyone."""
        found = [each for each in self.all() if each.get("code") and to in ("", each["to"])]
        assert found, f"no code was sent{f' to {to}' if to else ''}\n{self._world.webhooks.timeline()}"
        return found[-1]["code"]


class Webhooks:
    """What the world tells an organization's subscription to every type; each signature is checked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._receiver = world.server.receiver
        self._subscription = ""
        self._taken: set[str] = set()

    def listen(self) -> None:
        path = self._world.path
        asked = {
            "name": "tests", "status": {"enabled": True},
            "notificationUrl": self._receiver.base + path,
            "events": [{"type": each, "version": VERSIONS[0]} for each in TYPES],
        }  # fmt: skip
        headers = self._world.headers | {"X-Idempotent-Key": str(uuid.uuid4())}
        made = must("POST", f"{self._world.events_url}/v3/subscriptions", asked, headers)
        self._subscription = made["id"]
        self._receiver.expect(path, made["securityKey"])

    @property
    def heard(self) -> list[dict[str, Any]]:
        """Every notification, in the order in which they came."""
        return list(self._receiver.heard[self._world.path])

    def expect(
        self, event_type: str, wait_seconds: float = WAIT_SECONDS,
        where: Callable[[dict[str, Any]], bool] = lambda subject: True, **fields: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """The first notification of this type, whose subject has these fields, that was not given
        before; waits for it, and fails with the world's timeline."""
        __tracebackhide__ = True
        until = time.monotonic() + wait_seconds
        with self._receiver.arrival:
            while True:
                for body in self.heard:
                    if self._is_meant(body, event_type, where, fields):
                        self._taken.add(body["metadata"]["eventId"])
                        return body
                left = until - time.monotonic()
                if left <= 0 or not self._receiver.arrival.wait(left):
                    break
        asked = "".join(f", {name}={value!r}" for name, value in fields.items())
        raise AssertionError(
            f"no {event_type}{asked} was told within {wait_seconds:g} seconds\n\n"
            f"{self._others(event_type, fields)}{self.timeline()}"
        )

    def _others(self, event_type: str, fields: dict[str, Any]) -> str:
        """What was told of this type, by the fields that were asked for."""
        found = [_subject(body) for body in self.heard if body["metadata"]["eventType"] == event_type]
        said = [
            "  " + ", ".join(f"{name}={subject.get(name)!r}" for name in fields) for subject in found
        ]
        return "\n".join([f"{event_type}, as it was told", *said, "", ""]) if fields and said else ""

    def _is_meant(self, body: dict, event_type: str, where: Callable, fields: dict) -> bool:
        metadata = body["metadata"]
        if metadata["eventType"] != event_type or metadata["eventId"] in self._taken:
            return False
        subject = _subject(body)
        return where(subject) and all(subject.get(name) == value for name, value in fields.items())

    def timeline(self) -> str:
        """The requests to this world, by the machine's time, and its events with what came of their
        delivery, by the world's."""
        requests = [
            f"  {each['timestamp'][11:23]}  {each['status']}  {each['method']} {each['route']}"
            for each in list(self._world.server.requests)
            if each["environment"] == f"/env/{self._world.name}"
        ]
        return "\n".join(
            [
                "requests", *(requests or ["  none"]), "",
                f"events, and the status of their delivery (it is {self._world.clock.now:%FT%T.%f})",
                *(self._events() or ["  none"]),
            ]
        )  # fmt: skip

    def _events(self) -> list[str]:
        found = must(
            "GET",
            f"{self._world.events_url}/v3/events/subscription/{self._subscription}?max={EVENTS_SHOWN}",
            headers=self._world.sign_in(),
        )["results"]
        return [
            f"  {each['createdTime'][:23]}  {each.get('statusCode') or 'not sent'}  {each['type']}"
            f"  {each['id']}"
            for each in reversed(found)
        ]


def _subject(body: dict[str, Any]) -> dict[str, Any]:
    """A notification says one thing beside its metadata."""
    (subject,) = (value for name, value in body.items() if name != "metadata")
    return subject

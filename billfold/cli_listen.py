"""`billfold listen` and `billfold trigger`: webhooks of a sandbox on the developer's own machine.

`listen` subscribes, checks each signature over the bytes as they came, prints what came and hands it
on; the program behind decides what is answered, so that its failures are tried again like anybody's.
"""

from __future__ import annotations

import hmac
import json
import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import typer

from billfold.cli_data import Env, plainly
from billfold.cli_sandbox import HERE, Sandbox, Url
from billfold.kit.errors import Unusable
from billfold.kit.secrets import SIGNATURE_HEADER, signature

EVENTS = "/connect-events/v3"
SUBSCRIPTIONS = f"{EVENTS}/subscriptions"
NAME = "billfold listen"
# How the types begin that are told at a level of their own.
SPEND = "spend."
# A receiver has ten; what it takes longer for counts as failed.
FORWARD_SECONDS_MAX = 9
WELL, WRONG_SIGNATURE, UNREACHABLE = 200, 401, 502
# An interruption that comes just before one begins to wait is noticed by whoever wakes up.
WAKES_SECONDS = 0.5
# Of one's own, not to be handed on.
HOP = {"host", "content-length", "connection", "accept-encoding", "transfer-encoding"}


@plainly
def listen(
    forward_to: Annotated[
        str | None, typer.Option(help="Where each notification goes on, as it came.")
    ] = None,
    event: Annotated[
        list[str] | None, typer.Option(help="A type to hear, again for each; all without.")
    ] = None,
    count: Annotated[int, typer.Option(help="Stop after so many; 0: when interrupted.")] = 0,
    url: Url = HERE,
    env: Env = None,
) -> None:
    """Receive a sandbox's notifications here: check, print and forward each. Ctrl-C ends it.

    The subscription that is made for it is removed in the end."""
    if forward_to is not None and urlsplit(forward_to).scheme not in ("http", "https"):
        raise Unusable("--forward-to must be an http:// or https:// URL")
    sandbox = Sandbox(url, env)
    sandbox.sign_in()
    heard: queue.Queue[Heard] = queue.Queue()
    receiver = Receiver(forward_to, heard)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with receiver.listening() as address, _subscribed(sandbox, receiver, address, event or []):
        number = 0
        try:
            while not count or number < count:
                one = _next(heard)
                number += 1  # Before anybody has read of it.
                print(one, flush=True)
        except KeyboardInterrupt:
            print(f"{number} notifications; {receiver.wrong} with a wrong signature")


@plainly
def trigger(
    event_type: Annotated[str, typer.Argument(help="Such as bill.created.")],
    subscription: Annotated[
        str | None, typer.Option(help="Its id; without one that of a running `billfold listen`.")
    ] = None,
    url: Url = HERE,
    env: Env = None,
) -> None:
    """Have a sandbox send a test notification of a type; those of Spend & Expense (spend.…) are sent to
    subscriptions made with an apiToken alone, by the API."""
    if event_type.startswith(SPEND):
        raise Unusable(
            f"{event_type} goes to subscriptions that were made with an apiToken, which this command "
            f"has not: POST {SUBSCRIPTIONS}/{{id}}/test with the header apiToken, and "
            f'{{"eventType": "{event_type}"}}; `billfold keys create apiToken` makes one'
        )
    sandbox = Sandbox(url, env)
    sandbox.sign_in()
    _versions(sandbox, [event_type])  # Refuses what is none.
    id = subscription or _of_listener(sandbox)
    sandbox.ask("POST", f"{SUBSCRIPTIONS}/{id}/test", {"eventType": event_type})
    print(f"{event_type} was sent to {id}")


def _of_listener(sandbox: Sandbox) -> str:
    found = sandbox.ask("GET", SUBSCRIPTIONS)["results"]
    mine = [each["id"] for each in found if each["name"] == NAME]
    if not mine:
        raise Unusable("nobody listens: start `billfold listen`, or name one with --subscription")
    return mine[-1]


@dataclass(frozen=True)
class Heard:
    """What came, and what the program behind answered, if there is one."""

    said: dict[str, Any]
    right: bool
    answered: int | None

    def __str__(self) -> str:
        about = self.said.get("metadata", {})
        type = str(about.get("eventType", "?"))
        subject: Any = next((value for key, value in self.said.items() if key != "metadata"), {})
        subject_id = subject.get("id", "") if isinstance(subject, dict) else ""
        signed = "signature right" if self.right else "SIGNATURE WRONG"
        on = "" if self.answered is None else f"  forwarded: {self.answered}"
        return f"{type:28} {subject_id!s:36} event {about.get('eventId', '?')}  {signed}{on}"


def _next(heard: queue.Queue[Heard]) -> Heard:
    while True:
        with suppress(queue.Empty):
            return heard.get(timeout=WAKES_SECONDS)


class Receiver:
    def __init__(self, forward_to: str | None, heard: queue.Queue[Heard]) -> None:
        self.forward_to = forward_to
        self.heard = heard
        self.key = ""
        self.wrong = 0

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        """The status to answer with: that of the program behind."""
        signed = headers.get(SIGNATURE_HEADER, "")
        right = hmac.compare_digest(signature(self.key, body).encode(), signed.encode())
        if not right:
            self.wrong += 1
        status = WELL if right else WRONG_SIGNATURE
        answered = self._forward(body, headers) if self.forward_to and right else None
        try:
            said = json.loads(body)
        except ValueError:
            said = {}
        self.heard.put(Heard(said if isinstance(said, dict) else {}, right, answered))
        return status if answered is None else answered

    def _forward(self, body: bytes, headers: dict[str, str]) -> int:
        on = {name: value for name, value in headers.items() if name not in HOP}
        request = Request(str(self.forward_to), body, on, method="POST")
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=FORWARD_SECONDS_MAX) as answer:
                return answer.status
        except HTTPError as refused:
            refused.close()
            return refused.code
        except (OSError, HTTPException):
            return UNREACHABLE

    @contextmanager
    def listening(self) -> Iterator[str]:
        """The address at which it listens, on threads of its own."""
        take = self.take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(take(body, headers))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """What came is printed where it is heard."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            server.server_close()


def _versions(sandbox: Sandbox, types: list[str]) -> dict[str, str]:
    """The newest version of each of some types, or of all; those of Spend & Expense are told to its
    own subscribers only."""
    catalog = sandbox.ask("GET", f"{EVENTS}/events/catalog")
    known = {
        each["type"]: each["versions"][-1] for each in catalog if not each["type"].startswith(SPEND)
    }
    if unknown := set(types) - known.keys():
        raise Unusable(f"no such event: {', '.join(sorted(unknown))}")
    return {type: known[type] for type in types or known}


@contextmanager
def _subscribed(sandbox: Sandbox, receiver: Receiver, address: str, types: list[str]) -> Iterator[None]:
    versions = _versions(sandbox, types)
    events = [{"type": type, "version": version} for type, version in versions.items()]
    asked = {
        "name": NAME, "status": {"enabled": True}, "events": events, "notificationUrl": address,
    }  # fmt: skip
    made = sandbox.ask("POST", SUBSCRIPTIONS, asked)
    receiver.key = made["securityKey"]
    print(f"Listening for {len(events)} types of events; the security key is {made['securityKey']}")
    print(f"Subscription {made['id']}; Ctrl-C removes it", flush=True)
    try:
        yield
    finally:
        sandbox.ask("DELETE", f"{SUBSCRIPTIONS}/{made['id']}")

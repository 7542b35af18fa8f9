"""The example receiver, which knows nothing of this project, hears a real environment and strangers."""

import base64
import hashlib
import hmac
import json
import queue
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from billfold.events.catalog import SPEND_TYPES, TYPES
from tests.desk import EVENTS
from tests.server import START_SECONDS_MAX, surroundings
from tests.test_webhook_levels import Callers, owner_of
from tests.test_webhooks import SUBSCRIPTIONS

PROGRAM = Path(__file__).parent.parent / "examples" / "webhook_receiver.py"
# Nothing of a site's packages, of this folder or of what is set here can be imported.
ALONE = [sys.executable, "-I", "-S", str(PROGRAM)]
TYPES_OF = {"organization": TYPES, "partner": TYPES, "spend": SPEND_TYPES}
NOWHERE = "http://127.0.0.1:9/hook"
KEY = "a key, as it is written"
BODY = (
    b'{"metadata":{"eventId":"e-1","subscriptionId":"s-1","organizationId":"o-1",'
    b'"eventType":"vendor.created","version":"1"},"vendor":{"name":"Caf\xc3\xa9 Acme"}}'
)


class Program:
    """The example as a process: what it says, and what it answers."""

    def __init__(self, *options: str, **surrounded: str) -> None:
        self.process = subprocess.Popen(
            [*ALONE, "--port", "0", *options], env=surroundings(**surrounded), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.lines: queue.Queue[str] = queue.Queue()
        self.errors: list[str] = []
        self._ears = [
            threading.Thread(target=listen, args=(stream, take), daemon=True)
            for stream, take in (
                (self.process.stdout, self.lines.put), (self.process.stderr, self.errors.append),
            )
        ]  # fmt: skip
        for ear in self._ears:
            ear.start()
        self.base = self.line().removeprefix("Listening on ")
        self.url = f"{self.base}/hook"

    def line(self) -> str:
        try:
            return self.lines.get(timeout=START_SECONDS_MAX).rstrip("\n")
        except queue.Empty:
            raise AssertionError("".join(self.errors) or "it says nothing") from None

    def told(self, count: int) -> list[str]:
        """So many lines, and no more of them."""
        said = sorted(self.line() for _ in range(count))
        assert self.lines.empty()
        return said

    def posts(self, body: bytes, headers: dict, method: str = "POST") -> int:
        """The status; nothing is sent beside what is given."""
        connection = HTTPConnection(urlsplit(self.base).netloc, timeout=START_SECONDS_MAX)
        connection.putrequest(method, "/hook", skip_accept_encoding=True)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        status = connection.getresponse().status
        connection.close()
        return status

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(START_SECONDS_MAX)
        for ear in self._ears:
            ear.join(START_SECONDS_MAX)
        assert not [line for line in self.errors if "Traceback" in line], "".join(self.errors)
        assert self.lines.empty(), "it said more than was expected"


def listen(stream, take) -> None:
    with stream:
        for line in stream:
            take(line)


@contextmanager
def running(*options: str, **surrounded: str):
    program = Program(*options, **surrounded)
    try:
        yield program
    finally:
        program.close()


@pytest.fixture(scope="module")
def program():
    """For what is posted by hand: it has three keys, of which KEY is the last."""
    with running("--key", "another", "--key", "and one more", "--key", KEY) as program:
        yield program


def mac(key: str, message: bytes) -> str:
    return base64.b64encode(hmac.new(key.encode(), message, hashlib.sha256).digest()).decode()


def signed(body: bytes = BODY, key: str = KEY) -> dict:
    return {"x-bill-sha-signature": mac(key, body)}


def standard(seconds: int | str, body: bytes = BODY, key: str = KEY) -> dict:
    """Both signatures, at a time; from the secret that a library of Standard Webhooks is given."""
    secret = f"whsec_{base64.b64encode(key.encode()).decode()}"
    decoded = base64.b64decode(secret.removeprefix("whsec_")).decode()
    stamped = mac(decoded, f"msg-1.{seconds}.".encode() + body)
    return signed(body, key) | {
        "webhook-id": "msg-1", "webhook-timestamp": str(seconds), "webhook-signature": f"v1,{stamped}",
    }  # fmt: skip


# A real environment


def directed(callers: Callers, level: str, made: dict, url: str) -> None:
    """A key is known only when its subscription is made: where it sends is said after."""
    callers.call(level, "PATCH", f"{SUBSCRIPTIONS}/{made['id']}", {"notificationUrl": url})


def history(callers: Callers, level: str, made: dict) -> list[dict]:
    path = f"{EVENTS}/events/subscription/{made['id']}"
    return callers.call(level, "GET", path, max=100)["results"]


@pytest.mark.parametrize(("standard_webhooks", "by"), [(False, "BILL"), (True, "BILL+standard")])
def test_every_type_of_every_level_is_verified(database_url, open_desk, standard_webhooks, by):
    """By the keys of three subscriptions; and one that is sent again is known, at each level."""
    # By the time of today, which is also the receiver's.
    callers = Callers(open_desk(database_url, start=None, standard_webhooks=standard_webhooks))
    made = {level: callers.subscribes(level, NOWHERE) for level in TYPES_OF}
    keys = " ".join(each["securityKey"] for each in made.values())
    with running(BILL_WEBHOOK_KEYS=keys) as program:
        expected, events = [], {}
        for level, types in TYPES_OF.items():
            directed(callers, level, made[level], program.url)
            for type in types:
                path = f"{SUBSCRIPTIONS}/{made[level]['id']}/test"
                id = callers.call(level, "POST", path, {"eventType": type})["id"]
                expected.append(f"{type} {id} {owner_of(level)} {by}")
                events[level] = id
        callers.desk.advance(seconds=1)
        assert program.told(47) == sorted(f"{each} new" for each in expected)
        for level, id in events.items():
            again = f"{EVENTS}/events/subscription/{made[level]['id']}/event/{id}"
            callers.call(level, "POST", again)
        callers.desk.advance(seconds=1)
        repeated = [each for each in expected if each.split()[1] in events.values()]
        assert program.told(3) == sorted(f"{each} already seen" for each in repeated)
    for level, types in TYPES_OF.items():
        codes = [each["statusCode"] for each in history(callers, level, made[level])]
        assert codes == [200] * len(types)


def test_what_happens_is_heard_once_by_an_organization_and_its_partner(desk):
    """One event, told to two subscriptions with a key each, under one id."""
    callers = Callers(desk)
    child = callers.founds_child()
    partners = callers.subscribes("partner", NOWHERE, "vendor.created")
    callers.organization = child["headers"]
    own = callers.subscribes("organization", NOWHERE, "vendor.created")
    with running(BILL_WEBHOOK_KEYS=f"{partners['securityKey']} {own['securityKey']}") as program:
        directed(callers, "partner", partners, program.url)
        directed(callers, "organization", own, program.url)
        callers.writes_vendor(child, "Acme")
        callers.desk.advance(seconds=1)
        (event,) = history(callers, "partner", partners)
        said = f"vendor.created {event['id']} {child['id']} BILL"
        assert program.told(2) == [f"{said} already seen", f"{said} new"]


def test_a_sender_whose_key_is_not_known_is_refused(desk):
    """Four more attempts, all refused, and nothing is told; with the key of today it is."""
    callers = Callers(desk)
    made = callers.subscribes("organization", NOWHERE)
    path = f"{SUBSCRIPTIONS}/{made['id']}"
    key = {"X-Idempotent-Key": str(uuid.uuid4())}
    new = callers.call("organization", "POST", f"{path}/security-key", headers=key)["securityKey"]
    with running(BILL_WEBHOOK_KEYS=made["securityKey"]) as program:
        directed(callers, "organization", made, program.url)
        callers.call("organization", "POST", f"{path}/test")
        desk.advance(minutes=1)
        (event,) = history(callers, "organization", made)
        assert event["statusCode"] == 401 and program.lines.empty()
        assert callers.call("organization", "GET", path)["status"] == {"enabled": False}
    assert len([line for line in program.errors if "code 401" in line]) == 5
    with running("--key", made["securityKey"], "--key", new) as program:
        body = {"status": {"enabled": True}, "notificationUrl": program.url}
        callers.call("organization", "PATCH", path, body)
        callers.call(
            "organization", "POST", f"{EVENTS}/events/subscription/{made['id']}/event/{event['id']}"
        )
        desk.advance(seconds=1)
        assert program.line().split()[1] == event["id"]


def test_a_sender_whose_clock_was_moved(database_url, open_desk):
    """The time that is signed is the machine's, wherever a sandbox's clock stands."""
    callers = Callers(open_desk(database_url, start=None, standard_webhooks=True))
    callers.desk.advance(minutes=10)
    made = callers.subscribes("organization", NOWHERE)
    with running("--key", made["securityKey"]) as program:
        directed(callers, "organization", made, program.url)
        callers.call("organization", "POST", f"{SUBSCRIPTIONS}/{made['id']}/test")
        callers.desk.advance(seconds=1)
        event = history(callers, "organization", made)[0]
        assert event["statusCode"] == 200
        assert program.line().split()[1] == event["id"]


# Strangers


def test_a_changed_byte_is_refused(program):
    """Each of them; and whatever else is not what was signed."""
    assert program.posts(BODY, signed()) == 200
    assert program.line().startswith("vendor.created e-1 o-1 BILL ")
    changed = [BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :] for at in range(len(BODY))]
    same_thing = json.dumps(json.loads(BODY)).encode()
    for body in (*changed, BODY[:-1], BODY + b"\n", b"", same_thing):
        assert program.posts(body, signed()) == 401, body
    assert program.lines.empty()


def test_a_missing_or_wrong_signature_is_refused(program):
    right = signed()["x-bill-sha-signature"]
    for wrong in (
        None, "", right[:-1], right[:-2] + "A=", f"v1,{right}", right.lower(), "café".encode("latin-1"),
        mac("a key, as it is writteN", BODY), mac("", BODY), mac(KEY, BODY + b" "),
        hmac.new(KEY.encode(), BODY, hashlib.sha256).hexdigest(),
    ):  # fmt: skip
        assert program.posts(BODY, {"x-bill-sha-signature": wrong}) == 401, wrong
    assert program.lines.empty()


def test_standard_webhooks_are_verified_where_they_are_there(program):
    now = int(time.time())
    whole = standard(now)
    several = whole | {"webhook-signature": f"v1a,AAAA v1,AAAA {whole['webhook-signature']} v2,x"}
    for right in (whole, several, standard(now - 290), standard(now + 290)):
        assert program.posts(BODY, right) == 200
        assert " BILL+standard " in program.line()
    for wrong in (
        {"webhook-id": "msg-2"}, {"webhook-id": None}, {"webhook-timestamp": str(now + 1)},
        {"webhook-timestamp": None}, {"webhook-signature": None}, {"webhook-signature": ""},
        {"webhook-signature": whole["webhook-signature"][3:]}, {"webhook-signature": "v1,"},
        {"webhook-signature": f"v1,{mac('another', f'msg-1.{now}.'.encode() + BODY)}"},
        {"x-bill-sha-signature": None}, dict.fromkeys(["webhook-timestamp", "webhook-signature"]),
    ):  # fmt: skip
        assert program.posts(BODY, whole | wrong) == 401, wrong
    assert program.lines.empty()


def test_an_old_timestamp_is_refused(program):
    """However well it is signed; and what is no time."""
    now = int(time.time())
    for seconds in (now - 310, now + 310, 0, "", -now, f"{now}.5", f"+{now}", "9" * 5000):
        assert program.posts(BODY, standard(seconds)) == 401, seconds
    assert program.lines.empty()


def test_bad_requests(program):
    for length, expected in (
        (None, 400), ("", 400), ("-1", 400), ("1e3", 400), ("9" * 19, 400), ("+5", 400),
        ("1000001", 413), ("9" * 18, 413),
    ):  # fmt: skip
        assert program.posts(b"", {"content-length": length} | signed(b"")) == expected, length
    assert program.posts(BODY, signed() | {"transfer-encoding": "chunked"}) == 400
    full = BODY + b" " * (1_000_000 - len(BODY))
    assert program.posts(full, signed(full)) == 200
    assert program.line().startswith("vendor.created e-1 o-1 ")
    for body in (b"", b"{", b"\xff", b"[]", b"1", b'"x"', b"{}", b'{"metadata":{"eventId":"e-2"}}'):
        assert program.posts(body, signed(body)) == 400, body
    for method in ("GET", "PUT"):
        assert program.posts(b"", {}, method) == 501
    assert program.lines.empty()


def test_without_a_key_it_does_not_start():
    for options, surrounded in (([], {}), (["--key", ""], {}), ([], {"BILL_WEBHOOK_KEYS": " "})):
        done = subprocess.run(
            [*ALONE, *options], env=surroundings(**surrounded), capture_output=True, text=True,
            timeout=START_SECONDS_MAX,
        )  # fmt: skip
        assert done.returncode == 2 and "give a key" in done.stderr

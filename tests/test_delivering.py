"""The log of deliveries, what was missed sent again, waits, Standard Webhooks, and numbers."""

import asyncio
import base64
import errno
import hashlib
import hmac
import json
import os
import time
import uuid

import pytest
from aiohttp import web
from typer.testing import CliRunner

from billfold.cli import app
from billfold.door import posts
from billfold.door.posts import ANSWER_BYTES_MAX, KEPT_BYTES_MAX, Poster
from billfold.events import attempts, history
from billfold.events.delivery import Answered
from billfold.events.outbox import Delivery
from billfold.kit.addresses import may_be_public
from billfold.kit.errors import Refusal, Unavailable, Unusable
from billfold.settings import load
from tests.desk import EVENTS, START, V3, vendor_of
from tests.receiver import Receiver
from tests.server import assert_refused, run, subscribe
from tests.test_webhooks import SUBSCRIPTIONS, subscribes


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


def numbers_of(desk) -> dict[str, str]:
    said = desk.answer("GET", "/metrics", session="").text
    return dict(line.rsplit(" ", 1) for line in said.splitlines() if line[0] != "#")


def logged(desk) -> list[tuple]:
    def read(work):
        return [
            (each.status_code, attempts.answer_of(work, each), each.failure, each)
            for delivery in work.rows(Delivery)
            for each in attempts.of_delivery(work, delivery.id)
        ]

    return desk.reads(read)


def test_each_attempt_is_logged(desk, receiver):
    """What was sent where, what came back, how long it took."""
    receiver.status, receiver.says = 503, "not now \N{HOURGLASS}"
    subscribes(desk, receiver.url, "vendor.created")
    desk.vendor()
    desk.advance(seconds=1)
    receiver.status, receiver.says = 200, ""
    desk.advance(seconds=2)
    first, second = logged(desk)
    assert first[:3] == (503, "not now \N{HOURGLASS}", None)
    assert second[:2] == (200, "")
    assert first[3].url == receiver.url
    assert [each[3].headers["x-bill-sha-signature"] for each in (first, second)] == [
        headers["x-bill-sha-signature"] for _, headers, _, _ in receiver.got
    ]
    assert 0 <= first[3].milliseconds < 10_000
    assert (second[3].created_time - first[3].created_time).total_seconds() == 2


def test_why_nothing_was_answered_is_logged(desk):
    subscribes(desk, "http://127.0.0.1:9/hook", "vendor.created")
    desk.vendor()
    desk.advance(seconds=1)
    ((status, answer, failure, _),) = logged(desk)
    assert (status, answer) == (None, "") and "ClientConnectorError" in failure


@pytest.mark.parametrize("missing", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_is_missing_here_is_no_failure_of_the_receiver(desk, monkeypatch, missing):
    """Of this machine's files or memory."""

    def refuse(address):
        raise OSError(missing, os.strerror(missing))

    async def post():
        poster = Poster(public_only=True)
        try:
            await poster.post("http://127.0.0.1:9/hook", b"{}", {})
        finally:
            await poster.close()

    monkeypatch.setattr(posts, "_public_socket", refuse)
    with pytest.raises(Unavailable, match=os.strerror(missing)):
        desk.runner.run(post())


async def posted(take, written: str) -> Answered:
    """What came of a notification to a server that answers as `take` does."""
    server = await asyncio.start_server(take, "127.0.0.1", 0)
    poster = Poster(public_only=False)
    try:
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return await poster.post(base + written, b"{}", {})
    finally:
        await poster.close()
        server.close()


@pytest.mark.parametrize(("written", "sent"), [
    ("/ok/?sig=AbC%2Fd%3D%3D&q=%3F", "/ok/?sig=AbC%2Fd%3D%3D&q=%3F"),
    ("/ok/%41%7E~/x/../y?u=http%3A%2F%2Fx.y", "/ok/%41%7E~/x/../y?u=http%3A%2F%2Fx.y"),
    ("?a=b#beginning", "/?a=b"), ("", "/"),
    # What stands in no URL is escaped, and nothing else.
    ('/a"b/../%41?d|e=%zz&f[]=%2F100%', "/a%22b/../%41?d%7Ce=%25zz&f%5B%5D=%2F100%25"),
])  # fmt: skip
def test_a_url_is_asked_for_as_it_is_written(sqlite_desk, written, sent):
    """Whoever has signed it has signed these escapes."""
    lines = []

    async def take(reader, writer):
        lines.append(await reader.readline())
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    assert sqlite_desk.runner.run(posted(take, written)).status == 200
    assert lines == [f"POST {sent} HTTP/1.1\r\n".encode()]


@pytest.mark.parametrize(("head", "stays"), [
    ("content-length: 100", False), ("content-length: 100", True),
    ("content-encoding: gzip\r\ncontent-length: 3", False),
    ("content-encoding: br\r\ncontent-length: 3", False),
])  # fmt: skip
def test_the_status_counts_whatever_comes_of_the_body(sqlite_desk, monkeypatch, head, stays):
    monkeypatch.setattr(posts, "ANSWER_SECONDS_MAX", 0.5)

    async def take(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\nabc".encode())
        if stays:
            await reader.read()
        writer.close()

    answered = sqlite_desk.runner.run(posted(take, "/"))
    assert (answered.status, answered.failure, answered.body) == (200, None, "abc")


def test_an_answer_is_read_to_a_bound(desk):
    """However much is sent: a receiver who never ends is not waited for."""
    sent = {"bytes": 0}

    async def endless(request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"x" * 8192)
                sent["bytes"] += 8192
        except (ConnectionError, OSError):
            pass
        return answer

    async def post():
        server = web.Application()
        server.router.add_post("/", endless)
        runner = web.AppRunner(server)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        poster = Poster(public_only=False)
        port = site._server.sockets[0].getsockname()[1]
        answered = await poster.post(f"http://127.0.0.1:{port}/", b"{}", {})
        await poster.close()
        await runner.cleanup()
        return answered

    answered = desk.runner.run(post())
    assert (answered.status, answered.body) == (200, "x" * KEPT_BYTES_MAX)
    assert answered.milliseconds < 5_000 and sent["bytes"] < 100 * ANSWER_BYTES_MAX


def test_an_attempt_during_which_it_was_asked_for_again_is_in_the_log(desk, receiver):
    """It was made; what becomes of the delivery the other round says."""
    made = subscribes(desk, receiver.url, "vendor.created")
    receiver.status = 500
    desk.vendor("Acme")
    desk.advance(seconds=1)
    path = (
        f"{EVENTS}/events/subscription/{made['id']}/event/{receiver.bodies[0]['metadata']['eventId']}"
    )

    async def asks_again(_):
        receiver.then = None
        assert (await desk.asks("POST", path)).status_code == 200

    receiver.status, receiver.then = 200, asks_again
    desk.advance(seconds=2)
    desk.advance(minutes=1)
    found = desk.writes(lambda work: history.attempts(work, made["id"], 10), None)
    assert [attempt.status_code for _, attempt in found] == [500, 200, 200] and len(receiver.got) == 3
    assert {(each.state, each.round, each.attempts) for each, _ in found} == {("DELIVERED", 1, 1)}


def test_what_was_missed_in_an_hour_is_sent_again_in_order(desk, receiver):
    """Down for an hour: given up after five attempts, enabled again, and all of that time is sent
    in the order in which it happened, with the ids that it had."""
    made = subscribes(desk, receiver.url, "vendor.created")
    path = f"{SUBSCRIPTIONS}/{made['id']}"
    desk.vendor("Heard")
    desk.advance(minutes=1)
    receiver.status = 500
    for number in range(30):
        desk.vendor(f"Missed {number}")
    desk.advance(minutes=60)
    desk.signs_in()
    assert desk.call("GET", path)["status"] == {"enabled": False}
    before = {body["metadata"]["eventId"] for body in receiver.bodies[1:]}
    desk.vendor("Missed 30")  # Disabled as it is, that stands in its history, unsent.
    resend = lambda work: history.resend_missed(work, history.anybodys(work, made["id"]), START)
    with pytest.raises(Refusal):
        desk.writes(resend, None)
    receiver.status = 200
    desk.call("PATCH", path, {"status": {"enabled": True}})
    del receiver.got[:]
    assert desk.writes(resend, None) == (31, "")
    assert desk.writes(resend, None) == (0, "")  # They are on their way.
    desk.advance(minutes=1)
    names = [body["vendor"]["name"] for body in receiver.bodies]
    assert sorted(names, key=lambda name: int(name.split()[1])) == [f"Missed {n}" for n in range(31)]
    # Four are in flight at once: none is before one that happened more than those before it.
    assert all(abs(int(name.split()[1]) - place) < 4 for place, name in enumerate(names))
    assert before <= {body["metadata"]["eventId"] for body in receiver.bodies}
    assert desk.writes(resend, None) == (0, "")
    desk.advance(minutes=1)
    assert len(receiver.got) == 31


def test_more_is_sent_again_than_is_looked_at_at_once(desk, receiver, monkeypatch):
    monkeypatch.setattr(history, "AT_ONCE", 3)
    monkeypatch.setattr(history, "BETWEEN", history.BETWEEN.limit(3))
    made = subscribes(desk, receiver.url, "vendor.created")
    for number in range(7):
        desk.vendor(f"V{number}")
    off, on = ({"status": {"enabled": enabled}} for enabled in (False, True))
    for body in (off, on):
        desk.call("PATCH", f"{SUBSCRIPTIONS}/{made['id']}", body)
    sent, after, rounds = 0, "", 0
    while True:
        some = desk.writes(
            lambda work, after=after: history.resend_missed(
                work, history.anybodys(work, made["id"]), START, None, after
            ),
            None,
        )
        sent, after, rounds = sent + some.sent, some.after, rounds + 1
        if not after:
            break
    assert (sent, rounds) == (7, 3)
    desk.advance(seconds=1)
    assert sorted(body["vendor"]["name"] for body in receiver.bodies) == [f"V{n}" for n in range(7)]


def test_waits_are_as_they_are_set(database_url, open_desk):
    desk = open_desk(database_url, webhook_waits="1,60")
    desk.signs_in()
    receiver = Receiver(desk)
    receiver.status = 500
    made = subscribes(desk, desk.runner.run(receiver.open()), "vendor.created")
    desk.vendor()
    desk.advance(minutes=5)
    assert [(when - START).total_seconds() for when, *_ in receiver.got] == [0, 1, 61]
    assert not desk.call("GET", f"{SUBSCRIPTIONS}/{made['id']}")["status"]["enabled"]
    desk.runner.run(receiver.close())


@pytest.mark.parametrize("waits", ["", "0", "1,,2", "x", "-1", "86401", "2.5", "9" * 5_000])
def test_waits_that_are_none(waits, monkeypatch, tmp_path):
    monkeypatch.setenv("BILLFOLD_WEBHOOK_WAITS", waits)
    with pytest.raises(Unusable, match="webhook_waits"):
        load(data=str(tmp_path))


def test_standard_webhooks_beside_bills(sqlite_url, open_desk):
    """Verified as its specification says: the secret decoded, over id, timestamp and body."""
    for standard in (False, True):
        desk = open_desk(sqlite_url, standard_webhooks=standard)
        desk.signs_in()
        receiver = Receiver(desk)
        made = subscribes(desk, desk.runner.run(receiver.open()), "vendor.created")
        desk.vendor()
        desk.advance(minutes=20)  # A receiver's own clock does not travel.
        ((_, headers, body, _),) = receiver.got
        bills = hmac.new(made["securityKey"].encode(), body, hashlib.sha256).digest()
        assert base64.b64decode(headers["x-bill-sha-signature"]) == bills
        assert ("webhook-id" in headers) == standard
        desk.call("DELETE", f"{SUBSCRIPTIONS}/{made['id']}")
        desk.runner.run(receiver.close())
    secret = f"whsec_{base64.b64encode(made['securityKey'].encode()).decode()}"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    right = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(right).decode()}"
    assert headers["webhook-id"] == json.loads(body)["metadata"]["eventId"]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


def test_numbers_of_deliveries(desk, receiver):
    subscribes(desk, receiver.url, "vendor.created")
    desk.vendor()
    desk.advance(seconds=1)
    receiver.status = 500
    desk.vendor()
    desk.advance(seconds=3)
    numbers = numbers_of(desk)
    assert numbers['billfold_deliveries_total{outcome="delivered"}'] == "1.0"
    assert numbers['billfold_deliveries_total{outcome="failed"}'] == "2.0"
    assert numbers['billfold_delivery_seconds_count{outcome="failed"}'] == "2.0"
    # Two events, of which each is late once.
    assert numbers["billfold_delivery_late_seconds_count"] == "2.0"


def test_the_commands(sqlite_url, open_desk):
    """On SQLite beside no server: what was logged, and what was missed."""
    desk = open_desk(sqlite_url)
    desk.signs_in()
    made = subscribes(desk, "http://127.0.0.1:9/hook", "vendor.created")
    desk.vendor()
    desk.advance(minutes=5)
    desk.signs_in()
    desk.call("PATCH", f"{SUBSCRIPTIONS}/{made['id']}", {"status": {"enabled": True}})
    found = desk.reads(lambda work: history.attempts(work, made["id"], 20), None)
    assert len(found) == 5
    run = lambda *words: CliRunner().invoke(app, ["webhooks", *words])
    where = ["--data", str(open_desk.folder)]
    said = run("resend", made["id"], "--from", "yesterday", *where)
    assert said.exit_code == 2 and "must be moments" in said.output + said.stderr
    said = run("log", str(uuid.uuid4()), *where)
    assert said.exit_code == 2 and "no object" in said.output + said.stderr


def test_the_log_says_where_to_also_of_a_subscription_that_is_gone(serve, place, tmp_path):
    """To whoever runs the server; its owner is told that there is none."""
    server, url = serve(*place), "http://127.0.0.1:9/hook"
    server.signs_in()
    made = subscribe(server, url)
    server.call("POST", f"{V3}/vendors", vendor_of("Acme"), status=201)
    server.advance(seconds=1)
    server.call("DELETE", f"{SUBSCRIPTIONS}/{made['id']}")
    server.advance(seconds=5)
    for path in (f"{SUBSCRIPTIONS}/{made['id']}", f"{EVENTS}/events/subscription/{made['id']}"):
        assert server.ask("GET", path)[0] == 404
    quiet = subscribe(server, url)
    data = ["--data", str(tmp_path / "data"), *place]
    none = run("webhooks", "log", quiet["id"], *data)
    assert (none.returncode, none.stdout) == (0, "") and "no attempt" in none.stderr
    lines = [line.split() for line in run("webhooks", "log", made["id"], *data).stdout.splitlines()]
    assert lines and {line[2] for line in lines} == {"STOPPED"}
    assert {line[-1] for line in lines} == {url}
    server.stop()
    resent = run("webhooks", "resend", made["id"], "--from", "2026-01-01", *data)
    assert_refused(resent, "no object")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1", True), ("[2606:4700::1]", True),
        ("64:ff9b::808:808", True), ("hooks.example.test", True),
        # This machine, its network, its cloud's secrets, and everybody at once.
        ("127.0.0.1", False), ("10.0.0.1", False), ("169.254.169.254", False), ("0.0.0.0", False),
        ("100.64.0.1", False), ("224.0.0.1", False), ("::1", False), ("::", False), ("fe80::1", False),
        ("fe80::1%eth0", False), ("fc00::1", False), ("ff02::1", False),
        # The same, written as an address of IPv6.
        ("::ffff:127.0.0.1", False), ("::127.0.0.1", False), ("::ffff:0:10.0.0.1", False),
        ("64:ff9b::a00:1", False), ("64:ff9b::a9fe:a9fe", False), ("2002:7f00:1::", False),
        ("localhost", False), ("x.localhost", False),
    ],
)  # fmt: skip
def test_what_may_be_an_address_of_the_internet(address, public):
    assert may_be_public(address) is public

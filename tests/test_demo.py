"""The demo, played against real server processes: all of it, again and again, or a plain no."""

import socket
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.server import assert_refused, run

FACTS = [
    "trusted: false", "mfaStatus: CHALLENGE", "POST /payments → 403 BDC_1361", "mfaStatus: COMPLETE",
    "POST /bills/bulk → 201", "POST /payments/bulk → 422 BDC_1159 BDC_1246",
    "payments of this vendor: []",
    "one payment of 1479.75: blp", "→ 401 BDC_1109", "trusted at once: the device is remembered",
    "payment CLEARED", "vendor balance 0.00", "the subscription is gone",
    "15 notifications received, all signatures right",
]  # fmt: skip


def plays(server) -> str:
    done = run("demo", "--url", server.base)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert [fact for fact in FACTS if fact not in done.stdout] == [], done.stdout
    assert "\x1b" not in done.stdout
    return done.stdout


def test_the_demo_is_played_again_and_again(serve, place):
    server = serve(*place)
    first = plays(server)
    server.signs_in()
    assert server.call("GET", "/connect-events/v3/subscriptions") == {"results": []}
    assert plays(server) != first
    paid = server.ask("GET", "/connect/v3/bills")
    server.signs_in()
    bills = server.call("GET", "/connect/v3/bills")["results"]
    assert paid[0] == 401 and [bill["paymentStatus"] for bill in bills] == ["PAID"] * 6


def test_the_demo_is_played_on_a_frozen_clock_of_another_year(serve):
    server = serve("--no-worker")
    server.advance(days=400)
    server.call("POST", "/_control/clock", {"freeze": True})
    plays(server)


@pytest.mark.parametrize("database", ["postgres"])
def test_the_demo_is_played_against_two_processes(serve, place):
    plays(serve(*place, "--workers", "2"))


def test_where_nobody_answers_the_demo_says_so():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert_refused(run("demo", "--url", f"http://127.0.0.1:{port}"), str(port), "billfold serve")


@pytest.mark.parametrize("url", ["http://127.0.0.1:port", "http://", "127.0.0.1:1"])
def test_an_address_that_is_none_is_refused(url):
    assert_refused(run("demo", "--url", url), url)


class Stranger(BaseHTTPRequestHandler):
    """Some other server: it knows nothing of credentials."""

    status, said = 404, b"[]"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("content-length", str(len(self.said)))
        self.end_headers()
        self.wfile.write(self.said)

    def log_message(self, *_) -> None:
        pass


@pytest.mark.parametrize("status, said", [(404, b"[]"), (404, b"<html>"), (200, b"{}"), (200, b"hi")])
def test_a_server_that_is_no_sandbox_is_left_alone(status, said):
    handler = type("Handler", (Stranger,), {"status": status, "said": said})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    assert_refused(run("demo", "--url", url), url)
    server.shutdown()
    server.server_close()


def test_a_story_that_fails_midway_says_where_and_takes_its_subscription_away(serve, tmp_path):
    """The demo's bank account was put away while the server was down: nothing can be paid from it."""
    first = serve()
    first.signs_in()
    first.stop()
    with sqlite3.connect(tmp_path / "data" / "billfold.db") as connection:
        connection.execute("UPDATE bank_accounts SET archived = 1")
    connection.close()
    server = serve()
    done = run("demo", "--url", server.base)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and "BDC_1151" in line and line.startswith("billfold: ")
    assert "all signatures" not in done.stdout and "the subscription is gone" in done.stdout
    server.signs_in()
    assert server.call("GET", "/connect-events/v3/subscriptions") == {"results": []}


def test_what_goes_wrong_on_the_way_is_said_and_no_success_is_claimed(serve):
    """An organization has ten subscriptions already: there is none left for the demo."""
    server = serve()
    server.signs_in()
    for number in range(10):
        body = {
            "name": "n", "status": {"enabled": True}, "notificationUrl": f"http://127.0.0.1:9/{number}",
            "events": [{"type": "autopay.failed", "version": "1"}],
        }  # fmt: skip
        key = f"00000000-0000-4000-8000-00000000000{number}"
        server.call("POST", "/connect-events/v3/subscriptions", body, X_Idempotent_Key=key)
    done = run("demo", "--url", server.base)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith("billfold: POST /connect-events/v3/subscriptions")
    assert "all signatures" not in done.stdout


MIGRATION = [
    "BDC_1102: the key is not known here yet", "1 developer key",
    "BDC_1101: the key is known, the user is not", "BDC_1361: money moves in a trusted session only",
    "bill paymentStatus 0: paid in full", 'rel="successor-version"', "/health → 410",
    "the new sandbox answers", "removed, with its data",
]  # fmt: skip


def test_the_migration_is_played_and_leaves_nothing(serve, place):
    server = serve(*place)
    for _ in range(2):
        done = run("demo", "migration", "--url", server.base)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        assert [fact for fact in MIGRATION if fact not in done.stdout] == [], done.stdout
    (left,) = server.call("GET", "/_control/environments")["results"]
    assert left["name"] == "sandbox" and server.signs_in()

"""`billfold listen`: what a sandbox tells is checked, printed and handed on, and no trace is left."""

import json
import queue
import signal
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from billfold import cli_listen
from tests.desk import EVENTS, V3, vendor_of
from tests.server import START_SECONDS_MAX, Process, assert_refused, run


class Behind:
    """The developer's own program: keeps what it is sent, and answers as it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, dict[str, str]]] = []
        self.statuses: list[int] = []
        behind = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                behind.got.append((body, {k.lower(): v for k, v in self.headers.items()}))
                self.send_response(behind.statuses.pop(0) if behind.statuses else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hooks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def behind():
    behind = Behind()
    yield behind
    behind.server.shutdown()
    behind.server.server_close()


@pytest.fixture
def listens():
    started = []

    def start(server, *options: str) -> Process:
        started.append(Process("listen", "--url", server.base, *options))
        assert "security key" in started[-1].first, started[-1].stderr
        assert "Ctrl-C" in started[-1].lines.get(timeout=START_SECONDS_MAX)
        return started[-1]

    yield start
    for process in started:
        process.kill()


def test_what_is_told_is_printed_and_handed_on_as_it_came(serve, listens, behind):
    server = serve()
    listener = listens(server, "--forward-to", behind.url)
    server.signs_in()
    vendor = server.call("POST", f"{V3}/vendors", vendor_of("Acme"), status=201)["id"]
    line = listener.lines.get(timeout=START_SECONDS_MAX)
    assert line.startswith("vendor.created") and vendor in line
    assert "signature right" in line and "forwarded: 200" in line
    ((body, headers),) = behind.got
    assert json.loads(body)["vendor"]["id"] == vendor and "x-bill-sha-signature" in headers
    listener.stop(signal.SIGINT)
    last = listener.lines.get(timeout=START_SECONDS_MAX)
    assert last == "1 notifications; 0 with a wrong signature\n"
    assert server.call("GET", f"{EVENTS}/subscriptions") == {"results": []}


def test_an_interruption_that_wakes_nobody_is_noticed():
    """As one that comes just before one begins to wait, or that another thread was given."""
    heard: queue.Queue = queue.Queue()
    another = threading.Timer(0.1, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT))
    much_later = threading.Timer(10, heard.put, [None])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    try:
        another.start()
        much_later.start()
        with pytest.raises(KeyboardInterrupt):
            cli_listen._next(heard)
        assert time.monotonic() - began < 5
    finally:
        much_later.cancel()
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("signature", [None, "AAAA", "\xe9\xe9"])
def test_who_does_not_have_the_key_is_refused(serve, listens, behind, signature):
    server = serve()
    listener = listens(server, "--forward-to", behind.url)
    server.signs_in()
    ((subscription),) = server.call("GET", f"{EVENTS}/subscriptions")["results"]
    headers = {"x-bill-sha-signature": signature} if signature else {}
    request = urllib.request.Request(subscription["notificationUrl"], b"{}", headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert (refused.value.code, behind.got) == (401, [])
    assert "WRONG" in listener.lines.get(timeout=START_SECONDS_MAX)


def test_a_failure_behind_is_tried_again(serve, listens, behind):
    server = serve()
    behind.statuses = [500]
    listener = listens(server, "--forward-to", behind.url, "--event", "vendor.created", "--count", "2")
    server.signs_in()
    server.call("POST", f"{V3}/vendors", vendor_of("Acme"), status=201)
    assert "forwarded: 500" in listener.lines.get(timeout=START_SECONDS_MAX)
    server.advance(seconds=2)
    assert "forwarded: 200" in listener.lines.get(timeout=START_SECONDS_MAX)
    assert listener.process.wait(START_SECONDS_MAX) == 0
    first, again = behind.got
    assert first[0] == again[0]


@pytest.mark.parametrize(("options", "words"), [
    (["--forward-to", "file:///etc"], "http"),
    (["--event", "vendor.exploded"], "vendor.exploded"),
    (["--env", "nowhere"], "nowhere"),
])  # fmt: skip
def test_what_cannot_be_is_one_sentence(serve, options, words):
    assert_refused(run("listen", "--url", serve().base, *options), words)


def test_a_test_notification_is_triggered(serve, listens):
    server = serve()
    assert_refused(run("trigger", "bill.created", "--url", server.base), "billfold listen")
    listener = listens(server)
    done = run("trigger", "bill.created", "--url", server.base)
    assert done.returncode == 0, done.stderr
    line = listener.lines.get(timeout=START_SECONDS_MAX)
    assert line.startswith("bill.created") and "signature right" in line
    assert_refused(run("trigger", "bill.exploded", "--url", server.base), "no such event")
    said = run("trigger", "spend.transaction.updated", "--url", server.base)
    assert_refused(said, "billfold keys create apiToken")

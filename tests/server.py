"""The server as a process, as tests start, ask and end it; and a receiver that takes its time."""

import json
import multiprocessing
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from billfold import demo_world
from tests.desk import LOGIN, V3

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PROGRAM = [sys.executable, "-m", "billfold.cli"]
START_SECONDS_MAX = 30  # A start takes less than a second, unless the machine is very busy.
WELCOME_LINES = 17


def surroundings(**more: str) -> dict[str, str]:
    """This process' environment without what would be a setting of the server's."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("BILLFOLD_")}
    return plain | {"COVERAGE_PROCESS_START": "", "NO_COLOR": "1"} | more


# A command that ends is forked from a process that has imported everything: its start would be most
# of its time. Servers start as they do for everybody.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.server", "billfold.app", "billfold.cli", "billfold.migrations"])


def run(
    *arguments: object, seconds: int = START_SECONDS_MAX, **more: str
) -> subprocess.CompletedProcess:
    words = [str(each) for each in arguments]
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder, name) for name in ("stdout", "stderr")]
        process = FORKS.Process(target=_command, args=(words, surroundings(**more), os.getcwd(), said))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, seconds)
        out, err = (each.read_text() for each in said)
        return subprocess.CompletedProcess(words, process.exitcode, out, err)


def _command(words: list[str], surroundings: dict[str, str], folder: str, said: list[Path]) -> None:
    """What `billfold` does, in a process of its own."""
    from billfold import cli

    os.environ.clear()
    os.environ.update(surroundings)
    os.chdir(folder)
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    sys.argv = ["billfold", *words]
    cli.main()


class Process:
    """A `billfold` that runs on, and everything it has said."""

    def __init__(self, *arguments: str, **more: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments], env=surroundings(**more), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self.lines: queue.Queue[str] = queue.Queue()
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        for stream, said in ((self.process.stdout, self.stdout), (self.process.stderr, self.stderr)):
            threading.Thread(target=self._listen, args=(stream, said), daemon=True).start()
        try:
            self.first = self.lines.get(timeout=START_SECONDS_MAX)
        except queue.Empty:
            self.kill()
            raise AssertionError("".join(self.stderr) or "it says nothing") from None

    def errors(self) -> list[dict]:
        """What it has logged as such."""
        # The last line of one that was killed may not be whole.
        lines = [json.loads(line) for line in self.stderr if line.endswith("\n")]
        return [line for line in lines if line["level"] == "error"]

    def stop(self, by: signal.Signals = signal.SIGTERM) -> float:
        """How long it took to end."""
        began = time.monotonic()
        self.process.send_signal(by)
        self.process.wait(START_SECONDS_MAX)
        return time.monotonic() - began

    def problems(self) -> list[str]:
        """What it has logged, but for answers that were only slow: machines are."""
        return [line for line in self.stderr if '"level": "info"' not in line]

    def kill(self) -> None:
        """With all the processes it has started, as when the machine fails."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _listen(self, stream, said: list[str]) -> None:
        for line in stream:
            said.append(line)
            if said is self.stdout:
                self.lines.put(line)


class Server(Process):
    """A serving process, and a client of it."""

    def __init__(self, folder, *options: str, **more: str) -> None:
        super().__init__("serve", "--data", str(folder), "--port", "0", *options, **more)
        self.session = ""
        found = re.fullmatch(r"Billfold serves a \w+ on (http://127\.0\.0\.1:\d+)\n", self.first)
        assert found, self.first + "".join(self.stderr)
        self.base = found[1]

    def ask(self, method: str, path: str, body=None, **headers: str) -> tuple[int, bytes]:
        if self.session:
            headers = {"sessionId": self.session, "devKey": demo_world.DEVELOPER_KEY} | headers
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        try:
            with DIRECT.open(request, timeout=START_SECONDS_MAX) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()

    def call(self, method: str, path: str, body=None, status: int = 200, **headers: str):
        found, said = self.ask(method, path, body, **headers)
        assert found == status, said
        return json.loads(said) if said else None

    def signs_in(self, **more: str) -> dict:
        self.session = ""
        login = self.call("POST", f"{V3}/login", LOGIN | more)
        self.session = login["sessionId"]
        return login

    def advance(self, **delta: int) -> dict:
        return self.call("POST", "/_control/clock", {"advance": delta})


class Worker(Process):
    """`billfold work`: the agenda of a PostgreSQL database, and no port."""

    def __init__(self, folder, *options: str, **more: str) -> None:
        super().__init__("work", "--data", str(folder), *options, **more)
        assert "working on the agenda" in self.first, self.first + "".join(self.stderr)


def place_of(url: str) -> list[str]:
    """The options with which a database is used; SQLite's lies in the data folder."""
    return [] if url.startswith("sqlite:") else ["--database", url]


def assert_refused(done: subprocess.CompletedProcess, *words: str) -> None:
    """Exit code 2, one sentence, and nothing that looks like a program's insides."""
    assert (done.returncode, done.stdout) == (2, ""), done
    (line,) = done.stderr.splitlines()
    assert line.startswith("billfold: ") and "Traceback" not in line
    assert [word for word in words if word not in line] == [], line


class Receiver:
    """A subscriber's server: keeps what it is told, and may think for a while before it answers."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.asked = asked = threading.Event()
        self.got: list[dict] = []
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                asked.set()
                time.sleep(seconds)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def subscription_of(url: str) -> dict:
    events = [{"type": "vendor.created", "version": "1"}]
    return {"name": "n", "status": {"enabled": True}, "events": events, "notificationUrl": url}


def subscribe(server: Server, url: str) -> dict:
    key = {"X_Idempotent_Key": str(uuid.uuid4())}
    return server.call("POST", "/connect-events/v3/subscriptions", subscription_of(url), **key)

"""The server as a process, as tests start, ask and end it; and a receiver that takes its time."""

import ctypes
import json
import multiprocessing
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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


# What is not about the start itself is forked from a process that has imported everything: that would
# be most of its time.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([
    "tests.server", "billfold.app", "billfold.cli", "billfold.demo", "billfold.door.logs",
    "billfold.door.packets", "billfold.kit.postgres", "billfold.kit.sqlite",
    "billfold.migrations.types", "alembic.command", "argon2", "cryptography.x509", "prometheus_client",
    "uvicorn", "uvloop",
])  # fmt: skip


# To be told when whoever forked it is gone (prctl.h).
PR_SET_PDEATHSIG = 1


class Fork:
    """`billfold` with these words in a process of its own; it is asked like a Popen with two pipes."""

    def __init__(self, words: list[str], surroundings: dict[str, str]) -> None:
        said, says = zip(*(FORKS.Pipe(duplex=False) for _ in range(2)), strict=True)
        work = (words, surroundings, os.getcwd(), says)
        # A daemon is ended when the tests end, and can have no workers.
        self._process = FORKS.Process(target=_command, args=work, daemon=True)
        self._process.start()
        for each in says:
            each.close()
        self.args, self.pid = words, self._process.pid
        self.stdout, self.stderr = (os.fdopen(os.dup(each.fileno())) for each in said)

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, seconds: float | None = None) -> int:
        self._process.join(seconds)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, seconds or 0)
        return self.returncode

    def send_signal(self, by: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, by)


def _command(words: list[str], surroundings: dict[str, str], folder: str, says: tuple) -> None:
    """What `billfold` does, in a process and a group of its own."""
    from billfold import cli

    os.setsid()
    with suppress(AttributeError):  # Only Linux: nothing is left behind by tests that were killed.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.clear()
    os.environ.update(surroundings)
    os.chdir(folder)
    for number, each in enumerate(says, start=1):
        os.dup2(each.fileno(), number)
        each.close()
    sys.argv = ["billfold", *words]
    cli.main()


def run(
    *arguments: object, seconds: int = START_SECONDS_MAX, **more: str
) -> subprocess.CompletedProcess:
    words = [str(each) for each in arguments]
    process = Fork(words, surroundings(**more))
    with ThreadPoolExecutor(2) as readers:
        said = [readers.submit(each.read) for each in (process.stdout, process.stderr)]
        try:
            code = process.wait(seconds)
        finally:
            with suppress(ProcessLookupError):  # What it has left behind would hold the pipes.
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(words, code, *(each.result() for each in said))


class Process:
    """A `billfold` that runs on, and everything it has said; started `afresh`, as it is for everybody,
    also where it has workers."""

    def __init__(self, *arguments: str, afresh: bool = False, **more: str) -> None:
        self.process: Fork | subprocess.Popen
        if afresh or "--workers" in arguments:
            self.process = subprocess.Popen(
                [*PROGRAM, *arguments], env=surroundings(**more), stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, start_new_session=True,
            )  # fmt: skip
        else:
            self.process = Fork([*arguments], surroundings(**more))
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

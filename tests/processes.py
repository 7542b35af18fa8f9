"""Billfold as processes: servers and workers that tests start, listen to, and end or kill."""

import json
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

from billfold import demo_world
from tests.desk import LOGIN, V3

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PROGRAM = [sys.executable, "-m", "billfold.cli"]
# Several may start at once, on a machine that has other things to do.
START_SECONDS_MAX = 20


def surroundings(**more: str) -> dict[str, str]:
    """This process' environment without what would be a setting of the server's."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("BILLFOLD_")}
    return plain | {"COVERAGE_PROCESS_START": "", "NO_COLOR": "1"} | more


def run(*arguments: object, **more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], env=surroundings(**more), capture_output=True, text=True,
        timeout=START_SECONDS_MAX,
    )  # fmt: skip


def place_of(url: str) -> list[str]:
    """The options with which a database is used; SQLite's lies in the data folder."""
    return [] if url.startswith("sqlite:") else ["--database", url]


class Process:
    """A command of Billfold's that goes on, in a session of its own, and everything it has said."""

    def __init__(self, command: str, folder, *options: str, **more: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, command, "--data", str(folder), *options], env=surroundings(**more),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self.lines: queue.Queue[str] = queue.Queue()
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        for stream, said in ((self.process.stdout, self.stdout), (self.process.stderr, self.stderr)):
            threading.Thread(target=self._listen, args=(stream, said), daemon=True).start()

    def _listen(self, stream, said: list[str]) -> None:
        for line in stream:
            said.append(line)
            if said is self.stdout:
                self.lines.put(line)

    def begins(self, words: str) -> re.Match:
        """Wait for its first line, which must be these words (a pattern)."""
        try:
            first = self.lines.get(timeout=START_SECONDS_MAX)
            found = re.fullmatch(words, first.rstrip("\n"))
        except queue.Empty:
            first, found = "it said nothing: ", None
        if found is None:
            self.kill()
        assert found, first + "".join(self.stderr)
        return found

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

    def kill(self) -> None:
        """With all the processes it has started, as when the machine fails."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Server(Process):
    """`billfold serve` on a free port, and a client of it."""

    def __init__(self, folder, *options: str, **more: str) -> None:
        super().__init__("serve", folder, "--port", "0", *options, **more)
        self.session = ""
        self.base = self.begins(r"Billfold serves a \w+ on (http://127\.0\.0\.1:\d+)")[1]

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
        super().__init__("work", folder, *options, **more)
        self.begins(r"billfold: working on the agenda of .*")

"""A server under load: started on a free port of this machine, driven by wrk, looked at by psutil."""

import json
import os
import re
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psutil

from bench import world

CONNECTIONS = 32
START_SECONDS_MAX = 30
LOG_SHOWN = 2_000
SECONDS_MAX = 30
HOME = Path(__file__).parent.parent
MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}
A_VENDOR = f"/connect/v3/vendors/{world.VENDOR_ID % 1}"
HEALTH = "/connect/v3/health"


@dataclass(frozen=True)
class Run:
    rate: float
    cpu_microseconds: float
    p99_milliseconds: float
    requests: int


class Server:
    """A process of this machine that serves; left by `with`, it has ended. `first` is what is asked of
    it until it answers. One that speaks https is trusted by the roots in a file."""

    def __init__(
        self, name: str, command: list[str], first: str = HEALTH, roots: str | None = None
    ) -> None:
        self.name = name
        self.port = _free_port()
        self.base = f"{'https' if roots else 'http'}://127.0.0.1:{self.port}"
        self._trusts = ssl.create_default_context(cafile=roots) if roots else None
        filled = [part.replace("{port}", str(self.port)) for part in command]
        environment = {key: value for key, value in os.environ.items() if key[:9] != "BILLFOLD_"}
        self.began = time.perf_counter()
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - it ends with the process
        self.process = subprocess.Popen(
            filled, cwd=HOME, env=environment, stdout=subprocess.DEVNULL, stderr=self.log
        )
        try:
            self.start_seconds = self._wait(first)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error) -> None:
        self.stop()

    def _wait(self, path: str) -> float:
        """Seconds until the first answer; it is asked for as soon as the port is open."""
        while True:
            try:
                self._answer(path)
                return time.perf_counter() - self.began
            except OSError as error:
                late = time.perf_counter() - self.began > START_SECONDS_MAX
                if late or self.process.poll() is not None or isinstance(error, urllib.error.HTTPError):
                    said = f"{self.name} does not serve: {error}\n{self._said()}"
                    raise RuntimeError(said) from error
                time.sleep(0.002)

    def ask(self, path: str, body: object = None, session: int = 0) -> dict:
        headers = {"sessionId": world.SESSION_ID % session, "devKey": world.KEY}
        sent = None
        if body is not None:
            sent, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        return json.loads(self._answer(path, sent, headers))

    def post_form(self, path: str, form: str, authorization: str) -> dict:
        return json.loads(self._answer(path, form.encode(), {"Authorization": authorization}))

    def _answer(self, path: str, sent: bytes | None = None, headers: dict | None = None) -> bytes:
        if headers is None:
            headers = {"sessionId": world.SESSION_ID % 0, "devKey": world.KEY}
        request = urllib.request.Request(self.base + path, sent, headers)
        with urllib.request.urlopen(request, timeout=START_SECONDS_MAX, context=self._trusts) as answer:
            return answer.read()

    def measure(self, script: str, seconds: int, connections: int = CONNECTIONS) -> Run:
        """wrk for some seconds, for more where nothing was answered; each answer must be a good one."""
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
            file.write(script)
            file.flush()
            load = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", file.name]
            before = self._cpu()
            done = subprocess.run([*load, self.base], capture_output=True, text=True, check=True)
            used, said = self._cpu() - before, done.stdout
        answered = re.search(r"(\d+) requests in", said)
        none = answered is not None and answered[1] == "0"
        if none and "Socket errors" not in said and seconds < SECONDS_MAX:
            return self.measure(script, 4 * seconds, connections)
        if "Non-2xx" in said or not answered or none:
            raise RuntimeError(
                f"{self.name} did not answer as it should:\n{script}\n{said}\n{self._said()}"
            )
        slow = re.search(r"^\s+99%\s+([\d.]+)(us|ms|s|m)\s*$", said, re.M)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
        assert slow and rate, said
        count, p99 = int(answered[1]), float(slow[1]) * MILLISECONDS[slow[2]]
        return Run(float(rate[1]), used / count * 1e6, p99, count)

    @cached_property
    def _seen(self) -> list[psutil.Process]:
        """The process and those that it has started to serve."""
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def _cpu(self) -> float:
        times = [each.cpu_times() for each in self._seen]
        return sum(each.user + each.system for each in times)

    @property
    def memory_megabytes(self) -> float:
        return sum(each.memory_info().rss for each in self._seen) / 1e6

    def _said(self) -> str:
        """The end of its log."""
        self.log.seek(0)
        return self.log.read()[-LOG_SHOWN:].decode(errors="replace")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

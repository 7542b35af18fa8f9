"""A server under load: started on a free port of this machine, driven by wrk, looked at by psutil."""

import itertools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psutil

from bench import world

CONNECTIONS = 32
START_SECONDS_MAX = 30
HOME = Path(__file__).parent.parent
MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}

_runs = itertools.count(int(time.time()) % 10_000 * 100)  # So that invoice numbers never come twice.


@dataclass(frozen=True)
class Run:
    rate: float
    cpu_microseconds: float
    p99_milliseconds: float
    requests: int


class Server:
    """A process of this machine that serves; left by `with`, it has ended."""

    def __init__(self, name: str, command: list[str], health: bool = False) -> None:
        self.name = name
        self.port = _free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        filled = [part.format(port=self.port) for part in command]
        environment = {key: value for key, value in os.environ.items() if key[:9] != "BILLFOLD_"}
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", *filled], cwd=HOME, env=environment, stdout=subprocess.DEVNULL
        )
        try:
            self.start_seconds = self._wait("/connect/v3/health" if health else None)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error) -> None:
        self.stop()

    def _wait(self, path: str | None) -> float:
        """Seconds until the first answer; it is asked for as soon as the port is open."""
        path = path or f"/connect/v3/vendors/{world.VENDOR_ID % 1}"
        while True:
            try:
                self.ask(path)
                return time.perf_counter() - self.began
            except OSError as error:
                late = time.perf_counter() - self.began > START_SECONDS_MAX
                if late or self.process.poll() is not None or isinstance(error, urllib.error.HTTPError):
                    raise RuntimeError(f"{self.name} does not serve: {error}") from error
                time.sleep(0.002)

    def ask(self, path: str, body: object = None) -> dict:
        headers = {"sessionId": world.SESSION_ID % 0, "devKey": world.KEY}
        sent = None
        if body is not None:
            sent, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(self.base + path, sent, headers)
        with urllib.request.urlopen(request, timeout=START_SECONDS_MAX) as answer:
            return json.load(answer)

    def measure(self, what: str, seconds: int) -> Run:
        """wrk for some seconds; each answer must be a good one."""
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
            file.write(_script(what))
            file.flush()
            load = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "--latency", "-s", file.name]
            before = self._cpu()
            done = subprocess.run([*load, self.base], capture_output=True, text=True, check=True)
            used, said = self._cpu() - before, done.stdout
        answered = re.search(r"(\d+) requests in", said)
        if "Non-2xx" in said or not answered or answered[1] == "0":
            raise RuntimeError(f"{self.name} did not answer {what} as it should:\n{said}")
        number, unit = re.search(r"^\s+99%\s+([\d.]+)(us|ms|s|m)\s*$", said, re.M).groups()
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])
        count = int(answered[1])
        return Run(rate, used / count * 1e6, float(number) * MILLISECONDS[unit], count)

    @cached_property
    def _seen(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    def _cpu(self) -> float:
        times = self._seen.cpu_times()
        return times.user + times.system

    @property
    def memory_megabytes(self) -> float:
        return self._seen.memory_info().rss / 1e6

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _script(what: str) -> str:
    """Vendors and sessions by chance, the same for every run; each bill has its own number."""
    vendor = f'string.format("{world.VENDOR_ID}",math.random(0,{world.VENDORS - 1}))'
    session = f'string.format("{world.SESSION_ID}",math.random(0,{world.SESSIONS - 1}))'
    lines = [f'wrk.headers["devKey"]="{world.KEY}"', "local n=0"]
    if what == "R":
        call = f'wrk.format("GET","/connect/v3/vendors/"..{vendor})'
    else:
        lines.append('wrk.headers["Content-Type"]="application/json"')
        before, after = json.dumps(world.BILL).split(world.BILL["vendorId"])
        between, after = after.split(world.BILL["invoice"]["invoiceNumber"])
        body = f"[[{before}]]..{vendor}..[[{between}{next(_runs)}-]]..n..[[{after}]]"
        call = f'wrk.format("POST","/connect/v3/bills",nil,{body})'
    lines.append(f'function request() n=n+1 wrk.headers["sessionId"]={session} return {call} end')
    return "\n".join(lines)

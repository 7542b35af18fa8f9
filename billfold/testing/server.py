"""The server as a process of a test run, and the worlds that it makes.

Whoever needs it first starts it, for every process of the run: they share a folder, in which `base`
says where it serves, and `log` what it has answered.
"""

import fcntl
import itertools
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from billfold.testing.receiver import Receiver
from billfold.testing.wire import must
from billfold.testing.world import World

START_SECONDS_MAX, STOP_SECONDS_MAX, LOOK_SECONDS = 60, 10, 0.02
# Of the whole run the last ones: a world's are looked at when its test fails.
LOG_BYTES_READ = 2_000_000
WELCOME = re.compile(r"Billfold serves a sandbox on (http://\S+)\n")
# The world of which every other is a copy.
FIRST = "first"
# Whether it has ended is asked without waiting, and again by who ends it.
ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT
LOCK, PID, BASE, SAID, LOG = "lock", "pid", "base", "said", "log"


class Server:
    """`base` is its address."""

    def __init__(self, folder: Path) -> None:
        self.base = _ensured(folder)
        self._log = folder / LOG
        self.receiver = Receiver()
        self._numbers = itertools.count(1)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.receiver.close()

    @property
    def requests(self) -> list[dict]:
        """The last ones that it has answered, of every world, as they stand in its log (`environment`
        is the world's path)."""
        with open(self._log, "rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_BYTES_READ))
            lines = log.read().splitlines()
        found = []
        for line in lines:
            with suppress(ValueError):  # The first one may not be whole.
                found.append(json.loads(line))
        return [each for each in found if each.get("event") == "request"]

    @contextmanager
    def world(self) -> Iterator[World]:
        """A world that nobody has touched, removed in the end."""
        name = f"w{os.getpid():x}-{next(self._numbers)}"
        asked = {"name": name, "from": FIRST, "ephemeral": True}
        world = World(self, must("POST", f"{self.base}/_control/environments", asked))
        try:
            world.begin()
            yield world
        finally:
            self.receiver.forget(world.path)
            must("DELETE", f"{self.base}/_control/environments/{name}")


def end(folder: Path) -> None:
    """Stop the server of this folder, if there is one."""
    try:
        pid, base = int((folder / PID).read_text()), (folder / BASE).read_text()
    except FileNotFoundError:
        return
    until = time.monotonic() + STOP_SECONDS_MAX
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        while _answers(base):
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
                break
            time.sleep(LOOK_SECONDS)
    with suppress(ChildProcessError):  # It may be another process' child.
        os.waitpid(pid, 0)


def _ensured(folder: Path) -> str:
    """The address of the server, which is started by whoever asks first."""
    with open(folder / LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        base = folder / BASE
        if not base.exists():
            pid = _spawned(folder)
            try:
                address = _address(folder, pid)
                must("POST", f"{address}/_control/environments", {"name": FIRST})
            except BaseException:
                os.kill(pid, signal.SIGKILL)
                raise
            (folder / PID).write_text(str(pid))
            base.write_text(address)
        return base.read_text()


def _spawned(folder: Path) -> int:
    command = [sys.executable, "-m", "billfold.cli", "serve", "--data", str(folder / "data")]
    settings = {name: value for name, value in os.environ.items() if name[:9] != "BILLFOLD_"}
    write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = [
        (os.POSIX_SPAWN_OPEN, number, str(folder / name), write, 0o600)
        for number, name in ((1, SAID), (2, LOG))
    ]
    return os.posix_spawn(
        sys.executable, [*command, "--port", "0", "--log", "requests"],
        settings | {"NO_COLOR": "1", "BILLFOLD_DURABLE": "false"}, file_actions=files,
    )  # fmt: skip


def _address(folder: Path, pid: int) -> str:
    until = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < until and not os.waitid(os.P_PID, pid, ENDED):
        if found := WELCOME.match((folder / SAID).read_text()):
            return found[1]
        time.sleep(LOOK_SECONDS)
    said = "".join((folder / name).read_text() for name in (SAID, LOG))
    raise RuntimeError(f"Billfold does not start:\n{said}")


def _answers(base: str) -> bool:
    split = urlsplit(base)
    try:
        socket.create_connection((split.hostname, split.port or 80), timeout=1).close()
    except OSError:
        return False
    return True

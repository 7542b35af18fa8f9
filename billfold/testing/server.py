"""The server as a process of a test run, and the worlds that it makes."""

import itertools
import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from billfold.testing.receiver import Receiver
from billfold.testing.wire import must
from billfold.testing.world import World

START_SECONDS_MAX, STOP_SECONDS_MAX = 60, 10
# Of the whole run the last ones: a world's are looked at when its test fails.
REQUESTS_KEPT = 5_000
WELCOME = re.compile(r"Billfold serves a sandbox on (http://\S+)\n")
# The world of which every other is a copy.
FIRST = "first"


class Server:
    """`base` is its address. `requests` are the last ones that it has answered, of every world, as
    they stand in its log (`environment` is the world's path)."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "billfold.cli", "serve", "--data", str(folder)]
        settings = {name: value for name, value in os.environ.items() if name[:9] != "BILLFOLD_"}
        self._process = subprocess.Popen(
            [*command, "--port", "0", "--log", "requests"], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=settings | {"NO_COLOR": "1"},
        )  # fmt: skip
        self.requests: deque[dict] = deque(maxlen=REQUESTS_KEPT)
        self._said: queue.Queue[str] = queue.Queue()
        self._problems: list[str] = []
        for stream, listen in (
            (self._process.stdout, self._note_line), (self._process.stderr, self._note_log),
        ):  # fmt: skip
            assert stream
            threading.Thread(target=_listen, args=(stream, listen), daemon=True).start()
        self.receiver = Receiver()
        self._numbers = itertools.count(1)
        try:
            self.base = self._address()
            must("POST", f"{self.base}/_control/environments", {"name": FIRST})
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def world(self) -> Iterator[World]:
        """A world that nobody has touched, removed in the end."""
        asked = {"name": f"w{next(self._numbers)}", "from": FIRST, "ephemeral": True}
        made = must("POST", f"{self.base}/_control/environments", asked)
        world = World(self, made)
        try:
            world.begin()
            yield world
        finally:
            self.receiver.forget(world.path)
            must("DELETE", f"{self.base}/_control/environments/{made['name']}")

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.receiver.close()

    def _address(self) -> str:
        try:
            first = self._said.get(timeout=START_SECONDS_MAX)
        except queue.Empty:
            first = ""
        if found := WELCOME.fullmatch(first):
            return found[1]
        raise RuntimeError(f"Billfold does not start:\n{first}{''.join(self._problems)}")

    def _note_line(self, line: str) -> None:
        self._said.put(line)

    def _note_log(self, line: str) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            self._problems.append(line)
            return
        if said.get("event") == "request":
            self.requests.append(said)


def _listen(stream: IO[str], note) -> None:
    for line in stream:
        note(line)

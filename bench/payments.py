"""Payments of fifty bills at once beside payments one by one, in bills paid a second."""

from collections import defaultdict
from statistics import median

from msgspec.structs import replace

from bench import rows, scripts, seeding, world
from bench.databases import Databases
from bench.load import Run, Server
from bench.report import Report, spread
from billfold.kit.secrets import load
from billfold.payables.bills import Bill, BillLine
from billfold.payables.vendor_bank_accounts import VendorBankAccount
from billfold.payables.vendors import Vendor

AT_ONCE, TIMES_MIN = 50, 8
# Each waits for an answer before it asks again; first the one, then all sixteen.
CLIENTS = {"one client": 1, "16 clients": 16}
# Fifty at once take longer, and what is on its way when the time is over does not count.
SECONDS_TIMES = 2
PAYEES, BILLS = 1_000, 50_000
# So many bills in a row are of one vendor here, and there, and there.
IN_A_ROW = 1, 2, AT_ONCE
MIXED, PAIRED, TOGETHER = HEAPS = [range(place * BILLS, (place + 1) * BILLS) for place in range(3)]
ONE_BY_ONE = "one by one"
NAMES = {
    ONE_BY_ONE: MIXED, "50 at once, of 50 vendors": MIXED, "50 at once, of 25 vendors": PAIRED,
    "50 at once, of one vendor": TOGETHER,
}  # fmt: skip


def measure(report: Report, databases: Databases, rounds: int, seconds: int) -> None:
    seconds *= SECONDS_TIMES
    report.say()
    report.say("## Bills paid")
    report.say()
    report.say(
        f"A dollar each of {BILLS:,} bills of {PAYEES:,} vendors, by clients that wait for an answer"
        f" before they ask again, {rounds} rounds of {seconds} s in turn; the times are the median of"
        f" the rounds'. One by one is `POST /connect/v3/payments`, {AT_ONCE} at once"
        f" `POST /connect/v3/payments/bulk`: bills of {AT_ONCE} vendors are {AT_ONCE} payments; those"
        " of one vendor are combined, all of one into 2. What many pay at the same time shares its"
        " commits, so that one by one costs each of them less."
    )
    report.say()
    report.say("| | bills/s | CPU us/bill | p99 ms | times one by one |")
    report.say("|---|--:|--:|--:|--:|")
    times: dict[str, float] = {}
    for kind in databases.kinds:
        times |= _measure(report, databases, kind, rounds, seconds)
    report.say()
    for name, many in times.items():
        report.judge(name, f"{many:.1f} times one by one", str(TIMES_MIN), many >= TIMES_MIN)


def _measure(
    report: Report, databases: Databases, kind: str, rounds: int, seconds: int
) -> dict[str, float]:
    data = databases.data(kind, "payments")
    world.seed_billfold(data)
    secrets = load(data.folder)
    seeding.pour(
        data,
        (Vendor, map(_payee, rows.vendors(secrets, PAYEES))),
        (VendorBankAccount, rows.accounts(secrets, PAYEES)),
        (Bill, (_bill(number) for heap in HEAPS for number in heap)),
        (BillLine, rows.lines(len(HEAPS) * BILLS)),
    )
    paid = dict.fromkeys(HEAPS, 0)
    times = {}
    with Server("Billfold", data.serve()) as server:
        for clients, connections in CLIENTS.items():
            found = _in_turn(server, paid, rounds, seconds, connections)
            for name, runs in found.items():
                beside = [
                    some.rate / one.rate for some, one in zip(runs, found[ONE_BY_ONE], strict=True)
                ]
                _say(report, f"{name}, {kind}, {clients}", runs, beside)
                if name != ONE_BY_ONE:
                    times[f"{name}, on {kind}, {clients}"] = median(beside)
    return times


def _say(report: Report, name: str, runs: list[Run], beside: list[float]) -> None:
    cells = (
        name,
        spread([run.rate for run in runs]),
        spread([run.cpu_microseconds for run in runs]),
        spread([run.p99_milliseconds for run in runs]),
        "" if name.startswith(ONE_BY_ONE) else spread(beside),
    )
    report.say(f"| {' | '.join(cells)} |")
    rate = median(run.rate for run in runs)
    report.figures["Bills paid, bills/s (more is better)"].append((name, rate))


def _in_turn(
    server: Server, paid: dict[range, int], rounds: int, seconds: int, connections: int
) -> dict[str, list[Run]]:
    """Rates and CPU are a bill's, not a request's."""
    found: dict[str, list[Run]] = defaultdict(list)

    def pay(name: str) -> Run:
        heap, size = NAMES[name], 1 if name == ONE_BY_ONE else AT_ONCE
        run = server.measure(scripts.pay_bills(heap, paid[heap], size), seconds, connections)
        # Those that were on their way when the time was over are paid too.
        paid[heap] += (run.requests + connections) * size
        return Run(run.rate * size, run.cpu_microseconds / size, run.p99_milliseconds, run.requests)

    for name in NAMES:
        pay(name)  # Warm.
    for number in range(rounds):
        for name in NAMES if number % 2 == 0 else reversed(NAMES):
            found[name].append(pay(name))
    return {name: found[name] for name in NAMES}


def _payee(vendor: Vendor) -> Vendor:
    """One who can be paid electronically."""
    return replace(vendor, archived=False, address_country="US", bill_currency="USD")


def _bill(number: int) -> Bill:
    vendor = number // IN_A_ROW[number // BILLS]
    return rows.bill(number, rows.VENDOR_ID % (vendor % PAYEES))

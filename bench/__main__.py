"""`make bench`: Billfold beside the floor, beside others and beside itself, against the targets."""

import argparse
import shutil
import signal
import sys
import time

from bench import deliveries, lists, machine, others, payments, rates, starts, tls, worlds
from bench.databases import POSTGRES, SQLITE, Databases
from bench.load import CONNECTIONS
from bench.report import Report

PARTS = {
    "rates": rates, "others": others, "payments": payments, "lists": lists, "deliveries": deliveries,
    "tls": tls, "worlds": worlds, "starts": starts,
}  # fmt: skip
TITLE = "How fast Billfold is"
KINDS = {"sqlite": SQLITE, "postgres": POSTGRES}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument("--on", nargs="+", choices=KINDS, default=[*KINDS])
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        print("bench: wrk is not installed (Debian: apt-get install wrk; macOS: brew install wrk)")
        sys.exit(2)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    whole = asked.only == [*PARTS] and asked.on == [*KINDS]
    began = time.monotonic()
    report = Report()
    with machine.folder() as folder:
        report.say(f"# {TITLE}")
        report.say()
        report.say("![The figures as a chart](chart.svg)")
        report.say()
        report.say(machine.described(folder))
        report.say()
        report.say(
            f"The load is wrk -t1 -c{CONNECTIONS} on the same machine. Figures are medians; in brackets"
            " the least and the most. Ratios of neighbours, measured in turn, say more than rates,"
            " which say more about the machine."
        )
        databases = Databases(folder, report, [KINDS[name] for name in asked.on])
        try:
            for name, part in PARTS.items():
                if name in asked.only:
                    part.measure(report, databases, asked.rounds, asked.seconds)
        finally:
            databases.close()
    report.say()
    for what in report.missed:
        report.say(f"Target missed: {what}.")
    report.say(f"The run took {time.monotonic() - began:.0f} s.")
    if whole:
        report.write(TITLE, machine.named())


if __name__ == "__main__":
    main()

"""What TLS costs: R by https beside R by http, and how many connections are made in a second."""

from collections import defaultdict
from contextlib import ExitStack
from statistics import median

from bench import scripts, world
from bench.databases import SQLITE, Databases
from bench.load import Run, Server
from bench.report import Report, spread
from billfold.door.authority import Authority

MEASURED = {
    "R": scripts.read_vendor,
    "a connection for each request (`GET /v3/health`)": scripts.connect_anew,
}


def measure(report: Report, databases: Databases, rounds: int, seconds: int) -> None:
    report.say()
    report.say("## TLS, on SQLite")
    report.say()
    report.say(
        "R, and connections that are made for one request each: over https every one is a whole"
        " handshake (TLS 1.3, a certificate with a key of P-256), because a local authority takes"
        " no session up again. wrk, on the same machine, has half of the work."
    )
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    with ExitStack() as stack:
        servers = []
        for name, options in (("http", []), ("https", ["--tls"])):
            data = databases.data(SQLITE, name)
            world.seed_billfold(data, world.add_vendors)
            authority = Authority(data.folder)
            authority.prepare([])
            roots = str(authority.bundle) if options else None
            servers.append(stack.enter_context(Server(name, [*data.serve(), *options], roots=roots)))
        for what, script in MEASURED.items():
            for server in servers:
                server.measure(script(), 1)  # Warm.
            for number in range(rounds):
                for server in servers if number % 2 == 0 else reversed(servers):
                    found[what, server.name].append(server.measure(script(), seconds))
    report.say()
    report.say("| | http, requests/s | https, requests/s | of http's | https, CPU us/request |")
    report.say("|---|--:|--:|--:|--:|")
    for what in MEASURED:
        plain, sealed = found[what, "http"], found[what, "https"]
        shares = [100 * ours.rate / theirs.rate for ours, theirs in zip(sealed, plain, strict=True)]
        cells = [
            spread([run.rate for run in plain]), spread([run.rate for run in sealed]),
            spread(shares, "%"), spread([run.cpu_microseconds for run in sealed]),
        ]  # fmt: skip
        report.say(f"| {' | '.join([what, *cells])} |")
        report.figures[f"TLS: {what.partition(' (')[0]}, requests/s (more is better)"] += [
            (name, median(run.rate for run in found[what, name])) for name in ("http", "https")
        ]

"""Two servers that stand in for an API in tests, driven by the same load as Billfold.

Each is installed into a folder of its own for the time of the run, by its own package manager; where
that cannot be, it is left out, and that is said.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench import scripts
from bench.databases import Databases
from bench.load import A_VENDOR, Run, Server
from bench.report import Report, spread

INSTALL_SECONDS_MAX = 120
CUSTOMERS = 100
# It binds to every address of the machine; its application is served here as it serves it, but on
# this machine alone and without a log line for each request.
LOCALSTRIPE = "from aiohttp import web; from localstripe.server import app;"
LOCALSTRIPE += " web.run_app(app, host='127.0.0.1', port={port}, access_log=None)"
SCRIPT, STORE = "/js.stripe.com/v3/", Path("/tmp/localstripe.pickle")
PRISM = "@stoplight/prism-cli"
BARS = {"localstripe": "localstripe (in memory)", "Prism": "Prism (stores nothing)"}
DOES = {
    "localstripe": (
        "R = GET a customer, W = POST a customer, form-encoded. It checks that some secret key is"
        " sent, keeps everything in memory in one process, and after a write puts all that it holds"
        " into one pickle file, without fsync: a write costs more the more there is. It has no"
        f" transactions, users, audit or indexes. It begins with {CUSTOMERS} customers."
    ),
    "Prism": (
        "R and W are Billfold's own requests, answered out of Billfold's OpenAPI document. It checks"
        " parameters, that credentials are sent and the body against the schema, and answers with"
        " an example. It stores nothing: there is no database, what was sent is not found again, and"
        " nobody is signed in. Its log is off."
    ),
}


def measure(report: Report, databases: Databases, rounds: int, seconds: int) -> None:
    report.say()
    report.say("## Beside others")
    report.say()
    report.say(
        "Other programs for other purposes: nothing here is their target, and none of these answers is"
        " durable. Billfold's W is on disk before it is answered."
    )
    report.say()
    report.say("| | R, requests/s | R, CPU us | W, requests/s | W, CPU us |")
    report.say("|---|--:|--:|--:|--:|")
    told = []
    for name, part in {"localstripe": _localstripe, "Prism": _prism}.items():
        folder = databases.folder / name
        folder.mkdir()
        try:
            version, runs = part(folder, rounds, seconds)
        except (OSError, subprocess.SubprocessError) as error:
            told.append(f"- {name} is left out: it could not be installed here ({_short(error)}).")
            continue
        cells = [
            spread([getattr(run, figure) for run in runs[what]])
            for what in "RW"
            for figure in ("rate", "cpu_microseconds")
        ]
        report.say(f"| {name} {version} | {' | '.join(cells)} |")
        told.append(f"- {name}: {DOES[name]}")
        for what, title in scripts.TITLES.items():
            report.figures[title].append((BARS[name], median(run.rate for run in runs[what])))
    report.say()
    for line in told:
        report.say(line)


def _localstripe(folder: Path, rounds: int, seconds: int) -> tuple[str, dict[str, list[Run]]]:
    _run(sys.executable, "-m", "venv", str(folder))
    python = str(folder / "bin" / "python")
    _run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "localstripe")
    version = _run(python, "-c", "from importlib.metadata import version as v; print(v('localstripe'))")
    command = [python, "-c", LOCALSTRIPE]
    with _aside(STORE), Server("localstripe", command, first=SCRIPT) as server:
        made = [
            server.post_form("/v1/customers", scripts.CUSTOMER, scripts.SECRET)["id"]
            for _ in range(CUSTOMERS)
        ]
        script = {"R": lambda: scripts.read_customer(made), "W": scripts.create_customer}
        return version, _measured(server, script, rounds, seconds)


def _prism(folder: Path, rounds: int, seconds: int) -> tuple[str, dict[str, list[Run]]]:
    _run("npm", "install", "--prefix", str(folder), "--no-fund", "--no-audit", "--silent", PRISM)
    package = folder / "node_modules" / PRISM / "package.json"
    version = json.loads(package.read_text())["version"]
    document = folder / "openapi.json"
    document.write_text(_run(sys.executable, "-m", "billfold.cli", "openapi"))
    prism = str(folder / "node_modules" / ".bin" / "prism")
    command = [prism, "mock", "-h", "127.0.0.1", "-p", "{port}", "-v", "silent", str(document)]
    with Server("Prism", command, A_VENDOR) as server:
        script = {"R": scripts.read_vendor, "W": scripts.create_bill}
        return version, _measured(server, script, rounds, seconds)


def _measured(
    server: Server, script: dict[str, Callable[[], str]], rounds: int, seconds: int
) -> dict[str, list[Run]]:
    """Reads first: writes fill a store, and what a read costs must not depend on them."""
    found = {}
    for what in "RW":
        server.measure(script[what](), 1)  # Warm.
        found[what] = [server.measure(script[what](), seconds) for _ in range(rounds)]
    return found


def _run(*command: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=INSTALL_SECONDS_MAX
    )
    return done.stdout.strip()


@contextmanager
def _aside(path: Path) -> Iterator[None]:
    """What somebody else has there comes back unchanged."""
    kept = path.with_suffix(".kept")
    if path.exists():
        path.rename(kept)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if kept.exists():
            kept.rename(path)


def _short(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    return said.strip().splitlines()[-1][:100]

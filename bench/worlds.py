"""How long a fresh world takes: a copy of the demo world, with its credentials in hand."""

import json
import time
import urllib.request
from statistics import median

from bench.databases import SQLITE, Databases
from bench.load import Server
from bench.report import Report

WORLDS, WARM, MILLISECONDS_MAX = 200, 10, 25
ALL = "/_control/environments"


def measure(report: Report, databases: Databases, rounds: int, seconds: int) -> None:
    data = databases.data(SQLITE, "worlds")
    with Server("Billfold", data.serve()) as server:
        _ask(server, "POST", ALL, {"name": "first"})
        taken = [_make(server, f"w{number}") for number in range(WARM + WORLDS)][WARM:]
    report.say()
    report.say("## Worlds, on SQLite")
    report.say()
    report.say(
        f"`POST {ALL}` with `from` and `ephemeral`, {WORLDS} one after the other, each removed again;"
        " the answer tells how to sign in."
    )
    report.say()
    middle = median(taken)
    said = f"median {middle:.1f} ms (p99 {sorted(taken)[len(taken) * 99 // 100]:.1f})"
    report.judge("a fresh world", said, f"{MILLISECONDS_MAX} ms", middle < MILLISECONDS_MAX)


def _make(server: Server, name: str) -> float:
    """Milliseconds until its credentials are there."""
    began = time.perf_counter()
    made = _ask(server, "POST", ALL, {"name": name, "from": "first", "ephemeral": True})
    milliseconds = (time.perf_counter() - began) * 1000
    assert made and made["credentials"]["devKey"]
    _ask(server, "DELETE", f"{ALL}/{name}")
    return milliseconds


def _ask(server: Server, method: str, path: str, body: object = None) -> dict | None:
    sent = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(server.base + path, sent, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        said = answer.read()
    return json.loads(said) if said else None

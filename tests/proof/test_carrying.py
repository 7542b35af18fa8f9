"""A long history moves: in flat memory, and the same to the last byte."""

import asyncio
import os
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from billfold import demo_world
from billfold.app import Billfold
from billfold.books.audit import AuditEntry, Change
from billfold.events.outbox import Event
from billfold.payables.bills import Bill, BillLine
from billfold.settings import Settings
from tests.proof import LONG
from tests.server import PROGRAM, place_of, surroundings

pytestmark = pytest.mark.proof
BILLS = 100_000 if LONG else 5_000
PAGE = 500
# Beyond what it takes without a history: pages of rows, and the cache of the database.
GROWTH_MB_MAX = 48
# As the system has it: bytes on a Mac.
MAXRSS_IN_MB = 1 << 20 if sys.platform == "darwin" else 1 << 10
ORG = demo_world.ORGANIZATION_ID
# What an event's body mostly says, and how long it is.
BODY = '{"bill":{"id":"%s","description":"' + "strings " * 60 + '"}}'


def test_a_long_history_moves_in_flat_memory(request, database, place, folder, tmp_path, figures):
    name = "sqlite_url" if database == "sqlite" else "copied_postgres_url"
    here = ["--data", str(folder), *place_of(request.getfixturevalue(name))]
    there = ["--data", str(tmp_path / "there"), *place]
    short, long, back = (tmp_path / f"{each}.jsonl" for each in ("short", "long", "back"))
    _, before_mb = measured("export", "--organization", ORG, "--out", short, *here)
    _, before_import_mb = measured("import", "--from", short, "--data", tmp_path / "short")
    asyncio.run(fill(here))
    export_seconds, export_mb = measured("export", "--organization", ORG, "--out", long, *here)
    import_seconds, import_mb = measured("import", "--from", long, *there)
    measured("export", "--organization", ORG, "--out", back, *there)
    rows = same(long, back)
    figures(
        rows=rows, megabytes=long.stat().st_size >> 20,
        export_rows_a_second=round(rows / export_seconds),
        import_rows_a_second=round(rows / import_seconds),
        export_peak=f"{export_mb} MB (without a history {before_mb})",
        import_peak=f"{import_mb} MB (without {before_import_mb})",
    )  # fmt: skip
    assert export_mb - before_mb < GROWTH_MB_MAX
    assert import_mb - before_import_mb < GROWTH_MB_MAX


def measured(*arguments: object) -> tuple[float, int]:
    """How many seconds a command took, its start included, and how much memory at most."""
    began = time.monotonic()
    command = [*PROGRAM, *map(str, arguments)]
    process = subprocess.Popen(command, env=surroundings(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.monotonic() - began, usage.ru_maxrss // MAXRSS_IN_MB


async def fill(options: list[str]) -> None:
    """Bills with a line, an event and an entry of the audit each."""
    given = dict(zip(options[::2], options[1::2], strict=True))
    settings = Settings(data=given["--data"], database=given.get("--database", ""))
    environment = Billfold(settings).environment
    await environment.database.start()

    def write(work):
        for first in range(0, BILLS, PAGE):
            rows = [history(work, number) for number in range(first, first + PAGE)]
            for kind in zip(*rows, strict=True):
                work.connection.insert(type(kind[0]), list(kind))

    try:
        await environment.write_at_length(write)
    finally:
        await environment.database.close()


def history(work, number: int) -> tuple[Bill, BillLine, Event, AuditEntry]:
    # One a millisecond: ids of one moment are told apart by chance, which is not meant for so many.
    now = work.now + timedelta(milliseconds=number)
    owned = ORG, now, now
    id, event, day = work.ids.new("bill", now), work.ids.uuid(now), date(2027, 1, 4)
    bill = Bill(
        id, *owned, vendor_id=demo_world.VENDOR_ID, amount_cents=number, funding_cents=number,
        due_date=day, invoice_number=f"INV-{number}", invoice_date=day,
        created_by=demo_world.USER_ID, description="Strings and bows",
    )  # fmt: skip
    line = BillLine(work.ids.new("bill_line", now), *owned, bill_id=id, place=0, amount_cents=number)
    body = work.secrets.seal(BODY % id, event)
    told = Event(event, *owned, event_type="bill.created", subject_id=id, body=body)
    entry = AuditEntry(
        work.ids.new("audit_entry", now), *owned, subject_id=id, user_id=demo_world.USER_ID,
        changes=[Change("description", None, "Strings and bows")],
    )  # fmt: skip
    return bill, line, told, entry


def same(one: Path, other: Path) -> int:
    """How many rows both have, to the last byte; only header and end may differ."""
    count = 0
    with one.open("rb") as lines, other.open("rb") as others:
        for count, (line, wanted) in enumerate(zip(lines, others, strict=True)):
            assert line == wanted or b'"sha256"' in line or count == 0
    return count - 1

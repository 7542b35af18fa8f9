"""PostgreSQL that says nothing, and processes of ours that say nothing to it: nobody waits for ever."""

import asyncio
import threading
from time import monotonic

from billfold.kit import postgres
from tests.desk import V3, bill_of
from tests.test_faults import IN_DOUBT, NOT_DONE, far_desk, relay  # noqa: F401

BILLS = f"{V3}/bills"


def test_a_process_that_falls_silent_within_a_unit_holds_its_locks_no_longer(
    copied_postgres_url, open_desk, monkeypatch
):
    monkeypatch.setattr(postgres, "SILENCE_SECONDS", 0)
    desk = open_desk(copied_postgres_url, statement_seconds=1)
    desk.signs_in()
    vendor, held = desk.vendor(), threading.Event()
    silent = open_desk(copied_postgres_url, start=None, statement_seconds=1)
    database, over = silent.environment.database, threading.Event()

    def hold(connection):
        connection.fetch("SELECT id FROM vendors WHERE id = %s FOR NO KEY UPDATE", [vendor])
        held.set()
        assert over.wait(10)

    async def meanwhile():
        unit = asyncio.ensure_future(database.write(hold))
        while not held.is_set():
            await asyncio.sleep(0.01)
        began = monotonic()
        answer = await desk.asks("POST", BILLS, bill_of(vendor, 7, "1"))
        waited = monotonic() - began
        over.set()
        await asyncio.gather(unit, return_exceptions=True)
        return answer.status_code, waited

    status, waited = desk.runner.run(meanwhile())
    assert status == 201 and 0.5 < waited < 3


def test_a_server_that_stops_waits_for_no_silent_database(relay, far_desk, monkeypatch):  # noqa: F811
    monkeypatch.setattr(postgres, "LAST_SECONDS", 0.3)
    monkeypatch.setattr(postgres, "SILENCE_SECONDS", 60)
    vendor, database = far_desk.vendor(), far_desk.environment.database

    async def stop():
        relay.mode = "freeze"
        waits = [asyncio.create_task(far_desk.asks("POST", BILLS, bill_of(vendor, 7, "1")))]
        waits.append(asyncio.create_task(far_desk.asks("GET", "/healthz", session="")))
        await asyncio.sleep(0.1)
        began = monotonic()
        database.hurry()
        await asyncio.wait(waits, timeout=10)
        late = await far_desk.asks("GET", "/healthz", session="")
        return [(await each).status_code for each in waits], late.status_code, monotonic() - began

    answered, late, seconds = far_desk.runner.run(stop())
    assert answered == [503, 503] and late == 503 and seconds < 5
    relay.mode = "pass"

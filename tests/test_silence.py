"""PostgreSQL that says nothing, and processes of ours that say nothing to it: nobody waits for ever."""

import asyncio
import threading
from time import monotonic

from psycopg.conninfo import conninfo_to_dict

from billfold.kit import postgres
from tests.desk import CONTROL, V3, bill_of

BILLS = f"{V3}/bills"


def test_a_process_that_falls_silent_within_a_unit_holds_its_locks_no_longer(
    copied_postgres_url, open_desk, monkeypatch
):
    monkeypatch.setattr(postgres, "SILENCE_SECONDS", 0)
    desk = open_desk(copied_postgres_url)
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


def test_a_server_that_stops_waits_for_no_silent_database(relay, far_desk, monkeypatch):
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


def test_nor_where_an_environment_is_open_beside_the_first(relay, open_desk, monkeypatch):
    monkeypatch.setattr(postgres, "LAST_SECONDS", 0.3)
    parts = conninfo_to_dict(relay.url)
    server = f"postgresql://{parts['user']}@{parts['host']}:{parts['port']}/{parts['dbname']}"
    desk = open_desk(server, statement_seconds=3, connect_seconds=2, connections=2)
    desk.call("POST", f"{CONTROL}/environments", {"name": "stage"}, session="", status=201)
    desk.call("GET", f"/env/stage{V3}/health", session="")
    assert list(desk.billfold.host._open) == ["stage"]

    async def stop() -> float:
        relay.mode = "freeze"
        began = monotonic()
        await desk.billfold.host.close()
        await desk.billfold.first.close()
        return monotonic() - began

    assert desk.runner.run(stop()) < 3
    relay.mode = "pass"

"""PostgreSQL: one statement is read without a transaction, and all that is read is of one moment."""

import asyncio
from contextlib import closing
from functools import partial

import psycopg
import pytest

from billfold import demo_world
from billfold.access.roles import RoleType
from billfold.access.sessions import SessionKind, open_session
from billfold.environments import host
from billfold.kit import postgres
from billfold.kit.database import select_to_change
from billfold.kit.errors import Unavailable
from billfold.kit.policy import Limits
from billfold.kit.postgres import PostgresDatabase
from billfold.kit.postgres_connection import PostgresConnection
from billfold.kit.secrets import digest
from billfold.payables.vendors import Vendor
from tests.desk import CALLER, V3, bill_of

BEGUN_AND_ENDED = [b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", b"COMMIT"]


@pytest.fixture
def desk(copied_postgres_url, open_desk, monkeypatch):
    # What the server asks by itself would stand among what is said of transactions.
    monkeypatch.setattr(host, "OTHERS_TURN_SECONDS", 60.0)
    desk = open_desk(copied_postgres_url)
    desk.signs_in()
    desk.acme = desk.vendor()
    return desk


@pytest.fixture
def reads(desk):
    async def read(rule, kind):
        return await desk.environment.database.read(rule, kind)

    return lambda rule, kind: desk.runner.run(read(rule, kind))


@pytest.fixture
def commands(desk, monkeypatch) -> list[bytes]:
    """What was said of transactions."""
    said, command, commit = [], PostgresConnection.command, PostgresConnection._commit
    monkeypatch.setattr(
        PostgresConnection, "command", lambda self, text: said.append(text) or command(self, text)
    )
    monkeypatch.setattr(
        PostgresConnection, "_commit", lambda self: said.append(b"COMMIT") or commit(self)
    )
    return said


def test_a_row_and_what_it_names_are_read_without_a_transaction(desk, commands):
    assert desk.call("GET", f"{V3}/vendors/{desk.acme}")["bankAccountStatus"] == "NO_ACCOUNT"
    bank = {"nameOnAccount": "Acme", "accountNumber": "12345678", "routingNumber": "074000010"}
    banked = desk.vendor("Banked", paymentInformation={"bankAccount": bank})
    commands.clear()
    seen = desk.call("GET", f"{V3}/vendors/{banked}")
    assert seen["paymentInformation"]["bankAccount"]["routingNumber"] == bank["routingNumber"]
    assert desk.call("GET", f"{V3}/vendors/{banked}/bank-account")["accountNumber"] == "*****5678"
    assert desk.answer("GET", f"{V3}/vendors/{desk.acme}/bank-account").status_code == 404
    assert desk.answer("GET", f"{V3}/vendors/00901NOSUCHVENDORabcd").status_code == 404
    assert commands == []


def test_what_takes_several_statements_is_read_in_a_transaction_which_is_remembered(desk, commands):
    bill = desk.call("POST", f"{V3}/bills", bill_of(desk.acme, 7, "1"), status=201)
    for _ in range(2):
        commands.clear()
        assert desk.call("GET", f"{V3}/bills/{bill['id']}")["vendorName"] == "Acme"
        assert commands == BEGUN_AND_ENDED
    commands.clear()
    desk.call("GET", f"{V3}/vendors/{desk.acme}")
    assert commands == []


def test_a_kind_that_has_needed_a_transaction_is_run_once_from_then_on(reads):
    runs = []

    def ask_twice(connection) -> list:
        runs.append(connection)
        return [connection.fetch("SELECT 1", []), connection.fetch("SELECT 2", [])]

    for total in (2, 3, 4):
        assert reads(ask_twice, "twice") == [[(1,)], [(2,)]]
        assert len(runs) == total


def test_all_that_a_read_asks_is_of_one_moment(desk, reads):
    with closing(psycopg.connect(desk.url, autocommit=True)) as other:

        def name_before_and_after_another_changes_it(connection) -> tuple:
            ask = "SELECT name FROM vendors WHERE id = %s", [desk.acme]
            before = connection.fetch(*ask)
            other.execute("UPDATE vendors SET name = name || '!' WHERE id = %s", [desk.acme])
            return before, connection.fetch(*ask)

        for _ in range(2):
            before, after = reads(name_before_and_after_another_changes_it, "names")
            assert before == after


def test_who_is_to_read_can_neither_write_nor_lock(desk, reads):
    def write(connection):
        text = "UPDATE vendors SET name = 'changed' WHERE id = %s"
        return connection.fetch(f"{text} RETURNING id", [desk.acme])

    def write_and_be_told_nothing(connection):
        connection.execute("UPDATE vendors SET name = 'changed' WHERE id = %s", [desk.acme])

    def lock(connection):
        return connection.rows(Vendor, select_to_change(Vendor, "id"), {"id": desk.acme})

    before = desk.call("GET", f"{V3}/vendors/{desk.acme}")
    for rule in (write, write_and_be_told_nothing, lock):
        with pytest.raises(Unavailable, match="read-only"):
            reads(rule, rule)
    assert desk.call("GET", f"{V3}/vendors/{desk.acme}") == before


def test_a_lock_is_taken_in_a_transaction(reads, commands):
    assert reads(lambda connection: connection.try_lock("name"), "locks")
    assert commands == BEGUN_AND_ENDED


def test_what_the_gate_asks_is_not_counted(desk, commands):
    """More than once where a session is not known, and of a partner's session always."""
    path, good = f"{V3}/vendors/{desk.acme}", desk.session
    who = {
        "key": digest(demo_world.APPLICATION_KEY), "partner_id": demo_world.PARTNER_ID,
        "organization_id": CALLER.organization_id, "user_id": CALLER.user_id,
    }  # fmt: skip
    open_partners = partial(open_session, kind=SessionKind.LOGIN_AS_USER, role=RoleType.ADMINISTRATOR)
    partners, _ = desk.writes(lambda work: open_partners(work, **who))
    commands.clear()
    for headers, status in (
        ({"sessionId": "nobodys", "devKey": demo_world.DEVELOPER_KEY}, 401),
        ({"sessionId": good, "devKey": "nobodys"}, 400),
        ({"sessionId": partners, "devKey": demo_world.PARTNER_DEVELOPER_KEY}, 200),
        ({"sessionId": good, "devKey": demo_world.DEVELOPER_KEY}, 200),
    ):
        assert desk.answer("GET", path, headers=headers, session="").status_code == status
    assert commands == []


def test_a_connection_that_has_prepared_what_has_changed_is_not_used_again(desk):
    path = f"{V3}/vendors/{desk.acme}"
    for _ in range(3):
        desk.call("GET", path)
    with closing(psycopg.connect(desk.url, autocommit=True)) as other:
        other.execute("ALTER TABLE vendors ALTER COLUMN email TYPE varchar(300)")
    asked = [desk.answer("GET", path).status_code for _ in range(4)]
    assert asked == [503, 200, 200, 200]


@pytest.mark.parametrize("answered", [False, True])
def test_a_read_is_run_again_only_where_the_server_has_answered_nothing(desk, reads, answered):
    runs = []

    def end_oneself(connection):
        runs.append(connection)
        with connection.apart():
            if answered:
                connection.fetch("SELECT 1", [])
            if len(runs) == 1:
                connection.fetch("SELECT pg_terminate_backend(pg_backend_pid())", [])
        return connection.fetch("SELECT 2", [])

    if answered:
        with pytest.raises(Unavailable):
            reads(end_oneself, "ends")
        assert len(runs) == 1
    else:
        assert reads(end_oneself, "ends") == [(2,)]
        assert len(runs) == 2 and runs[0] is not runs[1]


@pytest.mark.parametrize("kind", ["name", None])
def test_a_server_that_is_silent_is_waited_for_once(relay, monkeypatch, kind):
    monkeypatch.setattr(postgres, "SILENCE_SECONDS", 0)
    database, dialled = PostgresDatabase(relay.url, Limits(connections=1, statement_seconds=1)), []
    dial = database._dial
    monkeypatch.setattr(database, "_dial", lambda more: dialled.append(more) or dial(more))

    async def read_twice():
        ask = lambda connection: connection.fetch("SELECT 1", [])
        await database.start()
        await database.read(ask, kind)
        relay.mode = "freeze"
        with pytest.raises(Unavailable):
            await database.read(ask, kind)
        relay.mode = "pass"
        await database.close()

    asyncio.run(read_twice())
    assert len(dialled) == 1


def test_a_statement_that_took_too_long_does_not_cost_its_connection(desk, open_desk):
    slow = open_desk(desk.url, start=None, statement_seconds=1, connections=1)

    async def backend(seconds: float) -> int:
        ask = "SELECT pg_backend_pid(), pg_sleep(%s)", [seconds]
        ((number, _),) = await slow.environment.database.read(lambda each: each.fetch(*ask), "number")
        return number

    before = slow.runner.run(backend(0))
    with pytest.raises(Unavailable, match="timeout"):
        slow.runner.run(backend(5))
    assert slow.runner.run(backend(0)) == before


def test_who_only_glances_cannot_write(desk):
    async def glance():
        write = lambda connection: connection.execute("UPDATE vendors SET name = name || '!'", [])
        return await desk.environment.database.glance(write)

    with pytest.raises(AssertionError):
        desk.runner.run(glance())
    assert desk.call("GET", f"{V3}/vendors/{desk.acme}")["name"] == "Acme"

"""PostgreSQL: one statement is read without a transaction, and all that is read is of one moment."""

from contextlib import closing

import psycopg
import pytest

from billfold.kit.errors import Unavailable
from billfold.kit.postgres import PostgresConnection
from tests.desk import V3, bill_of

BEGUN_AND_ENDED = [b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", b"COMMIT"]


@pytest.fixture
def desk(copied_postgres_url, open_desk):
    desk = open_desk(copied_postgres_url)
    desk.signs_in()
    desk.acme = desk.vendor()
    return desk


@pytest.fixture
def reads(desk):
    async def read(rule, like):
        return await desk.environment.database.read(rule, like)

    return lambda rule, like: desk.runner.run(read(rule, like))


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


def test_all_that_a_read_asks_is_of_one_moment(desk, reads):
    with closing(psycopg.connect(desk.url, autocommit=True)) as other:

        def name_before_and_after_another_changes_it(connection) -> tuple:
            ask = "SELECT name, created_time FROM vendors WHERE id = %s", [desk.acme]
            before = connection.fetch(*ask)
            other.execute("UPDATE vendors SET name = name || '!' WHERE id = %s", [desk.acme])
            return before, connection.fetch(*ask)

        for _ in range(2):
            before, after = reads(name_before_and_after_another_changes_it, "names")
            assert before == after


def test_who_is_to_read_cannot_write(desk, reads):
    def write(connection):
        text = "UPDATE vendors SET name = 'changed' WHERE id = %s"
        return connection.fetch(f"{text} RETURNING id", [desk.acme])

    def write_and_be_told_nothing(connection):
        connection.execute("UPDATE vendors SET name = 'changed' WHERE id = %s", [desk.acme])

    before = desk.call("GET", f"{V3}/vendors/{desk.acme}")
    for rule in (write, write_and_be_told_nothing):
        with pytest.raises(Unavailable, match="read-only"):
            reads(rule, rule)
    assert desk.call("GET", f"{V3}/vendors/{desk.acme}") == before

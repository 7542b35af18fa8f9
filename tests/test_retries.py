"""A unit of work that lost a race on PostgreSQL is run again, and nobody can tell; for ever is never.

Races are lost to order: triggers refuse what was written as PostgreSQL does where two transactions
cannot both have been, and a sequence, which no rollback takes back, counts how often.
"""

import asyncio
import time

import psycopg
import pytest

from billfold.kit.postgres import ATTEMPTS_MAX, PostgresDatabase
from tests.postgres import run_sql
from tests.proof.clients import NOT_DONE
from tests.server import run
from tests.test_faults import files, numbers
from tests.test_payments import BULK, bulk_of

LOSE = """
    CREATE SEQUENCE lost;
    CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('test.wins', true) = 'yes' THEN RETURN NULL; END IF;
        IF nextval('lost') % {every} = 0 THEN
            PERFORM set_config('test.wins', 'yes', true);
            RETURN NULL;
        END IF;
        RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '{code}';
    END $$
"""
WHATEVER_IS_WRITTEN = """
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
            EXECUTE format('CREATE TRIGGER lose AFTER INSERT OR UPDATE OR DELETE ON %I
                FOR EACH STATEMENT EXECUTE FUNCTION lose()', name);
        END LOOP;
    END $$
"""
A_BILL = "CREATE TRIGGER lose AFTER INSERT ON bills EXECUTE FUNCTION lose()"
A_BILL_AT_COMMIT = """
    CREATE CONSTRAINT TRIGGER lose AFTER INSERT ON bills DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION lose()
"""
SERIALIZATION_FAILURE, DEADLOCK_DETECTED = "40001", "40P01"
HOLD = "SELECT 1 FROM bills WHERE id = %s FOR UPDATE"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@pytest.fixture
def url(copied_postgres_url) -> str:
    return copied_postgres_url


@pytest.fixture
def desk(url, open_desk):
    desk = open_desk(url)
    desk.signs_in()
    return desk


def lose(url: str, what: str, every: int = 2, code: str = SERIALIZATION_FAILURE) -> None:
    """From now on only each `every`th try of a unit that writes this is let through."""
    run_sql(url, LOSE.format(every=every, code=code), what)


def number(url: str, statement: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement).fetchone()[0]


def tries(url: str) -> int:
    return number(url, "SELECT last_value FROM lost")


def test_the_whole_demo_goes_well_though_each_unit_loses_its_first_race(serve, url, folder):
    """It checks every balance, state and notification, and that there are no others."""
    (folder / "billfold.toml").write_text(
        "connections = 1"
    )  # So that every second try is a second one.
    lose(url, WHATEVER_IS_WRITTEN)
    server = serve("--database", url)
    played = run("demo", "--url", server.base, seconds=90)
    assert played.returncode == 0, played.stderr + "".join(server.stderr)
    assert "all signatures right" in played.stdout
    assert tries(url) > 50  # How many are done together depends on the machine.
    assert server.problems() == []


@pytest.mark.parametrize("what", [A_BILL, A_BILL_AT_COMMIT], ids=["at once", "at commit"])
@pytest.mark.parametrize("code", [SERIALIZATION_FAILURE, DEADLOCK_DETECTED])
def test_a_lost_race_is_run_again_wherever_it_is_lost(url, desk, what, code):
    vendor = desk.vendor()
    lose(url, what, every=ATTEMPTS_MAX, code=code)
    assert files(desk, vendor, "1") == (201, "")
    assert tries(url) == ATTEMPTS_MAX
    assert numbers(desk) == {"1"}


def test_who_always_loses_is_told_after_a_few_tries(url, desk):
    vendor = desk.vendor()
    lose(url, A_BILL, every=1_000)
    assert files(desk, vendor, "1") == (503, NOT_DONE)
    assert tries(url) == ATTEMPTS_MAX
    assert numbers(desk) == set()


def test_the_victim_of_a_deadlock_is_run_again(url, open_desk, monkeypatch):
    begin = PostgresDatabase._begun

    def begin_late(database, statement):
        """Run again it would else be the victim once more where the other is slow to wake."""
        time.sleep(0.3)
        return begin(database, statement)

    monkeypatch.setattr(PostgresDatabase, "_begun", begin_late)
    run_sql(url, "ALTER DATABASE billfold_test SET deadlock_timeout = '2s'")
    desk = open_desk(url)
    desk.signs_in()
    acme = desk.vendor()
    first, second = sorted(desk.owes(acme, 100) for _ in range(2))

    async def meet(other):
        other.execute(HOLD, [second])
        paying = asyncio.create_task(desk.asks("POST", BULK, bulk_of((first, 1), (second, 1))))
        while not await asyncio.to_thread(number, url, WAITING):
            await asyncio.sleep(0.02)
        # Waits in turn, until the server finds the one that has waited longer and ends it.
        await asyncio.to_thread(other.execute, HOLD, [first])
        other.commit()
        return await paying

    before = deadlocks(url)
    with psycopg.connect(url, options="-c deadlock_timeout=60s") as other:
        answer = desk.runner.run(meet(other))
    assert answer.status_code == 201
    assert [desk.sees(bill)["scheduledAmount"] for bill in (first, second)] == [1, 1]
    assert deadlocks(url) - before == 1


def test_bulk_payments_of_the_same_bills_in_any_order_never_deadlock(url, desk):
    acme = desk.vendor()
    one, two, three = (desk.owes(acme, 100) for _ in range(3))
    orders = [(one, two, three), (three, two, one), (two, three, one)] * 20
    bodies = [bulk_of(*((bill, 1) for bill in order)) for order in orders]
    before = deadlocks(url)
    answers = desk.together([("POST", BULK, body) for body in bodies])
    assert {answer.status_code for answer in answers} == {201}
    assert [desk.sees(bill)["scheduledAmount"] for bill in (one, two, three)] == [60] * 3
    assert deadlocks(url) == before


def deadlocks(url: str) -> int:
    """A session reports its own when it ends, as that of a victim does at once."""
    time.sleep(0.2)
    return number(url, DEADLOCKS)


def test_a_server_that_may_only_be_read_is_read_and_says_so_when_it_is_written(url, desk):
    """As after a fail-over, while the address still leads to the one that was the first."""
    vendor = desk.vendor()
    answers(url, "SET default_transaction_read_only = on")
    assert files(desk, vendor, "1") == (503, NOT_DONE)
    assert numbers(desk) == set()
    answers(url, "RESET default_transaction_read_only")
    assert files(desk, vendor, "1") == (201, "")


def answers(url: str, setting: str) -> None:
    """Change how the database answers from now on, to those as well who are connected."""
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'billfold_test'"
    run_sql(
        url, "SET default_transaction_read_only = off", f"ALTER DATABASE billfold_test {setting}",
        f"{cut} AND pid <> pg_backend_pid()",
    )  # fmt: skip


def test_a_database_that_prefers_to_serialize_changes_nothing(url, desk):
    """Under a stricter isolation a payment that waited for another's would be told it lost."""
    bill = desk.owes(desk.vendor(), 100)
    answers(url, "SET default_transaction_isolation = 'serializable'")
    said = desk.together([("POST", BULK, bulk_of((bill, 1)))] * 60)
    assert {answer.status_code for answer in said} == {201}
    assert desk.sees(bill)["scheduledAmount"] == 60

"""Faults at the database's door: the answer is 503 in the wire's form, or what really happened.

Between server and PostgreSQL stands a relay that cuts and freezes; SQLite's disk is full.
"""

import tempfile
import time

import psycopg
import pytest

from tests.desk import V3, bill_of
from tests.postgres import run_sql
from tests.proof.clients import IN_DOUBT, NOT_DONE
from tests.relay import Relay

BILLS = f"{V3}/bills"
TROUBLE = """
    CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER trouble AFTER INSERT ON bills {} FOR EACH ROW EXECUTE FUNCTION trouble()
"""
DISK_FULL = "RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100';"
# A notice, as PostgreSQL sends it to everyone when it is shut down at once.
WARNING = b"N\0\0\0\x26SWARNING\0C57P02\0Mit ends at once\0\0"
# The bill whose COMMIT is cut. The server has other things to write beside the requests, when it wants.
CUT = "cut-at-its-commit"
# One second for a statement and three of silence, seen once a second.
SECONDS_MAX = 8


def files(desk, vendor: str, number: str) -> tuple[int, str]:
    """Status and message of a bill that is filed; an answer comes in time, whatever it is."""
    began = time.monotonic()
    answer = desk.answer("POST", BILLS, bill_of(vendor, 7, number))
    assert time.monotonic() - began < SECONDS_MAX
    if answer.status_code == 503:
        assert answer.headers["retry-after"] == "1" and answer.json()[0]["code"] == "BDC_1001"
        return 503, answer.json()[0]["message"]
    return answer.status_code, ""


def numbers(desk) -> set[str]:
    bills = desk.call("GET", BILLS, max=100)["results"]
    return {bill["invoice"]["invoiceNumber"] for bill in bills}


def test_a_connection_cut_before_its_commit_leaves_nothing_and_says_it_does_not_know(relay, far_desk):
    vendor = far_desk.vendor()
    relay.mode, relay.cut_at = "before", CUT
    assert files(far_desk, vendor, CUT) == (503, IN_DOUBT)
    assert numbers(far_desk) == set()
    assert files(far_desk, vendor, CUT)[0] == 201


def test_a_connection_cut_behind_its_commit_is_not_called_undone(relay, far_desk):
    vendor = far_desk.vendor()
    relay.mode, relay.cut_at = "after", CUT
    assert files(far_desk, vendor, CUT) == (503, IN_DOUBT)
    assert numbers(far_desk) == {CUT}


def test_connections_that_died_in_idleness_cost_no_request(relay, far_desk):
    vendor = far_desk.vendor()
    relay.cut_all()
    assert files(far_desk, vendor, "1")[0] == 201
    assert numbers(far_desk) == {"1"}


def test_nor_do_those_whose_server_died_with_a_word_of_warning(copied_postgres_url, open_desk):
    """On a local socket: nothing can be sent any more, yet there is something to be read."""
    with tempfile.TemporaryDirectory() as folder:
        relay = Relay(copied_postgres_url, folder)
        desk = open_desk(relay.url, connections=1)
        desk.signs_in()
        vendor = desk.vendor()
        for number in range(1, 4):
            relay.cut_all(WARNING)
            assert files(desk, vendor, str(number))[0] == 201
            relay.cut_all(WARNING)
            assert len(numbers(desk)) == number
        relay.close()


def test_a_database_that_is_gone_is_said_and_found_again(relay, far_desk):
    vendor = far_desk.vendor()
    relay.mode = "refuse"
    relay.cut_all()
    for _ in range(3):  # Also where there is no connection any more that could be lost.
        assert files(far_desk, vendor, "1") == (503, NOT_DONE)
        assert far_desk.answer("GET", BILLS).status_code == 503
    said = far_desk.answer_v2("CurrentTime", status=503)
    assert said["response_data"] == {"error_code": "BDC_1001", "error_message": NOT_DONE}
    assert far_desk.answer("GET", "/healthz", session="").status_code == 503
    assert "billfold_database_up 0.0" in far_desk.answer("GET", "/metrics", session="").text
    relay.mode = "pass"
    assert files(far_desk, vendor, "1")[0] == 201


def test_fewer_connections_than_are_wanted_are_shared(copied_postgres_url, open_desk):
    """More units would run at once, and PostgreSQL gives this role three connections."""
    role = "billfold_of_few"
    run_sql(
        copied_postgres_url, f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 3",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
    )  # fmt: skip
    try:
        desk = open_desk(psycopg.conninfo.make_conninfo(copied_postgres_url, user=role))
        desk.signs_in()
        vendor = desk.vendor()
        made = [("POST", BILLS, bill_of(vendor, 7, str(number))) for number in range(40)]
        assert {answer.status_code for answer in desk.together(made)} == {201}
        # Nor are there threads afterwards that have none and find none.
        assert [desk.answer("GET", BILLS).status_code for _ in range(20)] == [200] * 20
    finally:
        run_sql(copied_postgres_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_database_that_is_frozen_is_not_waited_for(relay, far_desk, method):
    vendor = far_desk.vendor()
    relay.mode = "freeze"
    began = time.monotonic()
    answer = far_desk.answer(method, BILLS, bill_of(vendor, 7, "1") if method == "POST" else None)
    assert answer.status_code == 503 and time.monotonic() - began < SECONDS_MAX
    relay.mode = "pass"
    assert files(far_desk, vendor, "2")[0] == 201
    assert numbers(far_desk) == {"2"}


@pytest.mark.parametrize(("trouble", "when", "said"), [
    (DISK_FULL, "", (503, NOT_DONE)),
    # At its COMMIT.
    (DISK_FULL, "DEFERRABLE INITIALLY DEFERRED", (503, NOT_DONE)),
    ("PERFORM pg_sleep(60);", "", (503, NOT_DONE)),
    ("PERFORM pg_sleep(0.5);", "", (201, "")),
])  # fmt: skip
def test_what_postgresql_cannot_do_is_told_and_nothing_is_left(relay, far_desk, trouble, when, said):
    vendor = far_desk.vendor()
    run_sql(relay.url, TROUBLE.format(trouble, when))
    assert files(far_desk, vendor, "1") == said
    run_sql(relay.url, "DROP FUNCTION trouble CASCADE")
    assert numbers(far_desk) == ({"1"} if said[0] == 201 else set())
    assert files(far_desk, vendor, "2")[0] == 201


def test_a_lock_somebody_holds_is_not_waited_for_for_ever(relay, far_desk, copied_postgres_url):
    vendor = far_desk.vendor()
    with psycopg.connect(copied_postgres_url) as other:
        other.execute("SELECT 1 FROM vendors WHERE id = %s FOR UPDATE", [vendor])
        assert files(far_desk, vendor, "1") == (503, NOT_DONE)
    assert files(far_desk, vendor, "1")[0] == 201


@pytest.mark.parametrize("durable", [True, False])
def test_a_full_disk_is_told_and_nothing_is_left(sqlite_url, open_desk, durable):
    desk = open_desk(sqlite_url, durable=durable)
    desk.signs_in()
    vendor = desk.vendor()
    driver = desk.environment.database.writer.driver
    ((pages,),) = driver.execute("PRAGMA page_count").fetchall()
    driver.execute(f"PRAGMA max_page_count={pages}").fetchall()
    said, number = (201, ""), 0
    while said[0] == 201:
        number += 1
        said = files(desk, vendor, str(number))
    assert said == (503, NOT_DONE)
    driver.execute("PRAGMA max_page_count=1000000").fetchall()
    assert numbers(desk) == {str(each) for each in range(1, number)}
    assert files(desk, vendor, str(number))[0] == 201

"""Faults at the database's door: the answer is 503 in the wire's form, or what really happened.

Between server and PostgreSQL stands a relay that cuts and freezes; SQLite's disk is full.
"""

import socket
import tempfile
import threading
import time
from contextlib import suppress

import psycopg
import pytest

from tests.desk import V3, bill_of
from tests.postgres import run_sql

BILLS = f"{V3}/bills"
TROUBLE = """
    CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER trouble AFTER INSERT ON bills {} FOR EACH ROW EXECUTE FUNCTION trouble()
"""
DISK_FULL = "RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100';"
# A notice, as PostgreSQL sends it to everyone when it is shut down at once.
WARNING = b"N\0\0\0\x26SWARNING\0C57P02\0Mit ends at once\0\0"
NOT_DONE = "System failure: nothing was changed, try again."
IN_DOUBT = "System failure: it is not known whether this was done. Look first."
# The bill whose COMMIT is cut. The server has other things to write beside the requests, when it wants.
CUT = "cut-at-its-commit"
# One second for a statement and three of silence, seen once a second.
SECONDS_MAX = 8


class Relay:
    """Passes bytes on between server and PostgreSQL, until it is told to do something else.

    With a folder it stands on a local socket there, else on a port."""

    def __init__(self, url: str, folder: str = "") -> None:
        parts = psycopg.conninfo.conninfo_to_dict(url)
        self.host, self.port = str(parts["host"]), int(parts.get("port") or 5432)
        # "pass", "freeze", "refuse", or cut the connection "before" or "after" the COMMIT of CUT.
        self.mode = "pass"
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        if folder:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(f"{folder}/.s.PGSQL.5432")
            self.listener.listen()
            place = {"host": folder, "port": 5432}
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            place = {"host": "127.0.0.1", "port": self.listener.getsockname()[1]}
        self.url = psycopg.conninfo.make_conninfo(url, **place)
        threading.Thread(target=self._meet, daemon=True).start()

    def close(self) -> None:
        self.listener.close()
        for pair in self.pairs:
            _cut(*pair)

    def cut_all(self, last_words: bytes = b"") -> None:
        for near, far in self.pairs:
            with suppress(BrokenPipeError):  # One that ended by itself.
                near.sendall(last_words)
            _cut(near, far)
        self.pairs = []

    def _meet(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                if self.mode == "refuse":
                    near.close()
                    continue
                if self.host.startswith("/"):
                    far = socket.socket(socket.AF_UNIX)
                    far.connect(f"{self.host}/.s.PGSQL.{self.port}")
                else:
                    far = socket.create_connection((self.host, self.port))
                self.pairs.append((near, far))
                carries = threading.Event()
                for way in ((near, far, "before", carries), (far, near, "after", carries)):
                    threading.Thread(target=self._pass_on, args=way, daemon=True).start()

    def _pass_on(
        self, source: socket.socket, target: socket.socket, mode: str, carries: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                while self.mode == "freeze":
                    time.sleep(0.05)
                if CUT.encode() in data:
                    carries.set()
                if self.mode == mode and carries.is_set() and b"COMMIT\0" in data:
                    self.mode = "pass"
                    break
                target.sendall(data)
        _cut(source, target)


def _cut(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relay(copied_postgres_url):
    made = Relay(copied_postgres_url)
    yield made
    made.close()


@pytest.fixture
def far_desk(relay, open_desk):
    """A desk whose database is behind the relay, with little patience."""
    desk = open_desk(relay.url, statement_seconds=1, lock_seconds=1, connect_seconds=1, connections=2)
    desk.signs_in()
    yield desk
    relay.mode = "pass"


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
    relay.mode = "before"
    assert files(far_desk, vendor, CUT) == (503, IN_DOUBT)
    assert numbers(far_desk) == set()
    assert files(far_desk, vendor, CUT)[0] == 201


def test_a_connection_cut_behind_its_commit_is_not_called_undone(relay, far_desk):
    vendor = far_desk.vendor()
    relay.mode = "after"
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

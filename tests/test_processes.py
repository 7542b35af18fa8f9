"""Several processes on one PostgreSQL: servers and workers share what is to be done, and end well."""

import json
import os
import signal
import socket
import threading
import time
from contextlib import closing

import psycopg
import pytest

from tests.desk import V3, vendor_of
from tests.postgres import database_of, run_sql
from tests.server import DIRECT, START_SECONDS_MAX, Process, Receiver, subscribe

STOP_SECONDS_MAX = 4  # It is less than one on a machine that has time.
LEASED = "SELECT count(*) FROM agenda WHERE leased_until IS NOT NULL"
WAITING = "SELECT count(*) FROM agenda WHERE due <= now()"


@pytest.fixture
def database() -> str:
    return "postgres"


@pytest.fixture
def work(tmp_path, empty_database_url):
    """Starts workers beside the servers of the test, and ends them with it."""
    started: list[Process] = []

    def start() -> Process:
        options = ["--data", str(tmp_path / "data"), "--database", empty_database_url]
        started.append(Process("work", *options))
        assert started[-1].first.startswith("billfold: working on the agenda of PostgreSQL")
        return started[-1]

    yield start
    for worker in started:
        worker.kill()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


def count(url: str, statement: str) -> int:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchone()[0]


def wait_until(holds, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.05)


def ended_well(process: Process, by: signal.Signals) -> None:
    seconds = process.stop(by)
    assert process.process.returncode == 0 and seconds < STOP_SECONDS_MAX, seconds
    assert process.problems() == []


by_each_signal = pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])


@by_each_signal
def test_two_processes_serve_one_postgres(serve, place, by):
    server = serve(*place, "--workers", "2")
    processes = set()

    def ask() -> None:
        with DIRECT.open(f"{server.base}{V3}/health", timeout=START_SECONDS_MAX) as answer:
            processes.add(answer.headers["x-request-id"].partition("-")[0])

    until = time.monotonic() + 20
    while len(processes) < 2 and time.monotonic() < until:
        askers = [threading.Thread(target=ask) for _ in range(16)]
        for each in askers:
            each.start()
        for each in askers:
            each.join()
    assert len(processes) == 2
    server.signs_in()
    made = [server.call("POST", f"{V3}/vendors", vendor_of(f"V{n}"), status=201) for n in range(10)]
    for each in made:
        assert server.call("GET", f"{V3}/vendors/{each['id']}")["name"] == each["name"]
    ended_well(server, by)


def test_a_process_that_is_killed_is_replaced_and_the_log_says_so(serve, place):
    server = serve(*place, "--workers", "2")
    killed = process_of(server)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: server.errors(), START_SECONDS_MAX)
    (line,) = server.errors()
    assert line["event"] == f"process {killed} ended by signal 9: another one takes its place"
    server.signs_in()
    assert server.stop() < STOP_SECONDS_MAX and server.process.returncode == 0


@pytest.mark.parametrize("why", ["the database cannot be used", "a process cannot start"])
def test_a_process_that_cannot_be_replaced_ends_the_server_as_a_failure(serve, place, tmp_path, why):
    server = serve(*place, "--workers", "2")
    killed = process_of(server)
    if why == "a process cannot start":
        (tmp_path / "data" / "billfold.toml").write_text("port = = 1")
    else:
        run_sql(database_of(place[1], "postgres"), "ALTER DATABASE empty ALLOW_CONNECTIONS false")
    os.kill(killed, signal.SIGKILL)
    assert server.process.wait(START_SECONDS_MAX) == 2
    wait_until(lambda: any("failed to start" in line["event"] for line in server.errors()))
    assert any(why in line["event"] for line in server.errors())


def process_of(server) -> int:
    """One of a server's: the one that answers."""
    with DIRECT.open(f"{server.base}{V3}/health", timeout=START_SECONDS_MAX) as answer:
        return int(answer.headers["x-request-id"].partition("-")[0], 16)


def test_processes_whose_parent_is_killed_end_and_leave_the_port(serve, place):
    server = serve(*place, "--workers", "2")
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(5)
    port = int(server.base.rpartition(":")[2])
    until = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            return
        assert time.monotonic() < until, "the port is held by processes that nobody ends"
        time.sleep(0.1)


def test_two_workers_deliver_what_a_server_tells_each_once(serve, place, work, receiver):
    server = serve(*place, "--no-worker")
    server.signs_in()
    subscribe(server, receiver.url)
    workers = work(), work()
    made = [server.call("POST", f"{V3}/vendors", vendor_of(f"V{n}"), status=201) for n in range(30)]
    wait_until(lambda: len(receiver.got) >= len(made))
    wait_until(lambda: count(place[1], WAITING) == 0)
    told = [body["vendor"]["id"] for body in receiver.got]
    assert sorted(told) == sorted(each["id"] for each in made)
    for process in (*workers, server):
        ended_well(process, signal.SIGTERM)


@pytest.mark.parametrize(("seconds", "left", "by"), [(0.4, 0, signal.SIGINT), (1.5, 1, signal.SIGTERM)])
def test_a_worker_that_is_stopped_leaves_its_items_to_the_next(serve, place, work, seconds, left, by):
    """Who answers soon has been told; who does not is told again."""
    url = place[1]
    server = serve(*place, "--no-worker")
    server.signs_in()
    with closing(Receiver(seconds)) as receiver:
        subscribe(server, receiver.url)
        first = work()
        server.call("POST", f"{V3}/vendors", vendor_of("Acme"), status=201)
        assert receiver.asked.wait(5)
        assert count(url, LEASED) == 1
        ended_well(first, by)
        assert count(url, LEASED) == 0 and count(url, WAITING) == left
        work()  # It begins long before a lease of a minute would have run out.
        wait_until(lambda: len(receiver.got) == 1 + left and count(url, WAITING) == 0)


def test_a_database_that_is_gone_is_a_line_in_the_log_each_time_and_no_traceback(serve, place):
    name = "empty"
    server = serve(*place)
    server.signs_in()
    other = database_of(place[1], "postgres")
    run_sql(
        other, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )  # fmt: skip
    server.call("GET", f"{V3}/vendors", status=503)
    time.sleep(1.5)  # The agenda and the watch over jumps ask as well.
    run_sql(other, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert len(server.call("GET", f"{V3}/vendors")["results"]) == 1
    server.stop()
    lines = [json.loads(line) for line in server.stderr]
    assert [line for line in lines if "exception" in line] == []
    why = f'database "{name}" is not currently accepting connections'
    assert [why in line["trouble"] for line in lines if "route" in line] == [True]
    waiting = [line["event"] for line in lines if "route" not in line]
    for who in ("the agenda", "resume"):
        assert any(line.startswith(f"{who} waits for the database") for line in waiting), waiting

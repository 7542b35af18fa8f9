"""A database that cannot be served is refused at the start: one sentence, exit code 2, no password."""

import socket
from contextlib import closing

import pytest

from billfold import migrations
from tests.postgres import database_of, run_sql
from tests.server import assert_refused, run

SERVE, WORK, MIGRATE = ["serve", "--port", "0"], ["work"], ["migrate"]
GUEST = "billfold_guest"


def of(*commands: list[str]):
    return pytest.mark.parametrize("command", commands, ids=[command[0] for command in commands])


@pytest.fixture
def tries(folder):
    """Runs a command on a database, with the key of what is in it."""
    return lambda command, url, **more: run(*command, "--data", folder, "--database", url, **more)


@pytest.fixture
def guest_url(copied_postgres_url) -> str:
    """The database as somebody sees it who was given nothing."""
    drop = f"DROP OWNED BY {GUEST}; DROP ROLE {GUEST}"
    run_sql(copied_postgres_url, f"CREATE ROLE {GUEST} LOGIN")
    yield with_user(copied_postgres_url, GUEST)
    run_sql(copied_postgres_url, drop)


def with_user(url: str, user: str) -> str:
    head, mark, rest = url.partition("://")
    return f"{head}{mark}{user}@{rest.partition('@')[2]}"


@of(SERVE, WORK, MIGRATE)
def test_a_newer_schema_asks_for_a_newer_billfold(tries, command, copied_postgres_url):
    run_sql(copied_postgres_url, "UPDATE alembic_version SET version_num = '9999'")
    assert_refused(tries(command, copied_postgres_url), "9999", "update Billfold")


@of(SERVE, WORK)
def test_an_older_schema_asks_for_billfold_migrate(tries, command, empty_postgres_url):
    migrations.migrate(empty_postgres_url, migrations.REVISIONS[0])
    assert_refused(tries(command, empty_postgres_url), "back it up", "`billfold migrate`")
    assert tries(MIGRATE, empty_postgres_url).returncode == 0


@of(SERVE, MIGRATE)
def test_a_role_without_rights_is_told_what_it_lacks(tries, command, guest_url):
    assert_refused(tries(command, guest_url), "permission denied for table alembic_version")


def test_a_role_that_may_only_read_is_refused(tries, guest_url, copied_postgres_url):
    run_sql(copied_postgres_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {GUEST}")
    assert_refused(tries(SERVE, guest_url), "permission denied for table clocks")


@of(SERVE, MIGRATE)
def test_a_role_that_may_make_no_tables_is_told_so(tries, command, guest_url, empty_postgres_url):
    url = with_user(empty_postgres_url, GUEST)
    assert_refused(tries(command, url), "used: permission denied for schema public")


@of(SERVE, MIGRATE)
def test_a_database_that_does_not_exist_is_named(tries, command, postgres_url):
    assert_refused(tries(command, database_of(postgres_url, "nowhere")), '"nowhere" does not exist')


@of(SERVE, MIGRATE)
def test_a_server_that_is_down_is_named(tries, command):
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        done = tries(command, f"postgresql://ada:hush@127.0.0.1:{port}/billfold")
    assert_refused(done, f"port {port} failed: Connection refused")
    assert "hush" not in done.stderr


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(tries):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = tries(SERVE, f"postgresql://ada:hush@127.0.0.1:{silent.getsockname()[1]}/x")
    assert_refused(done, "timeout")


@pytest.mark.parametrize("password", ["hu sh", "hu%sh", "hu@sh"])
def test_a_password_that_breaks_the_url_is_not_repeated(tries, password):
    done = tries(SERVE, f"postgresql://ada:{password}@127.0.0.1:9/billfold")
    assert_refused(done, "database", "%25, %40, %2F and %20")
    assert password not in done.stderr


def test_a_database_that_cannot_hold_every_name_is_refused(tries, postgres_url):
    run_sql(
        postgres_url, "DROP DATABASE IF EXISTS ascii",
        "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'",
    )  # fmt: skip
    assert_refused(tries(SERVE, database_of(postgres_url, "ascii")), "SQL_ASCII", "'UTF8'")


def test_a_database_that_may_not_be_written_is_refused(tries, copied_postgres_url):
    run_sql(copied_postgres_url, "ALTER DATABASE billfold_test SET default_transaction_read_only = on")
    assert_refused(tries(SERVE, copied_postgres_url), "read-only transaction")


@pytest.mark.parametrize("limit", ["DATABASE billfold_test", f"ROLE {GUEST}"])
def test_more_connections_than_there_can_be_are_refused(tries, guest_url, limit):
    owner = with_user(guest_url, "postgres")
    run_sql(
        owner,
        f"ALTER {limit} CONNECTION LIMIT 11",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {GUEST}",
    )
    two = [*SERVE, "--workers", "2"]
    assert_refused(tries(two, guest_url, BILLFOLD_CONNECTIONS="6"), "12 connections", "gives 11")

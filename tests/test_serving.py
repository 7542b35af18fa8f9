"""The server as a process: what it says, how it starts, stops, refuses to start, and what it logs."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import fields

import pytest

from billfold import demo_world, migrations
from billfold.access import roles
from billfold.app import Billfold
from billfold.kit.errors import Unavailable, Unusable
from billfold.settings import BOUNDS, Settings, load
from tests.desk import LOGIN, V3, vendor_of
from tests.server import DIRECT, START_SECONDS_MAX, WELCOME_LINES, assert_refused, run, subscribe

# Starting


def test_the_first_lines_hold_credentials_and_a_call_that_works(serve):
    server = serve(afresh=True)
    said = [server.lines.get(timeout=START_SECONDS_MAX) for _ in range(WELCOME_LINES - 1)]
    known = dict(line.split() for line in said if re.fullmatch(r"  [a-zA-Z]+ +\S+\n", line))
    control = server.call("GET", "/_control/credentials")
    texts = {name: value for name, value in control.items() if isinstance(value, str)}
    assert known == {name: value for name, value in texts.items() if name != "nextProcessDate"}
    at = next(place for place, line in enumerate(said) if line.startswith("  curl "))
    words = shlex.split("".join(said[at : at + 2]).replace("\\\n", ""))
    assert words[:2] == ["curl", "-s"] and words[3] == "-H" and words[5] == "-d"
    name, value = words[4].split(": ")
    request = urllib.request.Request(words[2], words[6].encode(), {name: value})
    with DIRECT.open(request, timeout=5) as answer:
        assert answer.status == 200 and json.load(answer)["trusted"] is False
    for line, path in zip(said[-2:], ("/docs", "/console"), strict=True):
        assert line.rstrip().endswith(f"{server.base}{path}")
        assert server.ask("GET", path)[0] == 200


def test_a_restart_keeps_what_was_written(serve, place):
    first = serve(*place)
    login = first.signs_in()
    vendor = first.call("POST", f"{V3}/vendors", vendor_of("Acme"), status=201)
    assert first.advance(days=3)["failed"] == 0
    first.stop()
    second = serve(*place)
    second.session = login["sessionId"]
    second.call("GET", f"{V3}/vendors/{vendor['id']}", status=401)  # Three days without a call.
    second.signs_in()
    assert second.call("GET", f"{V3}/vendors/{vendor['id']}")["name"] == "Acme"
    names = [each["name"] for each in second.call("GET", f"{V3}/vendors")["results"]]
    assert sorted(names) == ["Acme", "Juniper Supply"]


def test_an_answer_leaves_in_one_packet(serve):
    server = serve()
    host, port = server.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for _ in range(3):  # The second and third on a connection that is kept.
            connection.sendall(b"GET /connect/v3/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            head, _, body = connection.recv(65_536).partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert head.startswith(b"HTTP/1.1 200") and int(length[1]) == len(body) > 0
        connection.sendall(b"GET /nowhere HTTP/1.1\r\nconnection: close\r\n\r\n")
        said = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert said.startswith(b"HTTP/1.1 404") and b"BDC_1121" in said


def test_a_taken_port_is_named_and_nothing_is_made(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--data", tmp_path / "data", "--port", port)
    assert_refused(done, f"127.0.0.1:{port}")
    assert not (tmp_path / "data").exists()


def test_one_server_at_a_time_on_a_sqlite_folder(serve, tmp_path):
    folder = tmp_path / "one"
    serve("--data", folder)
    assert_refused(run("serve", "--data", folder, "--port", "0"), "another server", str(folder))


def test_data_of_another_policy_is_refused(serve, tmp_path):
    folder = tmp_path / "one"
    serve("--data", folder).stop()
    proxied = {"BILLFOLD_TRUSTED_PROXY": "127.0.0.1", "BILLFOLD_SECOND_FACTOR": "totp"}
    done = run("serve", "--data", folder, "--port", "0", "--policy", "production", **proxied)
    assert_refused(done, "--policy sandbox")


def test_data_of_another_key_is_refused(serve, place, tmp_path):
    first = serve(*place)
    first.signs_in()
    first.stop()
    key = tmp_path / "data" / "billfold.key"
    right = key.read_text()
    key.write_text("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=")
    again = ["serve", "--data", tmp_path / "data", "--port", "0", *place]
    assert_refused(run(*again), "another key", "billfold.key", "BILLFOLD_KEY")
    key.write_text(right)
    serve(*place).signs_in()


def test_no_key_is_made_where_there_is_data(serve, place, tmp_path):
    """It would open nothing, and be kept with the next backup."""
    serve(*place).stop()
    key, right = tmp_path / "data" / "billfold.key", tmp_path / "right.key"
    key.rename(right)
    again = ["serve", "--data", tmp_path / "data", "--port", "0", *place]
    for command in (again, ["keys", "list", "--data", tmp_path / "data", *place]):
        assert_refused(run(*command), "no key", "billfold.key", "sealed with")
    assert not key.exists()
    right.rename(key)
    serve(*place).signs_in()


@pytest.mark.parametrize(
    "command",
    [["serve", "--port", "0"], ["keys", "list"], ["export", "--organization", "008", "--out", "out"]],
    ids=["serve", "keys", "export"],
)
def test_a_data_folder_that_cannot_be_used_is_named(sqlite_url, folder, command):
    """As where it is another user's, or read only."""
    (folder / "billfold.lock").mkdir()
    done = run(*command, "--data", folder)
    assert_refused(done, f"the data folder {folder} cannot be used: ", "Is a directory", ".lock")


@pytest.mark.parametrize(
    "options, words",
    [
        (["--policy", "casino"], ["policy", "casino", "sandbox, production"]),
        (["--workers", "2"], ["--workers", "postgresql://"]),
        (["--workers", "0"], ["workers must be 1 to 1000, not 0"]),
        (["--workers", "abc"], ["--workers", "'abc' is not a valid int"]),
        (["--workers", "1.5"], ["--workers", "'1.5' is not a valid int"]),
        (["--colour", "blue"], ["No such option", "--colour"]),
        (["--port", "70000"], ["port", "70000"]),
        (["--log", "everything"], ["log", "everything"]),
        (["--database", "mysql://db/x"], ["postgresql://"]),
        (["--database", "postgresql://127.0.0.1:9/nobody"], ["the database cannot be used"]),
        (["--policy", "production"], ["no key", "BILLFOLD_KEY"]),
        (["--host", "192.0.2.1"], ["192.0.2.1"]),
    ],
)
def test_what_cannot_be_served_is_said_in_one_sentence(tmp_path, options, words):
    port = [] if "--port" in options else ["--port", "0"]
    assert_refused(run("serve", "--data", tmp_path / "data", *port, *options), *words)


@pytest.mark.parametrize(
    "written, words",
    [
        ("colour = 'blue'", ["billfold.toml", "colour"]),
        ("port = 'none'", ["billfold.toml", "port", "'none'"]),
        ("port = = 1", ["billfold.toml", "cannot be read"]),
        ("worker = 'perhaps'", ["billfold.toml", "worker", "'perhaps'"]),
        ("workers = 1.5", ["billfold.toml", "workers", "1.5"]),
        (f"seed = {'9' * 5_000}", ["billfold.toml", "cannot be read"]),
    ],
)
def test_a_settings_file_that_is_wrong_is_named(tmp_path, written, words):
    (tmp_path / "billfold.toml").write_text(written)
    assert_refused(run("serve", "--data", tmp_path), *words)


@pytest.mark.parametrize(
    "variables, words",
    [
        ({"BILLFOLD_PORT": "many"}, ["BILLFOLD_PORT", "many"]),
        # 0.0.0.0 is wished for; what somebody forgot to fill in is not.
        ({"BILLFOLD_HOST": ""}, ["host", "0.0.0.0"]),
        ({"BILLFOLD_KEY": "c2hvcnQ="}, ["BILLFOLD_KEY", "32 bytes"]),
        ({"BILLFOLD_MFA_CODE": "12"}, ["mfa_code", "six digits"]),
        ({"BILLFOLD_PUBLIC_URL": "pay.example"}, ["public_url", "https://"]),
    ],
)
def test_an_environment_that_is_wrong_is_named(tmp_path, variables, words):
    options = [] if "BILLFOLD_PORT" in variables else ["--port", "0"]
    done = run("serve", "--data", tmp_path / "data", *options, **variables)
    assert_refused(done, *words)
    assert "c2hvcnQ=" not in done.stderr


@pytest.mark.parametrize("name", [each.name for each in fields(Settings) if each.type is int])
def test_every_number_has_its_bounds(tmp_path, name):
    (least, most), where = BOUNDS[name], {"data": str(tmp_path), "database": "postgresql://db/x"}
    for good in (least, most, getattr(Settings(), name)):
        load(**where, **{name: good})
    for wrong in (least - 1, most + 1):
        with pytest.raises(Unusable, match=f"^{name} must be {least} to {most}, not {wrong}$"):
            load(**where, **{name: wrong})


# Ending


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_when_what_is_asked_has_been_answered(serve, slow_receiver, by):
    # Only the jump delivers: when the receiver is asked, the jump's request is under way.
    server = serve("--no-worker", afresh=True)
    server.signs_in()
    subscribe(server, slow_receiver.url)
    answered: list[dict] = []
    jump = threading.Thread(target=lambda: answered.append(server.advance(days=1)))
    server.call("POST", f"{V3}/vendors", vendor_of("Acme"), status=201)
    jump.start()
    assert slow_receiver.asked.wait(5)
    seconds = server.stop(by)
    jump.join(5)
    assert [said["failed"] for said in answered] == [0]
    assert server.process.returncode == 0
    assert seconds < 2, seconds
    assert "Traceback" not in "".join(server.stderr)


# Siblings of `serve`


def test_credentials_are_printed_plainly_and_as_json():
    known = json.loads(run("credentials", "--json").stdout)
    assert known | LOGIN == known and known["phone"] == demo_world.PHONE
    plain = dict(line.split() for line in run("credentials").stdout.splitlines())
    assert plain["partner.appKey"] == known["partner"]["appKey"] == demo_world.APPLICATION_KEY
    assert [plain[user["role"].lower()] for user in known["users"]] == [
        demo_world.username(role) for role in roles.DEFAULTS
    ]
    texts = {name: value for name, value in known.items() if isinstance(value, str)}
    assert plain | texts == plain


def test_the_openapi_document_is_printed():
    done = run("openapi")
    said = json.loads(done.stdout)
    assert said["info"]["version"] and said["openapi"].startswith("3.")
    assert {f"{V3}/login", f"{V3}/payments/bulk"} <= set(said["paths"])


def test_settings_are_printed_with_their_origins(tmp_path):
    (tmp_path / "billfold.toml").write_text("port = 8123\nlog = 'requests'\n")
    url = "postgresql://ada:hush@db.example/x"
    done = run("settings", "--data", tmp_path, BILLFOLD_DATABASE=url, BILLFOLD_LOG="problems")
    said = {line.split()[0]: line.split(maxsplit=2)[1:] for line in done.stdout.splitlines()}
    assert said["port"] == ["8123", str(tmp_path / "billfold.toml")]
    assert said["log"] == ["problems", "BILLFOLD_LOG"]
    assert said["data"] == [str(tmp_path), "--data"]
    assert said["workers"] == ["1", "default"]
    assert "hush" not in done.stdout and done.returncode == 0


def test_migrate_says_from_where_to_where(tmp_path, place):
    options = ["--data", tmp_path / "data", *place]
    first, second = run("migrate", *options), run("migrate", *options)
    assert first.stdout.rstrip().endswith(f"schema none -> {migrations.HEAD}")
    assert second.stdout.rstrip().endswith(f"has schema {migrations.HEAD} already")
    assert (first.returncode, second.returncode, first.stderr + second.stderr) == (0, 0, "")


# What is seen from outside


def test_nothing_secret_is_logged(serve, slow_receiver):
    """Every request is, with its route; never what was asked, answered or meant for one's eyes only."""
    account, tax, machine = "733219846", "98-7654321", "till-of-ada"
    server = serve("--log", "requests")
    first = server.signs_in()
    challenge = server.call("POST", f"{V3}/mfa/challenge")["challengeId"]
    code = server.call("GET", "/_control/messages")["results"][-1]["code"]
    body = {"challengeId": challenge, "token": code, "rememberMe": True, "device": machine}
    remembered = server.call("POST", f"{V3}/mfa/challenge/validate", body)["rememberMeId"]
    second = server.signs_in(rememberMeId=remembered, device=machine)
    assert second["trusted"] is True
    bank = {
        "nameOnAccount": "Acme", "accountNumber": account, "routingNumber": "322271627",
        "type": "CHECKING", "ownerType": "BUSINESS",
    }  # fmt: skip
    vendor = vendor_of("Acme of the query") | {
        "paymentInformation": {"bankAccount": bank}, "additionalInfo": {"taxId": tax},
    }  # fmt: skip
    made = subscribe(server, slow_receiver.url)
    server.call("POST", f"{V3}/vendors", vendor, status=201)
    filters = "filters=name:eq:%22Acme%20of%20the%20query%22&max=7"
    assert len(server.call("GET", f"{V3}/vendors?{filters}")["results"]) == 1
    server.ask("POST", f"{V3}/login", LOGIN | {"password": "Wrong-password-1"})
    server.ask("POST", f"{V3}/vendors", vendor | {"address": tax})
    server.ask("GET", f"{V3}/nothing/{account}?token={code}")
    server.advance(seconds=5)
    server.stop()
    logged = "".join(server.stderr)
    said = "".join(server.stdout[WELCOME_LINES:]) + logged
    secrets = {
        "session": first["sessionId"], "trusted session": second["sessionId"], "code": f'"{code}"',
        "password": demo_world.PASSWORD, "wrong password": "Wrong-password-1", "account": account,
        "tax id": tax, "tax digits": tax.replace("-", ""), "remembered": remembered,
        "security key": made["securityKey"], "developer key": demo_world.DEVELOPER_KEY,
        "query": "filters", "a query's value": "of the query", "mark of a query": "?",
        "device": machine, "challenge": challenge, "name of a user": demo_world.USERNAME,
    }  # fmt: skip
    assert [name for name, secret in secrets.items() if secret in said] == []
    lines = [json.loads(line) for line in logged.splitlines()]
    asked = [(line["method"], line["route"], line["status"]) for line in lines]
    for expected in (
        ("POST", f"{V3}/login", 200), ("POST", f"{V3}/login", 401), ("POST", f"{V3}/vendors", 201),
        ("POST", f"{V3}/vendors", 400), ("GET", f"{V3}/vendors", 200), ("GET", "unknown", 404),
    ):  # fmt: skip
        assert expected in asked, expected
    assert not re.search(rf"\b{code}\b", re.sub(r'"(timestamp|request_id)": "[^"]*"', "", said))


def test_by_default_only_problems_are_logged(serve):
    server = serve()
    server.signs_in()
    server.ask("GET", "/nothing")
    server.stop()
    assert server.stderr == []


def test_it_says_whether_it_is_well_and_counts_what_it_answered(serve, slow_receiver):
    server = serve()
    assert server.ask("GET", "/healthz") == (200, b"ok\n")
    for _ in range(3):
        server.signs_in()
    subscribe(server, slow_receiver.url)
    server.call("POST", f"{V3}/vendors", vendor_of("Acme"), status=201)
    server.advance(seconds=1)
    status, said = server.ask("GET", "/metrics")
    numbers = dict(line.rsplit(" ", 1) for line in said.decode().splitlines() if line[0] != "#")
    logins = 'billfold_request_seconds_count{method="POST",route="/connect/v3/login",status="200"}'
    assert (status, numbers[logins]) == (200, "3.0")
    assert numbers['billfold_deliveries_total{outcome="delivered"}'] == "1.0"


def test_a_body_that_comes_in_parts_is_waited_for(serve):
    server = serve()
    server.signs_in()
    body = json.dumps(vendor_of("Acme")).encode()

    def slowly():
        for part in (body[:9], body[9:90], body[90:]):
            time.sleep(0.1)
            yield part

    headers = {"sessionId": server.session, "devKey": demo_world.DEVELOPER_KEY}
    headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    request = urllib.request.Request(f"{server.base}{V3}/vendors", slowly(), headers)
    with DIRECT.open(request, timeout=START_SECONDS_MAX) as answer:
        assert answer.status == 201 and json.load(answer)["name"] == "Acme"


def test_a_start_that_meets_trouble_is_one_sentence_in_the_log(sqlite_desk, monkeypatch):
    said = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        said.append(message)

    async def full(environment):
        raise Unavailable("database or disk is full")

    monkeypatch.setattr("billfold.app.claim", full)
    server = Billfold(sqlite_desk.settings)
    with pytest.raises(Unavailable):
        sqlite_desk.runner.run(server({"type": "lifespan", "path": ""}, receive, send))
    sentence = "the database cannot be used: database or disk is full"
    assert said == [{"type": "lifespan.startup.failed", "message": sentence}]


def test_the_log_has_its_form_from_the_first_line_and_outlives_its_handler():
    lines = [
        "import logging",
        "from billfold.door import first_line",
        "logging.getLogger('billfold').warning('first')",
        "logging.getLogger().handlers.clear()",
        "logging.getLogger('billfold').warning('second')",
    ]
    program = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=START_SECONDS_MAX)
    first, second = done.stderr.splitlines()
    assert json.loads(first)["event"] == "first" and second == "second"

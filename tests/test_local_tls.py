"""A sandbox that serves with certificates of its own: renewed by its clock and on demand, drilled, and
reached by clients that know only BILL's host names."""

import fcntl
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import textwrap
import time
from collections import Counter
from http.client import HTTPSConnection
from pathlib import Path
from types import SimpleNamespace

import pytest

from billfold import drill as drills
from billfold.door.authority import Authority
from billfold.door.certificates import LocalCertificate, opened
from billfold.drill import Turn, verdict
from billfold.kit.errors import Unusable
from billfold.settings import Settings, load
from tests.server import Process, run

SECONDS_MAX = 10
STAGE, V2 = "gateway.stage.bill.com", "api-stage.bill.com"
HOSTS = f"{STAGE}, {V2}=stage, books.test"


class Served:
    def __init__(self, data, *options: str) -> None:
        self.data = data
        options = ("--hosts", HOSTS, "--data", str(data), "--port", "0", *options)
        self.process = Process("serve", "--tls", *options)
        self.authority = Authority(data)
        self.port = int(self.process.first.rpartition(":")[2])
        self.url = f"https://localhost:{self.port}"

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.bundle))

    def connect(self) -> HTTPSConnection:
        connection = HTTPSConnection(
            "localhost", self.port, timeout=SECONDS_MAX, context=self.context()
        )
        connection.connect()
        return connection

    def issuer(self) -> str:
        connection = self.connect()
        found = dict(pair for (pair,) in connection.sock.getpeercert()["issuer"])
        connection.close()
        return found["commonName"]

    def ask(self, path: str, body: object = None, host: str = "") -> tuple[int, dict]:
        connection = self.connect()
        headers = {"content-type": "application/json"} | ({"host": host} if host else {})
        sent = None if body is None else json.dumps(body)
        connection.request("POST" if sent else "GET", path, sent, headers)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        return answer.status, json.loads(said) if said[:1] in b"{[" else {}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    found = Served(tmp_path_factory.mktemp("tls") / "data")
    try:
        assert found.process.first.startswith("Billfold serves a sandbox on https://127.0.0.1:")
        yield found
        assert not found.process.errors(), found.process.stderr
    finally:
        found.process.kill()


def next_of(issuer: str) -> str:
    return f"Billfold Local Root {int(issuer[-1]) % 5 + 1}"


def test_its_first_lines_say_whom_to_trust(served):
    lines: list[str] = []
    while not any("curl" in line for line in lines):
        lines.append(served.process.lines.get(timeout=SECONDS_MAX))
    bundle = served.authority.bundle
    assert f"  trust   {bundle} (five roots; no system trusts them)" in map(str.rstrip, lines)
    assert f"--cacert {bundle} https://127.0.0.1:{served.port}/" in lines[-1]


def test_ninety_days_of_the_clock_renew_it_and_open_connections_go_on(served):
    before = served.issuer()
    held = served.connect()
    assert served.ask("/_control/clock", {"advance": {"days": 89}})[0] == 200
    assert served.issuer() == before
    assert served.ask("/_control/clock", {"advance": {"days": 1}})[0] == 200
    assert served.issuer() == next_of(before)
    held.request("GET", "/healthz")
    assert held.getresponse().read() == b"ok\n"


def test_it_is_renewed_on_demand(served):
    before = served.issuer()
    said = run("certs", "rotate", "--data", served.data)
    assert (said.returncode, said.stderr) == (0, "")
    assert next_of(before) in said.stdout
    assert served.issuer() == next_of(before)
    shown = run("certs", "show", "--data", served.data).stdout
    assert f"of {next_of(before)}, for 127.0.0.1, ::1, {V2}, books.test, {STAGE}, localhost" in shown
    assert run("certs", "roots", "--data", served.data).stdout == served.authority.bundle.read_text()


def test_a_spoilt_authority_is_said_and_the_certificate_of_before_served(served):
    before = served.issuer()
    state = served.authority.state
    kept = state.read_bytes()
    try:
        state.write_bytes(b"{")
        assert served.issuer() == before
        assert run("certs", "rotate", "--data", served.data).returncode == 2
    finally:
        state.write_bytes(kept)
    assert served.issuer() == before
    said = [line for line in served.process.stderr if "certificate of before is served on" in line]
    assert len(said) == 1
    served.process.stderr.clear()


def test_every_process_serves_it_and_ninety_days_renew_it_once(tmp_path, empty_postgres_url):
    options = ("--database", empty_postgres_url, "--workers", "2", "--no-worker")
    served = Served(tmp_path, *options)
    try:
        assert run("certs", "rotate", "--data", tmp_path).returncode == 0
        assert {served.issuer() for _ in range(20)} == {"Billfold Local Root 2"}
        for number in (3, 4, 5):
            assert served.ask("/_control/clock", {"advance": {"days": 90}})[0] == 200
            until = time.monotonic() + SECONDS_MAX
            while {served.issuer() for _ in range(10)} != {f"Billfold Local Root {number}"}:
                assert time.monotonic() < until, "a process did not hear of the time"
            assert served.authority.served().number == number
        with pytest.raises(Unusable, match="counts the handshakes of a server with one process"):
            drills.Drill(tmp_path, served.url, ["true"], seconds=5)
    finally:
        served.process.kill()


def test_who_serves_nothing_needs_no_certificate(tmp_path, empty_postgres_url):
    data = str(tmp_path)
    assert run("migrate", "--database", empty_postgres_url, "--data", data).returncode == 0
    worker = Process("work", "--database", empty_postgres_url, "--data", data, BILLFOLD_TLS="true")
    try:
        assert worker.first.startswith("billfold: working on the agenda")
        assert not (tmp_path / "tls").exists()
    finally:
        worker.kill()


CLIENT = textwrap.dedent("""
    import hashlib, pathlib, re, socket, ssl, sys, time
    port, roots, kind, memory = sys.argv[1:]
    pems = re.findall("-----BEGIN.*?END CERTIFICATE-----", pathlib.Path(roots).read_text(), re.DOTALL)
    memory = pathlib.Path(memory)
    def connect(trusted):
        context = ssl.create_default_context(cadata="\\n".join(trusted) or None)
        plain = socket.create_connection(("localhost", int(port)))
        return context.wrap_socket(plain, server_hostname="localhost")
    def print_of(connection):
        return hashlib.sha256(connection.getpeercert(True)).hexdigest()
    if kind == "trusts":
        connect(pems).close()
    elif kind == "goes on":
        for _ in range(30):
            connect(pems).close()
            time.sleep(0.04)
    elif kind == "for ever":
        while True:
            connect(pems).close()
            time.sleep(0.05)
    elif kind == "goes on and fails":
        for _ in range(30):
            connect(pems).close()
            time.sleep(0.05)
        sys.exit(3)
    elif kind == "certificate":
        seen = print_of(connect(pems))
        if not memory.exists():
            memory.write_text(seen)
        sys.exit(seen != memory.read_text())
    elif kind == "root":
        if not memory.exists():
            name = dict(pair for (pair,) in connect(pems).getpeercert()["issuer"])["commonName"]
            memory.write_text(name[-1])
        try:
            connect([pems[int(memory.read_text()) - 1]])
        except ssl.SSLCertVerificationError:
            sys.exit(1)
    elif kind == "another":
        connect([])
    elif kind == "fails":
        connect(pems)
        sys.exit(3)
""")


@pytest.fixture
def client(served, tmp_path):
    """The command of a client of some kind, which remembers what it saw first."""
    (tmp_path / "client.py").write_text(CLIENT)

    def command(kind: str) -> list[str]:
        words = (
            tmp_path / "client.py",
            served.port,
            served.authority.bundle,
            kind,
            tmp_path / "memory",
        )
        return [sys.executable, "-S", "-E", *map(str, words)]

    return command


@pytest.fixture
def drilled(served, client, monkeypatch):
    monkeypatch.setattr(drills, "STAY_SECONDS", 0.1)
    monkeypatch.setattr(drills, "LOOK_SECONDS", 0.02)

    def drill(kind: str, url: str = "") -> list[Turn]:
        return drills.Drill(served.data, url or served.url, client(kind), seconds=60).run()

    return drill


def test_a_client_that_trusts_the_roots_notices_nothing(served, client):
    done = run("certs", "drill", "--data", served.data, "--url", served.url, "--", *client("trusts"))
    lines = done.stdout.splitlines()
    assert lines[0] == "root                    handshakes  refused  the command"
    rows = [
        re.fullmatch(r"Billfold Local Root ([1-5]) +1 +0  ended with 0", each) for each in lines[1:7]
    ]
    roots = [row[1] for row in rows if row]
    assert set(roots) == set("12345") and roots[0] == roots[-1] and len(roots) == 6
    assert lines[7:] == ["The client does not pin: it took certificates of all five roots."]
    assert done.returncode == 0


def test_a_client_that_goes_on_meets_all_of_them_in_one_run(drilled):
    turns = drilled("goes on")
    assert [turn.code for turn in turns] == [0, None, None, None, None, 0]
    assert sum(turn.begun for turn in turns) == sum(turn.made for turn in turns) == 60
    assert verdict(turns)[0]


def test_a_client_that_pins_a_root_is_told(drilled):
    turns = drilled("root")
    assert [turn.refused for turn in turns] == [0, 1, 1, 1, 1, 0]
    well, said = verdict(turns)
    assert not well and said.startswith("The client pins a root: it took the one it began with again")


def test_a_client_that_pins_the_certificate_is_told(served, client):
    """It looks at what it was shown when the handshake is over, as many do."""
    done = run(
        "certs", "drill", "--data", served.data, "--url", served.url, "--", *client("certificate")
    )
    assert re.findall("ended with .", done.stdout) == ["ended with 0", *["ended with 1"] * 5]
    assert "The client pins the certificate itself: it took no other one" in done.stdout
    assert done.returncode == 1


def test_what_a_drill_cannot_tell_it_says(drilled, served, tmp_path):
    number = served.authority.served().number
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = f"https://localhost:{taken.getsockname()[1]}"
        for kind, url, said in (
            ("another", "", "the command does not trust .*roots.pem: it refused Billfold Local Root"),
            ("fails", "", r"the command fails \(3\) before anything is renewed"),
            ("idles", "", "the command did not connect to"),
            ("trusts", "http://localhost:1", "--url must be https://host:port"),
            ("trusts", "https://localhost:x", "--url must be https://host:port"),
            ("trusts", free, f"no sandbox answers on {free}"),
        ):
            with pytest.raises(Unusable, match=said):
                drilled(kind, url)
    Authority(tmp_path).prepare([])
    with pytest.raises(Unusable, match="does not serve this data folder's certificates"):
        drills.Drill(tmp_path, served.url, ["true"], seconds=5)
    with pytest.raises(Unusable, match="cannot be used"):
        drills.Drill(tmp_path / "nowhere", served.url, ["true"], seconds=5)
    with open(served.data / "tls" / "drill.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unusable, match="another drill of this data folder is under way"):
            drilled("trusts")
    with pytest.raises(Unusable, match="the command cannot be run"):
        drills.Drill(served.data, served.url, [str(tmp_path / "none")], seconds=5).run()
    assert served.authority.served().number == number  # Nothing was renewed for any of them.


def test_a_drill_ends_a_command_that_does_not_end_with_all_it_has_started(served, tmp_path):
    script = f"sleep 60 & echo $! > {tmp_path / 'started'}; wait"
    with pytest.raises(Unusable, match="the time is over"):
        drills.Drill(served.data, served.url, ["sh", "-c", script], seconds=0.5).run()
    started = int((tmp_path / "started").read_text())
    until = time.monotonic() + SECONDS_MAX
    while Path(f"/proc/{started}").exists() and " Z " not in stat_of(started):
        assert time.monotonic() < until, "what it has started goes on"
        time.sleep(0.02)


def stat_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return " Z "


def test_a_client_that_never_ends_is_judged_by_what_it_has_met(served, client, monkeypatch):
    monkeypatch.setattr(drills, "STAY_SECONDS", 0.1)
    monkeypatch.setattr(drills, "ALONE_SECONDS", 0.3)
    turns = drills.Drill(served.data, served.url, client("for ever"), seconds=4).run()
    assert [turn.code for turn in turns] == [None] * 6
    assert all(turn.begun for turn in turns) and verdict(turns)[0]


def test_a_client_that_fails_after_it_has_gone_on_is_not_accused(served, client, monkeypatch):
    monkeypatch.setattr(drills, "STAY_SECONDS", 0.1)
    monkeypatch.setattr(drills, "ALONE_SECONDS", 0.3)
    with pytest.raises(Unusable, match=r"ended with 3, but refused no certificate"):
        drills.Drill(served.data, served.url, client("goes on and fails"), seconds=20).run()


def test_a_session_that_is_taken_up_again_is_counted_apart(served):
    """By TLS 1.3 none is; by 1.2 it is for OpenSSL to decide."""
    for version, may in ((ssl.TLSVersion.TLSv1_2, {True, False}), (ssl.TLSVersion.TLSv1_3, {False})):
        trusts = served.context()
        trusts.maximum_version = version
        session, before = None, counted(served)
        for _ in range(2):
            plain = socket.create_connection(("localhost", served.port), timeout=SECONDS_MAX)
            with trusts.wrap_socket(plain, server_hostname="localhost", session=session) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
                assert connection.recv(100).startswith(b"HTTP/1.1 200")
                session, reused = connection.session, connection.session_reused
        assert reused in may
        after = counted(served)
        assert after["resumed"] - before["resumed"] == reused
        # The one that asks is counted too.
        assert after["made"] - before["made"] == 3 - reused
        assert after["begun"] - before["begun"] == 3


def counted(served) -> Counter[str]:
    connection = served.connect()
    connection.request("GET", "/metrics")
    said = connection.getresponse().read().decode()
    connection.close()
    found: Counter[str] = Counter()
    for outcome, number in re.findall(r'tls_handshakes_total{.*outcome="(\w+)"} ([0-9]+)', said):
        found[outcome] += int(number)
    return found


def test_a_client_that_says_hello_twice_is_counted_once(served):
    certificate = LocalCertificate(served.data)
    connection = SimpleNamespace(context=certificate.context)
    for _ in range(2):
        certificate._hand_over(connection, "localhost", certificate.context)
    ((_, handshakes),) = certificate.handshakes.items()
    assert handshakes.begun == 1 and connection.context is not certificate.context


def test_a_certificate_that_cannot_be_read_for_a_moment_is_taken_later(served, monkeypatch):
    certificate = LocalCertificate(served.data)
    before = certificate._current
    served.authority.rotate()
    monkeypatch.setattr(certificate, "open", lambda: opened("none.pem", "none.pem"))
    certificate.look()
    assert certificate._current is before
    monkeypatch.undo()
    certificate.look()  # A handshake does not try again what has just failed,
    assert certificate._current is before
    certificate._tried = []  # but once a second it is.
    certificate.look()
    assert certificate._current is not before


def turns(*taken: bool) -> list[Turn]:
    return [Turn(str(each), begun=1, made=int(one)) for each, one in enumerate(taken)]


def test_a_client_that_takes_some_of_them_is_told_so():
    well, said = verdict(turns(True, False, True, True, True, True))
    assert not well and said.startswith("The client pins some of the roots")


@pytest.fixture(scope="module")
def stage(served) -> dict:
    """The environment that one of the hosts leads to: how to sign in to it."""
    assert served.ask("/connect/v3/health", host=V2)[0] == 404  # It is not there yet.
    assert served.ask("/connect/v3/health", host=STAGE)[0] == 200
    status, made = served.ask("/_control/environments", {"name": "stage"})
    assert status == 201
    return made["credentials"]


def login_of(known: dict) -> dict:
    return {name: known[name] for name in ("username", "password", "organizationId", "devKey")}


def test_a_host_leads_to_the_environment_that_is_named(served, stage):
    for host in (V2, f"{V2.upper()}:443", f"{V2}."):
        assert served.ask("/connect/v3/login", login_of(stage), host=host)[0] == 200
    for host in ("", STAGE, "books.test", f"www.{V2}", f"x@{V2}", f"{V2}/x"):
        assert served.ask("/connect/v3/login", login_of(stage), host=host)[0] == 400  # The key.


def test_the_control_api_is_not_reached_by_another_name(served, stage):
    for host in (STAGE, V2, "books.test", "x@localhost", "localhost/x"):
        assert served.ask("/_control/clock", host=host)[0] == 404


def test_pages_are_served_under_names_that_were_given(served, stage):
    for host, status in ((V2, 200), ("books.test", 200), ("strangers.test", 403)):
        assert served.ask("/console/sign-in", host=host)[0] == status, host


@pytest.fixture(scope="module")
def proxy(served):
    process = Process("proxy", "--port", "0", "--data", str(served.data), "--url", served.url)
    try:
        second = process.lines.get(timeout=SECONDS_MAX)
        port = int(second.rpartition(":")[2])
        assert process.first == f"Billfold leads {STAGE}, {V2} to {served.url}\n"
        yield port
        # A tunnel that is open ends with it.
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX) as connection:
            connection.sendall(f"CONNECT {STAGE}:443 HTTP/1.1\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
            assert process.stop() < 2 and process.process.returncode == 0
            assert connection.recv(100) == b""
        assert not process.stderr
    finally:
        process.kill()


def tunnelled(served, proxy: int, host: str, port: int = 443) -> HTTPSConnection:
    connection = HTTPSConnection("127.0.0.1", proxy, timeout=SECONDS_MAX, context=served.context())
    connection.set_tunnel(host, port)
    return connection


def test_a_client_with_hosts_in_its_code_runs_unchanged(served, stage, proxy):
    """As urllib does it when HTTPS_PROXY is set."""
    script = textwrap.dedent("""
        import json, sys, urllib.parse, urllib.request
        known = json.loads(sys.argv[1])
        form = {"userName": known["username"], "password": known["password"], "devKey": known["devKey"]}
        form["orgId"] = known["organizationId"]
        data = urllib.parse.urlencode(form).encode()
        said = json.load(urllib.request.urlopen("https://api-stage.bill.com/api/v2/Login.json", data))
        print(said["response_data"]["apiEndPoint"])
        print(urllib.request.urlopen("https://gateway.stage.bill.com/connect/v3/health").status)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(stage)], capture_output=True, text=True, timeout=30,
        env={"HTTPS_PROXY": f"http://127.0.0.1:{proxy}", "SSL_CERT_FILE": str(served.authority.bundle)},
    )  # fmt: skip
    assert done.stdout.split() == [f"https://{V2}/api/v2", "200"], done.stderr


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not here")
def test_curl_goes_by_it_too(served, proxy):
    done = subprocess.run(
        ["curl", "-sS", "--proxy", f"http://127.0.0.1:{proxy}", "--cacert", served.authority.bundle,
         f"https://{STAGE}/connect/v3/health"], capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert json.loads(done.stdout)["appEnv"] == "sandbox", done.stderr


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("www.bill.com", 443),
        ("books.test", 443),
        ("localhost", 443),
        (STAGE, 80),
        ("api.bill.com", 443),
    ],
)
def test_the_proxy_serves_no_other_host(served, proxy, host, port):
    with pytest.raises(OSError, match=rf"403 {host}:{port} is not served, only {STAGE}, {V2} on 443"):
        tunnelled(served, proxy, host, port).connect()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET http://gateway.stage.bill.com/ HTTP/1.1\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\n\r\n", 405),
        (b"CONNECT gateway.stage.bill.com HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT [::1]:443 HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT gateway.stage.bill.com:99999 HTTP/1.1\r\n\r\n", 403),
        (b"CONNECT \xff\xfe.test:443 HTTP/1.1\r\n\r\n", 403),
        (b"\x16\x03\x01\r\n\r\n", 405),
        (b"CONNECT " + b"a" * 20_000, 400),
    ],
)
def test_the_proxy_says_what_it_cannot_do(proxy, sent, status):
    with socket.create_connection(("127.0.0.1", proxy), timeout=SECONDS_MAX) as connection:
        connection.sendall(sent)
        said = b""
        while piece := connection.recv(4_096):
            said += piece
    first, _, body = said.partition(b"\r\n")
    assert first.startswith(b"HTTP/1.1 %d " % status)
    assert body.endswith(b"Billfold: " + first.partition(b" ")[2].partition(b" ")[2] + b"\n")


def test_a_name_may_end_with_a_dot(served, proxy):
    with socket.create_connection(("127.0.0.1", proxy), timeout=SECONDS_MAX) as connection:
        connection.sendall(f"CONNECT {STAGE}.:443 HTTP/1.1\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_who_asks_for_nothing_is_told_nothing(proxy):
    with socket.create_connection(("127.0.0.1", proxy), timeout=SECONDS_MAX) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""


def test_the_proxy_says_that_the_sandbox_is_gone(served):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"https://localhost:{taken.getsockname()[1]}"
        process = Process("proxy", "--port", "0", "--data", str(served.data), "--url", url)
        try:
            port = int(process.lines.get(timeout=SECONDS_MAX).rpartition(":")[2])
            with pytest.raises(OSError, match="502 no sandbox answers on localhost"):
                tunnelled(served, port, STAGE).connect()
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--url", "http://localhost:8080"),
            "--url must be the https:// URL of a sandbox on this machine",
        ),
        (
            ("--url", "https://bank.example"),
            "--url must be the https:// URL of a sandbox on this machine",
        ),
        ((), "holds no certificates: `billfold serve --tls` makes them"),
    ],
)
def test_a_proxy_that_cannot_be_is_not_begun(tmp_path, options, said):
    done = run("proxy", "--port", "0", "--data", tmp_path / "none", *options)
    assert done.returncode == 2 and said in done.stderr and not (tmp_path / "none").exists()


def test_a_proxy_needs_a_host_of_bills(tmp_path):
    Authority(tmp_path).prepare(["books.test"])
    done = run("proxy", "--port", "0", "--data", tmp_path)
    assert done.returncode == 2
    assert "no certificate for a host of BILL's: `billfold serve --tls --hosts gateway" in done.stderr
    Authority(tmp_path).prepare([STAGE])
    done = run("proxy", "--port", "99999", "--data", tmp_path)
    assert done.returncode == 2 and "(there is no such port): use another --port" in done.stderr
    done = run("proxy", "--port", "0", "--data", tmp_path, BILLFOLD_POLICY="production")
    assert "proxy is for sandboxes only" in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hosts": "a b"}, "hosts must be names"),
        ({"hosts": "*.books.test"}, "hosts must be names"),
        ({"hosts": "10.1.2.3"}, "hosts must be names"),
        ({"hosts": "3"}, "hosts must be names"),
        ({"hosts": "books.test="}, "hosts must be names"),
        ({"hosts": "b\u00fccher.test"}, "hosts must be names"),
        ({"hosts": "books.test=Stage"}, "hosts must be names"),
        ({"hosts": "books.test, Books.test=stage"}, "names a host twice"),
        ({"tls": True, "certificate": "c", "certificate_key": "k"}, "does not go with certificate"),
        ({"tls": True, "policy": "production"}, "tls is for sandboxes"),
        ({"tls": True, "public_url": "https://b\u00fccher.test"}, "tls cannot vouch for"),
        ({"control": "short"}, "control must be a token of 16"),
        ({"control": "with a blank in its midst"}, "control must be a token of 16"),
    ],
)
def test_settings_that_cannot_be_are_said(given, said):
    with pytest.raises(Unusable, match=said):
        load(**given)


def test_names_that_a_local_authority_vouches_for():
    assert Settings(host="").certified == Settings(host="::").certified == []
    settings = Settings(
        host="fe80::1%eth0", hosts=" A.test =stage,b.test", public_url="https://C.test:1"
    )
    assert settings.certified == ["a.test", "b.test", "fe80::1", "c.test"]
    assert settings.environment_of == {"a.test": "stage", "b.test": "sandbox"}


def test_hosts_may_be_a_table_of_the_file(tmp_path):
    file = tmp_path / "billfold.toml"
    file.write_text('[hosts]\n"books.test" = "stage"\n"a.test" = "sandbox"\n')
    assert load(data=str(tmp_path))[0].environment_of == {"books.test": "stage", "a.test": "sandbox"}
    for wrong in ('[hosts]\nbooks.test = "stage"\n', "[hosts]\nbooks = 1\n", "[log]\nx = 1\n"):
        file.write_text(wrong)
        with pytest.raises(Unusable, match=r"of .*billfold.toml must be str, not"):
            load(data=str(tmp_path))

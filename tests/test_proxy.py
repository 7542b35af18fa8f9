"""The proxy, and hosts by which an environment is reached: clients that know only BILL's host names."""

import json
import shutil
import socket
import subprocess
import sys
import textwrap
from http.client import HTTPSConnection

import pytest

from billfold.door.authority import Authority
from tests.server import Process, run
from tests.tls import SECONDS_MAX, STAGE, V2


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

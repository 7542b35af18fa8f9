"""A sandbox that serves with certificates of its own: renewed by its clock and on demand."""

import re
import socket
import ssl
import time
from collections import Counter
from types import SimpleNamespace

import pytest

from billfold import drill as drills
from billfold.door.certificates import LocalCertificate, opened
from billfold.kit.errors import Unusable
from billfold.settings import Settings, load
from tests.server import Process, run
from tests.tls import SECONDS_MAX, STAGE, V2, Served


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
    assert Settings(host="0.0.0.0").certified == Settings(host="::").certified == []
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

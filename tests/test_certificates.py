"""Files of a certificate that change are taken by the next handshake, and a bad pair is not."""

import shutil
import socket
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509

from tests.pems import make_pair
from tests.server import Process

SECONDS_MAX = 10
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture
def pems(tmp_path) -> Path:
    make_pair(tmp_path, serial=1)
    return tmp_path


@pytest.fixture
def https(pems):
    """Starts a server of this pair; says its port."""
    started: list[Process] = []

    def start(*options: str) -> tuple[Process, int]:
        pair = {
            "BILLFOLD_CERTIFICATE": str(pems / "cert.pem"),
            "BILLFOLD_CERTIFICATE_KEY": str(pems / "key.pem"),
        }
        started.append(Process("serve", "--data", str(pems / "data"), "--port", "0", *options, **pair))
        assert started[-1].first.startswith("Billfold serves a sandbox on https://127.0.0.1:")
        return started[-1], int(started[-1].first.rpartition(":")[2])

    yield start
    for process in started:
        process.kill()


def connected(port: int, **more) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in more.items():
        setattr(context, name, value)
    plain = socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX)
    return context.wrap_socket(plain, server_hostname="localhost")


def serial_of(connection: ssl.SSLSocket) -> int:
    found = connection.getpeercert(binary_form=True)
    assert found
    return x509.load_der_x509_certificate(found).serial_number


def served(port: int) -> int:
    """Of a new connection, on which something is answered."""
    with connected(port) as connection:
        is_answered(connection)
        return serial_of(connection)


def is_answered(connection: ssl.SSLSocket) -> None:
    connection.sendall(HEALTH)
    assert connection.recv(1_000).startswith(b"HTTP/1.1 200")


def comes(port: int, serial: int) -> None:
    until = time.monotonic() + SECONDS_MAX
    while served(port) != serial:
        assert time.monotonic() < until, "the new certificate is not taken"
        time.sleep(0.1)


def test_a_new_pair_is_taken_and_open_connections_go_on(pems, https):
    _, port = https()
    with connected(port) as before:
        is_answered(before)
        make_pair(pems, serial=2)
        comes(port, 2)
        is_answered(before)
        assert serial_of(before) == 1


def test_a_bad_pair_is_said_and_the_one_before_served_on(pems, https):
    process, port = https()
    shutil.copy(pems / "cert.pem", pems / "first.pem")
    make_pair(pems, serial=2)
    comes(port, 2)
    shutil.copy(pems / "first.pem", pems / "cert.pem")  # The key is the second one's.
    says(process, "the certificate of before is served on")
    assert served(port) == 2
    (pems / "cert.pem").unlink()
    time.sleep(1.5)
    assert served(port) == 2
    make_pair(pems, serial=3)
    comes(port, 3)


def test_a_pair_that_is_over_takes_the_place_of_none_that_is_not(pems, https):
    process, port = https()
    comes(port, 1)
    make_pair(pems, serial=2, days=0)
    says(process, "the new certificate is over since")
    assert served(port) == 1
    make_pair(pems, serial=3)
    comes(port, 3)


def test_a_pair_that_is_over_is_served_if_there_is_no_other_and_said(pems, https):
    make_pair(pems, serial=2, days=0)
    process, port = https()
    says(process, "the certificate is over since")
    assert served(port) == 2


def says(process: Process, words: str) -> None:
    until = time.monotonic() + SECONDS_MAX
    while not any(words in line for line in process.stderr):
        assert time.monotonic() < until, process.stderr
        time.sleep(0.05)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_older_tls_is_refused(https):
    _, port = https()
    older = {"minimum_version": ssl.TLSVersion.TLSv1, "maximum_version": ssl.TLSVersion.TLSv1_1}
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connected(port, **older)
    with connected(port, maximum_version=ssl.TLSVersion.TLSv1_2) as connection:
        assert connection.version() == "TLSv1.2"


def test_every_process_takes_it(pems, https, empty_postgres_url):
    _, port = https("--database", empty_postgres_url, "--workers", "2")
    make_pair(pems, serial=2)
    until = time.monotonic() + SECONDS_MAX
    in_a_row = 0
    while in_a_row < 20:
        assert time.monotonic() < until, "one of them serves the old one on"
        in_a_row = in_a_row + 1 if served(port) == 2 else 0

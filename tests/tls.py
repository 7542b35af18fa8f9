"""A sandbox that serves with certificates of its own."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path

from billfold.door.authority import Authority
from tests.server import Process

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


@contextmanager
def serving(data: Path) -> Iterator[Served]:
    found = Served(data)
    try:
        assert found.process.first.startswith("Billfold serves a sandbox on https://127.0.0.1:")
        yield found
        assert not found.process.errors(), found.process.stderr
    finally:
        found.process.kill()

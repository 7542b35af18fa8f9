"""Certificates are renewed again and again while clients write: no request fails, no connection is
dropped, and everything that was answered is there."""

import json
import ssl
import threading
import time
from contextlib import closing
from http.client import HTTPSConnection

import pytest

from billfold import demo_world
from billfold.door.authority import Authority
from billfold.door.issuing import ROOTS
from tests.desk import LOGIN, V3
from tests.proof import LONG
from tests.server import Process, place_of

pytestmark = pytest.mark.proof
ROTATIONS = 100 if LONG else 10
CLIENTS = 16
SECONDS_MAX = 20
STAY_SECONDS = 0.2
ADDRESS = {"line1": "1 Oak St", "city": "Reno", "zipOrPostalCode": "89501", "country": "US"}


class Client:
    """Writes vendors until it is told to stop: on one connection, or on a new one for each. One that
    is dropped is not opened anew, so that it is seen."""

    def __init__(self, number: int, port: int, trusts: ssl.SSLContext, session: str) -> None:
        self.number, self.port, self.trusts = number, port, trusts
        self.keeps = number % 2 == 0
        self.headers = {"content-type": "application/json", "devKey": demo_world.DEVELOPER_KEY}
        self.headers["sessionId"] = session
        self.made: list[str] = []
        self.issuers: set[str] = set()
        self.trouble: Exception | None = None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            connection = self._connected()
            while not self.stop.is_set():
                self._write(connection)
                if not self.keeps:
                    connection.close()
                    connection = self._connected()
            connection.close()
        except Exception as trouble:
            self.trouble = trouble

    def _connected(self) -> HTTPSConnection:
        made = HTTPSConnection("localhost", self.port, timeout=SECONDS_MAX, context=self.trusts)
        made.connect()
        made.auto_open = 0
        issuer = dict(pair for (pair,) in made.sock.getpeercert()["issuer"])
        self.issuers.add(issuer["commonName"])
        return made

    def _write(self, connection: HTTPSConnection) -> None:
        body = {"name": f"Client {self.number} {len(self.made)}", "address": ADDRESS}
        connection.request("POST", f"{V3}/vendors", json.dumps(body), self.headers)
        answer = connection.getresponse()
        said = json.loads(answer.read())
        assert answer.status == 201, said
        self.made.append(said["id"])


def ask(port: int, trusts: ssl.SSLContext, method: str, path: str, body=None, headers=None) -> dict:
    with closing(HTTPSConnection("localhost", port, timeout=SECONDS_MAX, context=trusts)) as connection:
        sent = body and json.dumps(body)
        connection.request(method, path, sent, {"content-type": "application/json"} | (headers or {}))
        return json.loads(connection.getresponse().read())


def test_nobody_who_writes_notices_that_certificates_are_renewed(database_url, folder, figures):
    options = ["--data", str(folder), "--port", "0", *place_of(database_url)]
    if place_of(database_url):
        options += ["--workers", "2"]
    server = Process("serve", "--tls", *options)
    try:
        port = int(server.first.rpartition(":")[2])
        authority = Authority(folder)
        trusts = ssl.create_default_context(cafile=str(authority.bundle))
        session = ask(port, trusts, "POST", f"{V3}/login", LOGIN)["sessionId"]
        clients = [Client(number, port, trusts, session) for number in range(CLIENTS)]
        try:
            for _ in range(ROTATIONS):
                time.sleep(STAY_SECONDS)
                authority.rotate()
            time.sleep(STAY_SECONDS)
        finally:
            for client in clients:
                client.stop.set()
            for client in clients:
                client.thread.join(SECONDS_MAX)
        assert [client.trouble for client in clients if client.trouble] == []
        for client in clients:
            assert len(client.made) > ROTATIONS, "it hardly wrote"
            assert client.keeps == (len(client.issuers) == 1)
        assert len(set().union(*(client.issuers for client in clients))) == ROOTS
        headers = {"sessionId": session, "devKey": demo_world.DEVELOPER_KEY}
        there = set()
        page: str | None = ""
        while page is not None:
            query = f"?max=100{page and f'&page={page}'}"
            said = ask(port, trusts, "GET", f"{V3}/vendors{query}", headers=headers)
            there |= {vendor["id"] for vendor in said["results"]}
            page = said.get("nextPage")
        written = [id for client in clients for id in client.made]
        assert there == {*written, demo_world.VENDOR_ID}
        connections = sum(1 if client.keeps else len(client.made) + 1 for client in clients)
        figures(rotations=ROTATIONS, writes=len(written), connections=connections, failed=0)
        assert not server.errors()
    finally:
        server.kill()

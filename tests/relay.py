"""What stands between a server and PostgreSQL, to cut and to freeze."""

import socket
import threading
import time
from contextlib import suppress

import psycopg


class Relay:
    """Passes bytes on between server and PostgreSQL, until it is told to do something else.

    With a folder it stands on a local socket there, else on a port."""

    def __init__(self, url: str, folder: str = "") -> None:
        parts = psycopg.conninfo.conninfo_to_dict(url)
        self.host, self.port = str(parts["host"]), int(parts.get("port") or 5432)
        # "pass", "freeze", "refuse", or cut the connection "before" or "after" the COMMIT of who says
        # this to the database.
        self.mode, self.cut_at = "pass", ""
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        if folder:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(f"{folder}/.s.PGSQL.5432")
            self.listener.listen()
            place = {"host": folder, "port": 5432}
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            place = {"host": "127.0.0.1", "port": self.listener.getsockname()[1]}
        self.url = psycopg.conninfo.make_conninfo(url, **place)
        threading.Thread(target=self._meet, daemon=True).start()

    def close(self) -> None:
        self.listener.close()
        for pair in self.pairs:
            _cut(*pair)

    def cut_all(self, last_words: bytes = b"") -> None:
        for near, far in self.pairs:
            with suppress(BrokenPipeError):  # One that ended by itself.
                near.sendall(last_words)
            _cut(near, far)
        self.pairs = []

    def _meet(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                if self.mode == "refuse":
                    near.close()
                    continue
                if self.host.startswith("/"):
                    far = socket.socket(socket.AF_UNIX)
                    far.connect(f"{self.host}/.s.PGSQL.{self.port}")
                else:
                    far = socket.create_connection((self.host, self.port))
                self.pairs.append((near, far))
                carries = threading.Event()
                for way in ((near, far, "before", carries), (far, near, "after", carries)):
                    threading.Thread(target=self._pass_on, args=way, daemon=True).start()

    def _pass_on(
        self, source: socket.socket, target: socket.socket, mode: str, carries: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                while self.mode == "freeze":
                    time.sleep(0.05)
                if self.cut_at and self.cut_at.encode() in data:
                    carries.set()
                if self.mode == mode and carries.is_set() and b"COMMIT\0" in data:
                    self.mode = "pass"
                    break
                target.sendall(data)
        _cut(source, target)


def _cut(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

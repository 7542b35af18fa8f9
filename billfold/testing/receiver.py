"""Where the notifications of all worlds of a process arrive, each at its own path."""

import hmac
import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from billfold.kit.secrets import SIGNATURE_HEADER, signature


class Receiver:
    """Answers 200 to what is signed with the key of its path, and 401 to all else."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.heard: dict[str, list[dict]] = defaultdict(list)
        self.arrival = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(
                    receiver.take(self.path, body, self.headers.get(SIGNATURE_HEADER, ""))
                )
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, path: str, body: bytes, signed: str) -> int:
        # A key is known a moment after its subscription is: the first notification may be sooner.
        with self.arrival:
            self.arrival.wait_for(lambda: path in self.keys, 1)
            right = signature(self.keys.get(path, ""), body)
            if not hmac.compare_digest(right.encode(), signed.encode()):
                return 401
            self.heard[path].append(json.loads(body))
            self.arrival.notify_all()
        return 200

    def expect(self, path: str, key: str) -> None:
        """From now on what is signed with this key is taken here."""
        with self.arrival:
            self.keys[path] = key
            self.arrival.notify_all()

    def forget(self, path: str) -> None:
        with self.arrival:
            self.keys.pop(path, None)
            self.heard.pop(path, None)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

"""A subscriber's server that costs next to nothing: `python -m bench.receiver PORT`.

What it does with a notification is the first part of the path: `well` answers 200, `slow` and
`slower` too but later, `broken` 500, and `hang` never. `GET /counts` is who got how many,
`GET /arrivals` what and when by this machine's clock, and `DELETE /arrivals` forgets.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict

import uvloop

from bench.load import HEALTH
from billfold.cli_data import open_many_files

EVENT_ID = b'"eventId":"'
UUID_LENGTH = 36
# How many may be about to connect.
WAITING_MAX = 1_024
LATER_SECONDS = {"slow": 0.05, "slower": 4.0}
arrivals: dict[str, list[tuple[str, float]]] = defaultdict(list)


class Connection(asyncio.Protocol):
    """HTTP/1.1 with Content-Length, one request after the other, which is how notifications come."""

    def connection_made(self, transport) -> None:
        self.transport, self.came = transport, b""

    def data_received(self, data: bytes) -> None:
        self.came += data
        while (end := self.came.find(b"\r\n\r\n")) >= 0:
            head, start = self.came[:end], end + 4
            length = _length(head)
            if len(self.came) < start + length:
                return
            body, self.came = self.came[start : start + length], self.came[start + length :]
            method, path, _ = head.split(b" ", 2)
            self._take(method.decode(), path.decode(), body)

    def _take(self, method: str, path: str, body: bytes) -> None:
        if path == HEALTH:
            return self._answer(200)
        if path == "/counts":
            return self._answer(200, {path: len(got) for path, got in arrivals.items()})
        if path == "/arrivals":
            self._answer(200, arrivals)
            if method == "DELETE":
                arrivals.clear()
            return None
        at = body.index(EVENT_ID) + len(EVENT_ID)
        arrivals[path].append((body[at : at + UUID_LENGTH].decode(), time.time()))
        does = path.split("/")[1]
        if does in LATER_SECONDS:
            asyncio.get_running_loop().call_later(LATER_SECONDS[does], self._answer, 200)
        elif does != "hang":
            self._answer(200 if does == "well" else 500)
        return None

    def _answer(self, status: int, said: object = None) -> None:
        body = b"" if said is None else json.dumps(said).encode()
        head = f"HTTP/1.1 {status} Said\r\ncontent-length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


async def serve(port: int) -> None:
    open_many_files()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=WAITING_MAX)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))

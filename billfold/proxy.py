"""`billfold proxy`: for clients with BILL's host names in their code, which cannot be told another one.

By HTTPS_PROXY they ask it for a tunnel to such a host, and it leads to the sandbox here, which has a
certificate for that name (`serve --tls --hosts …`), for clients that trust its roots. Nothing is read
or changed in a tunnel; which environment a host stands for is the server's to say.
"""

import asyncio
import re
import signal
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from billfold.door.authority import Authority
from billfold.door.issuing import names_of
from billfold.kit.addresses import is_loopback
from billfold.kit.errors import Unusable

# BILL's API hosts (`common.yaml`, environments), old ones among them; no other is ever served.
BILL_HOSTS = (
    "gateway.stage.bill.com", "api-stage.bill.com", "api-sandbox.bill.com", "sandbox.bill.com",
    "gateway.prod.bill.com", "api.bill.com", "gateway.bill.com",
)  # fmt: skip
HTTPS_PORT = 443
ASKED = re.compile(rb"([A-Z]+) ([^ ]+) HTTP/1\.[01]\r\n")
TARGET = re.compile(r"([^:/@\[\]]+):(\d{1,5})")
HEAD_BYTES_MAX, PIECE_BYTES = 16_384, 65_536
HEAD_SECONDS_MAX, CONNECT_SECONDS_MAX = 10.0, 5.0
TUNNELS_MAX = 256


class Refused(Exception):
    """With the status and the sentence that a client is told."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Left(Exception):
    """The client went away before it had asked for anything."""


class Proxy:
    """`url` is the sandbox's. Raises Unusable where its data folder has no certificate for a host of
    BILL's."""

    def __init__(self, data: Path, url: str) -> None:
        try:
            split = urlsplit(url)
            host, port = split.hostname or "", split.port or HTTPS_PORT
        except ValueError:
            host, port = "", 0
        if not host or split.scheme != "https" or not is_loopback(host):
            raise Unusable(f"--url must be the https:// URL of a sandbox on this machine, not {url!r}")
        self.server = host, port
        self.authority = Authority(data)
        self._tunnels: set[asyncio.Task] = set()
        if not self.hosts():
            raise Unusable(
                "the sandbox has no certificate for a host of BILL's: `billfold serve --tls --hosts "
                f"{','.join(BILL_HOSTS[:2])}`"
            )

    def hosts(self) -> list[str]:
        """Those of BILL's that the sandbox vouches for now."""
        vouched = set(names_of(self.authority.leaf()))
        return [host for host in BILL_HOSTS if host in vouched]

    async def serve(self, port: int) -> asyncio.Server:
        """On this machine alone."""
        try:
            return await asyncio.start_server(self._meet, "127.0.0.1", port, limit=HEAD_BYTES_MAX)
        except (OSError, OverflowError) as error:
            why = error.strerror if isinstance(error, OSError) else "there is no such port"
            raise Unusable(f"cannot listen on 127.0.0.1:{port} ({why}): use another --port") from None

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tunnels.add(task)
        try:
            there = await self._answered(reader, writer)
            if there:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await _join((reader, writer), there)
        except (OSError, asyncio.CancelledError):
            pass  # The client went away, or this proxy ends.
        finally:
            self._tunnels.discard(task)
            await _close(writer)

    async def close(self) -> None:
        """End what is open."""
        tunnels = list(self._tunnels)
        for each in tunnels:
            each.cancel()
        await asyncio.gather(*tunnels, return_exceptions=True)

    async def _answered(self, reader, writer) -> tuple | None:
        try:
            await self._find(reader)
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                return await asyncio.open_connection(*self.server)
        except Left:
            return None
        except Refused as refused:
            status, sentence = refused.status, str(refused)
        except Unusable as trouble:
            status, sentence = 502, str(trouble)
        except OSError:  # TimeoutError is one.
            status, sentence = 502, "no sandbox answers on {}:{}".format(*self.server)
        print(f"billfold: {sentence}", flush=True)
        said = f"Billfold: {sentence}\n".encode()
        # Many clients show no more than the first line.
        head = f"HTTP/1.1 {status} {sentence}\r\nContent-Type: text/plain\r\n"
        writer.write(f"{head}Content-Length: {len(said)}\r\nConnection: close\r\n\r\n".encode() + said)
        await writer.drain()
        return None

    async def _find(self, reader: asyncio.StreamReader) -> None:
        """Read what is asked, and whether it is served."""
        if len(self._tunnels) > TUNNELS_MAX:
            raise Refused(503, f"more than {TUNNELS_MAX} connections at once")
        try:
            async with asyncio.timeout(HEAD_SECONDS_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            raise Left from None
        except (TimeoutError, asyncio.LimitOverrunError):
            raise Refused(400, "no request was read") from None
        asked = ASKED.match(head)
        if asked is None or asked[1] != b"CONNECT":
            raise Refused(405, "this proxy opens tunnels for https (CONNECT) and nothing else")
        target = TARGET.fullmatch(asked[2].decode("latin-1"))
        if target is None:
            raise Refused(400, "CONNECT names a host and a port")
        host, port = target[1].lower().removesuffix("."), int(target[2])
        if host not in self.hosts() or port != HTTPS_PORT:
            known = ", ".join(self.hosts())
            raise Refused(403, f"{_plain(host)}:{port} is not served, only {known} on {HTTPS_PORT}")


def _plain(host: str) -> str:
    """As it may stand in a line."""
    return "".join(each if each.isascii() and each.isprintable() else "?" for each in host)


async def _join(one, other) -> None:
    """Until both have ended, or one has gone away."""
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_pass_on(one[0], other[1]))
            both.create_task(_pass_on(other[0], one[1]))
    except* OSError:
        pass  # Whoever went away is told nothing.
    finally:
        await _close(other[1])


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def run(data: Path, url: str, port: int) -> None:
    """Until it is told to stop."""
    proxy = Proxy(data, url)
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    server = await proxy.serve(port)
    here = server.sockets[0].getsockname()[1]
    print(f"Billfold leads {', '.join(proxy.hosts())} to {url}")
    print(f"  proxy   HTTPS_PROXY=http://127.0.0.1:{here}")
    print(f"  trust   {proxy.authority.bundle}", flush=True)
    await stop.wait()
    server.close()
    await proxy.close()

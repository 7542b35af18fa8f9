"""POSTs to others' servers, bounded in time and size; aiohttp, imported when first used.

Redirects are not followed: whoever answers with one has not taken what was sent.
"""

import errno
import re
import socket
from contextlib import suppress
from functools import lru_cache
from time import perf_counter
from typing import Any

from billfold.events.delivery import ANSWER_SECONDS_MAX, Answered
from billfold.kit.addresses import may_be_public
from billfold.kit.errors import Unavailable

ANSWER_BYTES_MAX = 64 * 1024
# For the log of deliveries.
KEPT_BYTES_MAX = 4 * 1024
USER_AGENT = "Billfold"
# For how long an idle connection is kept: many a server closes one after five seconds, and what is sent
# just then is lost.
KEPT_SECONDS = 4
# How many URLs are kept as they are sent.
URLS_KEPT = 1_000
# What may stand in no path and no query as it is (RFC 3986, 3.3 and 3.4).
ILLEGAL = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~:/?#@!$&'()*+,;=%]")
AUTHORITY = re.compile("[^:]*://[^/?#]*")
# Files of this process or of this machine, and memory.
OUT_OF = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Poster:
    """One pool of connections, made when the first is sent; `public_only` goes to no address of a
    private network, whatever a name leads to."""

    def __init__(self, public_only: bool) -> None:
        self.public_only = public_only
        self._session: Any = None

    async def post(
        self, url: str, body: bytes, headers: dict[str, str], verified: bool = True
    ) -> Answered:
        """What came of it; `verified` asks for a certificate that somebody has signed. Raises
        Unavailable for what is missing here, which is no failure of the receiver's."""
        import aiohttp

        if self._session is None:
            self._session = self._open()
        began = perf_counter()
        try:
            async with self._session.post(
                _as_written(url), data=body, headers=headers, allow_redirects=False, ssl=verified
            ) as answer:
                # Read, so that the connection can be used again; more than this is not waited for.
                said = await _beginning(answer.content)
                return Answered(answer.status, body=said, milliseconds=_since(began))
        except TimeoutError:
            failure = f"no answer within {ANSWER_SECONDS_MAX} seconds"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, aiohttp.ClientConnectorError) and error.errno in OUT_OF:
                raise Unavailable(f"no connection can be opened: {error}") from error
            failure = f"{type(error).__name__}: {error}"[:500]
        return Answered(None, failure, milliseconds=_since(began))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> Any:
        import aiohttp

        options: dict[str, Any] = {"socket_factory": _public_socket} if self.public_only else {}
        # The agenda bounds what is in flight; waiting here would count as the receiver's slowness.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_SECONDS, **options)
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX),
            # Nothing is unpacked: only the status counts.
            headers={"user-agent": USER_AGENT, "accept-encoding": "identity"},
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )


@lru_cache(URLS_KEPT)
def _as_written(url: str) -> Any:
    """With its own escapes and dots, which the client would put in order: whoever has signed the URL
    has signed these. Only what no URL may hold is escaped."""
    from yarl import URL

    found = AUTHORITY.match(url)
    end = found.end() if found else 0
    rest = ILLEGAL.sub(lambda wrong: f"%{ord(wrong[0]):02X}", url[end:])
    return URL(url[:end] + rest, encoded=True)


async def _beginning(content: Any) -> str:
    """What is kept of an answer; up to a bound more is read, and nothing beyond. Where it breaks off or
    stays out it ends: the status that came before counts."""
    from aiohttp import ClientPayloadError

    found = bytearray()
    with suppress(ClientPayloadError, TimeoutError):
        while len(found) < ANSWER_BYTES_MAX and (some := await content.read(ANSWER_BYTES_MAX)):
            found += some
    return bytes(found[:KEPT_BYTES_MAX]).decode(errors="replace").replace("\0", "\ufffd")


def _since(began_seconds: float) -> int:
    return round((perf_counter() - began_seconds) * 1000)


def _public_socket(address: tuple) -> Any:
    """Asked for each address that is about to be connected to, after every look-up of a name."""
    family, kind, protocol, _, place = address
    if not may_be_public(place[0]):
        raise PermissionError(errno.EACCES, f"{place[0]} is no address of the internet")
    return socket.socket(family, kind, protocol)

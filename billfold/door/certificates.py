"""The certificate of a server that speaks https itself: PEM files, taken again when they change.

Handshakes from then on are made with the new one; connections that are open go on as they are.
"""

import asyncio
import logging
import os
import ssl
from functools import cache
from typing import Any

from billfold.kit.errors import Unusable

LOOK_SECONDS = 1.0

log = logging.getLogger("billfold")


def opened(certificate: str, key: str) -> ssl.SSLContext:
    """A server's context for a pair of files, of TLS 1.2 at least. Raises Unusable for one that does
    not go together, or cannot be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A password would be asked for at each start, and of each process.
        context.load_cert_chain(certificate, key, password=b"")
    except (OSError, ValueError) as error:
        raise Unusable(f"certificate and certificate_key cannot be used: {error}") from None
    return context


class Certificate:
    """What is served now, which is the last pair that could be used."""

    def __init__(self, certificate: str, key: str) -> None:
        self.files = certificate, key
        self._seen = self._stamps()
        # The one that is served with sends each handshake on to the current one.
        self.context = self._current = opened(certificate, key)
        self.context.sni_callback = self._hand_over

    async def keep(self) -> None:
        """Look for others, for as long as the server lives."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Take files that have changed; of a pair that cannot be used it is said once that the one
        before is served on."""
        if (stamps := self._stamps()) == self._seen:
            return
        self._seen = stamps
        try:
            self._current = opened(*self.files)
        except Unusable as trouble:
            log.error("%s; the certificate of before is served on", trouble)

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(file) for file in self.files]

    def _hand_over(self, connection: Any, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current


@cache
def served(certificate: str, key: str) -> Certificate:
    """The one of this process."""
    return Certificate(certificate, key)


def context_of(certificate: str, key: str, *_: object) -> ssl.SSLContext:
    """As uvicorn asks for it, in each process anew."""
    return served(certificate, key).context


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

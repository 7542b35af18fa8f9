"""The certificate of a server that speaks https itself: PEM files, or a local authority's, which is
renewed by a clock. When its files change it is taken again.

Handshakes from then on are made with the new one; connections that are open go on as they are.
"""

import asyncio
import logging
import os
import ssl
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509

from billfold.door.authority import Authority, is_over
from billfold.kit.clock import Clock, real
from billfold.kit.errors import Unusable
from billfold.settings import Settings

LOOK_SECONDS = 1.0

log = logging.getLogger("billfold")


@dataclass(slots=True)
class Handshakes:
    """With certificates of one issuer. What was begun and neither made nor taken up again is under
    way, or the client gave up: it does not trust the issuer, or spoke no TLS that is served."""

    begun: int = 0
    made: int = 0
    # By TLS 1.2 a session may be taken up again without a certificate being shown.
    resumed: int = 0

    def end(self, resumed: bool | None) -> None:
        """One that went well."""
        if resumed:
            self.resumed += 1
        else:
            self.made += 1


class Context(ssl.SSLContext):
    """A server's, of one certificate."""

    issuer: str
    ends: datetime
    handshakes: Handshakes


def opened(certificate: str, key: str) -> Context:
    """A server's context for a pair of files, of TLS 1.2 at least. Raises Unusable for one that does
    not go together, or cannot be read."""
    context = Context(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A password would be asked for at each start, and of each process.
        context.load_cert_chain(certificate, key, password=b"")
        first = x509.load_pem_x509_certificates(Path(certificate).read_bytes())[0]
    except ssl.SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        why = "the key is not that of the certificate" if mismatch else "they are no pair in PEM"
        raise Unusable(f"certificate and certificate_key cannot be used: {why}") from None
    except (OSError, ValueError) as error:
        raise Unusable(f"certificate and certificate_key cannot be used: {error}") from None
    context.issuer, context.ends = first.issuer.rfc4514_string(), first.not_valid_after_utc
    return context


class Certificate:
    """What is served now, which is the last pair that could be used."""

    # By which it is renewed where that is done here, once it is known.
    clock: Clock | None = None

    def __init__(self, certificate: str, key: str) -> None:
        self.files = certificate, key
        self.handshakes: dict[str, Handshakes] = {}
        self._trouble = ""
        self._seen = self._tried = self._stamps()
        self._current = self._take()
        if self._current.ends <= real():
            log.error("the certificate is over since %s; it is served all the same", self._current.ends)
        # The one that is served with sends each handshake on to the current one.
        self.context = self._take()
        self.context.sni_callback = self._hand_over

    async def keep(self) -> None:
        """Look for others, for as long as the server lives."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._tried = []
            self.look()

    def look(self) -> None:
        """Take files that have changed; of a pair that cannot be used it is said once that the one
        before is served on."""
        if (stamps := self._stamps()) in (self._seen, self._tried):
            return
        self._tried = stamps
        try:
            taken = self._take()
            if taken.ends <= real() < self._current.ends:
                raise Unusable(f"the new certificate is over since {taken.ends}")
            self._current = taken
            self._seen, self._trouble = stamps, ""
        except Unusable as trouble:
            self._tell("%s; the certificate of before is served on", trouble)

    def watched(self) -> tuple[str | Path, ...]:
        """The files that change with it."""
        return self.files

    def open(self) -> Context:
        return opened(*self.files)

    def _take(self) -> Context:
        context = self.open()
        context.handshakes = self.handshakes.setdefault(context.issuer, Handshakes())
        return context

    def _tell(self, words: str, trouble: Unusable) -> None:
        """Once, until it is another."""
        if str(trouble) != self._trouble:
            log.error(words, trouble)
        self._trouble = str(trouble)

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(file) for file in self.watched()]

    def _hand_over(self, connection: Any, _name: str | None, _context: ssl.SSLContext) -> None:
        # A client that is asked for another key share says hello twice.
        if connection.context is self.context:
            self.look()
            self._current.handshakes.begun += 1
            connection.context = self._current


class LocalCertificate(Certificate):
    """A local authority's."""

    def __init__(self, data: Path) -> None:
        self.authority = Authority(data)
        super().__init__("", "")

    def watched(self) -> tuple[str | Path, ...]:
        return (self.authority.state,)

    def open(self) -> Context:
        served = self.authority.served()
        file = self.authority.file(served)
        context = opened(file, file)
        # Clients that take a session up again would be shown no certificate.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        self.served = served
        return context

    def look(self) -> None:
        super().look()
        if self.clock is None:
            return
        now, version = self.clock.now(), self.clock.state[0]
        if is_over(self.served, now, version):
            try:
                self.authority.renew(now, version)
            except Unusable as trouble:
                self._tell("the certificate is not renewed: %s", trouble)
            super().look()


@cache
def served(settings: Settings) -> Certificate:
    """The one of this process."""
    if settings.tls:
        return LocalCertificate(settings.folder)
    return Certificate(settings.certificate, settings.certificate_key)


def context_of(settings: Settings, *_: object) -> ssl.SSLContext:
    """As uvicorn asks for it, in each process anew."""
    return served(settings).context


def _stamp(file: str | Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

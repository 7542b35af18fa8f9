"""An answer leaves in one packet: its head waits for its body, which follows in the same turn.

uvicorn writes the two one after the other, and each costs a system call and wakes the client.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Joining:
    """A transport that sends together what is written in one turn of the loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._later = asyncio.get_running_loop().call_soon
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._held:
            self._later(self._flush)
        self._held.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held = b"".join(self._held), []
            if not self._transport.is_closing():
                self._transport.write(held)

    def __getattr__(self, name: str):
        return getattr(self._transport, name)


class OnePacket(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Joining(transport))  # type: ignore[arg-type]
        if tls := transport.get_extra_info("ssl_object"):
            tls.context.handshakes.end(tls.session_reused)

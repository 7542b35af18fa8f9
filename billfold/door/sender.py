"""The sender: signed POSTs to receivers, bounded in time and size; aiohttp, imported when first used.

Redirects are not followed: whoever answers with one has not taken the notification.
"""

import errno
import socket
from typing import Any
from urllib.parse import urlsplit

from billfold.door.watch import Watch
from billfold.events.delivery import WELL, Answered, Parcel
from billfold.kit.addresses import is_loopback, may_be_public
from billfold.kit.policy import Policy

SECONDS_MAX = 10
ANSWER_BYTES_MAX = 64 * 1024
USER_AGENT = "Billfold"


class Sender:
    """One pool of connections for all deliveries; made when the first is sent."""

    def __init__(self, policy: Policy, watch: Watch) -> None:
        self.policy = policy
        self.watch = watch
        self._session: Any = None

    async def send(self, parcel: Parcel) -> Answered:
        answered = await self._send(parcel)
        outcome = "delivered" if answered.status == WELL else "failed"
        self.watch.deliveries[outcome] = self.watch.deliveries.get(outcome, 0) + 1
        return answered

    async def _send(self, parcel: Parcel) -> Answered:
        import aiohttp

        if self._session is None:
            self._session = self._open()
        try:
            async with self._session.post(
                parcel.url,
                data=parcel.body,
                headers=parcel.headers,
                allow_redirects=False,
                ssl=not self._is_ours(parcel.url),
            ) as answer:
                # Read, so that the connection can be used again; more than this is not waited for.
                await answer.content.read(ANSWER_BYTES_MAX)
                return Answered(answer.status)
        except TimeoutError:
            return Answered(None, f"no answer within {SECONDS_MAX} seconds")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answered(None, f"{type(error).__name__}: {error}"[:500])

    def _is_ours(self, url: str) -> bool:
        """A receiver on the sandbox's own machine, whose certificate nobody has signed."""
        return self.policy.webhooks_to_private_addresses and is_loopback(urlsplit(url).hostname or "")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> Any:
        import aiohttp

        options: dict[str, Any] = {}
        if not self.policy.webhooks_to_private_addresses:
            options["socket_factory"] = _public_socket
        # The agenda bounds what is in flight; waiting here would count as the receiver's slowness.
        connector = aiohttp.TCPConnector(limit=0, **options)
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=SECONDS_MAX),
            headers={"user-agent": USER_AGENT},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )


def _public_socket(address: tuple) -> Any:
    """Asked for each address that is about to be connected to, after every look-up of a name."""
    family, kind, protocol, _, place = address
    if not may_be_public(place[0]):
        raise PermissionError(errno.EACCES, f"{place[0]} is no address of the internet")
    return socket.socket(family, kind, protocol)

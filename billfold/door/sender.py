"""The sender of notifications: signed POSTs to receivers, counted."""

from functools import lru_cache
from urllib.parse import urlsplit

from billfold.door.posts import Poster
from billfold.door.watch import Watch
from billfold.events.delivery import WELL, Answered, Parcel
from billfold.kit.addresses import is_loopback
from billfold.kit.clock import Clock
from billfold.kit.policy import Policy

# Of how many receivers it is known, rather than found out for each of their deliveries.
URLS_KEPT = 1_000


class Sender:
    def __init__(self, policy: Policy, watch: Watch, clock: Clock) -> None:
        self.policy = policy
        self.watch = watch
        self.clock = clock
        self._poster = Poster(public_only=not policy.webhooks_to_private_addresses)
        self.close = self._poster.close

    async def send(self, parcel: Parcel) -> Answered:
        ours = self._is_ours(parcel.url)
        late_seconds = (self.clock.now() - parcel.since).total_seconds() if parcel.since else None
        answered = await self._poster.post(parcel.url, parcel.body, parcel.headers, verified=not ours)
        outcome = "delivered" if answered.status == WELL else "failed"
        self.watch.note_delivery(outcome, answered.milliseconds / 1000, late_seconds)
        return answered

    def _is_ours(self, url: str) -> bool:
        """A receiver on the sandbox's own machine, whose certificate nobody has signed."""
        return self.policy.webhooks_to_private_addresses and _is_loopback(url)


@lru_cache(URLS_KEPT)
def _is_loopback(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")

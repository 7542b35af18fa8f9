"""How much a key may ask, where BILL's documented rates hold (`common.yaml`, rate limits).

Counted by each process for itself and kept in its memory: a server of several processes lets through
up to as many times as much, and a restart begins anew. Logins and texts are counted in the database.
"""

from collections import Counter
from datetime import datetime
from threading import Lock

from billfold.access.sessions import Session
from billfold.door.arrival import Arrival
from billfold.kit.errors import RATE_REACHED, TOO_MANY_AT_ONCE, Refusal

AN_HOUR_MAX = 20_000
AT_ONCE_MAX = 3


class Traffic:
    """Requests of a clock hour for each key, and those in flight for each key and organization."""

    def __init__(self) -> None:
        # Units of work may run in threads.
        self._counting = Lock()
        self._hour: datetime | None = None
        self._asked: Counter[str] = Counter()
        self._flying: Counter[tuple[str, str]] = Counter()

    def enter(self, arrival: Arrival, session: Session, now: datetime) -> None:
        """Count a request whose session was accepted, once however often that is looked at.

        Raises BDC_1144 until the next hour, and BDC_1322 until another request has been answered."""
        if arrival.flight:
            return
        hour = now.replace(minute=0, second=0, microsecond=0)
        flight = session.key, session.organization_id
        with self._counting:
            if hour != self._hour:
                self._hour = hour
                self._asked.clear()
            if self._asked[session.key] >= AN_HOUR_MAX:
                said = f"{AN_HOUR_MAX} requests an hour with this developer key"
                raise Refusal(RATE_REACHED, said)
            if self._flying[flight] >= AT_ONCE_MAX:
                raise Refusal(TOO_MANY_AT_ONCE, str(AT_ONCE_MAX))
            self._asked[session.key] += 1
            self._flying[flight] += 1
            arrival.flight = flight

    def leave(self, arrival: Arrival) -> None:
        if arrival.flight:
            with self._counting:
                self._flying[arrival.flight] -= 1
                if not self._flying[arrival.flight]:
                    del self._flying[arrival.flight]

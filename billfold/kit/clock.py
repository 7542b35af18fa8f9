"""Time: the only reader of the machine's clock, and an environment's own clock over it."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from threading import Lock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

# Version, offset in milliseconds, and where it stands, if it does: always changed together.
State = tuple[int, int, datetime | None]


@lru_cache(1_000)
def stamp(moment: datetime) -> str:
    """A moment as v3 says it. Kept, because a unit of work says its one moment many times."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def real() -> datetime:
    """The machine's time, to the millisecond, as the wire says it and both databases keep it.

    Rules only leases, network time-outs, TLS dates, others' clocks, logs and metrics; business asks
    `work.now`."""
    return _moment(time.time_ns() // 1_000_000)


def real_nanoseconds() -> int:
    """The machine's time as finely as it knows it: for the order of things, never for a date."""
    return time.time_ns()


@lru_cache(16)
def _moment(milliseconds: int) -> datetime:
    """Kept, because within a millisecond the time is asked for many times."""
    return EPOCH + milliseconds * _MILLISECOND


class Clock:
    """An environment's time: the machine's plus an offset, or standing still; it only goes forward.

    What is stored rules; each unit that reads the stored state has the clock adopt it, so that
    every process of an environment agrees. Every change of what is stored has a version of its own:
    a reader whose snapshot is older than what is known already does not set the clock back.
    """

    __slots__ = ("_adopting", "_milliseconds", "state")

    def __init__(self) -> None:
        self.state: State = (0, 0, None)
        self._milliseconds = 0
        self._adopting = Lock()

    def now(self) -> datetime:
        return self.at(self.state)

    def at(self, state: State) -> datetime:
        """The time as it is by a state of the clock."""
        _, offset_ms, still = state
        if still is not None:
            return still
        milliseconds = time.time_ns() // 1_000_000
        if milliseconds > self._milliseconds:  # The machine's clock may be set back; ours is not.
            self._milliseconds = milliseconds
        return _moment(self._milliseconds + offset_ms)

    def adopt(self, state: State) -> None:
        """Go by a stored state, unless a later one is known."""
        if state[0] > self.state[0]:
            with self._adopting:
                self.state = max(self.state, state, key=itemgetter(0))


def offset_to(moment: datetime) -> int:
    """The milliseconds by which the machine's clock must be moved to show this moment now."""
    return round((moment - real()) / _MILLISECOND)

"""The list of an installation's environments, which lies in the database of the first.

Each of the others has a database of its own, and so has a snapshot, which is one that nobody enters: it
shares their names, and a copy is made of either. One that is being made, or removed, is listed as such
before anything is done and until all of it is, and its database is claimed meanwhile: whoever finds one
so that nobody claims, after a crash, takes it away.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import StrEnum

from billfold.kit.clock import real
from billfold.kit.database import select_where
from billfold.kit.errors import NO_ENVIRONMENT, NOT_POSSIBLE, Refusal
from billfold.kit.tables import Record, table
from billfold.kit.work import Work

# An ephemeral one that nobody has used for so long disappears.
EPHEMERAL_IDLE_MAX = timedelta(hours=1)


class State(StrEnum):
    MAKING = "MAKING"
    ACTIVE = "ACTIVE"
    # How an environment was, at one moment.
    SNAPSHOT = "SNAPSHOT"
    REMOVING = "REMOVING"


HALF_DONE = (State.MAKING, State.REMOVING)


@table("environments")
class Listed(Record, frozen=True):
    """An environment; `id` is its name. Its times are the machine's.

    `origin` names the environment of which a snapshot is, and `world` the one whose demo world it began
    with, which after a fork is another's. `sunset_date` is the last day, in Pacific time, on which it
    is served; `successor` the environment that goes on, or a URL."""

    policy: str
    state: State
    created_time: datetime
    used_time: datetime
    world: str | None = None
    ephemeral: bool = False
    sunset_date: date | None = None
    successor: str | None = None
    origin: str | None = None


def list_first(work: Work, name: str, policy: str, world: str | None) -> None:
    """The first is listed too, so that everything can be said of it but its removal."""
    now = real()
    work.connection.insert_new(Listed(name, policy, State.ACTIVE, now, now, world))


def everyone(work: Work) -> list[Listed]:
    """In the order of their names."""
    return work.connection.rows(Listed, select_where(Listed), {})


def is_taken(work: Work, name: str) -> bool:
    return work.connection.first(Listed, id=name) is not None


def begin(
    work: Work, name: str, policy: str, world: str | None, *, ephemeral: bool = False,
    origin: str | None = None,
) -> None:  # fmt: skip
    """Raises BDC_1143 (422) for a name that is taken."""
    now = real()
    made = Listed(name, policy, State.MAKING, now, now, world, ephemeral=ephemeral, origin=origin)
    if not work.connection.insert_new(made):
        raise Refusal(NOT_POSSIBLE, f"name: there is an environment {name} already")


def complete(work: Work, name: str) -> None:
    """From here on it is there. Raises NO_ENVIRONMENT where it was taken away meanwhile."""
    found = _held(work, name, State.MAKING)
    work.change(found, state=State.SNAPSHOT if found.origin else State.ACTIVE)


def end(work: Work, name: str, day: date, successor: str) -> None:
    """Give it a last day, or another one (NO_ENVIRONMENT for one that is not there)."""
    found = _held(work, name, State.ACTIVE)
    work.change(found, sunset_date=day, successor=successor)


def begin_removal(work: Work, name: str, may: Callable[[Listed], bool]) -> bool:
    """From here on it is gone for everybody but who removes it: if it still may, as it is now."""
    found = work.hold_shared(Listed, name)
    if found is None or not may(found):
        return False
    work.change(found, state=State.REMOVING)
    return True


def forget(work: Work, name: str) -> None:
    work.connection.delete(Listed, name)


def note_use(work: Work, name: str) -> None:
    work.connection.update(Listed, name, {"used_time": real()})


def is_over(each: Listed) -> bool:
    """Whether an ephemeral one has been left by whoever made it."""
    return (
        each.ephemeral and each.state is State.ACTIVE and real() - each.used_time > EPHEMERAL_IDLE_MAX
    )


def _held(work: Work, name: str, state: State) -> Listed:
    found = work.hold_shared(Listed, name)
    if found is None or found.state is not state:
        raise Refusal(NO_ENVIRONMENT, name)
    return found

"""An environment: a database, a clock, a source of ids, a policy, and how what was told is posted."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from billfold.kit.callers import Caller
from billfold.kit.clock import Clock
from billfold.kit.database import Connection, Database, select_to_change
from billfold.kit.errors import Unusable
from billfold.kit.ids import Ids
from billfold.kit.known import Known
from billfold.kit.policy import Policy
from billfold.kit.secrets import KEY_FILE, Passwords, Secrets
from billfold.kit.tables import Record, table
from billfold.kit.work import Work

T = TypeVar("T")
CLOCK_ID = "clock"


@table("clocks")
class StoredClock(Record, frozen=True):
    """The one row that says how far an environment's time is from the machine's.

    `still` is the moment at which the clock stands. `frozen` says that its user stopped it; during
    a jump it stands as well, at the due time of each item in turn. `walking_to` is where a jump
    leads, and `walk_lease` until when, by the machine's time, whoever walks need not be doubted:
    after that another process finishes the jump. `version` grows with every change.
    """

    version: int = 1
    offset_ms: int = 0
    still: datetime | None = None
    frozen: bool = False
    walking_to: datetime | None = None
    walk_lease: datetime | None = None
    # What the data is for; a server of another policy does not open it.
    policy: str = ""
    # Tells the installation's key, with which the data was sealed, from any other.
    key_check: bytes | None = None


@dataclass(slots=True)
class Environment:
    database: Database
    secrets: Secrets
    policy: Policy
    ids: Ids
    # Says whether it has planned what is due already.
    post: Callable[[Work], bool]
    passwords: Passwords
    clock: Clock = field(default_factory=Clock)
    known: Known = field(default_factory=Known)
    # What is done with an agenda item, by its kind.
    handlers: dict[str, Callable[["Environment", Any], Awaitable[Any]]] = field(default_factory=dict)
    # Whose demo world it holds, if any.
    world: str | None = None
    # Who keeps this installation's environments, where this is the first of them.
    host: Any = None
    # That something may be due which was not.
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    # How many more items whoever has done some of a lane may go on with: a worker's room.
    room: int = 0
    # A worker gives back what it has not begun.
    stopping: bool = False
    # One jump through time after the other.
    journeys: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(
        self, do: Callable[[Work], T], caller: Caller | None = None, kind: Hashable = None
    ) -> T:
        """Read as of one moment; `kind` as the database has it."""
        answer, work = await self.database.read(self._unit(do, caller), kind)
        self.clock.adopt(work.clock_state)
        return answer

    async def glance(self, do: Callable[[Work], T]) -> T:
        """Read without a transaction: each statement is of a moment of its own."""
        answer, work = await self.database.glance(self._unit(do))
        self.clock.adopt(work.clock_state)
        return answer

    async def write(
        self, do: Callable[[Work], T], caller: Caller | None = None, durable: bool = True
    ) -> T:
        """Run a rule; its rows, events and plans are committed together, then it is answered. Only what
        would be done again need not be `durable`."""

        def complete(work: Work) -> tuple[T, bool]:
            answer = do(work)
            due = self.post(work)
            work.write()
            if work.stirs:
                set_clock(work)  # Under its new version nobody remembers what was before.
                if not durable:  # No version may come twice, and mean another thing.
                    work.connection.make_durable()
            return answer, due

        (answer, due), work = await self.database.write(self._unit(complete, caller), durable)
        self.clock.adopt(work.clock_state)
        if work.learnt:
            self.known.note(work.clock_state[0], work.learnt)
        if due:
            self.stirred.set()
        return answer

    async def read_at_length(self, do: Callable[[Work], T]) -> T:
        """Read everything that is to be read as of one moment, however long that takes."""
        answer, work = await self.database.read_at_length(self._unit(do))
        self.clock.adopt(work.clock_state)
        return answer

    async def write_at_length(self, do: Callable[[Work], T]) -> T:
        """Write so much that it is not kept in the unit of work but sent on, all of it or nothing. It
        tells and plans nothing."""
        answer, work = await self.database.write_at_length(self._unit(do))
        self.clock.adopt(work.clock_state)
        return answer

    def _unit(
        self, do: Callable[[Work], T], caller: Caller | None = None
    ) -> Callable[[Connection], tuple[T, Work]]:
        def unit(connection: Connection) -> tuple[T, Work]:
            work = Work(connection, self.clock, self.ids, self.secrets, self.policy, self.known, caller)
            return do(work), work

        return unit


async def claim(environment: Environment) -> int:
    """Go by the stored clock, which a new database has not yet; says how often this has been done.
    Raises Unusable for data that is not to be served like this (`check_data`)."""
    key_check = _key_check(environment.secrets)

    def start(work: Work) -> int:
        work.connection.insert_new(StoredClock(CLOCK_ID, policy=work.policy.name, key_check=key_check))
        check_data(work)
        return set_clock(work, key_check=key_check)

    return await environment.write(start)


def check_data(work: Work) -> None:
    """Raises Unusable for data of another policy, because a sandbox's control over time and a demo user
    have no place in somebody's books; and for data that was sealed with another key, because a second
    server would seal with its own what the first cannot open."""
    stored = stored_clock(work)
    if stored.policy != work.policy.name:
        raise Unusable(
            f"this data belongs to a {stored.policy}: serve it with --policy {stored.policy}"
        )
    check_key(stored.key_check, work.secrets)


def check_key(stored: bytes | None, secrets: Secrets) -> None:
    """Raises Unusable for data that was sealed with another key; None is of before this was kept."""
    if stored not in (None, _key_check(secrets)):
        raise Unusable(
            "this data was sealed with another key than this server's: give it the one of the data"
            f" folder it comes from, as {KEY_FILE} or BILLFOLD_KEY"
        )


def _key_check(secrets: Secrets) -> bytes:
    return secrets.mac("key check", b"")


def stored_clock(work: Work) -> StoredClock:
    """The clock as it is stored; the unit of work goes by it."""
    stored = work.connection.first(StoredClock, id=CLOCK_ID)
    if stored is None:
        raise Unusable("this data has no clock yet: it is just being made, try again")
    work.follow(stored.version, stored.offset_ms, stored.still)
    return stored


def stored_now(work: Work) -> datetime:
    """The environment's time, whichever process has moved it."""
    stored_clock(work)
    return work.now


def held_clock(work: Work) -> StoredClock:
    """The same, to be changed: until this unit ends no other process changes it."""
    stored = work.connection.rows(StoredClock, select_to_change(StoredClock, "id"), {"id": CLOCK_ID})
    work.follow(stored[0].version, stored[0].offset_ms, stored[0].still)
    return stored[0]


def set_clock(work: Work, **fields: Any) -> int:
    """Change what is stored, under a new version. Whoever reads it next goes by it, this unit not."""
    version = held_clock(work).version + 1
    work.connection.update(StoredClock, CLOCK_ID, fields | {"version": version})
    return version

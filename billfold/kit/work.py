"""A unit of work: who acts, for whom, when, and what is written, told and planned together.

Every rule takes a Work first and reaches the world through nothing else. What it adds and changes
is kept until something is read or the unit ends, and then written together: several changes to a
row become one UPDATE, and on PostgreSQL all of them make one journey.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from typing import Any, TypeVar

import msgspec

from billfold.kit.calendar import pacific
from billfold.kit.callers import Caller
from billfold.kit.clock import Clock
from billfold.kit.database import (
    Connection,
    select_among,
    select_among_to_change,
    select_ids,
    select_past,
    select_to_change,
    select_to_rely_on,
    select_where,
)
from billfold.kit.errors import NOT_FOUND, Problem, Refusal
from billfold.kit.ids import Ids
from billfold.kit.known import Known
from billfold.kit.policy import Policy
from billfold.kit.secrets import Secrets
from billfold.kit.tables import PREFIX_LENGTH, RECORDS, Owned, Record

R = TypeVar("R", bound=Record)
T = TypeVar("T")


class Work:
    """`now` is UTC; a change is kept as from and to, for the audit."""

    __slots__ = (
        "_added", "_born", "_changed", "_families", "_held", "_seen", "caller", "clock", "clock_state",
        "connection", "ids", "known", "learnt", "now", "planned", "policy", "secrets", "stirs", "told",
        "traces",
    )  # fmt: skip

    def __init__(
        self, connection: Connection, clock: Clock, ids: Ids, secrets: Secrets, policy: Policy,
        known: Known, caller: Caller | None = None,
    ) -> None:  # fmt: skip
        self.connection = connection
        self.clock = clock
        self.clock_state = clock.state
        self.now = clock.at(self.clock_state)
        self.ids = ids
        self.secrets = secrets
        self.policy = policy
        self.known = known
        self.learnt: dict[tuple, Any] = {}
        self.stirs = False
        self.caller = caller
        self.told: dict[tuple[str, str], Record] = {}
        self.planned: list[tuple[str, datetime, str, str, str]] = []
        # By ids alone, of which no two kinds share one.
        self.traces: dict[str, dict[str, tuple[Any, Any]]] = {}
        self._held: dict[str, Record] = {}
        self._born: dict[str, Record] = {}
        self._families: dict[type[Record], dict[str, dict[str, list]]] = {}
        self._seen: dict[str, Record] = {}
        self._changed: dict[str, dict[str, Any]] = {}
        self._added: dict[type[Record], list[Record]] = {}

    def follow(self, version: int, offset_ms: int, still: datetime | None) -> None:
        """Go by the environment's clock as it is stored, which another process may have moved.

        The environment adopts it when this unit has ended well: until then it may be undone."""
        if version > self.clock_state[0]:
            self.clock_state = version, offset_ms, still
            self.now = self.clock.at(self.clock_state)
            self.learnt.clear()

    @property
    def today(self) -> date:
        """The date in America/Los_Angeles."""
        return pacific(self.now).date()

    @property
    def organization_id(self) -> str:
        assert self.caller is not None, "a rule ran without passing a gate"
        return self.caller.organization_id

    @property
    def user_id(self) -> str:
        assert self.caller is not None, "a rule ran without passing a gate"
        return self.caller.user_id

    def for_organization(self, organization_id: str, user_id: str, *, because: str) -> None:
        """Act for another organization from here to the end of this unit, which no gate let in.

        `because` says why this may be; a test lists who says so. What is told, planned and traced
        belongs to one organization, so there must be nothing of another's yet."""
        assert because, "crossing into an organization needs a reason"
        left = bool(self.told or self.planned or self.traces)
        assert not left or self.organization_id == organization_id, "a unit speaks for one organization"
        if self.caller is None or self.caller.organization_id != organization_id:
            self._seen.clear()  # What was found before was another's.
        self.caller = Caller(organization_id, user_id, trusted=False)

    @contextmanager
    def on_behalf_of(self, owner_id: str, *, because: str) -> Iterator[None]:
        """Act for another owner within this block, and then for the caller again: rows are its own and
        what is planned is its own. Nothing audited changes here, and nothing is told.

        `because` says why this may be; a test lists who says so."""
        assert because, "crossing over to another owner needs a reason"
        caller, seen = self.caller, self._seen
        traces, told = len(self.traces), len(self.told)
        self.caller, self._seen = Caller(owner_id, self.user_id, trusted=False), {}
        try:
            yield
            assert (traces, told) == (len(self.traces), len(self.told)), "said for the wrong owner"
        finally:
            self.caller, self._seen = caller, seen

    # Reading

    def find(self, record: type[R], id: str, missing: Problem = NOT_FOUND) -> R:
        """The caller's own row with this id, or a refusal; a foreign row is "not found".

        Found once it is not asked for again: what changes it afterwards holds it."""
        known = self._held.get(id) or self._seen.get(id)
        if type(known) is not record:
            known = self._seen[id] = self._one(record, id, select_where, missing)
        return known

    def find_with(self, record: type[R], id: str, other: type[Owned], by: str) -> R:
        """`find` a row, and in the same query what it names in a column, for `find` to know it."""
        if id not in self._seen and id not in self._held:
            if not (found := self.connection.pair(record, other, by, id, self.organization_id)):
                raise Refusal(NOT_FOUND, id)
            self._seen.update((row.id, row) for row in found if row)
        return self.find(record, id)

    def find_all(self, record: type[Owned], ids: Iterable[str], because: str = "") -> None:
        """Find several at once, for `find` to know them; those that are not there it will refuse. Other
        owners' too, where it is said why that may be."""
        if wanted := [id for id in dict.fromkeys(ids) if id not in self._seen and id not in self._held]:
            self._written(record)
            anybodys = lambda: self.connection.by_id(record, wanted).values()
            found = anybodys() if because else self._among(record, wanted)
            self._seen.update((row.id, row) for row in found)

    def hold_all(self, record: type[R], ids: Iterable[str]) -> list[R]:
        """Hold several at once, in the order of their ids, as far as they are there."""
        if wanted := [id for id in dict.fromkeys(ids) if id not in self._held]:
            self._written(record)
            for row in self._among(record, wanted, select_among_to_change):
                self._held[row.id] = row
        found = map(self._held.get, dict.fromkeys(ids))
        return [row for row in found if type(row) is record]

    def hold(self, record: type[R], id: str, missing: Problem = NOT_FOUND) -> R:
        """Find a row in order to change it: until this unit ends nobody else can."""
        held = self._held.get(id)
        if type(held) is not record:
            assert id not in self._changed, f"{id} is the id of two rows that change"
            held = self._held[id] = self._one(record, id, select_to_change, missing)
        return held

    def hold_shared(self, record: type[R], id: str) -> R | None:
        """A row that is no organization's own (a login, an organization itself), to be changed.

        The rule that asks knows that the caller may; None where there is none."""
        held = self._held.get(id)
        if type(held) is record:
            return held
        assert id not in self._changed, f"{id} is the id of two rows that change"
        if found := self.connection.rows(record, select_to_change(record, "id"), {"id": id}):
            self._held[id] = found[0]
        return found[0] if found else None

    def rely_on(self, record: type[R], id: str) -> R | None:
        """A row that is no organization's own and that nobody changes before this unit ends, whoever
        else relies on it; None where there is none."""
        found = self.connection.rows(record, select_to_rely_on(record, "id"), {"id": id})
        return found[0] if found else None

    def hold_or_insert(self, row: R) -> R:
        """The row with this id, to be changed, which is this one where there was none."""
        while True:
            self.connection.insert_new(row)
            # Whoever removes it does so between the two, and then it is inserted again.
            if held := self.hold_shared(type(row), row.id):
                return held

    def rows(self, record: type[R], **equal) -> list[R]:
        """The caller's own rows that have these values, in the order of their ids."""
        self._written(record)
        equal["organization_id"] = self.organization_id
        return self.connection.rows(record, select_where(record, *equal), equal)

    def ids_of(self, record: type[Record], **equal) -> list[str]:
        """Of `rows` only their ids."""
        self._written(record)
        equal["organization_id"] = self.organization_id
        return [id for (id,) in self.connection.values(select_ids(record, *equal), **equal)]

    def grouped(self, record: type[R], name: str, ids: list[str]) -> dict[str, list[R]]:
        """Children of many parents in one query: lines of bills, parts of payments."""
        groups: dict[str, list[R]] = {id: [] for id in ids}
        older = [id for id in ids if id not in self._born]
        if older:
            self._written(record)
            for row in self._among(record, older, name=name):
                groups[getattr(row, name)].append(row)
        if len(older) < len(ids):
            # No child is older than its parent: those of a new row are all in our hands.
            family = self._family(record, name)
            for id in ids:
                if id in self._born:
                    groups[id].extend(family.get(id, ()))
        return groups

    def count_of(self, record: type[Record], name: str, ids: list[str]) -> int:
        """How many children some parents have, of whom there is at least one."""
        self._written(record)
        return len(self._ids_among(record, ids, name))

    def missing(self, ids: Iterable[str]) -> set[str]:
        """Those of some ids of any kind that are no row of the caller's, one query a table."""
        known, mine = self.known.of(self.clock_state[0]), self.organization_id
        wanted = {id for id in ids if (mine, id) not in known and id not in self._born}
        by_record: dict[type[Record], list[str]] = {}
        for id in wanted:
            record = RECORDS.get(id[:PREFIX_LENGTH])
            if record is not None and issubclass(record, Owned):
                by_record.setdefault(record, []).append(id)
        for record, some in by_record.items():
            self._written(record)
            wanted -= (found := self._ids_among(record, some))
            if record.lasting:
                self.learnt.update(((mine, id), True) for id in found)
        return wanted

    def settled(self, record: type[R], **equal) -> list[R]:
        """`rows` of a `seldom` table, asked for again only when one of them has changed."""
        assert record.seldom, f"{record.__name__} changes often"
        if self.stirs:
            return self.rows(record, **equal)
        key = (self.organization_id, record, *equal.items())
        found = self._known(key)
        if found is None:
            found = self.learnt[key] = self.rows(record, **equal)
        return found

    def lasting(self, what: str, find: Callable[[], T | None]) -> T | None:
        """Something of the caller's organization that never changes once it is there: found once by
        every process. What is not there (None) is looked for again."""
        key = (self.organization_id, what)
        found = self._known(key)
        if found is None and (found := find()) is not None:
            self.learnt[key] = found
        return found

    def _known(self, key: tuple) -> Any:
        """What the process knows of it, or this unit has just learnt."""
        found = self.known.of(self.clock_state[0]).get(key)
        return self.learnt.get(key) if found is None else found

    # Writing

    def add(self, record: type[R], /, **fields) -> R:
        """A new row of the caller's organization; id and times are filled in."""
        id = fields.pop("id", None)
        if id is None:
            assert record.ids is not None, f"{record.__name__} has no ids of its own"
            id = self.ids.new(record.ids, self.now)
        owned: Any = record
        return self.insert(owned(id, self.organization_id, self.now, self.now, **fields))

    def insert(self, row: R) -> R:
        record = type(row)
        self._added.setdefault(record, []).append(row)
        self.stirs |= record.seldom
        self._families.pop(record, None)
        self._held[row.id] = self._born[row.id] = row
        return row

    def change(self, row: Record, **fields) -> bool:
        """Only here does a row change, and only one that is held: SQLite would forgive the race.

        Says whether anything is now other than it was."""
        record, id = type(row), row.id
        assert self._held.get(id) is row, f"{id} is changed but was not held"
        changed = self._changed.setdefault(id, {})
        differs = False
        for name, value in fields.items():
            old = getattr(row, name)
            if old != value:
                differs, changed[name] = True, value
                if record.audited and id not in self._born:
                    trace = self.traces.setdefault(id, {})
                    trace[name] = (trace[name][0] if name in trace else old, value)
                msgspec.structs.force_setattr(row, name, value)
        self.stirs |= differs and record.seldom
        if differs and record.dated and row.updated_time != self.now:  # type: ignore[attr-defined]
            changed["updated_time"] = self.now
            msgspec.structs.force_setattr(row, "updated_time", self.now)
        return differs

    def date(self, row: Owned) -> None:
        """A held row counts as changed now, because something that belongs to it was."""
        if row.updated_time != self.now:
            self.tally(row, updated_time=self.now)

    def tally(self, row: Record, **fields) -> None:
        """Keep a sum with a held row: no change of the row's own, so neither dated nor audited."""
        assert self._held.get(row.id) is row, f"{row.id} is changed but was not held"
        self._changed.setdefault(row.id, {}).update(fields)
        for name, value in fields.items():
            msgspec.structs.force_setattr(row, name, value)

    def remove(self, row: Record) -> None:
        """Take a held row away; what stood in it is left in the audit."""
        assert self._held.get(row.id) is row, f"{row.id} is removed but was not held"
        assert not row.lasting, f"{row.id} is there to stay"
        if row.audited:
            values = msgspec.structs.asdict(row).items()
            self.traces[row.id] = {name: (value, None) for name, value in values if value is not None}
        self._written(type(row))
        self.stirs |= row.seldom
        self.connection.delete(type(row), row.id)
        del self._held[row.id]
        self._seen.pop(row.id, None)
        self._born.pop(row.id, None)
        self._families.pop(type(row), None)

    def sweep(self, record: type[Record], name: str) -> None:
        """Forget a few rows, of nobody's books, for which the time in this column is over. Whoever adds
        some asks for it, so that they do not pile up."""
        self._written(record)
        for old in self.connection.rows(record, select_past(record, name), {"now": self.now}):
            self.connection.delete(record, old.id)

    def tell(self, event_type: str, row: Record) -> None:
        """Something happened to a row: said once per unit, as the row is when the unit ends."""
        self.told[event_type, row.id] = row

    def plan(self, due: datetime, kind: str, subject_id: str, lane: str = "") -> None:
        """Put something on the agenda for later; of one `lane` only a few are done at once."""
        self.planned.append((self.organization_id, due, kind, subject_id, lane))

    def write(self) -> None:
        """Send what was added and changed; rows go in the order in which their tables were met."""
        added, self._added = self._added, {}
        changed, self._changed = self._changed, {}
        with self.connection.together():
            for record, rows in added.items():
                self.connection.insert(record, rows)
            alike: dict[tuple, list[dict[str, Any]]] = {}
            for id, fields in changed.items():
                if fields:
                    same = (type(self._held[id]), *fields)
                    alike.setdefault(same, []).append(fields | {"id": id})
            for (kind, *names), changes in alike.items():
                self.connection.update_all(kind, names, changes)

    def _written(self, record: type[Record]) -> None:
        """A query sees what this unit did before it to the table that is asked."""
        if record in self._added or any(type(self._held[id]) is record for id in self._changed):
            self.write()

    def _family(self, record: type[R], name: str) -> dict[str, list[R]]:
        """New rows by their parents, sorted once for as many parents as are asked for one by one."""
        families = self._families.setdefault(record, {})
        if name not in families:
            family: dict[str, list[R]] = {}
            for born in self._born.values():
                if type(born) is record:
                    family.setdefault(getattr(born, name), []).append(born)
            families[name] = family
        return families[name]

    def _among(self, record: type[R], ids: list[str], select=select_among, name="id") -> list[R]:
        owner = {"organization_id": self.organization_id}
        return self.connection.rows_among(record, partial(select, record, name), ids, **owner)

    def _ids_among(self, record: type[Record], ids: list[str], name="id") -> set[str]:
        select, owner = partial(select_among, record, name, only="id"), self.organization_id
        return {id for (id,) in self.connection.values_among(select, ids, organization_id=owner)}

    def _one(self, record: type[R], id: str, select, missing: Problem) -> R:
        values = {"id": id, "organization_id": self.organization_id}
        if not (found := self.connection.rows(record, select(record, *values), values)):
            raise Refusal(missing, id)
        return found[0]

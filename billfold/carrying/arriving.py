"""Import: an organization from its file, under the ids that it had; all of it or nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from msgspec.structs import replace

from billfold.access.organizations import Organization
from billfold.access.partners import Partner
from billfold.access.users import Login, User
from billfold.carrying.leaving import Progress
from billfold.carrying.lines import Header, Reader
from billfold.carrying.rows import PAGE_MAX, Kind, kinds
from billfold.events.subscriptions import Subscription
from billfold.kit.environment import Environment, set_clock, stored_clock
from billfold.kit.errors import Conflict, Unusable
from billfold.kit.tables import Record
from billfold.kit.work import Work


@dataclass
class Arrived:
    """What came, and what whoever runs this server has to do about it."""

    organization_id: str
    name: str
    rows: int = 0
    # Their user names: those who get a password by an invitation, and those who have one here.
    strangers: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    subscriptions: list[str] = field(default_factory=list)


async def take_in(
    environment: Environment, read_line: Callable[[int], bytes], seen: Progress
) -> Arrived:
    """Raises Unusable, with nothing changed, for a file that is not whole or does not fit here."""
    reader = Reader(read_line)
    header = reader.header()
    try:
        return await environment.write_at_length(
            lambda work: _Arrival(work, reader, header, seen).done()
        )
    except Conflict as conflict:
        raise Unusable(
            f"the export does not fit here, nothing was imported: {conflict} (was the organization, or"
            " one made with the same --seed, here before?)"
        ) from None


class _Arrival:
    """One import on its way: rows that are alike are written together."""

    def __init__(self, work: Work, reader: Reader, header: Header, seen: Progress) -> None:
        self.work, self.reader, self.header, self.seen = work, reader, header, seen
        self.arrived = Arrived(header.organization_id, header.name)
        self.total = sum(header.counts.values())
        self.kinds = kinds()
        # The ids of logins in the file, and here.
        self.logins: dict[str, str] = {}
        self.waiting: list[Record] = []
        self.receive: dict[type[Record], Callable[[Any], Record]] = {
            Organization: self._organization, User: self._user, Subscription: self._subscription,
        }  # fmt: skip

    def done(self) -> Arrived:
        stored_clock(self.work)
        if self.work.connection.first(Organization, id=self.header.organization_id):
            raise Unusable(
                f"the organization {self.header.organization_id} is here already, and nothing was"
                " imported: choose a --data folder or --database where it is not"
            )
        for table, said in self.reader.rows():
            kind = self.kinds.get(table)
            if kind is None:
                raise self.reader.wrong(f"it is of a table {table!r} that is not carried")
            self._receive(kind, self.reader.heard(partial(kind.hear, self.work), said))
        self._write()
        if not self.work.connection.first(Organization, id=self.header.organization_id):
            raise Unusable("the export holds no organization: export it again")
        set_clock(self.work)  # Under its new version no process remembers what was before.
        return self.arrived

    def _receive(self, kind: Kind, row: Any) -> None:
        self.arrived.rows += 1
        owner = getattr(row, "organization_id", self.header.organization_id)
        if owner != self.header.organization_id:
            raise self.reader.wrong("it belongs to another organization")
        if isinstance(row, Login):
            self._login(row)
        elif kind.carried.shared:
            self.work.connection.insert_new(row, kind.carried.shared)
        else:
            if self.waiting and (
                type(self.waiting[0]) is not type(row) or len(self.waiting) == PAGE_MAX
            ):
                self._write()
            receive = self.receive.get(type(row))
            self.waiting.append(receive(row) if receive else row)

    def _write(self) -> None:
        if self.waiting:
            self.work.connection.insert(type(self.waiting[0]), self.waiting)
            self.waiting = []
        self.seen(self.arrived.rows, self.total)

    def _organization(self, row: Organization) -> Organization:
        if row.id != self.header.organization_id:
            raise self.reader.wrong("it is another organization")
        if row.partner_id and not self.work.connection.first(Partner, id=row.partner_id):
            raise Unusable(
                f"the organization belongs to the partner {row.partner_id}, who is not here: first run"
                f" `billfold keys create appKey --partner {row.partner_id} --name NAME`"
            )
        return row

    def _login(self, row: Login) -> None:
        """A person who is known here signs in as before; any other gets a password by an invitation.

        Only an e-mail address says who somebody is: a name that a partner has chosen may be another
        person's here, whose password would open these books."""
        if self.work.connection.insert_new(row, unique="name"):
            self.logins[row.id] = row.id
            self.arrived.strangers.append(row.name)
            return
        if "@" not in row.name:
            raise Unusable(
                f"the user name {row.name!r} is taken here, perhaps by another person: nothing was"
                " imported; choose an installation where it is free"
            )
        known = self.work.connection.first(Login, name=row.name)
        assert known is not None, "a login is there and cannot be found"
        self.logins[row.id] = known.id
        having = self.arrived.known if known.password_hash else self.arrived.strangers
        having.append(row.name)

    def _user(self, row: User) -> User:
        if row.login_id not in self.logins:
            raise self.reader.wrong("its login is not in the export")
        return replace(row, login_id=self.logins[row.login_id])

    def _subscription(self, row: Subscription) -> Subscription:
        self.arrived.subscriptions.append(row.name)
        return row

"""A row as a line says it: its columns by name, and in clear what lies sealed in the database.

Every field of bytes in a row that is carried is sealed, under the id that stands beside it: that is how
all areas keep numbers. A line has the shape of the row with texts in their places.
"""

from functools import cached_property
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import sqlalchemy as sa
from msgspec import Raw, Struct, json

from billfold.carrying.carried import ASKED, TABLES, Carried
from billfold.kit import tables
from billfold.kit.secrets import Secrets
from billfold.kit.tables import Record
from billfold.kit.work import Work

PAGE_MAX = 500
AFTER: sa.BindParameter = sa.bindparam("after", type_=sa.Text())


class Kind:
    """The rows of one table that go with an organization."""

    def __init__(self, name: str, carried: Carried) -> None:
        self.name, self.carried = name, carried
        self.record = tables.TABLES[name]
        which = carried.which(self.record)
        self._page = (
            sa.select(self.record.table)
            .where(which, self.record.c.id > AFTER)
            .order_by(self.record.c.id)
            .limit(PAGE_MAX)
        )
        self._count = sa.select(sa.func.count()).select_from(self.record.table).where(which)

    @cached_property
    def _fields(self) -> "Fields":
        return Fields(self.record, leave=frozenset(self.carried.anew))

    @cached_property
    def _decoder(self) -> json.Decoder:
        return json.Decoder(self._fields.shape)

    def count(self, work: Work, organization_id: str) -> int:
        ((count,),) = work.connection.values(self._count, **{str(ASKED.key): organization_id})
        return count

    def page(self, work: Work, organization_id: str, after: str) -> list[Record]:
        """The next rows in the order of their ids, "" being before the first."""
        values = {str(ASKED.key): organization_id, str(AFTER.key): after}
        return work.connection.rows(self.record, self._page, values)

    def say(self, secrets: Secrets, row: Record) -> bytes:
        return json.encode(self._fields.opened(secrets, row))

    def hear(self, work: Work, said: Raw) -> Record:
        """Raises msgspec's errors for what is no such row: with a column too many or too few, say."""
        values = self._fields.sealed(work.secrets, self._decoder.decode(said))
        for name, begin in self.carried.anew.items():
            values[name] = begin(work, values)
        return self.record(**values)


class Fields:
    """The fields of a row, and which of them are sealed."""

    def __init__(self, struct: type[Struct], leave: frozenset[str] = frozenset()) -> None:
        hints = get_type_hints(struct)
        self.struct = struct
        self.names = [name for name in struct.__struct_fields__ if name not in leave]
        self.sealed_names = [name for name in self.names if bytes in _parts(hints[name])]
        for name in self.names:
            assert not _is_hidden(hints[name]), f"{struct.__name__}.{name} is sealed where none looks"
        self.shape = self._shape(hints)

    def _shape(self, hints: dict[str, Any]) -> type[Struct]:
        """A row has every column."""
        fields = [(name, _said_as(hints[name])) for name in self.names]
        return msgspec.defstruct(self.struct.__name__, fields, forbid_unknown_fields=True, kw_only=True)

    def opened(self, secrets: Secrets, row: Struct) -> Struct | dict[str, Any]:
        if not self.sealed_names and len(self.names) == len(row.__struct_fields__):
            return row
        values = {name: getattr(row, name) for name in self.names}
        for name in self.sealed_names:
            if values[name] is not None:
                values[name] = secrets.open(values[name], values["id"])
        return values

    def sealed(self, secrets: Secrets, said: Struct) -> dict[str, Any]:
        values = msgspec.structs.asdict(said)
        for name in self.sealed_names:
            if values[name] is not None:
                values[name] = secrets.seal(values[name], values["id"])
        return values


def _said_as(hint: Any) -> Any:
    """What is sealed is a text in the clear."""
    return Union[tuple(str if part is bytes else part for part in _parts(hint))]  # noqa: UP007 - of any number


def _parts(hint: Any) -> tuple[Any, ...]:
    """Of `X | None` both, of anything else the type itself."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _is_hidden(hint: Any) -> bool:
    """Whether bytes stand inside a field, where none would open them."""
    inside = [inner for part in _parts(hint) for inner in get_args(part)]
    for part in _parts(hint):
        if isinstance(part, type) and issubclass(part, Struct):
            inside += get_type_hints(part).values()
    return any(bytes in _parts(each) or _is_hidden(each) for each in inside)


def kinds() -> dict[str, Kind]:
    """By the names of their tables, in the order in which they are written."""
    return {
        name: Kind(name, carried) for name, carried in TABLES.items() if isinstance(carried, Carried)
    }

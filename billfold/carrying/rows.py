"""A row as a line says it: its columns by name, and in clear what lies sealed in the database.

Every field of bytes in a row that is carried is sealed, under the id that stands beside it: that is how
all areas keep numbers. A line has the shape of the row with texts in their places.
"""

from functools import cached_property
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import sqlalchemy as sa
from msgspec import NODEFAULT, Raw, Struct, json

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
    """The fields of a struct, and which of them are sealed or hold others that are."""

    def __init__(self, struct: type[Struct], leave: frozenset[str] = frozenset()) -> None:
        hints = get_type_hints(struct)
        self.struct = struct
        self.names = [name for name in struct.__struct_fields__ if name not in leave]
        self.sealed_names = [name for name in self.names if bytes in _parts(hints[name])]
        self.inner = {
            name: Fields(part)
            for name in self.names
            for part in _parts(hints[name])
            if _is_struct(part) and _holds_sealed(part)
        }
        for name in self.names:
            assert not _is_hidden(hints[name]), f"{struct.__name__}.{name} is sealed where none looks"
        self.shape = self._shape(hints)

    def _shape(self, hints: dict[str, Any]) -> type[Struct]:
        """A row has every column; what stands inside one may leave out what is as it mostly is."""
        fields: list[tuple] = []
        for each in msgspec.structs.fields(self.struct):
            if each.name not in self.names:
                continue
            field = each.name, self._said_as(each.name, hints[each.name])
            if each.required or issubclass(self.struct, Record):
                fields.append(field)
            elif each.default is not NODEFAULT:
                fields.append((*field, each.default))
            else:
                fields.append((*field, msgspec.field(default_factory=each.default_factory)))
        return msgspec.defstruct(self.struct.__name__, fields, forbid_unknown_fields=True, kw_only=True)

    def _said_as(self, name: str, hint: Any) -> Any:
        said: dict[Any, Any] = {bytes: str}
        if name in self.inner:
            said[self.inner[name].struct] = self.inner[name].shape
        return Union[tuple(said.get(part, part) for part in _parts(hint))]  # noqa: UP007 - of any number

    def opened(self, secrets: Secrets, row: Struct) -> Struct | dict[str, Any]:
        if not self.sealed_names and not self.inner and len(self.names) == len(row.__struct_fields__):
            return row
        values = {name: getattr(row, name) for name in self.names}
        for name in self.sealed_names:
            if values[name] is not None:
                values[name] = secrets.open(values[name], values["id"])
        for name, inner in self.inner.items():
            if values[name] is not None:
                values[name] = inner.opened(secrets, values[name])
        return values

    def sealed(self, secrets: Secrets, said: Struct) -> dict[str, Any]:
        values = msgspec.structs.asdict(said)
        for name in self.sealed_names:
            if values[name] is not None:
                values[name] = secrets.seal(values[name], values["id"])
        for name, inner in self.inner.items():
            if values[name] is not None:
                values[name] = inner.struct(**inner.sealed(secrets, values[name]))
        return values


def _parts(hint: Any) -> tuple[Any, ...]:
    """Of `X | None` both, of anything else the type itself."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _is_struct(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, Struct)


def _holds_sealed(struct: type[Struct]) -> bool:
    hints = get_type_hints(struct)
    return any(
        part is bytes or (_is_struct(part) and _holds_sealed(part))
        for name in struct.__struct_fields__
        for part in _parts(hints[name])
    )


def _is_hidden(hint: Any) -> bool:
    """Whether bytes stand in a list or a dictionary, where none would open them."""
    inside = [inner for part in _parts(hint) for inner in get_args(part)]
    return any(
        inner is bytes or (_is_struct(inner) and _holds_sealed(inner)) or _is_hidden(inner)
        for inner in inside
    )


def kinds() -> dict[str, Kind]:
    """By the names of their tables, in the order in which they are written."""
    return {
        name: Kind(name, carried) for name, carried in TABLES.items() if isinstance(carried, Carried)
    }

"""How v2 writes values, and how leniently it reads them: ids, dates, codes, and what is empty."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from billfold.door.wire import Short, Text
from billfold.kit.errors import INVALID_FIELD, Refusal
from billfold.kit.places import country_name, is_currency

# What refers to nothing.
NULLID = "0" * 20
SAID_MAX = 100

# What may be sent: what is not is left as it is by an update.
Code = str | Annotated[int, Meta(ge=-99, le=99)]
SentText = Short | None | UnsetType
SentLongText = Text | None | UnsetType
SentId = Short | None | UnsetType
SentDate = Short | None | UnsetType
SentCode = Code | None | UnsetType
SentFlag = bool | None | UnsetType
SentNumber = Decimal | None | UnsetType
SentCount = Annotated[int, Meta(ge=0, le=9999)] | None | UnsetType


class Codes:
    """The codes of an enum: each is a text on the wire, and an integer is taken for it.

    `others` are members that v2 has no code of their own for, shown as the code of another."""

    def __init__(self, members: Mapping[str, Any], others: Mapping[Any, str] | None = None) -> None:
        self.members = members
        self.said = {member: code for code, member in members.items()} | dict(others or {})

    def __call__(self, code: object) -> Any:
        """Raises KeyError for what is no code."""
        return self.members[str(code)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def of(self, member: Any) -> str:
        return self.said[member]

    def shown(self, code: str) -> tuple:
        """Every member that is shown as this code, for lists."""
        self(code)
        return tuple(member for member, said in self.said.items() if said == code)

    @property
    def all(self) -> tuple:
        return tuple(self.members.values())


IS_ACTIVE = Codes({"1": False, "2": True})  # Whether it is archived.

# 2026-01-01T00:00:00+00.00 and 2025-9-1 are sent, too.
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?", re.ASCII)


def day(text: str) -> date:
    """Raises ValueError for what is no date."""
    found = _DATE.fullmatch(text)
    if not found:
        raise ValueError(text)
    return date(*map(int, found.groups()))


def code_of(codes: Codes, empty: object = None) -> Callable[[Any], Any]:
    """How a field is read that holds a code; what is empty stands for `empty`."""
    return lambda sent: empty if sent in (None, "") else codes(sent)


def a_text(sent: str | None) -> str | None:
    return sent or None


def an_id(sent: str | None) -> str | None:
    return None if sent in (None, "", NULLID) else sent


def a_day(sent: str | None) -> date | None:
    return day(sent) if sent else None


def a_country(sent: str | None) -> str | None:
    """Older clients write USA (I)."""
    found = {"USA": "US"}.get(sent or "", sent) or None
    if found and not country_name(found):
        raise ValueError(sent)
    return found


def a_currency(sent: str | None) -> str | None:
    if sent and not is_currency(sent):
        raise ValueError(sent)
    return sent or None


def or_(empty: Any, read: Callable[[Any], Any] = lambda sent: sent) -> Callable[[Any], Any]:
    """For columns that are never empty."""
    return lambda sent: empty if sent in (None, "") else read(sent)


# Where a field of the wire lies, and how it is read.
Places = Mapping[str, tuple[str, Callable[[Any], Any]]]


def columns_of(sent: Struct, places: Places, at: str = "") -> dict[str, Any]:
    """What was sent, by the columns in which it lies; raises BDC_1119 with the field and its value."""
    found = {}
    for name, (column, read) in places.items():
        value = getattr(sent, name)
        if value is UNSET:
            continue
        try:
            found[column] = read(value)
        except (ValueError, KeyError):
            said = f"{at}{wire_names(type(sent))[name]}, {str(value)[:SAID_MAX]}."
            raise Refusal(INVALID_FIELD, said) from None
    return found


def noted(sent: Struct, old: Struct | None, kind: type[Struct], at: str = "") -> dict[str, Any]:
    """The column of particulars, where any were sent: those that were not stay as they were, and all
    at their beginnings are none. A code is kept as its text."""
    values = {}
    for name in kind.__struct_fields__:
        value = getattr(sent, name)
        if value is UNSET:
            continue
        kept = _beginnings(kind)[name] if value in (None, "", NULLID) else value
        if isinstance(_beginnings(kind)[name], str):
            kept = str(kept)
        values[name] = kept
    if not values:
        return {}
    made = msgspec.convert((msgspec.structs.asdict(old) if old else {}) | values, kind)
    return {"particulars": made if made != kind() else None}


@cache
def _beginnings(kind: type[Struct]) -> dict[str, Any]:
    return msgspec.structs.asdict(kind())


@cache
def wire_names(kind: type[Struct]) -> dict[str, str]:
    return {field.name: field.encode_name for field in msgspec.structs.fields(kind)}

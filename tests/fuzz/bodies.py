"""Bodies made from a type of the operation table: nearly always what it must be, at times at a border.

Nothing here knows an operation: the type says what is sent, the field's name what it looks like, and
the pool which ids there are.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from uuid import UUID

import msgspec
from msgspec import UNSET, inspect

from billfold.door.examples import usual_text
from tests.fuzz.pool import Pool

DEPTH_MAX = 8  # A type that holds itself ends here.
ITEMS_MAX = 4
# From the day the tests' clock stands at, as far as most due and process dates lie.
TODAY = datetime(2027, 1, 4, 17, tzinfo=UTC)
DAYS = range(-10, 90)
ODD_DATES = ("0001-01-01", "9999-12-31", "2028-02-29", "2027-12-31", "1969-12-31")
ODD_TEXTS = (
    "\u2028", "\U0001f3bb", "\u202eevil", "\x7f", "a\tb", "\ufffe", "'; DROP TABLE vendors;--", " ",
    "e\u0301", "ß", "İ", "%s{}$", "\\u0000", "0", "null", "true", "-1", "a" * 5000, "\ud7ff\ue000",
)  # fmt: skip
ODD_AMOUNTS = (
    "0", "-0.01", "-0", "0.001", "0.005", "99999999999.99", "100000000000", "1e2", "1E-2", "1E+400",
    "1E-400", "1E+99999999999999999999", "9" * 30, "0." + "9" * 40, "123456.123456", "1.1234567",
)  # fmt: skip
ODD_INTS = (2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30)


class Bodies:
    """`body(type)` is a value as `json` writes it; numbers that must stay as written are Raw.

    With `like`, a body that once was accepted, it is one in whose place another could be sent."""

    def __init__(self, random: Random, pool: Pool) -> None:
        self.random = random
        self.pool = pool
        self.made = 0

    def body(self, kind: object, like: object = UNSET) -> object:
        return self.make(described(kind), "", 0, like)

    def make(self, kind: inspect.Type, name: str, depth: int, like: object = UNSET) -> object:
        if type(kind) in COMPOUND:
            return COMPOUND[type(kind)](self, kind, name, depth, like)
        if like is not UNSET and self.random.random() < kept(name):
            return like
        return SIMPLE[type(kind)](self, kind, name)

    # One for each kind of type

    def _struct(self, kind: inspect.StructType, name: str, depth: int, like: object) -> object:
        # Some name every field, more the fewest: each that is sent is one more to be refused for.
        share = 0.0 if depth > DEPTH_MAX else self.random.choice((0.0, 0.1, 0.3, 1.0))
        known = like if isinstance(like, dict) else None
        made: dict[str, object] = {kind.tag_field: kind.tag} if kind.tag_field else {}
        for field in kind.fields:
            at = field.encode_name
            if known is not None:
                sent = self.random.random() < (0.97 if at in known else 0.02)
            else:
                sent = self.random.random() < self._share(field, share)
            if field.required or sent:
                made[at] = self.make(
                    field.type, at, depth + 1, known.get(at, UNSET) if known else UNSET
                )
        return list(made.values()) if kind.array_like else made

    def _share(self, field: inspect.Field, share: float) -> float:
        """How often an optional field is sent: an amount mostly, the id of what is not there hardly."""
        if is_id(field.encode_name) and not self.pool.knows(field.encode_name):
            return share / 20
        return max(share, 0.8) if holds_amount(field.type) else share

    def _union(self, kind: inspect.UnionType, name: str, depth: int, like: object) -> object:
        some = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        if depth > DEPTH_MAX or like is None or (like is UNSET and self.random.random() < 0.1):
            some = [each for each in kind.types if each not in some] or some
        return self.make(self.random.choice(some), name, depth, UNSET if like is None else like)

    def _list(self, kind: inspect.ListType, name: str, depth: int, like: object) -> object:
        item = name.removesuffix("s")
        if isinstance(like, list) and like and self.random.random() < 0.9:
            return [self.make(kind.item_type, item, depth + 1, each) for each in like]
        least, most = kind.min_length or 0, kind.max_length or ITEMS_MAX
        many = (
            least if depth > DEPTH_MAX else self.random.randint(least, max(least, min(most, ITEMS_MAX)))
        )
        if self.random.random() < 0.02:
            many = self.random.choice((max(0, least - 1), least, min(most, 100), min(most + 1, 101)))
        return [self.make(kind.item_type, item, depth + 1) for _ in range(many)]

    def _tuple(self, kind: inspect.TupleType, name: str, depth: int, like: object) -> object:
        return [self.make(each, name, depth + 1) for each in kind.item_types]

    def _dict(self, kind: inspect.DictType, name: str, depth: int, like: object) -> object:
        many = 0 if depth > DEPTH_MAX else self.random.randint(0, 3)
        return {
            str(self.make(kind.key_type, "key", depth)): self.make(kind.value_type, name, depth + 1)
            for _ in range(many)
        }

    def _metadata(self, kind: inspect.Metadata, name: str, depth: int, like: object) -> object:
        form = (kind.extra_json_schema or {}).get("format")
        if form and isinstance(kind.type, inspect.StrType) and self.random.random() < 0.9:
            return _looks("", format=form)
        return self.make(kind.type, name, depth, like)

    def _str(self, kind: inspect.StrType, name: str) -> object:
        chance = self.random.random()
        if chance < (0.93 if is_id(name) else 0.5) and (known := self.pool.pick(self.random, name)):
            return known
        if chance > 0.97:
            return self.random.choice(ODD_TEXTS)
        least, most = kind.min_length or 0, kind.max_length
        if chance > 0.94:
            border = self.random.choice((least - 1, least, most or 4000, (most or 4000) + 1))
            return "x" * max(0, border)
        usual = _looks(name, minLength=least, maxLength=most, pattern=kind.pattern)
        if kind.pattern is None and chance < 0.8 and not is_id(name) and len(usual) + 8 < (most or 21):
            self.made += 1
            return f"{usual} {self.made}"
        return usual

    def _int(self, kind: inspect.IntType, name: str) -> object:
        least = kind.ge if kind.ge is not None else kind.gt + 1 if kind.gt is not None else 0
        most = kind.le if kind.le is not None else kind.lt - 1 if kind.lt is not None else least + 100
        if self.random.random() < 0.05:
            return self.random.choice((least - 1, least, most, most + 1, *ODD_INTS))
        return self.random.randint(least, min(most, least + 1000))

    def _float(self, kind: inspect.FloatType, name: str) -> object:
        return self.random.choice((0.0, 1.5, -2.25, 1e300, 5e-324))

    def _decimal(self, kind: inspect.DecimalType, name: str) -> object:
        chance = self.random.random()
        if chance > 0.93:
            text = self.random.choice(ODD_AMOUNTS)
            return text if chance > 0.98 else msgspec.Raw(text.encode())
        if chance > 0.85:
            return self.random.randint(1, 20)
        return msgspec.Raw(b"%d.%02d" % (self.random.randint(0, 40), self.random.randint(1, 99)))

    def _bool(self, kind: inspect.BoolType, name: str) -> object:
        # The wire's own habit is the text.
        return self.random.choice((True, False, False, "true", "false"))

    def _enum(self, kind: inspect.EnumType, name: str) -> object:
        return self.random.choice(list(kind.cls)).value

    def _literal(self, kind: inspect.LiteralType, name: str) -> object:
        return self.random.choice(kind.values)

    def _date(self, kind: inspect.DateType, name: str) -> object:
        if self.random.random() < 0.03:
            return self.random.choice(ODD_DATES)
        return (TODAY + timedelta(days=self.random.choice(DAYS))).date().isoformat()

    def _moment(self, kind: inspect.DateTimeType, name: str) -> object:
        day = TODAY + timedelta(
            days=self.random.choice(DAYS), milliseconds=self.random.randrange(10**6)
        )
        return day.isoformat() if self.random.random() < 0.8 else day.replace(tzinfo=None).isoformat()

    def _time(self, kind: inspect.TimeType, name: str) -> object:
        return self.random.choice(("00:00:00", "09:30:00Z", "23:59:59.999999"))

    def _uuid(self, kind: inspect.UUIDType, name: str) -> object:
        return str(
            self.pool.pick(self.random, name) or UUID(int=self.random.getrandbits(128), version=4)
        )

    def _bytes(self, kind: inspect.BytesType, name: str) -> object:
        return "UEsDBA==" * self.random.randint(0, 3)

    def _none(self, kind: inspect.NoneType, name: str) -> object:
        return None

    def _any(self, kind: inspect.Type, name: str) -> object:
        return self.random.choice((None, 1, "text", [1, {"a": None}], {"a": {"b": [True]}}))


COMPOUND: dict[type, Callable] = {
    inspect.StructType: Bodies._struct, inspect.UnionType: Bodies._union,
    inspect.ListType: Bodies._list, inspect.VarTupleType: Bodies._list,
    inspect.SetType: Bodies._list, inspect.FrozenSetType: Bodies._list,
    inspect.TupleType: Bodies._tuple, inspect.DictType: Bodies._dict,
    inspect.Metadata: Bodies._metadata,
}  # fmt: skip
SIMPLE: dict[type, Callable] = {
    inspect.StrType: Bodies._str, inspect.IntType: Bodies._int, inspect.FloatType: Bodies._float,
    inspect.DecimalType: Bodies._decimal, inspect.BoolType: Bodies._bool,
    inspect.EnumType: Bodies._enum, inspect.LiteralType: Bodies._literal,
    inspect.DateType: Bodies._date, inspect.DateTimeType: Bodies._moment,
    inspect.TimeType: Bodies._time, inspect.UUIDType: Bodies._uuid, inspect.BytesType: Bodies._bytes,
    inspect.NoneType: Bodies._none, inspect.AnyType: Bodies._any, inspect.RawType: Bodies._any,
}  # fmt: skip


def is_id(name: str) -> bool:
    return name == "id" or name.endswith("Id")


def kept(name: str) -> float:
    """How often a value that was accepted is sent again: a bill may be paid by now, so seldom its id.

    What a bare `id` is of, no name says: another would hardly fit."""
    return 0.95 if name == "id" else 0.4 if is_id(name) else 0.85


def holds_amount(kind: inspect.Type) -> bool:
    return any(isinstance(each, inspect.DecimalType) for each in getattr(kind, "types", (kind,)))


@cache
def described(kind: object) -> inspect.Type:
    return inspect.type_info(kind)


@cache
def _looks(name: str, **limits: object) -> str:
    """What the reference shows as an example of such a field."""
    return usual_text(name, {limit: value for limit, value in limits.items() if value is not None})

"""Query strings made from the table: a query's own fields, and the grammar of lists.

Which fields a list has, an answer of it has shown: filters and sorts name what its rows name.
"""

from random import Random
from urllib.parse import quote, urlencode

import msgspec

from billfold.door.operations import Operation
from billfold.kit.listing import MAX_LIMIT, OPERATORS
from tests.fuzz.bodies import ODD_TEXTS, Bodies

MAXES = (
    "0",
    "1",
    "2",
    "20",
    str(MAX_LIMIT),
    str(MAX_LIMIT + 1),
    "-1",
    "1.5",
    "",
    "x",
    "9" * 30,
    "٣",
    "1_0",
)
BROKEN = (b"%", b"%ff", b"%00", b"&&&", b"=", b"max", b"max=1&max=2", b"%ed%a0%80", b"a=%zz", b"\xff")
VALUES = (
    "true",
    "false",
    "",
    "2027-01-04T17:00:00Z",
    "2027-01-04",
    "2027",
    "1",
    "00901",
    '"a,b"',
    "a,b",
)
# Said when no answer has shown a row yet, and now and then afterwards.
FIELDS = (
    "id",
    "name",
    "createdTime",
    "archived",
    "amount",
    "nothing",
    "",
    "a.b",
    "vendorId",
    "dueDate",
)


class Queries:
    """`sent(operation)` is the query string of a request to it, as bytes."""

    def __init__(self, random: Random, bodies: Bodies) -> None:
        self.random = random
        self.bodies = bodies

    def sent(self, operation: Operation) -> bytes:
        if self.random.random() < 0.05:
            return self.random.choice(BROKEN)
        asked: dict[str, str] = {}
        if operation.query:
            asked |= self._fields(operation.query)
        if operation.asks:
            asked |= self._list(operation.path)
        if self.random.random() < 0.1:
            asked[self.random.choice((*asked, "unknown"))] = self.random.choice(ODD_TEXTS)
        return urlencode(asked, quote_via=quote).encode()

    def _fields(self, kind: type) -> dict[str, str]:
        made = self.bodies.body(kind)
        assert isinstance(made, dict)
        return {
            name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
            for name, value in made.items()
            if value is not None
        }

    def _list(self, path: str) -> dict[str, str]:
        asked = {}
        if self.random.random() < 0.4:
            asked["max"] = (
                self.random.choice(MAXES[1:5]) if self.random.random() < 0.8 else self._any(MAXES)
            )
        if self.random.random() < 0.4:
            asked["sort"] = ",".join(self._sort(path) for _ in range(self.random.choice((1, 1, 2, 4))))
        if self.random.random() < 0.6:
            asked["filters"] = ",".join(
                self._filter(path) for _ in range(self.random.choice((1, 1, 2, 3, 21)))
            )
        if self.random.random() < 0.3 and (cursor := self._cursor()):
            asked["page"] = cursor
        return asked

    def _sort(self, path: str) -> str:
        return self._field(path) + self.random.choice((":asc", ":desc", "", ":up"))

    def _filter(self, path: str) -> str:
        name, op = self._field(path), self.random.choice(list(OPERATORS))
        known = self.bodies.pool.rows.get(path, {}).get(name)
        value = self._any(known) if known and self.random.random() < 0.6 else self._any(VALUES)
        if isinstance(value, bool):
            value = str(value).lower()
        if self.random.random() < 0.1:
            value = self._any(ODD_TEXTS)
        text = (
            f'"{value},{value}"'
            if op in ("in", "nin")
            else f'"{value}"'
            if "," in str(value)
            else value
        )
        return f"{name}:{op}:{text}"

    def _field(self, path: str) -> str:
        known = self.bodies.pool.rows.get(path)
        return self._any(list(known)) if known and self.random.random() < 0.9 else self._any(FIELDS)

    def _cursor(self) -> str:
        """One that an answer gave, of this list or of another; at times with a letter changed."""
        name = self.random.choice(("nextPage", "prevPage"))
        cursor = str(self.bodies.pool.pick(self.random, name) or "")
        if cursor and self.random.random() < 0.2:
            at = self.random.randrange(len(cursor))
            cursor = cursor[:at] + self.random.choice("Aa0_-=.") + cursor[at + 1 :]
        return cursor

    def _any(self, some):
        return self.random.choice(some)

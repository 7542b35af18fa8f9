"""What clients, proxies and attackers do to a good body: to its values, and to its bytes."""

from collections.abc import Callable, Iterator
from random import Random

import msgspec

from tests.fuzz.bodies import ODD_AMOUNTS, ODD_TEXTS

WRONG = (
    b"7", b"-1", b"7.5", b"true", b"false", b"null", b'""', b'" "', b'"ten"', b"[]", b"{}", b'["a"]',
    b'{"a":1}', b"[null]", b"[[]]", b'{"":{}}', b'"' + b"x" * 300 + b'"', b'"NaN"', b'"sNaN"',
    b'"Infinity"', b'"2027-13-01"', b'"2027-01-04T25:00:00Z"', b'"2027-01-04"', b'"0"', b'"1.50"',
)  # fmt: skip
DEEP = (10, 60, 64, 65, 70, 500)
NOTHING = (
    b"",
    b" ",
    b"\n\t",
    b"null",
    b"true",
    b"7",
    b'"text"',
    b"1.5",
    b"{}",
    b"[]",
    b"[[]]",
    b"[null]",
)
LOOSE = (
    b"NaN", b"-Infinity", b"01", b"+1", b".5", b"1.", b"0x10", b"1E", b"'a'", b'"\\x"', b'"\\u12"',
    b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b'"\\\\u0000"', b'"\xff\xfe"', b'"\xed\xa0\x80"',
    b'"\x00"', b'"\n"', b"tru", b"undefined", b"1 2", b'{"a":1,}', b"[1,]", b"{1:2}", b"}", b"]", b'"',
)  # fmt: skip
Place = tuple[dict | list, object]


class Mistakes:
    """`sent(value)` is the body's bytes: half of all are as they should be."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def sent(self, value: object) -> bytes:
        chance = self.random.random()
        if chance < 0.5:
            return msgspec.json.encode(value)
        if chance < 0.9:
            top = [value]
            for _ in range(self.random.choice((1, 1, 1, 2, 5))):
                # Found anew: what was replaced is no longer there.
                if found := list(places(top)):
                    self.random.choice(IN_VALUES)(self, *self.random.choice(found))
            return msgspec.json.encode(top[0]) if top else b""
        return self.random.choice(IN_BYTES)(self, msgspec.json.encode(value))

    # To one value

    def _leave_out(self, where, at) -> None:
        del where[at]

    def _null(self, where, at) -> None:
        where[at] = None

    def _wrong_type(self, where, at) -> None:
        where[at] = msgspec.Raw(self.random.choice(WRONG))

    def _as_text(self, where, at) -> None:
        """The wire's habit: "true" for true, "1" for 1."""
        if not isinstance(where[at], (dict, list, str, msgspec.Raw)):
            where[at] = msgspec.json.encode(where[at]).decode()
        elif isinstance(where[at], msgspec.Raw):
            where[at] = bytes(where[at]).decode()

    def _odd_text(self, where, at) -> None:
        where[at] = self.random.choice(ODD_TEXTS)

    def _odd_number(self, where, at) -> None:
        where[at] = msgspec.Raw(self.random.choice(ODD_AMOUNTS).encode())

    def _nearly(self, where, at) -> None:
        """An enum off by one, a text cut or lengthened, a number beside."""
        value = where[at]
        if isinstance(value, bool) or value is None:
            where[at] = "yes"
        elif isinstance(value, int):
            where[at] = value + self.random.choice((-1, 1))
        elif isinstance(value, str):
            where[at] = self.random.choice(
                (value[:-1], value + "S", value.lower(), f" {value}", value * 2)
            )

    def _unknown(self, where, at) -> None:
        inside = where[at]
        if isinstance(inside, dict):
            inside[self.random.choice(("unknown", "", "id", "__class__", "ï", "name "))] = "?"

    def _misspell(self, where, at) -> None:
        if isinstance(where, dict):
            where[str(at).upper()] = where.pop(at)

    def _bury(self, where, at) -> None:
        levels = self.random.choice(DEEP)
        start, end = self.random.choice(((b"[", b"]"), (b'{"a":', b"}")))
        where[at] = msgspec.Raw(start * levels + b"1" + end * levels)

    def _wrap(self, where, at) -> None:
        where[at] = self.random.choice(([where[at]], {"value": where[at]}))

    def _repeat(self, where, at) -> None:
        if isinstance(where[at], list):
            where[at] = where[at] * self.random.choice((2, 40))

    # To the bytes

    def _cut(self, body: bytes) -> bytes:
        return body[: self.random.randrange(len(body) + 1)]

    def _flip(self, body: bytes) -> bytes:
        at = self.random.randrange(len(body))
        return body[:at] + bytes([self.random.randrange(256)]) + body[at + 1 :]

    def _insert(self, body: bytes) -> bytes:
        at = self.random.randrange(len(body) + 1)
        return body[:at] + self.random.choice((*LOOSE, b",", b":", b"{", b"[", b" ")) + body[at:]

    def _twice(self, body: bytes) -> bytes:
        """A key that is there already, with another value; or the whole body again."""
        start = body.find(b"{")
        end = body.find(b":", start)
        if start < 0 or end < 0:
            return body + body
        return body[: start + 1] + body[start + 1 : end + 1] + b"7," + body[start + 1 :]

    def _literal(self, body: bytes) -> bytes:
        """In place of a value, what is none in JSON."""
        at = self.random.randrange(len(body))
        colon = body.find(b":", at)
        if colon < 0:
            return self.random.choice(LOOSE)
        ends = [end for mark in (b",", b"}") if (end := body.find(mark, colon)) > 0]
        return body[: colon + 1] + self.random.choice(LOOSE) + body[min(ends, default=len(body)) :]

    def _frame(self, body: bytes) -> bytes:
        return self.random.choice(
            (b"\xef\xbb\xbf" + body, body + b"x", b"\x00" + body, b"  " + body + b"\n")
        )

    def _other(self, body: bytes) -> bytes:
        return self.random.choice(NOTHING)


M = Mistakes
IN_VALUES: tuple[Callable, ...] = (
    M._leave_out, M._leave_out, M._null, M._wrong_type, M._wrong_type, M._as_text, M._odd_text,
    M._odd_number, M._nearly, M._nearly, M._unknown, M._misspell, M._bury, M._wrap, M._repeat,
)  # fmt: skip
IN_BYTES: tuple[Callable, ...] = (
    M._cut, M._flip, M._insert, M._twice, M._literal, M._frame, M._other,
)  # fmt: skip


def places(inside: dict | list) -> Iterator[Place]:
    """Where a value stands, at any depth; the first is the body itself, in a list of its own."""
    for at in list(inside) if isinstance(inside, dict) else range(len(inside)):
        yield inside, at
        if isinstance(inside[at], (dict, list)):
            yield from places(inside[at])

"""Ids of 20 characters: a prefix that says what is meant, a shard, the time, and chance.

The shape is the contract's (`common.yaml`, id_format): of the 11 capitals 8 are the time in base 36
and 3 a sequence, so that new rows lie side by side; the 4 small ones are chance.
"""

import re
import secrets
from datetime import datetime
from itertools import count
from random import Random
from uuid import UUID

PREFIXES = {
    "organization": "008",
    "user": "006",
    "user_role": "0po",
    "partner": "prt",
    "console": "con",
    "billing_statement": "bst",
    "vendor": "009",
    "vendor_bank_account": "vba",
    "bill": "00n",
    "bill_line": "bli",
    "payment": "stp",
    "bill_payment": "blp",
    "bank_account": "bac",
    "chart_of_account": "0ca",
    "accounting_class": "cls",
    "department": "0de",
    "employee": "emp",
    "job": "job",
    "location": "loc",
    "item": "0ii",
    "payment_term": "00p",
    "message": "msg",
    "mfa_phone": "mfp",
    "agenda_item": "agn",
    "audit_entry": "aud",
    "delivery": "dlv",
    "attempt": "atm",
    "delivery_attempt": "dla",
}
SHARD = "01"
CHANCES = 36**4
SHAPE = re.compile(r"[0-9a-z]{3}0[0-9][0-9A-Z]{11}[0-9a-z]{4}")

_UPPER, _LOWER = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789abcdefghijklmnopqrstuvwxyz"
_THREE = [a + b + c for a in _UPPER for b in _UPPER for c in _UPPER]
# Of 256 bytes ten or nine are each letter: nothing that nobody may guess is made of these.
_LETTERS = bytes(ord("A") + number % 26 for number in range(256))
_TWO = [a + b for a in _LOWER for b in _LOWER]


def looks_like(kind: str, id: str) -> bool:
    """Whether an id has the form of this kind's, not whether there is such an object."""
    return id.startswith(PREFIXES[kind]) and SHAPE.fullmatch(id) is not None


def is_uuid(text: str) -> bool:
    """In the form in which they are written, with hyphens and without braces; also in capitals."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def derived(kind: str, id: str, tail: str) -> str:
    """The id of something that another object has exactly one of: no chance is needed for it."""
    assert re.fullmatch("[0-9a-z]{4}", tail)
    return f"{PREFIXES[kind]}{id[3:16]}{tail}"


class Ids:
    """Rising with time; the same for the same seed and clock (a seed is for sandboxes and tests)."""

    def __init__(self, seed: str | None = None) -> None:
        self._seeded = seed is not None
        self._random = Random(seed)
        # Started anywhere, so that two processes in one millisecond do not count in step.
        self._count = count(self._random.randrange(len(_THREE)))
        self._numbers = count(self._random.randrange(10**8))
        # Together, because threads share them.
        self._time: tuple[datetime | None, str] = (None, "")
        self._uuid_time: tuple[datetime | None, str] = (None, "")

    def new(self, kind: str, moment: datetime) -> str:
        known, time = self._time
        if moment is not known:
            time = SHARD + _base36(int(moment.timestamp() * 1000))
            self._time = moment, time
        more, less = divmod(int(self._random.random() * CHANCES), len(_TWO))
        number = _THREE[next(self._count) % len(_THREE)]
        return f"{PREFIXES[kind]}{time}{number}{_TWO[more]}{_TWO[less]}"

    def uuid(self, moment: datetime) -> str:
        """A UUID that begins with the time (version 7), so that new rows lie side by side."""
        known, time = self._uuid_time
        if moment is not known:
            digits = f"{int(moment.timestamp() * 1000):012x}"
            time = f"{digits[:8]}-{digits[8:]}-7"
            self._uuid_time = moment, time
        chance = f"{2 << 62 | self._random.getrandbits(62):016x}"
        return f"{time}{next(self._count) % 4096:03x}-{chance[:4]}-{chance[4:]}"

    def token(self) -> str:
        """What nobody may guess, 240 bits: session ids, remembered ids, security keys."""
        if self._seeded:
            return "".join(self._random.choices(_UPPER + _LOWER, k=40))
        return secrets.token_urlsafe(30)

    def code(self) -> str:
        """Six digits that travel by telephone."""
        chance = self._random.randrange(10**6) if self._seeded else secrets.randbelow(10**6)
        return f"{chance:06d}"

    def number(self, digits: int) -> int:
        """One after the other, from anywhere, beginning anew behind the last one of so many digits: of
        one process none comes again soon, and new rows lie side by side."""
        return 1 + next(self._numbers) % (10**digits - 1)

    def letters(self, length: int) -> str:
        return self._random.randbytes(length).translate(_LETTERS).decode()


def _base36(number: int) -> str:
    """Eight digits: milliseconds until the year 2059."""
    digits = ""
    for _ in range(8):
        number, digit = divmod(number, 36)
        digits = _UPPER[digit] + digits
    return digits

"""The file of an organization: a header, a line for each row, and an end that seals it.

JSON lines in UTF-8. The digest of the end is that of all bytes before it, so a file that was cut off
or changed is known; it is no signature. Kinds of lines that come later are refused by who does not
know them.
"""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct, json

from billfold import VERSION, migrations
from billfold.kit.errors import Unusable

FORMAT, FORMAT_VERSION = "billfold organization", 1
# A row is mostly a few hundred bytes; the longest holds the body of an event.
LINE_BYTES_MAX = 16 << 20

S = TypeVar("S")
T = TypeVar("T")


class Header(Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    """`counts` are rows by table; `billfold` is the version of the program that wrote it."""

    format: str
    version: int
    organization_id: str
    name: str
    schema: str
    billfold: str
    exported_time: datetime
    counts: dict[str, int]


class Opening(Struct, frozen=True):
    """As much of a header as every version has."""

    format: str = ""
    version: int = 0
    billfold: str = ""


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a table, or the end."""

    table: str = ""
    row: Raw = Raw(b"")
    end: bool = False
    rows: int = 0
    sha256: str = ""


# The last is what is nested too deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_opening, _header, _line = json.Decoder(Opening), json.Decoder(Header), json.Decoder(Line)


class Writer:
    """Writes lines and remembers what was written."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write, self._sum, self.rows = write, hashlib.sha256(), 0

    def header(self, organization_id: str, name: str, now: datetime, counts: dict[str, int]) -> None:
        head = Header(
            FORMAT, FORMAT_VERSION, organization_id, name, migrations.HEAD, VERSION, now, counts
        )
        self._put(json.encode(head))

    def row(self, table: str, said: bytes) -> None:
        self._put(b'{"table":"%s","row":%s}' % (table.encode(), said))
        self.rows += 1

    def end(self) -> None:
        end = {"end": True, "rows": self.rows, "sha256": self._sum.hexdigest()}
        self._put(json.encode(end))

    def _put(self, said: bytes) -> None:
        line = said + b"\n"
        self._sum.update(line)
        self._write(line)


class Reader:
    """Reads lines; raises Unusable, with what to do, for a file that is not whole."""

    def __init__(self, read_line: Callable[[int], bytes]) -> None:
        self._read_line, self._sum, self.number = read_line, hashlib.sha256(), 0

    def header(self) -> Header:
        line = self._next()
        try:
            opening = _opening.decode(line)
        except UNREADABLE:
            opening = Opening()
        if opening.format != FORMAT:
            raise Unusable("this is no export of an organization: `billfold export` makes one")
        if opening.version > FORMAT_VERSION:
            raise Unusable(
                f"the export is of format {opening.version}, and this Billfold ({VERSION}) reads"
                f" {FORMAT_VERSION}: update Billfold (it was written by {opening.billfold})"
            )
        header = self.heard(_header.decode, line)
        if header.schema != migrations.HEAD:
            raise Unusable(
                f"the export has schema {header.schema} and this Billfold {migrations.HEAD}: export it"
                f" again from an installation of this version ({VERSION}; it was written by"
                f" {header.billfold})"
            )
        return header

    def rows(self) -> Iterator[tuple[str, Raw]]:
        """All of them, and then what the end says is compared."""
        count = 0
        while True:
            digest = self._sum.hexdigest()
            line = self.heard(_line.decode, self._next())
            if line.end:
                break
            if not line.table:
                raise self.wrong("it is neither a row nor the end")
            count += 1
            yield line.table, line.row
        if (line.rows, line.sha256) != (count, digest):
            raise Unusable("the export was altered on its way: export it again")
        if self._read_line(1):
            raise Unusable("the file goes on behind the end of the export: it must hold one, whole")

    def heard(self, decode: Callable[[S], T], said: S) -> T:
        """What a line says, or Unusable where it is none that could be written here."""
        try:
            return decode(said)
        except UNREADABLE as error:
            raise self.wrong(str(error)) from None

    def wrong(self, what: str) -> Unusable:
        return Unusable(f"line {self.number} of the export cannot be used ({what}): export it again")

    def _next(self) -> bytes:
        self.number += 1
        line = self._read_line(LINE_BYTES_MAX)
        if not line:
            raise Unusable(
                "the file is empty: `billfold export` makes one"
                if self.number == 1
                else "the export ends before its end, it was cut off: export it again"
            )
        self._sum.update(line)
        return line

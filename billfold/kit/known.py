"""Ids of rows that stay once they are there: what has been seen need not be looked for again.

Only records that are never removed are `lasting` (see `tables.table`). What a unit saw is remembered
after its commit, because until then it may have seen what is undone with it. And it is forgotten
whenever the stored clock changes, which a reset or a restored copy of the data does too.
"""

from collections.abc import Iterable

IDS_MAX = 50_000


class Known:
    __slots__ = ("_ids", "_version")

    def __init__(self) -> None:
        self._version = 0
        self._ids: set[tuple[str, str]] = set()

    def note(self, version: int, seen: Iterable[tuple[str, str]]) -> None:
        """Pairs of organization and id that a unit saw while the clock had this version."""
        if version != self._version or len(self._ids) > IDS_MAX:
            self._version, self._ids = version, set()
        self._ids.update(seen)

    def of(self, version: int) -> set[tuple[str, str]]:
        return self._ids if version == self._version else set()

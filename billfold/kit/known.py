"""What need not be asked twice: it stays the same for as long as the stored clock's version stands.

Ids of `lasting` records, which are never removed, and rows of `seldom` ones, whose every change gives
the clock a new version (see `tables.table`). So does a reset, and each start. What a unit found is
remembered after its commit, because until then it may have seen what is undone with it.
"""

from typing import Any

KEYS_MAX = 50_000


class Known:
    __slots__ = ("_found", "_version")

    def __init__(self) -> None:
        self._version = 0
        self._found: dict[tuple, Any] = {}

    def note(self, version: int, found: dict[tuple, Any]) -> None:
        """What a unit found while the clock had this version; keys begin with an organization."""
        if version > self._version or len(self._found) > KEYS_MAX:
            self._version, self._found = version, {}
        if version == self._version:
            self._found.update(found)

    def of(self, version: int) -> dict[tuple, Any]:
        return self._found if version == self._version else {}

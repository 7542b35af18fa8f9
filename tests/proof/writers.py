"""Clients who create and change vendors and bills, each time under a mark that is never used again,
and remember which of that was answered and of which nobody knows."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from tests.desk import bill_of, vendor_of
from tests.proof.clients import Asker, Kept, Trouble
from tests.proof.fleet import Fleet

PAUSE_SECONDS = 0.01


@dataclass
class Noted(Kept):
    """By its mark each write: the event that tells it, and when it was answered of what."""

    answered: dict[str, tuple[str, str]] = field(default_factory=dict)
    # Asked, and not answered so far; for ever when whoever served it was killed.
    open: dict[str, str] = field(default_factory=dict)
    not_done: set[str] = field(default_factory=set)

    @property
    def in_doubt(self) -> dict[str, str]:
        return {mark: told for mark, told in self.open.items() if mark not in self.not_done}


class Writer(Asker):
    """Of one organization, in a session that outlives every server.

    Marks rise, and what a write in doubt was about is not touched again: what the row says in the
    end is what the last write said that was committed."""

    def __init__(
        self, http: aiohttp.ClientSession, fleet: Fleet, name: str, headers: dict, noted: Noted
    ) -> None:
        super().__init__(http, "", headers, noted)
        self.fleet, self.name, self.noted = fleet, name, noted
        self.number = 0

    async def run(self, most: int, may_write: Callable[[], bool]) -> None:
        """Until so much was answered to all; each write waits until it may be."""
        self.may_write = may_write
        while len(self.noted.answered) < most:
            try:
                await self._turn()
            except (aiohttp.ClientError, Trouble):
                await asyncio.sleep(PAUSE_SECONDS)

    async def _turn(self) -> None:
        """Two events each of a vendor and of its bill, and a third of the vendor."""
        await self._chooses_a_server()
        vendor = await self._write("POST", "vendors", vendor_of, "vendor.created")
        one = f"vendors/{vendor}"
        rename = lambda mark: {"name": mark}
        await self._write("PATCH", one, rename, "vendor.updated")
        file = lambda mark: bill_of(vendor, 10, mark)
        bill = await self._write("POST", "bills", file, "bill.created")
        renumber = lambda mark: {"invoice": {"invoiceNumber": mark, "invoiceDate": "2027-01-04"}}
        await self._write("PATCH", f"bills/{bill}", renumber, "bill.updated")
        await self._write("PATCH", one, rename, "vendor.updated")

    async def _chooses_a_server(self) -> None:
        while not self.fleet.servers:
            await asyncio.sleep(PAUSE_SECONDS)
        self.base = random.choice(self.fleet.servers).base

    async def _write(self, method: str, path: str, body: Callable, told: str) -> str:
        while not self.may_write():
            await asyncio.sleep(PAUSE_SECONDS)
        self.number += 1
        mark = f"{self.name}-{self.number:06}"
        self.noted.open[mark] = told
        good = 201 if method == "POST" else 200
        said = await self._ask(method, path, body(mark), good, self.noted.not_done, {mark})
        del self.noted.open[mark]
        self.noted.answered[mark] = told, said["id"]
        return said["id"]

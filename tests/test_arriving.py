"""Bodies as they arrive: whole, in parts, too slowly, or never."""

import asyncio
from collections.abc import Sequence

import pytest

from billfold.door import limits
from billfold.door.limits import ClientLeft, read_body
from billfold.kit.errors import MALFORMED, TOO_LARGE, Refusal

GONE = {"type": "http.disconnect"}


def part(body: bytes, more: bool = False) -> dict:
    return {"type": "http.request", "body": body, "more_body": more}


def read(here: Sequence[dict], later: Sequence[dict] = (), bytes_max: int = 100) -> bytes:
    """A body of which some is here when it is asked for, and the rest comes a moment later."""

    async def run() -> bytes:
        arriving: asyncio.Queue[dict] = asyncio.Queue()
        for message in here:
            arriving.put_nowait(message)
        for message in later:
            asyncio.get_running_loop().call_later(0.01, arriving.put_nowait, message)
        return await read_body(arriving.get, bytes_max=bytes_max)

    return asyncio.run(run())


@pytest.mark.parametrize(("here", "later"), [
    ([part(b"whole")], []),
    ([part(b"who", more=True), part(b"le")], []),
    ([part(b"who", more=True)], [part(b"l", more=True), part(b"e")]),
    ([part(b"", more=True)], [part(b"whole")]),
    ([], [part(b"whole")]),
    ([], [part(b"who", more=True), part(b"le")]),
])  # fmt: skip
def test_however_it_comes_it_is_the_same(here, later):
    assert read(here, later) == b"whole"


@pytest.mark.parametrize("here", [[], [part(b"who", more=True)]])
def test_what_does_not_come_in_time_is_refused(here, monkeypatch):
    monkeypatch.setattr(limits, "BODY_SECONDS_MAX", 0.05)
    with pytest.raises(Refusal, match="did not arrive in time") as refused:
        read(here)
    assert refused.value.problems[0][0] is MALFORMED


@pytest.mark.parametrize(("here", "later"), [
    ([part(b"x" * 101)], []),
    ([part(b"x" * 60, more=True), part(b"x" * 60, more=True)], []),
    ([], [part(b"x" * 60, more=True), part(b"x" * 60, more=True)]),
])  # fmt: skip
def test_what_is_too_much_is_not_waited_for(here, later):
    with pytest.raises(Refusal) as refused:
        read(here, later)
    assert refused.value.problems[0][0] is TOO_LARGE


@pytest.mark.parametrize(("here", "later"), [
    ([GONE], []), ([], [GONE]), ([part(b"who", more=True)], [GONE]),
])  # fmt: skip
def test_who_leaves_is_let_go(here, later):
    with pytest.raises(ClientLeft):
        read(here, later)

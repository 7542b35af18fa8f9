"""Limits on what a stranger may send: how much, how deep, how slowly."""

import asyncio
import re
from collections.abc import Awaitable
from itertools import accumulate

from billfold.kit.errors import MALFORMED, NOT_JSON, TOO_LARGE, Refusal

BODY_BYTES_MAX = 1024 * 1024
BODY_SECONDS_MAX = 30
DEPTH_MAX = 64

# Always matches from a quote on, closed or not, and never steps back: linear, whatever is sent.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# One level in is 1, one out is -1 as a signed byte.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


async def read_body(receive, declared: int = 0, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """The whole body, or a refusal as soon as it is too much (413) or comes too slowly (400)."""
    if declared > bytes_max:
        raise Refusal(TOO_LARGE, str(bytes_max))
    first = _at_once(receive())
    if first and not first.get("more_body"):
        return await _read(receive, bytes_max, first)
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await _read(receive, bytes_max, first or await receive())
    except TimeoutError:
        raise Refusal(MALFORMED, "body: did not arrive in time") from None


def _at_once(message: Awaitable[dict]) -> dict | None:
    """A message that has arrived already, as most bodies have: to set a time-out costs more than to
    read them. Nothing was taken when it is None."""
    waits = message.__await__()
    try:
        next(waits)
    except StopIteration as arrived:
        return arrived.value
    waits.close()
    return None


async def _read(receive, bytes_max: int, message: dict) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientLeft
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > bytes_max:
            raise Refusal(TOO_LARGE, str(bytes_max))
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)
        message = await receive()


class ClientLeft(Exception):
    """Nobody waits for the answer any more."""


def check_depth(body: bytes) -> None:
    """Refuse what is nested too deep before anything parses it; all of it runs at the speed of C."""
    if body.count(b"{") + body.count(b"[") <= DEPTH_MAX:
        return
    steps = _STRINGS.sub(b"", body).translate(_STEPS, _NOT_BRACKETS)
    if max(accumulate(memoryview(steps).cast("b")), default=0) > DEPTH_MAX:
        raise Refusal(NOT_JSON, f"it is nested deeper than {DEPTH_MAX}")

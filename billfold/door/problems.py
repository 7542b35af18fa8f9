"""Refusals as v3 says them: always an array, one element per problem; and what crashes become."""

from datetime import datetime

from billfold.door.wire import Stamp, Wire, encode, stamp
from billfold.kit.errors import (
    BROKEN,
    IN_DOUBT,
    UNAVAILABLE,
    InDoubt,
    Refusal,
    Unavailable,
)

PROBLEMS_MAX = 1_000  # Of what is wrong in a request the first thousand are told.


class BdcError(Wire):
    """`code` is absent from the errors of a body's shape; their message begins with the field."""

    timestamp: Stamp
    severity: str
    category: str
    message: str
    code: str | None = None


def refused(refusal: Refusal, now: datetime) -> tuple[int, bytes]:
    errors = [
        BdcError(stamp(now), "ERROR", problem.category, problem.say(about), problem.code)
        for problem, about in refusal.problems[:PROBLEMS_MAX]
    ]
    return refusal.problems[0][0].status, encode(errors)


def broken() -> Refusal:
    """What happened is in the log; a stranger learns nothing from it."""
    return Refusal(BROKEN)


def unavailable(trouble: Unavailable) -> Refusal:
    return Refusal(IN_DOUBT if isinstance(trouble, InDoubt) else UNAVAILABLE)

"""Attempts: how often somebody has guessed wrong, and until when nobody may guess any more.

What is guessed at is named by a digest, whether it exists or not, so that a lock tells nobody which
users there are. Guesses are counted in a unit of their own, before their refusal leaves.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from billfold.kit.errors import LOGIN_LOCKED, ORGANIZATION_LOCKED, TOO_MANY_TOKENS, Problem, Refusal
from billfold.kit.tables import Record, table
from billfold.kit.work import Work

FORGOTTEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """After `times` as many failures as a login may have, one after the other and each within an hour
    of the one before, everything is refused for a pause; a success forgets them.

    A login has five and a pause of fifteen minutes, unless the settings say otherwise: the contract's
    assumption (`sessions.yaml`, lockout)."""

    name: str
    times: int
    problem: Problem


LOGIN = Limit("login", 1, LOGIN_LOCKED)
# Many names may be tried against one organization; far more than its own people get wrong.
ORGANIZATION = Limit("organization", 10, ORGANIZATION_LOCKED)
# Codes of one user, over all challenges, each of which has three (`mfa.yaml`).
CODES = Limit("codes", 2, TOO_MANY_TOKENS)


@table("attempts", sa.Index("ix_attempts_forgotten", "forgotten_time", "id"))
class Attempts(Record, frozen=True):
    failures: int
    forgotten_time: datetime
    blocked_until: datetime | None = None


def check(work: Work, limit: Limit, subject: str) -> None:
    """Raises the limit's refusal while its pause lasts."""
    found = work.connection.first(Attempts, id=_id(work, limit, subject))
    if found and found.blocked_until and work.now < found.blocked_until:
        raise Refusal(limit.problem)


def fail(work: Work, limit: Limit, subject: str) -> None:
    """Count a failure; with the last one that is allowed the pause begins.

    Raises the limit's refusal where it has begun already: of a thousand guesses at once five are told
    that they are wrong, and the others nothing, the right one among them."""
    most = work.policy.sign_in_failures_max * limit.times
    if not most:
        return  # The settings say that nobody is locked out.
    id = _id(work, limit, subject)
    found = work.hold_or_insert(Attempts(id, 0, work.now + FORGOTTEN_AFTER))
    if found.blocked_until and work.now < found.blocked_until:
        raise Refusal(limit.problem)  # Others have used up what was left, right or wrong.
    failures = 1 if work.now >= found.forgotten_time else found.failures + 1
    pause = timedelta(minutes=work.policy.sign_in_pause_minutes)
    blocked_until = work.now + pause if failures >= most else None
    work.change(
        found, failures=0 if blocked_until else failures, blocked_until=blocked_until,
        forgotten_time=work.now + max(FORGOTTEN_AFTER, pause),
    )  # fmt: skip
    work.sweep(Attempts, "forgotten_time")  # Names that were invented among them.


def succeed(work: Work, limit: Limit, subject: str) -> None:
    work.connection.delete(Attempts, _id(work, limit, subject))


def _id(work: Work, limit: Limit, subject: str) -> str:
    return work.secrets.mac(f"attempts {limit.name}", subject.strip().lower().encode()).hex()

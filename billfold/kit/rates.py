"""Rates: how often a key or a person may ask for something in an hour or a minute.

Counted in the database, so that all processes count together; for things that are rare and dear
(logins, texts), never for every request.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa

from billfold.kit.clock import EPOCH
from billfold.kit.errors import RATE_REACHED, Refusal
from billfold.kit.secrets import digest
from billfold.kit.tables import Record, table
from billfold.kit.work import Work

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
# (`common.yaml`, rate_limits)
LOGINS_AN_HOUR, TEXTS_A_MINUTE = 200, 5


@table("rates", sa.Index("ix_rates_expires", "expires", "id"))
class Rate(Record, frozen=True):
    """`id` is a digest of what is counted, for whom, and in which window of time."""

    count: int
    expires: datetime


def take(work: Work, what: str, subject: str, most: int, window: timedelta) -> None:
    """Count one of `most` in this window of the clock (an hour from its beginning, not from the first);
    raises BDC_1144 (422) when they are used up. Only where the policy keeps BILL's rates."""
    if not work.policy.limits_rates:
        return
    number = (work.now - EPOCH) // window
    id, ends = digest(f"{what} {subject} {number}"), EPOCH + (number + 1) * window
    held = work.hold_or_insert(Rate(id, 0, ends))
    if held.count == 0:
        work.sweep(Rate, "expires")
    if held.count >= most:
        raise Refusal(RATE_REACHED, f"{most} {what}s, until {ends.isoformat()}")
    work.change(held, count=held.count + 1)


def take_login(work: Work, key: str) -> None:
    take(work, "login", key, LOGINS_AN_HOUR, HOUR)


def take_text(work: Work, user_id: str) -> None:
    take(work, "text message", user_id, TEXTS_A_MINUTE, MINUTE)

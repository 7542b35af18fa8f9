"""Health: how a subscription fares, from its last deliveries and what waits for it.

Looked at again and again, so that whatever its history holds a few hundred rows are read, no more.
"""

from datetime import timedelta

import msgspec
import sqlalchemy as sa

from billfold.events import attempts as log
from billfold.events.attempts import DeliveryAttempt
from billfold.events.outbox import Delivery, DeliveryState
from billfold.events.subscriptions import Subscription
from billfold.kit import agenda_items
from billfold.kit.work import Work

RECENT = timedelta(hours=24)
RECENT_MAX = 500
WAITING_MAX = 1_000

_NEWEST = (
    sa.select(Delivery.table)
    .where(Delivery.c.subscription_id == sa.bindparam("subscription_id"))
    .order_by(Delivery.c.created_time.desc(), Delivery.c.id.desc())
    .limit(RECENT_MAX)
    .subquery()
)
COUNTED = (
    sa.select(_NEWEST.c.state, sa.func.count())
    .where(_NEWEST.c.created_time >= sa.bindparam("since", type_=Delivery.c.created_time.type))
    .group_by(_NEWEST.c.state)
)
TRIED = (
    sa.select(_NEWEST)
    .where(sa.or_(_NEWEST.c.status_code.is_not(None), _NEWEST.c.failure.is_not(None)))
    .order_by(_NEWEST.c.updated_time.desc(), _NEWEST.c.id.desc())
    .limit(1)
)


class Health(msgspec.Struct, frozen=True):
    """`waiting` is counted up to WAITING_MAX, whenever it happened; what became of the newest
    RECENT_MAX of the last day is counted below. `last` is the last attempt, of those."""

    waiting: int
    # For how long the first of them has been due.
    late_seconds: int
    delivered: int
    failed: int
    unsent: int
    last: DeliveryAttempt | None

    @property
    def waiting_more(self) -> bool:
        """Whether more may wait than were counted."""
        return self.waiting >= WAITING_MAX

    @property
    def is_cut(self) -> bool:
        """Whether the last day may have had more than were looked at."""
        return self.delivered + self.failed + self.unsent >= RECENT_MAX


def of_subscription(work: Work, subscription: Subscription) -> Health:
    whose = {"subscription_id": subscription.id}
    found = work.connection.values(COUNTED, **whose, since=work.now - RECENT)
    counts = dict.fromkeys(DeliveryState, 0) | dict(found)
    tried = work.connection.rows(Delivery, TRIED, whose)
    waiting, due = agenda_items.waiting_in(work, subscription.id, WAITING_MAX)
    late = max(work.now - due, timedelta(0)) if due else timedelta(0)
    return Health(
        waiting, int(late.total_seconds()), counts[DeliveryState.DELIVERED],
        counts[DeliveryState.EXHAUSTED], counts[DeliveryState.STOPPED],
        log.last_of(work, tried[0].id) if tried else None,
    )  # fmt: skip

"""A subscription's history: what it was sent or should have been, looked through and sent again."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from billfold.events import attempts as log
from billfold.events import outbox, subscriptions
from billfold.events.attempts import DeliveryAttempt
from billfold.events.outbox import Delivery, DeliveryState
from billfold.events.subscriptions import Subscription
from billfold.kit import listing
from billfold.kit.callers import SYSTEM_USER, Caller
from billfold.kit.environment import Environment, stored_clock
from billfold.kit.errors import NOT_FOUND, Refusal
from billfold.kit.listing import Asked, Field, Page
from billfold.kit.tables import Owned
from billfold.kit.work import Work

# Documented (`webhooks.yaml`, limits): what is older is not told any more.
KEPT = timedelta(days=180)

FIELDS = {"entityId": Field("subject_id", ("eq",)), "createdTime": listing.TIMES["createdTime"]}


def of_subscription(work: Work, subscription_id: str, asked: Asked) -> Page[Delivery]:
    """The newest first, as far back as is told; also of a subscription that is gone."""
    whose = ("subscription_id", subscription_id)
    page = listing.find(work, Delivery, FIELDS, asked, whose)
    since = work.now - KEPT
    rows = [row for row in page.rows if row.created_time >= since]
    # They come by time: behind one that is too old all are.
    return Page(rows, page.next_page if len(rows) == len(page.rows) else None, None)


class Resent(NamedTuple):
    """How many are sent again, and where to go on; without `after` that was all."""

    sent: int
    after: str


# Looked at in one unit of work.
AT_ONCE = 500
BETWEEN = (
    sa.select(Delivery.table)
    .where(Delivery.c.subscription_id == sa.bindparam("subscription_id"))
    .where(Delivery.c.created_time >= sa.bindparam("since"))
    .where(Delivery.c.created_time <= sa.bindparam("until"))
    .where(Delivery.c.id > sa.bindparam("after"))
    .order_by(Delivery.c.id)
    .limit(AT_ONCE)
)


def resend_missed(
    work: Work,
    subscription: Subscription,
    since: datetime,
    until: datetime | None = None,
    after: str = "",
) -> Resent:
    """Send everything between two times again that the receiver did not take; what is about to be sent
    is left alone. It leaves in the order in which it happened, a few at once, so that neighbours may
    arrive in another. It is done by so many at a time: go on behind `after`.

    Raises BDC_1119 (400) while the subscription is disabled."""
    subscriptions.check_enabled(subscription)
    since = max(since, work.now - KEPT)
    found = work.connection.rows(
        Delivery, BETWEEN, {
            "subscription_id": subscription.id, "since": since, "until": until or work.now,
            "after": after,
        },
    )  # fmt: skip
    some = work.hold_all(Delivery, [each.id for each in found if not _taken(each)])
    missed = [each for each in some if not _taken(each)]  # Until they were held, some may have been.
    sent = sum(outbox.send_again(work, each, subscription) for each in missed)
    return Resent(sent, found[-1].id if len(found) == AT_ONCE else "")


def _taken(delivery: Delivery) -> bool:
    return delivery.state is DeliveryState.DELIVERED


async def resend_all_missed(
    environment: Environment,
    find: Callable[[Work], Subscription],
    since: datetime,
    until: datetime | None = None,
    caller: Caller | None = None,
) -> int:
    """`resend_missed` until that was all; others are served in between. Says how many are sent."""
    sent, after = 0, ""

    def some(work: Work) -> Resent:
        return resend_missed(work, find(work), since, until, after)

    while True:
        more, after = await environment.write(some, caller)
        sent += more
        if not after:
            return sent


# Of a subscription that is gone its deliveries alone say whose it was.
LAST = (
    sa.select(Delivery.table)
    .where(Delivery.c.subscription_id == sa.bindparam("subscription_id"))
    .order_by(Delivery.c.created_time.desc(), Delivery.c.id.desc())
    .limit(1)
)


def attempts(work: Work, subscription_id: str, last: int) -> list[tuple[Delivery, DeliveryAttempt]]:
    """Every attempt of a subscription's last deliveries, the newest delivery first, for whoever runs
    this server: also after it was deleted. Raises BDC_1205 (404)."""
    stored_clock(work)
    there = work.connection.where(Subscription, id=subscription_id)
    sent = work.connection.rows(Delivery, LAST, {"subscription_id": subscription_id})
    _act_for_owner(work, subscription_id, [*there, *sent])
    page = of_subscription(work, subscription_id, Asked("", "createdTime:desc", last))
    return [(each, attempt) for each in page.rows for attempt in log.of_delivery(work, each.id)]


def anybodys(work: Work, subscription_id: str) -> Subscription:
    """Whoever's subscription it is, for whoever runs this server. Raises BDC_1205 (404)."""
    stored_clock(work)
    _act_for_owner(work, subscription_id, work.connection.where(Subscription, id=subscription_id))
    return work.find(Subscription, subscription_id)


def _act_for_owner(work: Work, subscription_id: str, found: Sequence[Owned]) -> None:
    if not found:
        raise Refusal(NOT_FOUND, subscription_id)
    because = "whoever runs this server looks after its subscriptions"
    work.for_organization(found[0].organization_id, SYSTEM_USER, because=because)


def delivery_of(work: Work, subscription: Subscription, delivery_id: str) -> Delivery:
    """One delivery to a subscription, as far back as is told. Raises BDC_1205 (404)."""
    delivery = work.find(Delivery, delivery_id)
    if delivery.subscription_id != subscription.id or delivery.created_time < work.now - KEPT:
        raise Refusal(NOT_FOUND, delivery_id)
    return delivery


def resend(work: Work, subscription_id: str, event_id: str) -> Delivery:
    """Send an event again under its id, and at once: what waits for its next attempt waits no longer.

    Raises BDC_1205 (404), and BDC_1119 (400) while the subscription is disabled."""
    subscription = work.find(Subscription, subscription_id)
    for found in work.rows(Delivery, event_id=event_id, subscription_id=subscription.id):
        if found.created_time >= work.now - KEPT:
            subscriptions.check_enabled(subscription)
            delivery = work.hold(Delivery, found.id)
            outbox.send_again(work, delivery, subscription)
            return delivery
    raise Refusal(NOT_FOUND, event_id)

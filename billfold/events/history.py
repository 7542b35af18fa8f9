"""A subscription's history: what it was sent or should have been, looked through and sent again."""

from datetime import timedelta

from billfold.events import outbox, subscriptions
from billfold.events.outbox import Delivery
from billfold.events.subscriptions import Subscription
from billfold.kit import listing
from billfold.kit.errors import NOT_FOUND, Refusal
from billfold.kit.listing import Asked, Field, Page
from billfold.kit.work import Work

# Documented (`webhooks.yaml`, limits): what is older is not told any more.
KEPT = timedelta(days=180)

FIELDS = {"entityId": Field("subject_id", ("eq",)), "createdTime": listing.TIMES["createdTime"]}


def of_subscription(work: Work, subscription: Subscription, asked: Asked) -> Page[Delivery]:
    """The newest first, as far back as is told."""
    whose = ("subscription_id", subscription.id)
    page = listing.find(work, Delivery, FIELDS, asked, whose)
    since = work.now - KEPT
    rows = [row for row in page.rows if row.created_time >= since]
    # They come by time: behind one that is too old all are.
    return Page(rows, page.next_page if len(rows) == len(page.rows) else None, None)


def resend(work: Work, subscription_id: str, event_id: str) -> Delivery:
    """Send an event again under its id.

    Raises BDC_1205 (404), and BDC_1119 (400) while the subscription is disabled."""
    subscription = work.find(Subscription, subscription_id)
    for found in work.rows(Delivery, event_id=event_id, subscription_id=subscription.id):
        if found.created_time >= work.now - KEPT:
            subscriptions.check_enabled(subscription)
            delivery = work.hold(Delivery, found.id)
            outbox.send_again(work, delivery, subscription)
            return delivery
    raise Refusal(NOT_FOUND, event_id)

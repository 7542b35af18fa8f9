"""Events, written with the rows they speak of: in the same transaction, or not at all.

A body is rendered when the unit ends, from the row as it is then; late and repeated deliveries
say what was true when it happened.
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from billfold.events.subscriptions import Subscription
from billfold.kit.tables import Owned, Record, table
from billfold.kit.work import Work

DELIVER = "event.deliver"


@table("events", by=["subject_id"])
class Event(Owned, frozen=True):
    """`body` is what is said of the subject, a JSON object; who hears it is added when it is sent.

    It is sealed, because it may say what the subject's own row keeps sealed."""

    event_type: str
    subject_id: str
    body: bytes


def said(work: Work, event: Event) -> bytes:
    """What is said of the event's subject, a JSON object."""
    return work.secrets.open(event.body, event.id).encode()


class DeliveryState(StrEnum):
    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    # Every attempt has failed; the subscription was disabled for it.
    EXHAUSTED = "EXHAUSTED"
    # The subscription was disabled or deleted before it could be sent.
    STOPPED = "STOPPED"


@table("deliveries", ids="delivery", by=["subscription_id"])
class Delivery(Owned, frozen=True):
    """One event on its way to one subscription. `status_code` is the receiver's last answer."""

    event_id: str
    subscription_id: str
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    status_code: int | None = None
    failure: str | None = None
    delivered_time: datetime | None = None


Render = Callable[[Work, str, Record], bytes]


def write_events(work: Work, render: Render) -> None:
    """Turn what was told into events and deliveries; `render` is a voice's."""
    told, work.told = work.told, {}
    subscriptions = work.settled(Subscription, enabled=True) if told else []
    for (event_type, subject_id), row in told.items():
        id = work.ids.uuid(work.now)
        body = work.secrets.seal(render(work, event_type, row).decode(), id)
        event = work.add(Event, id=id, event_type=event_type, subject_id=subject_id, body=body)
        for subscription in subscriptions:
            if subscription.wants(event_type):
                delivery = work.add(Delivery, event_id=event.id, subscription_id=subscription.id)
                work.plan(work.now, DELIVER, delivery.id)

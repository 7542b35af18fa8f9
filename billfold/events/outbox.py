"""Events, written with the rows they speak of: in the same transaction, or not at all.

A body is rendered when the unit ends, from the row as it is then; late and repeated deliveries
say what was true when it happened.
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from billfold.access import partners
from billfold.events.subscriptions import Subscription
from billfold.kit.tables import Owned, Record, table
from billfold.kit.work import Work

DELIVER = "event.deliver"


@table("events")
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
    # The subscription was disabled when it happened, or disabled or deleted before it could be sent.
    STOPPED = "STOPPED"


@table(
    "deliveries",
    # A subscription's history, of everything or of one subject.
    sa.Index("ix_deliveries_history", "subscription_id", "created_time", "id"),
    sa.Index("ix_deliveries_subject", "subscription_id", "subject_id", "created_time", "id"),
    ids="delivery",
    by=["event_id"],
)
class Delivery(Owned, frozen=True):
    """One event on its way to one subscription, whose owner's it is. `status_code` is the receiver's
    last answer, and `attempts` counts those of this round: sending it again begins another."""

    event_id: str
    subscription_id: str
    # Where it happened, and to what: of a partner's organizations any.
    source_id: str
    subject_id: str
    # The subscription's when this was to be sent; what it has outlived is not sent any more.
    spell: int = 0
    round: int = 0
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    status_code: int | None = None
    failure: str | None = None
    delivered_time: datetime | None = None

    @property
    def errand(self) -> str:
        """What the agenda has of it: one of an earlier round is not its business any more."""
        return f"{self.id} {self.round}"


Render = Callable[[Work, str, Record], bytes]


def write_events(work: Work, render: Render) -> None:
    """Turn what was told into events and deliveries; `render` is a voice's."""
    told, work.told = work.told, {}
    if not told:
        return
    own = work.settled(Subscription)
    events = [
        _write(work, event_type, row.id, render(work, event_type, row))
        for (event_type, _), row in told.items()
    ]
    _plan(work, events, own)
    if partner_id := partners.partner_of(work):
        with work.on_behalf_of(partner_id, because="a partner hears of the organizations it has made"):
            _plan(work, events, work.settled(Subscription))


def send_one(
    work: Work, subscription: Subscription, event_type: str, subject_id: str, body: bytes
) -> Delivery:
    """Something for this subscription alone, subscribed to or not: it tries its receiver."""
    return _address(work, _write(work, event_type, subject_id, body), subscription)


def send_again(work: Work, delivery: Delivery, subscription: Subscription) -> bool:
    """Another round under the same event id, at once: also of what waits for its next attempt, or is
    just having it. What has had none in its round yet is left alone, which is said. The delivery is
    held, and the subscription enabled."""
    assert subscription.enabled, "nothing is sent to a subscription that is disabled"
    pending = delivery.state is DeliveryState.PENDING and delivery.spell == subscription.spell
    if pending and delivery.attempts == 0:
        return False
    work.change(
        delivery, state=DeliveryState.PENDING, attempts=0, spell=subscription.spell,
        round=delivery.round + 1, delivered_time=None,
    )  # fmt: skip
    plan(work, delivery, work.now)
    return True


def event_of(work: Work, delivery: Delivery) -> Event:
    """The event that is delivered, wherever it happened."""
    return events_of(work, [delivery])[delivery.id]


def events_of(work: Work, deliveries: list[Delivery]) -> dict[str, Event]:
    """The events of deliveries, by the deliveries' ids."""
    because = "a partner heard of it, and of nothing else there"
    work.find_all(Event, [delivery.event_id for delivery in deliveries], because=because)
    return {delivery.id: work.find(Event, delivery.event_id) for delivery in deliveries}


def plan(work: Work, delivery: Delivery, due: datetime) -> None:
    """Each subscription is a lane: of its deliveries only a few are in flight at once."""
    work.plan(due, DELIVER, delivery.errand, delivery.subscription_id)


def _write(work: Work, event_type: str, subject_id: str, body: bytes) -> Event:
    id = work.ids.uuid(work.now)
    sealed = work.secrets.seal(body.decode(), id)
    return work.add(Event, id=id, event_type=event_type, subject_id=subject_id, body=sealed)


def _plan(work: Work, events: list[Event], subscriptions: list[Subscription]) -> None:
    for event in events:
        for subscription in subscriptions:
            if subscription.wants(event.event_type):
                _address(work, event, subscription)


def _address(work: Work, event: Event, subscription: Subscription) -> Delivery:
    """While a subscription is disabled what it would have heard stays in its history, unsent."""
    delivery = work.add(
        Delivery, event_id=event.id, subscription_id=subscription.id,
        source_id=event.organization_id, subject_id=event.subject_id, spell=subscription.spell,
        state=DeliveryState.PENDING if subscription.enabled else DeliveryState.STOPPED,
    )  # fmt: skip
    if subscription.enabled:
        plan(work, delivery, work.now)
    return delivery

"""Delivery: decide, sign, send, record, try again, and give up on a receiver who never answers.

The network call stands between two units of work, inside neither. A crash leaves the item's lease to
run out: what was sent may be sent again, with the same event id (at least once).
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from msgspec import Struct, json

from billfold.events import attempts as log
from billfold.events import outbox, subscriptions
from billfold.events.catalog import version_said
from billfold.events.outbox import Delivery, DeliveryState, Event, event_of, said
from billfold.events.subscriptions import Subscription
from billfold.kit import agenda
from billfold.kit.agenda import AgendaItem
from billfold.kit.environment import Environment
from billfold.kit.secrets import signature
from billfold.kit.work import Work

SIGNATURE_HEADER = "x-bill-sha-signature"
# The one status that counts; 204 and a redirect are failures.
WELL = 200


class Answered(Struct, frozen=True):
    """What came of an attempt: the receiver's status, or why there is none."""

    status: int | None
    failure: str | None = None
    # How the answer's body begins, and how long it all took.
    body: str = ""
    milliseconds: int = 0


class Parcel(Struct, frozen=True):
    """What is to be sent where."""

    url: str
    body: bytes
    headers: dict[str, str]
    # Of a first attempt: for how long it has been true what is said.
    late_seconds: float | None = None


Send = Callable[[Parcel], Awaitable[Answered]]


class Metadata(Struct, rename="camel", frozen=True):
    event_id: str
    subscription_id: str
    organization_id: str
    event_type: str
    version: str | int


def body_of(work: Work, event: Event, subscription_id: str) -> bytes:
    """The notification, to the byte: the same at every attempt, because it is signed."""
    event_type = event.event_type
    metadata = Metadata(
        event.id, subscription_id, event.organization_id, event_type, version_said(event_type)
    )
    return b'{"metadata":' + json.encode(metadata) + b"," + said(work, event)[1:]


def make_deliverer(send: Send) -> agenda.Handler:
    """The agenda's handler of deliveries; `send` is what reaches the network."""

    async def deliver(environment: Environment, item: AgendaItem) -> None:
        parcel = await environment.read(lambda work: _packed(work, item.subject_id), item.caller)
        answered = await send(parcel) if parcel else None

        def record(work: Work) -> None:
            if not agenda.finish(work, item):
                return  # It took so long that another has it, who tells it again.
            if parcel and answered:
                _record(work, item.subject_id, parcel, answered)
            else:
                _stop(work, item.subject_id)

        await environment.write(record, item.caller)

    return deliver


def _packed(work: Work, errand: str) -> Parcel | None:
    """None when nobody wants it any more."""
    delivery = work.find(Delivery, _delivery_id(errand))
    found = work.rows(Subscription, id=delivery.subscription_id)
    if not found or not found[0].enabled or not _is_due(delivery, errand):
        return None
    (subscription,) = found
    if delivery.spell != subscription.spell:
        return None
    body = body_of(work, event_of(work, delivery), subscription.id)
    key = work.secrets.open(subscription.key, subscription.id)
    headers = {"content-type": "application/json", SIGNATURE_HEADER: signature(key, body)}
    if work.policy.standard_webhooks:
        headers |= standard_headers(key, delivery.event_id, int(work.now.timestamp()), body)
    first = delivery.round == 0 and delivery.attempts == 0
    late = (work.now - delivery.created_time).total_seconds() if first else None
    return Parcel(subscription.url, body, headers, late)


def standard_headers(key: str, event_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """As standardwebhooks.com has them, for receivers that verify by its libraries: their secret is
    whsec_ and the base64 of BILL's key, because they decode what BILL's use as it is."""
    signed = signature(key, f"{event_id}.{seconds}.".encode() + body)
    return {
        "webhook-id": event_id, "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{signed}",
    }  # fmt: skip


def _delivery_id(errand: str) -> str:
    return errand.partition(" ")[0]


def _is_due(delivery: Delivery, errand: str) -> bool:
    """An errand of an earlier round is none any more: the delivery is on its way by another."""
    return delivery.state is DeliveryState.PENDING and errand in (delivery.errand, delivery.id)


def _record(work: Work, errand: str, parcel: Parcel, answered: Answered) -> None:
    delivery = work.hold(Delivery, _delivery_id(errand))
    if not _is_due(delivery, errand):
        return  # It was sent again meanwhile, and what comes of that counts.
    log.note(
        work, delivery.id, parcel.url, parcel.headers, status_code=answered.status,
        answer=answered.body, failure=answered.failure, milliseconds=answered.milliseconds,
    )  # fmt: skip
    attempts, waits = delivery.attempts + 1, work.policy.webhook_waits
    work.change(delivery, attempts=attempts, status_code=answered.status, failure=answered.failure)
    if answered.status == WELL:
        work.change(delivery, state=DeliveryState.DELIVERED, delivered_time=work.now)
    elif attempts <= len(waits):
        pause = timedelta(seconds=waits[attempts - 1])
        outbox.plan(work, delivery, work.now + pause)
    else:
        work.change(delivery, state=DeliveryState.EXHAUSTED)
        subscriptions.give_up(work, delivery.subscription_id)


def _stop(work: Work, errand: str) -> None:
    delivery = work.hold(Delivery, _delivery_id(errand))
    if _is_due(delivery, errand):
        work.change(delivery, state=DeliveryState.STOPPED)

"""Webhooks at the console: an organization's subscriptions, how they fare, and what they were sent."""

from datetime import datetime, timedelta

import msgspec
from starlette.requests import Request

from billfold.access.roles import Permission
from billfold.console.room import Room
from billfold.console.said import going
from billfold.door.page_door import Asked
from billfold.events import attempts as log
from billfold.events import health, history, history_v3, outbox, subscriptions
from billfold.events.attempts import DeliveryAttempt
from billfold.events.delivery import body_of
from billfold.events.health import Health
from billfold.events.history_v3 import EventType, TestEventRequest
from billfold.events.outbox import Delivery, Event
from billfold.events.subscriptions import Subscription
from billfold.kit import listing
from billfold.kit.callers import Caller
from billfold.kit.errors import INVALID_VALUE, Refusal
from billfold.kit.work import Work

ALL = "/console/webhooks"
ONE = f"{ALL}/{{subscription_id}}"
DELIVERY = f"{ONE}/deliveries/{{delivery_id}}"
DELIVERIES_A_PAGE = 20
ATTEMPTS_SHOWN = 25
# What is typed is a minute; where it is an end, all of it is meant.
REST_OF_MINUTE = timedelta(minutes=1) - timedelta(milliseconds=1)
MAY = Permission.MANAGE_INTEGRATIONS


class Faring(msgspec.Struct, frozen=True):
    subscription: Subscription
    health: Health


class AllSeen(msgspec.Struct, frozen=True):
    subscriptions: list[Faring]


class Sent(msgspec.Struct, frozen=True):
    delivery: Delivery
    event_type: str


class OneSeen(msgspec.Struct, frozen=True):
    """`older` is the cursor of the page behind this one; `page` that of this one, "" for the first."""

    subscription: Subscription
    health: Health
    deliveries: list[Sent]
    page: str
    older: str
    # What the form for what was missed begins with.
    since: str


class Tried(msgspec.Struct, frozen=True):
    number: int
    attempt: DeliveryAttempt
    answer: str


class DeliverySeen(msgspec.Struct, frozen=True):
    """`sent` is the body to the byte, `body` the same for people; of many attempts the last are here,
    the newest first."""

    subscription: Subscription
    delivery: Delivery
    event: Event
    sent: str
    body: str
    attempts: list[Tried]


class WebhookPages:
    def __init__(self, room: Room) -> None:
        self.environment = room.environment
        self.routes = [
            room.page(ALL, "webhooks.html", MAY, _all),
            room.page(ONE, "webhook.html", MAY, _one),
            room.page(DELIVERY, "delivery.html", MAY, _delivery),
            room.button(f"{ONE}/status", MAY, self._set_status),
            room.button(f"{ONE}/test", MAY, self._test),
            room.button(f"{ONE}/missed", MAY, self._resend_missed),
            room.button(f"{DELIVERY}/resend", MAY, self._resend),
        ]

    async def _set_status(self, request: Request, asked: Asked, caller: Caller) -> str:
        id, wanted = request.path_params["subscription_id"], asked.get("enabled")
        if wanted not in ("yes", "no"):
            raise Refusal(INVALID_VALUE, "Status: must be yes or no")
        enabled = wanted == "yes"
        await self.environment.write(
            lambda work: subscriptions.change(work, id, enabled=enabled), caller
        )
        return going(f"{ALL}/{id}", "enabled" if enabled else "disabled")

    async def _test(self, request: Request, asked: Asked, caller: Caller) -> str:
        id = request.path_params["subscription_id"]
        try:
            wanted = TestEventRequest(event_type=EventType(asked.get("event_type", "")))
        except ValueError:
            raise Refusal(INVALID_VALUE, "Event: is none that there is") from None
        await self.environment.write(lambda work: history_v3.send_test_event(work, id, wanted), caller)
        return going(f"{ALL}/{id}", "tested")

    async def _resend_missed(self, request: Request, asked: Asked, caller: Caller) -> str:
        id = request.path_params["subscription_id"]
        since, until = _moment(asked, "since", "From"), None
        if asked.get("until"):
            until = _moment(asked, "until", "To", REST_OF_MINUTE)
        sent = await history.resend_all_missed(
            self.environment, lambda work: work.find(Subscription, id), since, until, caller
        )
        return going(f"{ALL}/{id}", "missed" if sent else "none-missed", sent)

    async def _resend(self, request: Request, asked: Asked, caller: Caller) -> str:
        """From the list one goes back to the list, else to the delivery."""
        id, delivery_id = (request.path_params[n] for n in ("subscription_id", "delivery_id"))

        def send(work: Work) -> None:
            delivery = history.delivery_of(work, work.find(Subscription, id), delivery_id)
            history.resend(work, id, delivery.event_id)

        await self.environment.write(send, caller)
        back = f"{ALL}/{id}" if asked.get("back") else f"{ALL}/{id}/deliveries/{delivery_id}"
        return going(back, "resent")


def _all(work: Work, request: Request) -> AllSeen:
    mine = work.rows(Subscription)
    return AllSeen([Faring(each, health.of_subscription(work, each)) for each in mine])


def _one(work: Work, request: Request) -> OneSeen:
    subscription = work.find(Subscription, request.path_params["subscription_id"])
    cursor = request.query_params.get("page", "")
    asked = listing.Asked(sort="createdTime:desc", max=DELIVERIES_A_PAGE, page=cursor)
    page = history.of_subscription(work, subscription.id, asked)
    events = outbox.events_of(work, page.rows)
    sent = [Sent(each, events[each.id].event_type) for each in page.rows]
    since = (work.now - health.RECENT).strftime("%Y-%m-%dT%H:00")
    return OneSeen(
        subscription, health.of_subscription(work, subscription), sent, cursor, page.next_page or "",
        since,
    )  # fmt: skip


def _delivery(work: Work, request: Request) -> DeliverySeen:
    subscription = work.find(Subscription, request.path_params["subscription_id"])
    delivery = history.delivery_of(work, subscription, request.path_params["delivery_id"])
    event = outbox.event_of(work, delivery)
    sent = body_of(work, event, subscription.id)
    tried = list(enumerate(log.of_delivery(work, delivery.id), 1))[-ATTEMPTS_SHOWN:]
    return DeliverySeen(
        subscription, delivery, event, sent.decode(), msgspec.json.format(sent, indent=2).decode(),
        [Tried(number, each, log.answer_of(work, each)) for number, each in reversed(tried)],
    )  # fmt: skip


def _moment(asked: Asked, name: str, label: str, more: timedelta = timedelta(0)) -> datetime:
    try:
        return listing.moment(asked.get(name, "")) + more
    except (ValueError, OverflowError):
        raise Refusal(INVALID_VALUE, f"{label}: must be a moment such as 2026-12-30T14:00") from None

"""What a subscription was sent, as the webhook API says it; sent again, and sent to try it."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from billfold.access.roles import Permission
from billfold.door.dialects import WEBHOOKS
from billfold.door.gates import EVENTS
from billfold.door.operations import Operations
from billfold.door.wire import Nothing, Query, Stamp, Wire, encode, stamp
from billfold.events import history, outbox, subscriptions
from billfold.events.catalog import SPEND_TYPES, TYPES, VERSIONS, level_of, types_for
from billfold.events.delivery import body_of
from billfold.events.outbox import Delivery, Event
from billfold.events.samples_v3 import ENTITY_OF, sample
from billfold.events.subscriptions import Subscription
from billfold.events.subscriptions_v3 import BASE, ONE, well_formed
from billfold.kit import listing
from billfold.kit.errors import INVALID_PARAMETER, INVALID_SUBSCRIPTION, MALFORMED, NOT_FOUND, Refusal
from billfold.kit.listing import Asked
from billfold.kit.work import Work

operations = Operations("webhooks", WEBHOOKS)

OF_SUBSCRIPTION = f"{BASE}/events/subscription/{{subscription_id}}"

EventType = StrEnum("EventType", [(each, each) for each in (*TYPES, *SPEND_TYPES)])  # type: ignore[misc]
Version = StrEnum("Version", [(each, each) for each in VERSIONS])  # type: ignore[misc]

Entity = Annotated[dict[str, Any], Meta(max_length=100)]


class EventView(Wire):
    """`payload` is the body that is delivered, as a text; `statusCode` the receiver's last answer."""

    id: str
    type: str
    version: str
    subscription_id: str
    payload: str
    created_time: Stamp
    status_code: int | None = None


class EventList(Wire):
    results: list[EventView]
    next_page: str | None = None


class HistoryQuery(Query):
    """The cursor is called nextPage here; `page` is taken as well."""

    max: Annotated[int, Meta(ge=1, le=listing.MAX_LIMIT)] = listing.MAX_DEFAULT
    entity_id: Annotated[str, Meta(max_length=100)] = ""
    created_time_from: str = ""
    created_time_to: str = ""
    next_page: str = ""
    page: str = ""


class TestEventRequest(Wire):
    """Each object stands for the subject of its events; what it holds is said in place of what is made
    up."""

    event_type: EventType | UnsetType = UNSET
    version: Version | UnsetType = UNSET
    vendor: Entity | UnsetType = UNSET
    bill: Entity | UnsetType = UNSET
    payment: Entity | UnsetType = UNSET
    invoice: Entity | UnsetType = UNSET
    transaction: Entity | UnsetType = UNSET
    reimbursement: Entity | UnsetType = UNSET
    three_ds_challenge: Entity | UnsetType = UNSET
    bank_account: Entity | UnsetType = msgspec.field(name="bank-account", default=UNSET)
    card_account: Entity | UnsetType = msgspec.field(name="card-account", default=UNSET)
    risk_verification: Entity | UnsetType = msgspec.field(name="risk-verification", default=UNSET)

    def entities(self) -> dict[str, dict[str, Any]]:
        """Those that were sent, by their names in a notification."""
        found = {each.encode_name: getattr(self, each.name) for each in msgspec.structs.fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, dict)}


def views(work: Work, deliveries: list[Delivery]) -> list[EventView]:
    events = outbox.events_of(work, deliveries)
    return [_view(work, delivery, events[delivery.id]) for delivery in deliveries]


def _view(work: Work, delivery: Delivery, event: Event) -> EventView:
    payload = body_of(work, event, delivery.subscription_id).decode()
    return EventView(
        event.id, event.event_type, VERSIONS[0], delivery.subscription_id, payload,
        stamp(event.created_time), delivery.status_code,
    )  # fmt: skip


@operations.get(
    OF_SUBSCRIPTION,
    EVENTS,
    may=Permission.MANAGE_INTEGRATIONS,
    refuses=[NOT_FOUND, MALFORMED, INVALID_PARAMETER],
)
def get_events_for_subscription(work: Work, subscription_id: str, query: HistoryQuery) -> EventList:
    """What a subscription was sent or is to be sent, of the last 180 days, the newest first.

    `entityId` asks for the events of one subject, `createdTimeFrom` and `createdTimeTo` for those of a
    time; the cursor goes forward only, and stands beside the same questions or alone."""
    subscription = work.find(Subscription, well_formed(subscription_id))
    asked = Asked(_filters(query), "createdTime:desc", query.max, query.next_page or query.page)
    page = history.of_subscription(work, subscription.id, asked)
    return EventList(views(work, page.rows), page.next_page)


@operations.post(
    f"{OF_SUBSCRIPTION}/event/{{event_id}}",
    EVENTS,
    may=Permission.MANAGE_INTEGRATIONS,
    status=200,
    refuses=[NOT_FOUND, MALFORMED, INVALID_SUBSCRIPTION],
)
def resend_event(
    work: Work, subscription_id: str, event_id: str, request: Nothing = Nothing()
) -> EventView:
    """Send an event once more, with the same id and body; a failure is retried like any other."""
    subscription_id = well_formed(subscription_id)
    delivery = history.resend(work, subscription_id, well_formed(event_id, "eventId"))
    return views(work, [delivery])[0]


@operations.post(
    f"{ONE}/test",
    EVENTS,
    may=Permission.MANAGE_INTEGRATIONS,
    status=200,
    refuses=[NOT_FOUND, MALFORMED, INVALID_SUBSCRIPTION],
)
def send_test_event(
    work: Work, subscription_id: str, request: TestEventRequest = TestEventRequest()
) -> EventView:
    """Send a made-up event to a subscription's URL, signed and retried like a real one.

    Without an `eventType` it is one whose subject was sent, else the first that the subscription asks
    for. What its subject's object holds is said in place of what is made up; its ids lead nowhere."""
    subscription = work.find(Subscription, well_formed(subscription_id))
    sent = request.entities()
    event_type = _type_of(work, subscription, request, sent)
    subscriptions.check_type(work, event_type, VERSIONS[0], "eventType")
    subscriptions.check_enabled(subscription)
    subject_id, body = sample(event_type, stamp(work.now), sent.get(ENTITY_OF[event_type], {}))
    delivery = outbox.send_one(work, subscription, event_type, subject_id, encode(body))
    return views(work, [delivery])[0]


def _type_of(
    work: Work, subscription: Subscription, request: TestEventRequest, sent: dict[str, dict[str, Any]]
) -> str:
    if isinstance(request.event_type, str):
        return str(request.event_type)
    wanted = [each.type for each in subscription.events]
    possible = [*wanted, *types_for(level_of(work.organization_id))]
    return next((each for each in possible if ENTITY_OF[each] in sent), wanted[0])


def _filters(query: HistoryQuery) -> str:
    """What is asked for, in the words of lists."""
    asked = []
    if query.entity_id:
        if '"' in query.entity_id:
            raise Refusal(INVALID_PARAMETER, "entityId")
        asked.append(f'entityId:eq:"{query.entity_id}"')
    for name, op, text in (
        ("createdTimeFrom", "gte", query.created_time_from),
        ("createdTimeTo", "lte", query.created_time_to),
    ):
        if text:
            try:
                asked.append(f"createdTime:{op}:{stamp(listing.moment(text))}")
            except (ValueError, OverflowError):
                raise Refusal(INVALID_PARAMETER, name) from None
    return ",".join(asked)

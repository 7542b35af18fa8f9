"""Subscriptions as the webhook API says them (connect-events): every success is 200."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from billfold.access.roles import Permission
from billfold.door.arrival import Arrival
from billfold.door.dialects import WEBHOOKS
from billfold.door.gates import EVENTS
from billfold.door.operations import Operations
from billfold.door.wire import Nothing, Query, Stamp, Wire, encode, stamp
from billfold.events import subscriptions
from billfold.events.catalog import VERSIONS, level_of, types_for
from billfold.events.subscriptions import Subscription, Wanted
from billfold.kit import listing
from billfold.kit.errors import (
    INVALID_SUBSCRIPTION,
    MALFORMED,
    MISSING_HEADER,
    NOT_FOUND,
    Refusal,
)
from billfold.kit.idempotency import HEADER, once
from billfold.kit.ids import is_uuid
from billfold.kit.listing import Asked
from billfold.kit.work import Work

operations = Operations("webhooks", WEBHOOKS)

BASE = "/connect-events/v3"
ONE = f"{BASE}/subscriptions/{{subscription_id}}"

Text = Annotated[str, Meta(min_length=1, max_length=1000)]


class CatalogEntry(Wire):
    type: str
    versions: list[str]


class SubscriptionStatus(Wire):
    enabled: bool


class EventChoice(Wire):
    type: Text
    version: Text


Choices = Annotated[list[EventChoice], Meta(min_length=1, max_length=100)]
Url = Annotated[str, Meta(min_length=1, max_length=subscriptions.URL_LENGTH_MAX)]


class SubscriptionRequest(Wire):
    name: Text
    status: SubscriptionStatus
    events: Choices
    notification_url: Url


class SubscriptionPatchRequest(Wire):
    name: Text | UnsetType = UNSET
    status: SubscriptionStatus | UnsetType = UNSET
    events: Choices | UnsetType = UNSET
    notification_url: Url | UnsetType = UNSET


class SubscriptionView(Wire):
    id: str
    name: str
    organization_id: str
    status: SubscriptionStatus
    events: list[Wanted]
    notification_url: str
    created_time: Stamp
    updated_time: Stamp


class SubscriptionWithKey(SubscriptionView, kw_only=True):
    """The key is shown here and never again."""

    security_key: str


class SecurityKey(Wire):
    security_key: str


class SubscriptionList(Wire):
    results: list[SubscriptionView]
    next_page: str | None = None


class ListQuery(Query):
    """The cursor is called nextPage here; `page` is taken as well."""

    max: Annotated[int, Meta(ge=1, le=listing.MAX_LIMIT)] = listing.MAX_DEFAULT
    next_page: str = ""
    page: str = ""


def view(subscription: Subscription) -> SubscriptionView:
    return SubscriptionView(**_fields(subscription))


def _fields(subscription: Subscription) -> dict[str, Any]:
    return {
        "id": subscription.id, "name": subscription.name,
        "organization_id": subscription.organization_id,
        "status": SubscriptionStatus(subscription.enabled),
        "events": subscription.events, "notification_url": subscription.url,
        "created_time": stamp(subscription.created_time),
        "updated_time": stamp(subscription.updated_time),
    }  # fmt: skip


def well_formed(id: str, name: str = "subscriptionId") -> str:
    """An id that is no UUID is a bad parameter here, where other hosts say it was not found."""
    if not is_uuid(id):
        raise Refusal(MALFORMED, f"{name}: must be a UUID")
    return id.lower()


def _once(work: Work, arrival: Arrival, what: str, asked: bytes, do: Callable[[], Wire]) -> bytes:
    key = arrival.header(HEADER)
    if not key:
        raise Refusal(MISSING_HEADER, HEADER)
    # An owner is of one level, so levels share no key either.
    scope = f"owner {work.organization_id} {what}"
    return once(work, scope, key, asked, lambda: encode(do()))


def _wanted(sent: list[EventChoice]) -> list[Wanted]:
    return list(dict.fromkeys(Wanted(each.type, each.version) for each in sent))


@operations.get(f"{BASE}/events/catalog", EVENTS, may=Permission.SIGNED_IN)
def get_event_catalog(work: Work) -> list[CatalogEntry]:
    """Every event type that can be subscribed to, with its versions.

    With an API token those of Spend & Expense, with a session all others."""
    types = types_for(level_of(work.organization_id))
    return [CatalogEntry(type, list(VERSIONS)) for type in types]


@operations.post(
    f"{BASE}/subscriptions",
    EVENTS,
    may=Permission.MANAGE_INTEGRATIONS,
    status=200,
    idempotent=True,
    refuses=[INVALID_SUBSCRIPTION],
)
def create_subscription(
    work: Work, request: SubscriptionRequest, arrival: Arrival
) -> SubscriptionWithKey:
    """Subscribe to events. Needs an X-Idempotent-Key, a UUID of version 4.

    With a user's session of what happens in the organization; with a partner's of what happens in
    every organization that it has made or will make (`metadata.organizationId` says where); with an
    API token of what happens in Spend & Expense. Whoever asks at one of these levels sees nothing of
    the others. The answer alone has the security key; the same key sent again within 24 hours is
    answered with the same. At most ten subscriptions, no two with the same events and URL."""

    def do() -> SubscriptionWithKey:
        made, key = subscriptions.subscribe(
            work, request.name, request.notification_url, _wanted(request.events),
            request.status.enabled,
        )  # fmt: skip
        return SubscriptionWithKey(**_fields(made), security_key=key)

    answer = _once(work, arrival, "subscriptions", encode(request), do)
    return msgspec.json.decode(answer, type=SubscriptionWithKey)


@operations.get(f"{BASE}/subscriptions", EVENTS, may=Permission.MANAGE_INTEGRATIONS)
def get_all_subscriptions(work: Work, query: ListQuery) -> SubscriptionList:
    """The caller's subscriptions; the cursor goes forward only."""
    asked = Asked(max=query.max, page=query.next_page or query.page)
    page = listing.find(work, Subscription, listing.TIMES, asked)
    return SubscriptionList([view(each) for each in page.rows], page.next_page)


@operations.get(ONE, EVENTS, may=Permission.MANAGE_INTEGRATIONS, refuses=[NOT_FOUND, MALFORMED])
def get_subscription(work: Work, subscription_id: str) -> SubscriptionView:
    """One subscription."""
    return view(work.find(Subscription, well_formed(subscription_id)))


@operations.patch(
    ONE,
    EVENTS,
    may=Permission.MANAGE_INTEGRATIONS,
    refuses=[NOT_FOUND, MALFORMED, INVALID_SUBSCRIPTION],
)
def update_subscription(
    work: Work, subscription_id: str, request: SubscriptionPatchRequest
) -> SubscriptionView:
    """Change name, status, URL or events; this is how a disabled one is enabled again."""
    sent: dict[str, Any] = {"name": request.name, "url": request.notification_url}
    if isinstance(request.status, SubscriptionStatus):
        sent["enabled"] = request.status.enabled
    if isinstance(request.events, list):
        sent["events"] = _wanted(request.events)
    fields = {name: value for name, value in sent.items() if value is not UNSET}
    if not fields:
        raise Refusal(MALFORMED, "body: no recognised field sent")
    return view(subscriptions.change(work, well_formed(subscription_id), **fields))


@operations.put(
    ONE,
    EVENTS,
    may=Permission.MANAGE_INTEGRATIONS,
    refuses=[NOT_FOUND, MALFORMED, INVALID_SUBSCRIPTION],
)
def replace_subscription(
    work: Work, subscription_id: str, request: SubscriptionRequest
) -> SubscriptionView:
    """Replace a subscription; id and security key stay."""
    changed = subscriptions.change(
        work, well_formed(subscription_id), name=request.name, url=request.notification_url,
        events=_wanted(request.events), enabled=request.status.enabled,
    )  # fmt: skip
    return view(changed)


@operations.delete(ONE, EVENTS, may=Permission.MANAGE_INTEGRATIONS, refuses=[NOT_FOUND, MALFORMED])
def delete_subscription(work: Work, subscription_id: str) -> Nothing:
    """Delete a subscription; what is still to be sent to it is not sent."""
    subscriptions.unsubscribe(work, well_formed(subscription_id))
    return Nothing()


@operations.post(
    f"{ONE}/security_key",
    EVENTS,
    may=Permission.MANAGE_INTEGRATIONS,
    status=200,
    older=True,
    idempotent=True,
    refuses=[NOT_FOUND],
)
@operations.post(
    f"{ONE}/security-key",
    EVENTS,
    may=Permission.MANAGE_INTEGRATIONS,
    status=200,
    idempotent=True,
    refuses=[NOT_FOUND],
)
def create_new_security_key(
    work: Work, subscription_id: str, arrival: Arrival, request: Nothing = Nothing()
) -> SecurityKey:
    """Make a new signing key; it signs from now on, and is shown this once."""
    id = well_formed(subscription_id)
    rotate = lambda: SecurityKey(subscriptions.rotate_key(work, id))
    answer = _once(work, arrival, f"security key {id}", b"", rotate)
    return msgspec.json.decode(answer, type=SecurityKey)

"""Subscriptions: who wants to be told of what, where, and how it is signed."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from billfold.events.catalog import VERSIONS, Level, level_of, types_for
from billfold.kit.addresses import may_be_public
from billfold.kit.errors import INVALID_SUBSCRIPTION, NOT_FOUND, Refusal
from billfold.kit.tables import Owned, Record, table
from billfold.kit.work import Work

SUBSCRIPTIONS_MAX = 10
URL_LENGTH_MAX = 2_000
# Neither blanks nor controls, which urlsplit forgives and HTTP does not.
URL_CHARACTERS = re.compile("[!-~]+")


class Wanted(msgspec.Struct, frozen=True):
    """An event type and the version of its body."""

    type: str
    version: str


@table("subscribers")
class Subscriber(Record, frozen=True):
    """An owner of subscriptions, held while its are counted and compared: an organization, a partner or
    a company."""

    level: Level


@table("subscriptions", by=["enabled", "created_time"], seldom=True)
class Subscription(Owned, frozen=True):
    """`key` is sealed; it signs what is sent."""

    name: str
    url: str
    key: bytes
    events: list[Wanted]
    enabled: bool = True
    # Counts how often it was disabled; what was to be sent before is not sent any more.
    spell: int = 0

    def wants(self, event_type: str) -> bool:
        return any(wanted.type == event_type for wanted in self.events)


def subscribe(
    work: Work, name: str, url: str, events: Sequence[Wanted], enabled: bool
) -> tuple[Subscription, str]:
    """The new subscription and its key, which is shown this once."""
    _hold_owner(work)  # Ten at once shall not each count nine.
    others = work.rows(Subscription)
    if len(others) >= SUBSCRIPTIONS_MAX:
        raise Refusal(INVALID_SUBSCRIPTION, f"there are {SUBSCRIPTIONS_MAX} subscriptions already")
    _check(work, url, events, others)
    id, key = work.ids.uuid(work.now), work.ids.token()
    made = work.add(
        Subscription, id=id, name=name, url=url, key=work.secrets.seal(key, id),
        events=list(events), enabled=enabled,
    )  # fmt: skip
    return made, key


def change(work: Work, id: str, **fields) -> Subscription:
    """Id and key stay. Enabling is how one that was given up is taken up again."""
    _hold_owner(work)
    subscription = held(work, id)
    others = [each for each in work.rows(Subscription) if each.id != id]
    url, events = fields.get("url", subscription.url), fields.get("events", subscription.events)
    _check(work, url, events, others)
    if subscription.enabled and fields.get("enabled") is False:
        fields["spell"] = subscription.spell + 1
    work.change(subscription, **fields)
    return subscription


def give_up(work: Work, id: str) -> None:
    """Disable one whose receiver does not answer, if it is there still."""
    for found in work.rows(Subscription, id=id):
        subscription = work.hold(Subscription, found.id)
        if subscription.enabled:
            work.change(subscription, enabled=False, spell=subscription.spell + 1)


def unsubscribe(work: Work, id: str) -> None:
    """What is still to be sent is not sent any more."""
    work.remove(held(work, id))


def rotate_key(work: Work, id: str) -> str:
    """A new key, shown this once; it signs from now on, also what is waiting."""
    subscription = held(work, id)
    key = work.ids.token()
    work.change(subscription, key=work.secrets.seal(key, subscription.id))
    return key


def held(work: Work, id: str) -> Subscription:
    return work.hold(Subscription, id, NOT_FOUND)


def check_enabled(subscription: Subscription) -> None:
    """While it is disabled nothing is sent, not even what is asked for. Raises BDC_1119 (400)."""
    if not subscription.enabled:
        raise Refusal(INVALID_SUBSCRIPTION, "status: the subscription is disabled; enable it first")


def check_type(work: Work, event_type: str, version: str, field: str) -> None:
    """Raises BDC_1119 (400) for what cannot be heard at the caller's level."""
    if event_type not in types_for(level_of(work.organization_id)):
        raise Refusal(INVALID_SUBSCRIPTION, f"{field}: unknown event type {event_type}")
    if version not in VERSIONS:
        raise Refusal(INVALID_SUBSCRIPTION, f"{field}: {event_type} has no version {version}")


def _hold_owner(work: Work) -> None:
    owner_id = work.organization_id
    work.hold_or_insert(Subscriber(owner_id, level_of(owner_id)))


def _check(work: Work, url: str, events: Sequence[Wanted], others: Sequence[Subscription]) -> None:
    check_url(work, url)
    for wanted in events:
        check_type(work, wanted.type, wanted.version, "events")
    if any(each.url == url and set(each.events) == set(events) for each in others):
        raise Refusal(
            INVALID_SUBSCRIPTION, "there is a subscription with the same events and notificationUrl"
        )


def check_url(work: Work, url: str) -> None:
    """https only, but for a sandbox's receivers on the same machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or len(url) > URL_LENGTH_MAX or parts.username or not URL_CHARACTERS.fullmatch(url):
        raise Refusal(INVALID_SUBSCRIPTION, "notificationUrl: is not a URL that can be notified")
    schemes = ("https", "http") if work.policy.webhooks_to_http else ("https",)
    if parts.scheme not in schemes:
        raise Refusal(
            INVALID_SUBSCRIPTION, f"notificationUrl: must begin with {' or '.join(schemes)}://"
        )
    if not work.policy.webhooks_to_private_addresses and not may_be_public(host):
        raise Refusal(INVALID_SUBSCRIPTION, "notificationUrl: must be an address of the internet")

"""Delivery: decide, sign, send, record, try again, and give up on a receiver who never answers.

The network call stands between two units of work, inside neither. A crash leaves the item's lease to
run out: what was sent may be sent again, with the same event id (at least once).
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain, groupby, repeat
from typing import TypeVar
from weakref import WeakValueDictionary

from msgspec import Struct, json

from billfold.events import attempts as log
from billfold.events import outbox, subscriptions
from billfold.events.catalog import version_said
from billfold.events.outbox import Delivery, DeliveryState, Event, said
from billfold.events.subscriptions import Subscription
from billfold.kit import agenda, agenda_items
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.batches import Batches, to_the_end
from billfold.kit.clock import real
from billfold.kit.environment import Environment, stored_clock
from billfold.kit.errors import Refusal
from billfold.kit.secrets import SIGNATURE_HEADER, Secrets, signature
from billfold.kit.work import Work

# The one status that counts; 204 and a redirect are failures.
WELL = 200
ITEMS = "the agenda does what was planned, for the owner that planned it"

# A receiver that takes longer has failed (webhooks.yaml).
ANSWER_SECONDS_MAX = 10
ANSWER_MAX = timedelta(seconds=ANSWER_SECONDS_MAX)
# Whose receiver answers well within so long is quick: more is leased for it, which it has soon.
QUICK_MILLISECONDS = 100

# How many subscriptions' keys are not opened again for each of their deliveries.
KEYS_KEPT = 1_000

T = TypeVar("T")


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
    # Of a first attempt: since when it has been true what is said, by the environment's clock.
    since: datetime | None = None


class Wanted(Struct, frozen=True):
    """A delivery that is due, and who is to get it."""

    delivery: Delivery
    subscription: Subscription


class Sent(Struct, frozen=True):
    """What came of an item; without a parcel it was not sent, because nobody wanted it any more."""

    item: AgendaItem
    parcel: Parcel | None
    answered: Answered | None

    @property
    def was_quick(self) -> bool:
        said = self.answered
        return said is not None and said.status == WELL and said.milliseconds <= QUICK_MILLISECONDS


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


def make_deliverer(environment: Environment, send: Send) -> agenda.Handler:
    """The agenda's handler of an environment's deliveries; `send` is what reaches the network. What
    is to be packed, and what was sent, of several at one moment is one unit of work."""

    # What is gone on with was packed when it was leased, as the clock's version was then.
    packed: dict[AgendaItem, tuple[int, Parcel | None]] = {}
    # What is leased here, of each lane.
    held: dict[str, set[AgendaItem]] = defaultdict(set)
    # What is leased ahead waits until fewer than a few are in flight.
    gates: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def pack_all(items: list[AgendaItem]) -> Awaitable[list[Parcel | None]]:
        def unit(work: Work) -> list[Parcel | None]:
            stored_clock(work)  # Another process may have changed a subscription.
            return _pack_all(work, items)

        return environment.read(unit, items[0].caller)

    async def record_all(sent: list[Sent]) -> list[list[AgendaItem]]:
        """Says with which ones each goes on."""

        def unit(work: Work) -> tuple[int, dict[str, list[AgendaItem]], list[Parcel | None]]:
            stored = stored_clock(work)
            done = _record_all(work, sent)
            # In a jump it is done in order, by who jumps.
            goes_on = environment.room and not stored.walking_to and not environment.stopping
            lanes = _lanes(done, held, most) if goes_on else {}
            ours = _leased(held, lanes, {one.item for one in sent})
            following = agenda.follow(work, lanes, ours, environment.room + len(done))
            try:
                parcels = _pack_all(work, list(chain(*following.values())))
            except (ValueError, Refusal):
                parcels = []  # Who cannot be packed fails by itself, when its turn comes.
            return stored.version, following, parcels

        # Where a machine fails, and this with it, it is sent again.
        caller = sent[0].item.caller
        version, following, parcels = await environment.write(unit, caller, durable=False)
        for one in sent:
            let_go(one.item)  # Before the next batch counts what is leased here.
        items = list(chain(*following.values()))
        for item in items:
            held[item.lane].add(item)
        packed.update(zip(items, zip(repeat(version), parcels), strict=False))
        return _shares(sent, following)

    async def give_back(items: list[AgendaItem]) -> list[None]:
        await environment.write(lambda work: agenda.give_back(work, items), items[0].caller)
        for item in items:
            let_go(item)
        return [None] * len(items)

    def let_go(item: AgendaItem) -> None:
        if left := held.get(item.lane):
            left.discard(item)
        if not left:
            held.pop(item.lane, None)

    most = environment.database.batch_most
    packing, recording = Batches(pack_all, most), Batches(record_all, most)
    giving_back = Batches(give_back, most)

    async def deliver(_: Environment, item: AgendaItem) -> list[AgendaItem]:
        gate = gates.setdefault(item.lane, asyncio.Semaphore(agenda_items.LANE_MAX))
        held[item.lane].add(item)
        try:
            async with gate:
                parcel = await pack(item)
                if environment.stopping:
                    return [item]
                in_time = _lasts(item, real() + ANSWER_MAX)  # For as long as a receiver may take.
                answered = await send(parcel) if parcel and in_time else None
            if in_time:
                return await record(Sent(item, parcel, answered))
            await giving_back.do(item)  # Whoever takes it next sends it.
            return []
        finally:
            packed.pop(item, None)
            let_go(item)

    async def pack(item: AgendaItem) -> Parcel | None:
        version, parcel = packed.get(item, (None, None))
        # Under another version a subscription may be another, or disabled.
        return parcel if version == environment.clock.state[0] else await packing.do(item)

    async def record(sent: Sent) -> list[AgendaItem]:
        ways = chain([recording.do], repeat(by_itself))
        # Patiently by itself: for the database's trouble nothing is sent again.
        return await agenda.patiently(sent.item, lambda: to_the_end(next(ways)(sent)))

    def by_itself(sent: Sent) -> asyncio.Future[list[AgendaItem]]:
        """Whose batch has failed waits for no other any more."""

        async def alone() -> list[AgendaItem]:
            (following,) = await record_all([sent])
            return following

        return asyncio.ensure_future(alone())

    return deliver


def _pack_all(work: Work, items: list[AgendaItem]) -> list[Parcel | None]:
    parcels: dict[str, Parcel | None] = {}
    for owner_id, some in _by_owner(items, lambda item: item):
        with work.on_behalf_of(owner_id, because=ITEMS):
            work.find_all(Delivery, [_delivery_id(item.subject_id) for item in some])
            hearers = {each.id: each for each in work.settled(Subscription)}
            wanted = {item.id: _wanted(work, item.subject_id, hearers) for item in some}
            events = outbox.events_of(work, [each.delivery for each in wanted.values() if each])
            for id, each in wanted.items():
                parcels[id] = _packed(work, each, events[each.delivery.id]) if each else None
    return [parcels[item.id] for item in items]


def _wanted(work: Work, errand: str, hearers: dict[str, Subscription]) -> Wanted | None:
    """None when nobody wants it any more."""
    delivery = work.find(Delivery, _delivery_id(errand))
    subscription = hearers.get(delivery.subscription_id)
    if subscription is None or not subscription.enabled or delivery.spell != subscription.spell:
        return None
    return Wanted(delivery, subscription) if _is_due(delivery, errand) else None


def _packed(work: Work, wanted: Wanted, event: Event) -> Parcel:
    delivery, subscription = wanted.delivery, wanted.subscription
    body = body_of(work, event, subscription.id)
    key = _key(work.secrets, subscription.key, subscription.id)
    headers = {"content-type": "application/json", SIGNATURE_HEADER: signature(key, body)}
    if work.policy.standard_webhooks:
        headers |= standard_headers(key, delivery.event_id, int(real().timestamp()), body)
    first = delivery.round == 0 and delivery.attempts == 0
    return Parcel(subscription.url, body, headers, delivery.created_time if first else None)


@lru_cache(KEYS_KEPT)
def _key(secrets: Secrets, sealed: bytes, subscription_id: str) -> str:
    return secrets.open(sealed, subscription_id)


def standard_headers(key: str, event_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """As standardwebhooks.com has them, for receivers that verify by its libraries: their secret is
    whsec_ and the base64 of BILL's key, because they decode what BILL's use as it is. They compare the
    time with that of their own machine, so it is this one's, wherever a sandbox's clock stands."""
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


def _record_all(work: Work, sent: list[Sent]) -> list[Sent]:
    """Which of them were ours still; who took so long that another has it leaves it to that one,
    who tells it again."""
    ours = agenda.finish_all(work, [one.item for one in sent])
    done = [one for one in sent if one.item in ours]
    for owner_id, kept in _by_owner(done, lambda one: one.item):
        with work.on_behalf_of(owner_id, because=ITEMS):
            work.hold_all(Delivery, sorted(_delivery_id(one.item.subject_id) for one in kept))
            given_up = {_record(work, one) for one in kept}
            for subscription_id in sorted(filter(None, given_up)):  # Rows are locked in one order.
                subscriptions.give_up(work, subscription_id)
    return done


def _lasts(item: AgendaItem, moment: datetime) -> bool:
    return item.leased_until is not None and item.leased_until > moment


def _lanes(done: list[Sent], held: dict[str, set[AgendaItem]], batch: int) -> dict[str, int]:
    """Of which lanes more is to be leased, and how many are to be at work then: many where all that has
    ended was quick, but then not before a quarter is done, because to look costs as much for one."""
    ended: dict[str, set[AgendaItem]] = defaultdict(set)
    for one in done:
        ended[one.item.lane].add(one.item)
    lanes = dict.fromkeys((one.item.lane for one in done if not one.was_quick), agenda_items.LANE_MAX)
    most, soon = agenda.most_ahead(len(ended.keys() | held.keys()), batch), real() + ANSWER_MAX
    for lane, items in ended.items():
        left = held.get(lane, set()) - items
        if lane not in lanes and sum(_lasts(item, soon) for item in left) <= most * 3 // 4:
            lanes[lane] = most
    return lanes


def _leased(
    held: dict[str, set[AgendaItem]], lanes: Iterable[str], ended: set[AgendaItem]
) -> dict[str, int]:
    """How many of some lanes are leased here, but for those that have ended."""
    now = real()
    # The difference is made at one go, because others come and go meanwhile.
    return {lane: sum(_lasts(item, now) for item in held.get(lane, set()) - ended) for lane in lanes}


def _shares(sent: list[Sent], following: dict[str, list[AgendaItem]]) -> list[list[AgendaItem]]:
    """With which ones of its lane each goes on: one each, because for who has none the worker looks
    through all lanes, and the last with what is left, so that they are sent in turn."""
    shares: list[list[AgendaItem]] = [[] for _ in sent]
    ended: dict[str, list[list[AgendaItem]]] = defaultdict(list)
    for one, share in zip(sent, shares, strict=True):
        ended[one.item.lane].append(share)
    for lane, items in following.items():
        for share, item in zip(ended[lane], items, strict=False):
            share.append(item)
        ended[lane][-1] += items[len(ended[lane]) :]
    return shares


def _record(work: Work, sent: Sent) -> str | None:
    """Says which subscription is to be given up for it."""
    delivery = work.hold(Delivery, _delivery_id(sent.item.subject_id))
    due, parcel, answered = _is_due(delivery, sent.item.subject_id), sent.parcel, sent.answered
    if parcel is None or answered is None:
        if due:
            work.change(delivery, state=DeliveryState.STOPPED)
        return None
    log.note(
        work, delivery.id, parcel.url, parcel.headers, status_code=answered.status,
        answer=answered.body, failure=answered.failure, milliseconds=answered.milliseconds,
    )  # fmt: skip
    if not due:
        return None  # It was sent again meanwhile, and what comes of that counts.
    attempts, waits = delivery.attempts + 1, work.policy.webhook_waits
    if answered.status == WELL:
        state = DeliveryState.DELIVERED
    else:
        state = DeliveryState.PENDING if attempts <= len(waits) else DeliveryState.EXHAUSTED
    work.change(
        delivery, attempts=attempts, status_code=answered.status, failure=answered.failure, state=state,
        delivered_time=work.now if state is DeliveryState.DELIVERED else None,
    )  # fmt: skip
    if state is DeliveryState.PENDING:
        outbox.plan(work, delivery, work.now + timedelta(seconds=waits[attempts - 1]))
    return delivery.subscription_id if state is DeliveryState.EXHAUSTED else None


def _by_owner(each: list[T], item_of: Callable[[T], AgendaItem]) -> Iterator[tuple[str, list[T]]]:
    """In the order in which rows are locked, by everyone: of owners, and of items."""

    def place(one: T) -> tuple[str, str]:
        item = item_of(one)
        return item.organization_id, item.id

    for owner_id, some in groupby(sorted(each, key=place), lambda one: item_of(one).organization_id):
        yield owner_id, list(some)

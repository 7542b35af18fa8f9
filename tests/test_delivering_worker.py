"""Deliveries by the worker itself: many at a time, and none suffers for another."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections import Counter
from datetime import timedelta

import msgspec
import pytest

from billfold.door.posts import Poster
from billfold.events import delivery
from billfold.events.outbox import Delivery, DeliveryState, Event
from billfold.kit import agenda, agenda_items, worker
from billfold.kit.clock import real
from billfold.kit.environment import Environment
from billfold.kit.errors import Unavailable
from tests.desk import CALLER
from tests.receiver import Receiver
from tests.test_webhooks import subscribes

EVENTS = 24


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


@pytest.fixture
def receivers(desk):
    """Two, each with a subscription of its own to all that is made; with its key."""
    found = []
    for _ in range(2):
        receiver = Receiver(desk)
        url = desk.runner.run(receiver.open())
        found.append((receiver, subscribes(desk, url, "vendor.created")))
    yield found
    for receiver, _ in found:
        desk.runner.run(receiver.close())


def works(desk, count: int) -> None:
    """Until so many are delivered."""

    async def delivered() -> int:
        every = await desk.environment.read(lambda work: work.rows(Delivery), CALLER)
        return sum(each.state is DeliveryState.DELIVERED for each in every)

    async def run() -> None:
        task = asyncio.create_task(worker.work_forever(desk.environment))
        try:
            async with asyncio.timeout(10):
                while await delivered() < count:
                    await asyncio.sleep(0.02)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    desk.runner.run(run())


def test_each_gets_its_own_once_and_signed_with_its_key(desk, receivers):
    for number in range(EVENTS):
        desk.vendor(f"V{number}")
    works(desk, 2 * EVENTS)
    for receiver, made in receivers:
        ids = Counter()
        for _, headers, body, _ in receiver.got:
            right = hmac.digest(made["securityKey"].encode(), body, hashlib.sha256)
            assert headers["x-bill-sha-signature"] == base64.b64encode(right).decode()
            metadata = json.loads(body)["metadata"]
            assert metadata["subscriptionId"] == made["id"]
            ids[metadata["eventId"]] += 1
        assert len(ids) == ids.total() == EVENTS


def test_what_cannot_be_read_fails_alone(desk, receivers):
    for number in range(12):
        desk.vendor(f"V{number}")
    fifth = desk.reads(lambda work: work.rows(Delivery))[8].event_id
    desk.writes(lambda work: work.connection.update(Event, fifth, {"body": b"none of ours"}))
    works(desk, 22)
    for receiver, _ in receivers:
        ids = [body["metadata"]["eventId"] for body in receiver.bodies]
        assert len(ids) == len(set(ids)) == 11 and fifth not in ids


def test_for_the_databases_trouble_nothing_is_sent_again(desk, receivers, monkeypatch):
    """Every unit that records fails once, and is done again without the others."""
    monkeypatch.setattr(agenda, "TROUBLE_PAUSE", agenda.TROUBLE_PAUSE / 50)
    write, tried = desk.environment.database.write, Counter()

    async def troubled(do, durable):
        tried["units"] += 1
        if tried["units"] in (2, 3, 5):
            raise Unavailable("no word")
        return await write(do, durable)

    for number in range(8):
        desk.vendor(f"V{number}")
    monkeypatch.setattr(desk.environment.database, "write", troubled)
    works(desk, 16)
    assert tried["units"] > 5
    for receiver, _ in receivers:
        assert len(receiver.got) == 8


def test_what_could_not_be_sent_from_here_waits_and_counts_as_no_attempt(desk, receivers, monkeypatch):
    monkeypatch.setattr(agenda, "TROUBLE_PAUSE", agenda.TROUBLE_PAUSE / 50)
    post, tried = Poster.post, Counter()

    async def out_of_files(*about, **options):
        tried["posts"] += 1
        if tried["posts"] <= 3:
            raise Unavailable("no connection can be opened")
        return await post(*about, **options)

    monkeypatch.setattr(Poster, "post", out_of_files)
    desk.vendor()
    works(desk, 2)
    assert tried["posts"] == 5
    assert {each.attempts for each in desk.reads(lambda work: work.rows(Delivery))} == {1}


# What is leased and not begun


def taken(desk) -> list[agenda_items.AgendaItem]:
    return desk.runner.run(agenda.take_due(desk.environment, 100))


def attempts(desk, *items: agenda_items.AgendaItem) -> list[tuple]:
    async def all_of_them() -> list[tuple]:
        async with asyncio.timeout(10):
            return await asyncio.gather(*(agenda.attempt(desk.environment, each) for each in items))

    return desk.runner.run(all_of_them())


@pytest.fixture
def receiver(desk, receivers):
    """One of them, who alone hears of a vendor."""
    desk.call("DELETE", f"/connect-events/v3/subscriptions/{receivers[1][1]['id']}")
    desk.vendor()
    return receivers[0][0]


def test_one_item_under_two_leases_is_recorded_once_and_nobody_hangs(desk, receiver):
    """A process that was suspended for a minute goes on with what it has taken again meanwhile."""
    (before,) = taken(desk)
    desk.writes(lambda work: agenda.put_back(work, before, leased_until=None))
    (after,) = taken(desk)
    assert before.id == after.id and before != after
    assert attempts(desk, before, after) == [(True, []), (True, [])]
    assert len(receiver.got) == 2
    (told,) = desk.reads(lambda work: work.rows(Delivery))
    assert (told.state, told.attempts) == ("DELIVERED", 1)


def test_what_is_leased_for_no_longer_than_a_receiver_may_take_is_given_back(desk, receiver):
    (item,) = taken(desk)
    late = {"leased_until": real() + timedelta(seconds=9)}
    desk.writes(lambda work: agenda.put_back(work, item, **late))
    assert attempts(desk, msgspec.structs.replace(item, **late)) == [(True, [])]
    assert receiver.got == []
    (again,) = desk.runner.run(agenda.take_due(desk.environment, 100))
    assert again.id == item.id
    assert attempts(desk, again) == [(True, [])] and len(receiver.got) == 1


def test_what_cannot_be_recorded_for_as_long_as_it_is_leased_is_sent_once(desk, receiver, monkeypatch):
    """Then it is left to the lease, and not begun again by the same attempt."""
    (item,) = taken(desk)
    monkeypatch.setattr(agenda, "TROUBLE_PAUSE", timedelta(seconds=0.1))
    monkeypatch.setattr(delivery, "ANSWER_MAX", timedelta())

    async def down(*_, durable: bool = True):
        raise Unavailable("the database is down")

    monkeypatch.setattr(Environment, "write", down)
    short = msgspec.structs.replace(item, leased_until=real() + timedelta(seconds=1))
    assert attempts(desk, short) == [(False, [])]
    assert len(receiver.got) == 1


def test_a_worker_that_stops_begins_nothing_more(desk, receiver):
    (item,) = taken(desk)
    desk.environment.stopping = True
    assert attempts(desk, item) == [(True, [item])] and receiver.got == []

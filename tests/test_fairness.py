"""Fair: of a subscription four deliveries are in flight, and none waits for another's receiver."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from time import process_time

import pytest

from billfold import demo_world
from billfold.events import delivery, subscriptions
from billfold.events.delivery import Answered, Sent
from billfold.events.outbox import Delivery
from billfold.kit import agenda, agenda_items, worker
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.clock import real
from tests.desk import START
from tests.receiver import Receiver
from tests.test_webhooks import subscribes

BACKLOG = 400


@pytest.fixture
def desk(desk):
    desk.is_at_work()
    return desk


def plan(desk, lane: str, many: int, first: int = 0, due: datetime | None = None) -> None:
    """So many of a lane, due now or then, in one order."""

    def do(work):
        for number in range(many):
            id = work.ids.new("agenda_item", work.now)
            organization_id, subject_id = demo_world.ORGANIZATION_ID, str(first + number)
            when = due or work.now
            item = AgendaItem(id, organization_id, when, "event.deliver", subject_id, lane=lane)
            work.insert(item)

    desk.writes(do)


def take(desk, most: int = 100) -> list[AgendaItem]:
    return desk.runner.run(agenda.take_due(desk.environment, most))


def test_of_a_lane_only_the_first_few_are_at_work(desk):
    """Whoever asks, and however many there are; what ends makes room for the next."""
    plan(desk, "dead", 50)
    plan(desk, "alive", 2)
    plan(desk, "", 3)
    taken = take(desk)
    assert sorted(item.lane for item in taken) == ["", "", "", *["alive"] * 2, *["dead"] * 4]
    assert [item.subject_id for item in taken if item.lane == "dead"] == ["0", "1", "2", "3"]
    assert take(desk) == []
    ended = next(item for item in taken if item.lane == "dead")
    assert desk.writes(lambda work: agenda.finish(work, ended))
    assert [item.subject_id for item in take(desk)] == ["4"]


def test_what_comes_late_before_those_at_work_waits_for_them(desk):
    """A long transaction tells what was due before what others have begun meanwhile."""
    plan(desk, "lane", 4, due=START)
    taken = take(desk)
    plan(desk, "lane", 50, first=100, due=START - timedelta(seconds=1))
    assert (len(taken), take(desk)) == (4, [])
    assert desk.writes(lambda work: agenda.finish(work, taken[0]))
    assert [item.subject_id for item in take(desk)] == ["100"]


@pytest.mark.parametrize(
    "asked_of", [lambda: agenda_items._busy_in(4), lambda: agenda_items.WAITING_LANES],
    ids=["lanes", "all lanes"],
)  # fmt: skip
def test_who_is_at_work_is_counted_from_an_index(desk, asked_of):
    assert "ix_agenda_leased" in desk.plan_of(asked_of())


def test_a_long_lane_costs_no_more_than_a_short_one(sqlite_url, open_desk):
    """Claiming from a backlog of ten thousand is not slower at its end."""
    desk = open_desk(sqlite_url)
    plan(desk, "long", 10_000)
    for number in range(20):
        plan(desk, f"lane {number}", 1)

    def drain(many: int) -> float:
        began = process_time()
        for _ in range(many):
            for item in take(desk):
                desk.writes(lambda work, item=item: agenda.finish(work, item))
        return process_time() - began

    drain(1)
    first = drain(100)
    drain(2_200)
    last = drain(100)
    assert last < 2 * first


def test_two_workers_at_once_keep_to_the_same_few(desk):
    plan(desk, "lane", 50)

    async def both():
        return await asyncio.gather(*(agenda.take_due(desk.environment, 100) for _ in range(6)))

    taken = [item.id for some in desk.runner.run(both()) for item in some]
    assert len(taken) == len(set(taken)) == agenda_items.LANE_MAX


def test_a_dead_receiver_keeps_nobody_waiting(sqlite_url, open_desk, monkeypatch):
    """One never answers and has a long backlog; the other is told all the same, and at most four are
    in flight to either."""
    desk = open_desk(sqlite_url, start=None, worker=True)
    desk.signs_in()
    dead, alive = Receiver(desk), Receiver(desk)
    flying = {"now": 0, "most": 0}
    ends = asyncio.Event()

    async def hang(_: dict) -> None:
        flying["now"] += 1
        flying["most"] = max(flying["most"], flying["now"])
        await ends.wait()
        flying["now"] -= 1

    dead.then = hang
    urls = [desk.runner.run(each.open()) for each in (dead, alive)]
    subscribes(desk, urls[0], "vendor.created")
    subscribes(desk, urls[1], "vendor.created")
    for _ in range(40):
        desk.vendor()

    async def wait() -> None:
        async with asyncio.timeout(5):
            while len(alive.got) < 40:
                await asyncio.sleep(0.02)

    desk.runner.run(wait())
    assert (flying["most"], len(dead.got)) == (4, 4)
    ends.set()

    async def all_are_told() -> None:
        async with asyncio.timeout(5):
            while len(dead.got) < 40:
                await asyncio.sleep(0.02)

    dead.then = None
    desk.runner.run(all_are_told())
    for each in (dead, alive):
        desk.runner.run(each.close())


def test_in_a_jump_four_at_once_as_well(desk):
    receiver = Receiver(desk)
    flying = {"now": 0, "most": 0}

    async def slowly(_: dict) -> None:
        flying["now"] += 1
        flying["most"] = max(flying["most"], flying["now"])
        await asyncio.sleep(0.02)
        flying["now"] -= 1

    receiver.then = slowly
    subscribes(desk, desk.runner.run(receiver.open()), "vendor.created")
    for _ in range(10):
        desk.vendor()
    assert desk.advance(seconds=1)["done"] == {"event.deliver": 10}
    assert flying["most"] == 4
    desk.runner.run(receiver.close())


def test_more_is_leased_ahead_when_a_quarter_is_done():
    """One who was not quick has a few at work, and more as soon as one of them has ended."""
    until = real() + agenda.LEASE
    items = [
        AgendaItem(f"{n}", "", START, "event.deliver", "", leased_until=until, lane="lane")
        for n in range(96)
    ]
    quick, slow = Answered(200, milliseconds=5), Answered(200, milliseconds=500)

    def leases(left: int, answered: Answered | None) -> dict[str, int]:
        """Where one ends, and so many are left."""
        held = {"lane": set(items[: left + 1])}
        return delivery._lanes([Sent(items[0], None, answered)], held, 384)

    assert [leases(left, quick) for left in (95, 73)] == [{}, {}]
    assert [leases(left, quick) for left in (72, 0)] == [{"lane": 96}] * 2
    for late in (slow, Answered(500, milliseconds=5), Answered(None, "refused"), None):
        assert [leases(left, late) for left in (15, 3)] == [{"lane": agenda_items.LANE_MAX}] * 2


def test_what_is_leased_ahead_is_shared_by_the_lanes():
    assert [agenda.most_ahead(lanes, 384) for lanes in (1, 10, 20, 60, 1_000)] == [96, 96, 48, 16, 16]
    assert [agenda.most_ahead(lanes, 128) for lanes in (1, 10, 15, 1_000)] == [32, 32, 21, 16]


async def until_done(desk) -> None:
    """A worker, for as long as there is something on the agenda."""
    task = asyncio.create_task(worker.work_forever(desk.environment))
    async with asyncio.timeout(10):
        while await desk.environment.read(lambda work: work.connection.where(AgendaItem)):
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_what_is_leased_ahead_is_sent_in_turn(database_url, open_desk):
    """Who answers at once hears of what happened in its order, but for those in flight side by side."""
    desk = open_desk(database_url, start=None)
    desk.signs_in()
    receiver = Receiver(desk)
    subscribes(desk, desk.runner.run(receiver.open()), "vendor.created")
    made = [desk.vendor() for _ in range(60)]
    desk.runner.run(until_done(desk))
    desk.runner.run(receiver.close())
    came = [made.index(body["vendor"]["id"]) for body in receiver.bodies]
    assert sorted(came) == list(range(60))
    assert max(abs(place - number) for place, number in enumerate(came)) < 2 * agenda_items.LANE_MAX


def test_what_is_leased_ahead_is_not_sent_once_it_is_not_wanted(sqlite_url, open_desk):
    """It was packed before the subscription was disabled; but for what is in flight none is sent."""
    desk = open_desk(sqlite_url, start=None)
    desk.signs_in()
    receiver = Receiver(desk)
    id = subscribes(desk, desk.runner.run(receiver.open()), "vendor.created")["id"]
    for _ in range(60):
        desk.vendor()
    ahead: list[int] = []

    async def disable(_: dict) -> None:
        if len(receiver.got) == 20:
            leased = await desk.environment.read(lambda work: work.connection.where(AgendaItem))
            ahead.append(sum(item.leased_until is not None for item in leased))
            await desk.environment.write(
                lambda work: subscriptions.change(work, id, enabled=False), demo_world.CALLER
            )
        elif len(receiver.got) > 20:
            await asyncio.sleep(0.02)

    receiver.then = disable

    desk.runner.run(until_done(desk))
    desk.runner.run(receiver.close())
    assert ahead[0] > 2 * agenda_items.LANE_MAX
    assert 20 <= len(receiver.got) <= 20 + 2 * agenda_items.LANE_MAX
    states = Counter(each.state for each in desk.reads(lambda work: work.connection.where(Delivery)))
    assert states == {"DELIVERED": len(receiver.got), "STOPPED": 60 - len(receiver.got)}

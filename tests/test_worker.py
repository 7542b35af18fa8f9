"""The worker goes on with the next of a lane, minds its bounds, and gives back what it holds."""

import asyncio

import pytest

from billfold import demo_world
from billfold.kit import agenda, worker
from billfold.kit.agenda import AgendaItem
from billfold.kit.batches import to_the_end
from billfold.kit.environment import stored_clock
from tests.desk import START
from tests.test_fairness import plan, take

KIND = "event.deliver"


@pytest.fixture
def done(desk, monkeypatch) -> list[str]:
    """What a handler has done that goes on as deliveries do; "hang" never ends, "bad" always fails."""
    found: list[str] = []
    desk.followed = []

    async def handle(environment, item: AgendaItem) -> AgendaItem | None:
        if item.lane == "hang":
            await asyncio.Event().wait()
        assert item.lane != "bad"

        def unit(work) -> AgendaItem | None:
            if not agenda.finish(work, item):
                return None
            jumps = stored_clock(work).walking_to
            goes_on = agenda.follow(work, [item]) if environment.goes_on and not jumps else {}
            return goes_on.get(item.id)

        following = await to_the_end(asyncio.ensure_future(environment.write(unit, item.caller)))
        found.append(item.subject_id)
        desk.followed.append((item, following))
        return following

    monkeypatch.setitem(desk.environment.handlers, KIND, handle)
    return found


def leased(desk) -> int:
    return sum(item.leased_until is not None for item in desk.reads(everything))


def everything(work) -> list[AgendaItem]:
    return work.connection.where(AgendaItem, parked=False)


def works(desk, until) -> None:
    """A worker until something is so, and for a moment more."""

    async def run() -> None:
        task = asyncio.create_task(worker.work_forever(desk.environment))
        async with asyncio.timeout(10):
            while not until():
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    desk.runner.run(run())


def test_a_lane_is_gone_through_in_order_by_four(desk, done):
    plan(desk, "lane", 30)
    works(desk, lambda: len(done) == 30)
    assert sorted(done, key=int) == [str(number) for number in range(30)]
    numbers = [int(number) for number in done]
    late = [sum(later < number for later in numbers[place:]) for place, number in enumerate(numbers)]
    assert max(late) < 2 * agenda.LANE_MAX  # Those that were at work at the same time.
    # But the first of all are taken, the others are gone on with; now and then another finds none that
    # is free at its moment.
    taken = set(done) - {following.subject_id for _, following in desk.followed if following}
    assert taken >= {"0", "1", "2", "3"} and len(taken) < 2 * agenda.LANE_MAX
    assert desk.reads(everything) == []


def test_what_hangs_and_what_fails_is_given_back_when_the_worker_stops(desk, done):
    """Also what it would have gone on with; the next worker begins it at once."""
    for lane, many in (("hang", 6), ("lane", 20)):
        plan(desk, lane, many)
    works(desk, lambda: len(done) > 3)
    assert leased(desk) == 0
    assert len(desk.reads(everything)) == 26 - len(done)
    assert len(take(desk)) == 4 + min(4, 20 - len(done))


def test_what_fails_keeps_its_lane_waiting_and_nobody_else(desk, done):
    plan(desk, "bad", 5)
    plan(desk, "good", 5)
    works(desk, lambda: len(done) == 5)
    assert [item.lane for item in desk.reads(everything)] == ["bad"] * 5


def test_without_a_worker_nobody_goes_on(desk, done):
    """What is done one by one, as tests and jumps do, leaves nothing leased."""
    plan(desk, "lane", 6)
    assert desk.runner.run(agenda.run_due(desk.environment)) == 4
    assert (len(done), leased(desk)) == (4, 0)


def test_where_there_is_no_room_nobody_goes_on(desk, done, monkeypatch):
    """Then it is the turn of who has waited longest, of whichever lane."""
    monkeypatch.setattr(worker, "FLYING_MAX", 2)
    plan(desk, "hang", 6)

    async def look() -> tuple[int, bool]:
        one = worker.Worker(desk.environment)
        await one.look()
        found = len(one.flying), desk.environment.goes_on
        await one.stop()
        return found

    assert desk.runner.run(look()) == (2, False)
    monkeypatch.setattr(worker, "FLYING_MAX", 5)
    assert desk.runner.run(look()) == (4, True)


def test_what_is_planned_for_now_is_done_at_once(desk, done, monkeypatch):
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 5)

    async def run() -> float:
        task = asyncio.create_task(worker.work_forever(desk.environment))
        await asyncio.sleep(0.1)  # It has looked, and waits.
        loop = asyncio.get_running_loop()
        began = loop.time()
        await desk.environment.write(
            lambda work: work.plan(work.now, KIND, "now", "lane"), demo_world.CALLER
        )
        while not done:
            await asyncio.sleep(0.001)
        waited = loop.time() - began
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return waited

    assert desk.runner.run(run()) < 2.5


def test_what_comes_late_before_others_does_not_make_them_more(desk):
    """An item that is due earlier and written later is not the fifth at work."""
    plan(desk, "lane", 6)
    assert len(take(desk)) == agenda.LANE_MAX
    early = AgendaItem(
        "agi00000000000000000", demo_world.ORGANIZATION_ID, START, KIND, "early", lane="lane"
    )
    desk.writes(lambda work: work.insert(early))
    assert take(desk) == []


def test_a_worker_minds_more_lanes_than_a_statement_names(sqlite_url, open_desk, monkeypatch):
    monkeypatch.setattr(agenda, "NAMED_MAX", 8)
    desk = open_desk(sqlite_url)
    for number in range(7):
        plan(desk, f"lane {number}", 6)
    assert len(take(desk)) == 7 * agenda.LANE_MAX

"""The worker goes on with the next of a lane, minds its bounds, and gives back what it holds."""

import asyncio
from datetime import timedelta
from itertools import product

import pytest

from billfold import demo_world
from billfold.kit import agenda, agenda_items, database, worker
from billfold.kit.agenda_items import AgendaItem
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

    async def handle(environment, item: AgendaItem) -> list[AgendaItem]:
        if item.lane == "hang":
            await asyncio.Event().wait()
        assert item.lane != "bad"

        def unit(work) -> list[AgendaItem]:
            if not agenda.finish(work, item):
                return []
            goes_on = environment.room and not stored_clock(work).walking_to
            lanes = {item.lane: agenda_items.LANE_MAX} if goes_on else {}
            return agenda.follow(work, lanes, {}, 100).get(item.lane, [])

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
    assert max(late) < 2 * agenda_items.LANE_MAX  # Those that were at work at the same time.
    # But the first of all are taken, the others are gone on with; now and then another finds none that
    # is free at its moment.
    taken = set(done) - {each.subject_id for _, following in desk.followed for each in following}
    assert taken >= {"0", "1", "2", "3"} and len(taken) < 2 * agenda_items.LANE_MAX
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
        found = len(one.flying), desk.environment.room > 0
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


def follows(desk, most: int, held: list[AgendaItem]) -> list[str]:
    def unit(work) -> list[AgendaItem]:
        left = {item.id for item in work.connection.where(AgendaItem)}
        ours = sum(item.id in left for item in held)
        return agenda.follow(work, {"lane": most}, {"lane": ours}, 100).get("lane", [])

    following = desk.writes(unit)
    held += following
    return [item.subject_id for item in following]


def test_who_is_alone_in_a_lane_and_quick_leases_ahead(desk):
    plan(desk, "lane", 40)
    held = take(desk)
    desk.writes(lambda work: agenda.finish(work, held[0]))
    assert follows(desk, agenda.AHEAD_MIN, held) == [str(number) for number in range(4, 17)]
    assert take(desk) == []
    # One that became slow is at what it has, and begins no more until few are left.
    for item in held[1:4]:
        desk.writes(lambda work, item=item: agenda.finish(work, item))
    assert follows(desk, agenda_items.LANE_MAX, held) == []
    for item in held[4:14]:
        desk.writes(lambda work, item=item: agenda.finish(work, item))
    assert follows(desk, agenda_items.LANE_MAX, held) == ["17"]


def test_no_more_is_leased_than_there_is_room_for(desk):
    plan(desk, "lane", 40)
    held = take(desk)
    desk.writes(lambda work: agenda.finish(work, held[0]))
    found = desk.writes(lambda work: agenda.follow(work, {"lane": 16}, {"lane": 3}, room=3)["lane"])
    assert [item.subject_id for item in found] == ["4", "5", "6"]
    assert take(desk, most=-1) == []


def test_nobody_leases_ahead_where_another_is_at_work(desk):
    """So that of a lane no more than a few are in flight, whoever does them."""
    plan(desk, "lane", 40)
    taken = take(desk)
    mine, others = taken[:2], taken[2:]
    desk.writes(lambda work: agenda.finish(work, mine[0]))
    assert follows(desk, agenda.AHEAD_MIN, mine) == ["4"]
    for item in others:
        desk.writes(lambda work, item=item: agenda.finish(work, item))
    assert len(follows(desk, agenda.AHEAD_MIN, mine)) == agenda.AHEAD_MIN - 2


def test_nobody_leases_ahead_where_another_begins_at_the_same_moment(copied_postgres_url, open_desk):
    """What the other has locked is passed over, and what lies behind it is free again."""
    desks = [open_desk(copied_postgres_url) for _ in range(2)]
    plan(desks[0], "lane", 40)
    plan(desks[0], "other", 40)

    def begin(work) -> int:
        taken = agenda.take(work, work.now, 2)
        work.connection.execute("SELECT pg_sleep(1)", [])
        return len(taken)

    def follow(work) -> dict[str, list[AgendaItem]]:
        return agenda.follow(work, dict.fromkeys(("lane", "other"), agenda.AHEAD_MIN), {}, 100)

    async def both() -> tuple[int, dict[str, list[AgendaItem]]]:
        first = asyncio.create_task(desks[0].environment.write(begin))
        await asyncio.sleep(0.3)
        following = await desks[1].environment.write(follow)
        assert not first.done()
        return await first, following

    begun, following = desks[0].runner.run(both())
    assert (begun, [item.subject_id for item in following["lane"]]) == (2, ["2", "3"])
    assert len(following["other"]) == agenda.AHEAD_MIN
    assert leased(desks[0]) == agenda_items.LANE_MAX + agenda.AHEAD_MIN


def test_what_is_in_flight_ends_before_the_worker_does(desk, done, monkeypatch):
    """A receiver has it already: it is recorded, not told again by the next worker."""
    began = asyncio.Event()

    async def slowly(environment, item: AgendaItem) -> None:
        began.set()
        await asyncio.sleep(0.3)
        await environment.write(lambda work: agenda.finish(work, item), item.caller)

    monkeypatch.setitem(desk.environment.handlers, KIND, slowly)
    plan(desk, "lane", 6)
    works(desk, began.is_set)
    assert [item.subject_id for item in desk.reads(everything)] == ["4", "5"]
    assert leased(desk) == 0


def test_what_comes_late_before_others_does_not_make_them_more(desk):
    """An item that is due earlier and written later is not the fifth at work."""
    plan(desk, "lane", 6)
    assert len(take(desk)) == agenda_items.LANE_MAX
    early = AgendaItem(
        "agi00000000000000000", demo_world.ORGANIZATION_ID, START, KIND, "early", lane="lane"
    )
    desk.writes(lambda work: work.insert(early))
    assert take(desk) == []


@pytest.mark.parametrize("lanes", [agenda_items.LANES_MAX + 3, 2 * agenda_items.LANES_MAX + 3])
def test_a_worker_minds_more_lanes_than_a_statement_names(desk, monkeypatch, lanes):
    monkeypatch.setattr(database, "NAMED_MAX", 8)
    for number in range(lanes):
        plan(desk, f"lane {number}", 6)
    taken = {(item.lane, item.subject_id) for item in take(desk)}
    assert taken == set(product(map("lane {}".format, range(lanes)), "0123"))


def test_of_lanes_who_has_waited_longest_comes_first(desk):
    """By when it is due, and what is due at one moment in the order in which it was planned."""
    for lane in "cab":
        plan(desk, lane, 1)
    late, soon = START + timedelta(seconds=2), START + timedelta(seconds=1)
    plan(desk, "late", 1, due=late)
    plan(desk, "soon", 1, due=soon)

    def lanes(most: int) -> list[str]:
        return desk.reads(lambda work: agenda_items.waiting_lanes(work, late, most))

    assert [lanes(most) for most in (1, 2)] == [["c"], ["c", "a"]]
    assert lanes(9) == ["c", "a", "b", "soon", "late"]
    assert [item.lane for item in desk.writes(lambda work: agenda.take(work, START, 2))] == ["c", "a"]
    assert lanes(9) == ["b", "soon", "late"]

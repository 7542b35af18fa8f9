"""The control API: time, messages and a new beginning, for the sandbox's own user alone."""

import asyncio
import time
from datetime import timedelta
from itertools import count

import httpx2
import pytest

from billfold import demo_world
from billfold.app import Billfold, check
from billfold.kit import agenda, travel
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.callers import Caller
from billfold.kit.clock import real, stamp
from billfold.kit.environment import set_clock, stored_clock
from billfold.kit.errors import Unavailable, Unusable
from billfold.settings import Settings
from tests.desk import CONTROL, LOGIN, START, V3

CLOCK = f"{CONTROL}/clock"
STEPS = [10, 20, 30]


def test_the_credentials_are_enough_to_sign_in(desk):
    known = desk.call("GET", f"{CONTROL}/credentials", session="")
    assert known | LOGIN == known and known["phone"] == demo_world.PHONE
    desk.call("POST", f"{V3}/login", {name: known[name] for name in LOGIN}, session="")


def test_time_moves_only_forward_and_only_by_the_four_ways(desk):
    assert desk.now() == START
    assert desk.advance(days=1, hours=2, minutes=3, seconds=4)["now"] == "2027-01-05T19:03:04.000+00:00"
    moved = desk.call("POST", CLOCK, {"set": "2027-02-01T00:00:00-08:00"})
    assert moved == {"now": "2027-02-01T08:00:00.000+00:00", "frozen": True, "done": {}, "failed": 0}
    for wrong in (
        {"set": "2027-01-04T09:00:00Z"}, {"set": "2027-03-01T09:00:00"}, {"set": "soon"}, {},
        {"advance": {"days": -1}}, {"advance": {}}, {"advance": {"weeks": 1}},
        {"sett": "soon"}, {"advance": {"days": 99_999}}, {"next": False},
        {"freeze": True, "next": True}, {"advance": {"seconds": 10**18}},
        {"set": "9999-12-31T23:59:59Z"},
    ):  # fmt: skip
        assert desk.refused("POST", CLOCK, wrong)[0] == 400, wrong
    assert desk.now().isoformat() == "2027-02-01T08:00:00+00:00"


def test_time_has_an_end(desk):
    """However often it is moved: ids rise with time until 2059, and no jump overflows."""
    desk.advance(days=10_000)
    assert desk.refused("POST", CLOCK, {"advance": {"days": 10_000}}) == (400, ["BDC_1143"])
    assert desk.refused("POST", CLOCK, {"set": "2059-01-01T00:00:00Z"}) == (400, ["BDC_1143"])
    desk.call("POST", CLOCK, {"set": "2058-12-31T23:59:59Z"})


def test_a_frozen_clock_stands_and_one_let_go_runs_on_from_there(desk):
    assert desk.call("POST", CLOCK, {"freeze": False})["frozen"] is False
    later = desk.now()
    assert later > START or (later - START).total_seconds() < 5
    assert desk.call("POST", CLOCK, {"freeze": True})["frozen"] is True
    assert desk.now() == desk.now() >= later


def test_where_time_stands_survives_a_restart(database_url, open_desk):
    first = open_desk(database_url)
    first.advance(days=400)
    second = open_desk(database_url, start=None)
    assert second.now() == first.now()


class Steps:
    """Items that note when they run, and plan another."""

    def __init__(self, desk) -> None:
        self.desk, self.ran = desk, []
        desk.environment.handlers["test.step"] = agenda.rule(self.step)

    def plan(self, *seconds: int) -> None:
        self.desk.writes(
            lambda work: [work.plan(START + timedelta(seconds=s), "test.step", str(s)) for s in seconds]
        )

    def step(self, work, subject: str) -> None:
        self.ran.append((subject, (work.now - START).total_seconds()))
        if subject == "20":
            work.plan(work.now + timedelta(seconds=5), "test.step", "25")
        if subject == "13":
            raise ZeroDivisionError


def test_what_falls_due_on_the_way_is_done_in_order_each_at_its_time(desk):
    steps = Steps(desk)
    steps.plan(30, 10, 20, 90)
    said = desk.advance(minutes=1)
    assert steps.ran == [("10", 10.0), ("20", 20.0), ("25", 25.0), ("30", 30.0)]
    assert said["done"] == {"test.step": 4} and said["now"] == "2027-01-04T17:01:00.000+00:00"
    assert desk.call("POST", CLOCK, {"next": True})["now"] == "2027-01-04T17:01:30.000+00:00"
    assert steps.ran[-1] == ("90", 90.0)
    assert desk.call("POST", CLOCK, {"next": True})["now"] == "2027-01-04T17:01:30.000+00:00"


def test_a_jump_under_way_says_where_it_leads_and_what_is_left(desk):
    Steps(desk).plan(10, 20, 400)
    quiet = desk.call("GET", CLOCK)
    assert quiet == {"now": stamp(START), "frozen": True, "done": {}, "failed": 0}
    until = START + timedelta(minutes=5)
    desk.writes(lambda work: set_clock(work, walking_to=until))
    assert desk.call("GET", CLOCK) == quiet | {"walkingTo": stamp(until), "left": 2}


def test_two_jumps_at_once_are_two_jumps(desk):
    steps = Steps(desk)
    steps.plan(*STEPS)
    jump = ("POST", CLOCK, {"advance": {"seconds": 15}})
    assert [answer.status_code for answer in desk.together([jump, jump])] == [200, 200]
    assert (desk.now() - START).seconds == 30 and [name for name, _ in steps.ran] == [
        "10",
        "20",
        "25",
        "30",
    ]


def test_a_jump_whose_process_died_is_finished_by_the_next(database_url, open_desk):
    first = open_desk(database_url)
    until = START + timedelta(minutes=5)
    first.writes(lambda work: set_clock(work, walking_to=until))
    second = open_desk(database_url, start=None)
    steps = Steps(second)
    steps.plan(30)
    second.runner.run(travel.resume(second.environment))
    assert second.now() == until and steps.ran == [("30", 30.0)]


def test_time_goes_back_for_nobody_who_was_held_up(database_url, open_desk):
    """A machine that slept in a jump, which another process has finished since and gone far beyond."""
    first, second = open_desk(database_url), open_desk(database_url, start=None)
    held, woken = asyncio.Event(), asyncio.Event()

    async def slow(environment, item):
        held.set()
        await woken.wait()
        await environment.write(lambda work: agenda.finish(work, item), item.caller)

    first.environment.handlers["test.step"] = slow
    Steps(second).plan(30)

    async def story():
        jump = asyncio.create_task(travel.by(first.environment, timedelta(minutes=1)))
        await held.wait()

        def leases_run_out(work):
            agenda.free_all(work.connection)
            set_clock(work, walk_lease=real())

        await second.environment.write(leases_run_out)
        await travel.by(second.environment, timedelta(days=10))
        woken.set()
        return await jump

    journey = first.runner.run(story())
    reached = START + timedelta(days=10, seconds=30)
    assert first.now() == second.now() == journey.now == reached
    assert second.reads(stored_clock).walking_to is None


@pytest.mark.parametrize("failing, reached", [(1, None), (2, 0), (4, 10)])
def test_a_jump_that_meets_trouble_says_whether_it_was_begun(sqlite_desk, failing, reached):
    """One of its commits fails; what was begun is finished by whoever looks next."""
    desk, commits = sqlite_desk, count(1)
    steps = Steps(desk)
    steps.plan(*STEPS)
    writer = desk.environment.database.writer.driver
    writer.set_commit_hook(lambda: next(commits) == failing)
    answer = desk.answer("POST", CLOCK, {"advance": {"minutes": 1}}, session="")
    writer.set_commit_hook(None)
    begun = reached is not None
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert ("not known whether" if begun else "nothing was changed") in answer.text
    assert desk.now() == START + timedelta(seconds=reached or 0)
    assert ("walkingTo" in desk.call("GET", CLOCK)) is begun
    began = time.monotonic()
    desk.runner.run(travel.resume(desk.environment))
    assert time.monotonic() - began < 5
    assert desk.now() == START + timedelta(minutes=begun)
    # Undone, an item is done again.
    assert list(dict.fromkeys(name for name, _ in steps.ran)) == ["10", "20", "25", "30"] * begun


def test_one_that_fails_again_and_again_is_parked_and_holds_up_nobody(desk, monkeypatch, caplog):
    monkeypatch.setattr(agenda, "FAILURE_PAUSE", timedelta(0))
    steps = Steps(desk)
    steps.plan(13, 20)
    said = desk.advance(minutes=1)
    # A unit that fails may be run a second time, apart from those it shares a commit with.
    assert list(dict.fromkeys(name for name, _ in steps.ran)) == ["13", "20", "25"]
    assert (said["failed"], said["done"]) == (agenda.FAILURES_MAX, {"test.step": 2})
    (parked,) = desk.reads(lambda work: work.connection.where(AgendaItem))
    assert (parked.parked, parked.failures) == (True, agenda.FAILURES_MAX)
    assert "ZeroDivisionError" in parked.failure


def test_data_of_another_policy_is_not_opened(database_url, open_desk):
    open_desk(database_url)
    stranger = Billfold(
        Settings(data=str(open_desk.folder), policy="production", **named(database_url))
    )
    with pytest.raises(Unusable, match="--policy sandbox"):
        asyncio.run(check(stranger))


def named(url: str) -> dict:
    return {} if url.startswith("sqlite:") else {"database": url}


def test_what_a_dead_process_held_is_not_waited_for_where_it_was_alone(sqlite_url, open_desk):
    first = open_desk(sqlite_url)
    Steps(first).plan(0)
    assert len(first.runner.run(agenda.take_due(first.environment, 9))) == 1
    until = START + timedelta(minutes=5)
    first.writes(lambda work: set_clock(work, walking_to=until, walk_lease=real() + timedelta(hours=1)))
    second = open_desk(sqlite_url, start=None)
    steps = Steps(second)
    began = time.monotonic()
    second.runner.run(travel.resume(second.environment))
    assert second.now() == until and steps.ran == [("0", 0.0)] and time.monotonic() - began < 5


def test_a_jump_left_behind_is_finished_by_the_worker(sqlite_url, open_desk):
    desk = open_desk(sqlite_url, worker=True)
    steps = Steps(desk)
    steps.plan(30)
    until = START + timedelta(minutes=5)
    desk.writes(lambda work: set_clock(work, walking_to=until, walk_lease=real()))

    async def wait() -> None:
        async with asyncio.timeout(10):
            while desk.environment.clock.now() < until:
                await asyncio.sleep(0.05)

    desk.runner.run(wait())
    assert steps.ran == [("30", 30.0)]


def test_trouble_of_the_database_is_waited_for(desk, monkeypatch):
    monkeypatch.setattr(agenda, "TROUBLE_PAUSE", timedelta(milliseconds=1))
    steps = Steps(desk)
    steps.plan(30)
    done, troubles = desk.environment.handlers["test.step"], []

    async def troubled(environment, item):
        if len(troubles) == 2:
            return await done(environment, item)
        troubles.append(Unavailable("it is starting up"))
        raise troubles[-1]

    desk.environment.handlers["test.step"] = troubled
    assert desk.advance(minutes=1) == desk.call("GET", CLOCK) | {"done": {"test.step": 1}}
    assert steps.ran == [("30", 30.0)] and len(troubles) == 2


def test_one_that_meets_trouble_of_the_database_is_not_parked_for_it(desk, monkeypatch):
    """Its lease runs out and it is tried again, however long the trouble lasts."""
    monkeypatch.setattr(agenda, "TROUBLE_PAUSE", agenda.LEASE)

    async def troubled(environment, item):
        raise Unavailable("no disk")

    desk.environment.handlers["test.trouble"] = troubled
    desk.writes(lambda work: work.plan(START, "test.trouble", "x"))
    assert desk.runner.run(agenda.run_due(desk.environment)) == 1
    (item,) = desk.reads(lambda work: work.connection.where(AgendaItem))
    assert (item.failures, item.parked) == (0, False) and item.leased_until > real()


def test_several_workers_do_each_thing_once(desk):
    steps = Steps(desk)
    steps.plan(*range(-400, -100))

    async def workers():
        while sum(await asyncio.gather(*(agenda.run_due(desk.environment) for _ in range(6)))):
            pass

    desk.runner.run(workers())
    assert sorted(int(name) for name, _ in steps.ran) == list(range(-400, -100))


def test_an_item_whose_lease_ran_out_is_done_by_one_of_its_two_holders(desk, monkeypatch):
    """Whoever was slow finds it gone, and neither does nor plans anything again."""
    steps = Steps(desk)
    steps.plan(0, 20)
    desk.writes(lambda work: set_clock(work, still=START + timedelta(seconds=20)))
    monkeypatch.setattr(agenda, "LEASE", timedelta(0))
    holders = [desk.runner.run(agenda.take_due(desk.environment, 9)) for _ in range(2)]
    assert [len(items) for items in holders] == [2, 2]

    async def both():
        return await asyncio.gather(
            *(agenda.do(desk.environment, item) for items in holders for item in items)
        )

    assert all(desk.runner.run(both()))
    assert sorted(steps.ran) == [("0", 20.0), ("20", 20.0)]
    left = desk.reads(lambda work: work.connection.where(AgendaItem))
    assert [item.subject_id for item in left] == ["25"]


def test_a_reset_begins_anew(desk):
    desk.signs_in()
    desk.advance(days=30)
    desk.call("POST", f"{CONTROL}/reset")
    assert desk.refused("GET", f"{V3}/login/session") == (401, ["BDC_1109"])
    assert desk.call("GET", f"{CONTROL}/messages") == {"results": []}
    assert desk.now() < START
    desk.signs_in()


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "billfold.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"host": "127.0.0.1.evil.example"},
    ],
)
def test_no_web_page_reaches_the_control_api(desk, headers):
    refusal = desk.refused("POST", f"{CONTROL}/reset", headers=headers, session="")
    assert refusal == (404, ["BDC_1121"])
    desk.call("GET", f"{CONTROL}/clock", headers={"host": "[::1]:8080"}, session="")
    desk.call("GET", f"{CONTROL}/clock", headers={"origin": "http://localhost:8080"}, session="")


def from_elsewhere(desk, said: str = "", url: str = "http://localhost") -> int:
    """How another machine that says this is answered."""

    async def ask():
        transport = httpx2.ASGITransport(app=desk.billfold, client=("192.168.1.7", 1))
        headers = {b"authorization": said.encode("latin-1")} if said else {}
        async with httpx2.AsyncClient(transport=transport, base_url=url) as client:
            return await client.get(f"{CONTROL}/credentials", headers=headers)

    return desk.runner.run(ask()).status_code


def test_no_other_machine_reaches_the_control_api(desk):
    assert from_elsewhere(desk) == from_elsewhere(desk, "Bearer ") == 404


def test_another_machine_reaches_it_with_the_token(sqlite_url, open_desk):
    token = "a-token-of-the-sandbox"
    desk = open_desk(sqlite_url, control=token)
    for said in (f"Bearer {token}", f"bearer  {token} "):
        assert from_elsewhere(desk, said) == 200
        assert from_elsewhere(desk, said, "http://billfold:8080") == 200
    for said in ("", f"Basic {token}", token, "Bearer ", f"Bearer {token}!", "Bearer \u00e9"):
        assert from_elsewhere(desk, said) == 401, said
    desk.call("GET", f"{CONTROL}/clock", session="")  # This machine needs none,
    headers = {"host": "strangers.test"}  # but a web page does, which has none.
    assert desk.refused("GET", f"{CONTROL}/clock", headers=headers, session="")[0] == 401
    assert token not in repr(desk.environment.policy)


def test_production_has_no_control_api_with_a_token_either(sqlite_url, open_desk):
    desk = open_desk(sqlite_url, policy="production", control="a-token-of-the-sandbox")
    assert from_elsewhere(desk, "Bearer a-token-of-the-sandbox") == 404


def test_a_form_cannot_be_sent_to_the_control_api(desk):
    said = desk.refused("POST", CLOCK, b"x=1", headers={"content-type": "text/plain"}, session="")
    assert said == (400, ["content-type: must be application/json"])


def test_production_has_no_control_api(database_url, open_desk):
    desk = open_desk(database_url, policy="production")
    assert desk.refused("GET", f"{CONTROL}/credentials", session="") == (404, ["BDC_1121"])
    # And no inbox: a code that cannot be sent is refused.
    desk.signs_in(trusted=False)
    assert desk.refused("POST", f"{V3}/mfa/challenge") == (400, ["BDC_1354"])


def test_items_belong_to_their_organization(desk):
    seen = []
    desk.environment.handlers["test.who"] = agenda.rule(
        lambda work, _: seen.append(work.organization_id)
    )
    other = Caller("00801OTHERORG000othe", "", True)
    desk.writes(lambda work: work.plan(START, "test.who", "x"), other)
    desk.advance(seconds=1)
    assert seen == [other.organization_id]

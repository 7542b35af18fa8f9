"""Writing: who shares a commit shares its fate, and nothing else of the others'."""

import asyncio
from itertools import count

import pytest

from billfold import demo_world
from billfold.access.keys import Key, KeyKind
from billfold.app import Billfold
from billfold.events import subscriptions
from billfold.events.subscriptions import Subscription, Wanted
from billfold.kit import sqlite
from billfold.kit.callers import Caller
from billfold.kit.environment import set_clock, stored_clock
from billfold.kit.errors import NOT_FOUND, Refusal, Unavailable, Unusable
from billfold.kit.sqlite import GROUP_MAX, CommitFailed, SqliteDatabase
from billfold.kit.work import Work
from tests.desk import CALLER, CONTROL, START, V3, vendor_of

VENDORS = f"{V3}/vendors"
BILLS = Wanted("bill.created", "1")


def keys(desk) -> set[str]:
    return {key.id for key in desk.reads(lambda work: work.connection.where(Key, active=False))}


def write_key(id: str):
    def do(work):
        work.insert(Key(id, KeyKind.DEVELOPER, id[-4:], work.now, active=False))
        work.write()
        return id

    return do


def refuse(work):
    write_key("refused")(work)
    raise Refusal(NOT_FOUND)


def crash(work):
    write_key("crashed")(work)
    raise ZeroDivisionError


def at_once(desk, *rules):
    async def all_of_them():
        writes = (desk.environment.write(rule, CALLER) for rule in rules)
        return await asyncio.gather(*writes, return_exceptions=True)

    return desk.runner.run(all_of_them())


def commits(desk) -> list:
    """Grows by one with every commit from now on."""
    seen: list = []
    writer(desk).set_commit_hook(lambda: bool(seen.append(1)))
    return seen


def writer(desk):
    return desk.environment.database.writer.driver


def test_a_refusal_and_a_crash_leave_the_others_alone(desk):
    said = at_once(desk, write_key("a"), refuse, write_key("b"), crash, write_key("c"))
    assert [type(each) for each in said] == [str, Refusal, str, ZeroDivisionError, str]
    assert keys(desk) == {"a", "b", "c"}


def test_a_group_runs_again_only_when_who_fails_has_written(sqlite_desk):
    runs = []

    def turned_away(work):
        raise Refusal(NOT_FOUND)

    def written(id):
        return lambda work: runs.append(id) or write_key(id)(work)

    said = at_once(sqlite_desk, written("a"), turned_away, written("b"))
    assert [type(each) for each in said] == [str, Refusal, str] and runs == ["a", "b"]
    del runs[:]
    said = at_once(sqlite_desk, written("c"), refuse, written("d"))
    assert [type(each) for each in said] == [str, Refusal, str] and runs == ["c", "c", "d"]
    assert keys(sqlite_desk) == {"a", "b", "c", "d"}


def test_what_is_ready_together_shares_a_commit(sqlite_desk, monkeypatch):
    monkeypatch.setattr(sqlite, "GROUP_SECONDS_MAX", 60)
    seen = commits(sqlite_desk)
    at_once(sqlite_desk, *(write_key(str(n)) for n in range(GROUP_MAX)))
    assert len(seen) == 1
    at_once(sqlite_desk, *(write_key(f"x{n}") for n in range(GROUP_MAX + 1)))
    assert len(seen) == 3 and len(keys(sqlite_desk)) == 2 * GROUP_MAX + 1


def test_a_group_that_has_run_for_long_leaves_the_others_to_the_next(sqlite_desk, monkeypatch):
    seen, order = commits(sqlite_desk), []
    monkeypatch.setattr(sqlite, "monotonic", lambda: len(order) * 0.012)  # Each write takes 12 ms.

    def written(number):
        return lambda work: order.append(number) or write_key(str(number))(work)

    assert at_once(sqlite_desk, *map(written, range(7))) == [str(number) for number in range(7)]
    assert len(seen) == 4 and order == list(range(7))
    # One is always done, however long the one before it took.
    monkeypatch.setattr(sqlite, "GROUP_SECONDS_MAX", 0)
    assert at_once(sqlite_desk, *map(written, range(7, 10))) == ["7", "8", "9"]
    assert len(seen) == 7 and len(keys(sqlite_desk)) == 10


def test_what_is_there_to_stay_is_looked_for_once(desk, monkeypatch):
    term, asked = demo_world.PAYMENT_TERM_ID, []
    among = Work._ids_among
    monkeypatch.setattr(Work, "_ids_among", lambda *args: asked.append(args) or among(*args))

    def missing(work):
        return work.missing([term, "00p01NEVERSEEN00abcd"])

    def missing_and_undone(work):
        missing(work)
        raise ZeroDivisionError

    at_once(desk, missing_and_undone)
    assert desk.environment.known.of(desk.environment.clock.state[0]) == {}
    del asked[:]
    for times in (1, 2):
        assert desk.writes(missing) == {"00p01NEVERSEEN00abcd"}
        assert len(asked) == times  # The other is looked for each time.
    assert desk.writes(lambda work: work.missing([term])) == set() and len(asked) == 2
    # Of another organization's, nothing is known.
    other = Caller("00801OTHER000000abcd", CALLER.user_id, True)
    assert desk.runner.run(desk.environment.write(missing, other)) == {term, "00p01NEVERSEEN00abcd"}
    desk.call("POST", f"{CONTROL}/reset", session="")
    del asked[:]
    assert desk.writes(lambda work: work.missing([term])) == set() and len(asked) == 1


def test_what_seldom_changes_is_read_again_when_it_has(desk):
    def enabled(work) -> list[str]:
        return [found.name for found in work.settled(Subscription, enabled=True)]

    def subscribe(work, name="mine"):
        subscriptions.subscribe(work, name, f"http://127.0.0.1/{name}", [BILLS], True)
        return enabled(work)

    def subscribe_and_fail(work):
        subscribe(work, "undone")
        raise ZeroDivisionError

    assert desk.writes(enabled) == []
    at_once(desk, subscribe_and_fail)
    assert desk.writes(enabled) == []
    assert desk.writes(subscribe) == ["mine"]
    # As every request does, which finds the stored clock beside its session.
    desk.reads(stored_clock)
    assert desk.writes(enabled) == desk.writes(enabled) == ["mine"]

    async def elsewhere():
        other = Billfold(desk.settings)
        other.environment.secrets = desk.environment.secrets
        await other.environment.database.start()
        (found,) = await other.environment.read(lambda work: work.rows(Subscription), CALLER)
        await other.environment.write(lambda work: subscriptions.unsubscribe(work, found.id), CALLER)
        await other.environment.database.close()

    desk.runner.run(elsewhere())
    desk.reads(stored_clock)
    assert desk.writes(enabled) == []


def test_a_time_that_was_not_committed_is_not_gone_by(sqlite_desk):
    """Another unit of the group has read it, and then the commit fails."""
    before = sqlite_desk.environment.clock.state
    writer(sqlite_desk).set_commit_hook(lambda: True)
    said = at_once(sqlite_desk, lambda work: set_clock(work, frozen=True), stored_clock)
    assert [type(each) for each in said] == [CommitFailed, CommitFailed]
    writer(sqlite_desk).set_commit_hook(None)
    assert sqlite_desk.environment.clock.state == before
    version = sqlite_desk.writes(lambda work: set_clock(work, frozen=True))
    sqlite_desk.reads(stored_clock)
    assert sqlite_desk.environment.clock.state[0] == version == before[0] + 1


def test_a_reader_sees_nothing_before_its_commit(desk):
    async def race():
        found = lambda work: len(work.connection.where(Key, active=False))
        write = asyncio.create_task(desk.environment.write(write_key("a"), CALLER))
        seen = []
        while not write.done():
            seen.append((await desk.environment.read(found), write.done()))
            await asyncio.sleep(0)
        await write
        return seen, await desk.environment.read(found)

    seen, after = desk.runner.run(race())
    assert after == 1 and {number for number, done in seen if not done} <= {0, 1}


def test_a_reader_beside_an_open_transaction_sees_what_was(sqlite_desk):
    """Between the rule and its COMMIT, which runs in a thread."""
    desk, seen = sqlite_desk, []
    reader = desk.environment.database.reader.driver

    def look() -> bool:
        seen.append(reader.execute("SELECT count(*) FROM keys WHERE id = 'a'").fetchall())
        return False

    writer(desk).set_commit_hook(look)
    desk.writes(write_key("a"))
    writer(desk).set_commit_hook(None)
    assert seen == [[(0,)]] and keys(desk) == {"a"}


def test_a_write_that_waits_can_be_cancelled_and_one_that_ran_cannot(sqlite_desk):
    desk, has_run = sqlite_desk, []

    def runs(work):
        write_key("ran")(work)
        has_run.append(True)

    async def leave():
        waits = asyncio.create_task(desk.environment.write(write_key("waits"), CALLER))
        await asyncio.sleep(0)
        waits.cancel()
        ran = asyncio.create_task(desk.environment.write(runs, CALLER))
        while not has_run:
            await asyncio.sleep(0)
        ran.cancel()
        return await asyncio.gather(waits, ran, return_exceptions=True)

    assert {type(each) for each in desk.runner.run(leave())} == {asyncio.CancelledError}
    desk.writes(write_key("next"))
    assert keys(desk) == {"ran", "next"}


# Commits that fail


def test_a_commit_that_is_turned_away_fails_its_whole_group_and_the_next_works(sqlite_desk):
    writer(sqlite_desk).set_commit_hook(lambda: True)
    said = at_once(sqlite_desk, write_key("a"), refuse, write_key("b"))
    writer(sqlite_desk).set_commit_hook(None)
    assert {type(each) for each in said} == {CommitFailed}
    sqlite_desk.writes(write_key("next"))
    assert keys(sqlite_desk) == {"next"}


def test_who_is_told_of_a_failed_commit_may_ask_again(sqlite_desk):
    desk = sqlite_desk
    desk.signs_in()
    writer(desk).set_commit_hook(lambda: True)
    answers = desk.together([("POST", VENDORS, vendor_of(f"V{n}")) for n in range(5)])
    writer(desk).set_commit_hook(None)
    for answer in answers:
        assert (answer.status_code, answer.json()[0]["code"]) == (503, "BDC_1001")
        assert int(answer.headers["retry-after"]) >= 1 and len(answer.json()) == 1
    assert [row["name"] for row in desk.call("GET", VENDORS)["results"]] == ["Juniper Supply"]
    desk.vendor("V1")
    assert len(desk.call("GET", VENDORS)["results"]) == 2


def test_a_commit_that_leaves_its_transaction_open_is_rolled_back(sqlite_desk):
    def owe_a_parent(work):
        """A deferred foreign key is looked at by COMMIT, which then fails and stays open."""
        work.connection.driver.execute("PRAGMA defer_foreign_keys=ON")
        columns = [row[1] for row in work.connection.fetch("PRAGMA table_info(bill_lines)", [])]
        values = ",".join("''" for _ in columns)
        work.connection.driver.execute(f"INSERT INTO bill_lines({','.join(columns)}) VALUES ({values})")

    said = at_once(sqlite_desk, write_key("a"), owe_a_parent)
    assert {type(each) for each in said} == {CommitFailed}
    assert "FOREIGN KEY" in str(said[0])
    sqlite_desk.writes(write_key("next"))
    assert keys(sqlite_desk) == {"next"}


def test_when_sqlite_rolls_back_by_itself_the_whole_group_fails(sqlite_desk):
    def full_disk(work):
        work.connection.driver.execute("ROLLBACK")
        raise OSError("disk full")

    said = at_once(sqlite_desk, write_key("a"), full_disk, write_key("b"))
    assert {type(each) for each in said} == {CommitFailed}
    sqlite_desk.writes(write_key("next"))
    assert keys(sqlite_desk) == {"next"}


# Reads that take too long


def test_a_slow_read_is_stopped(sqlite_desk):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(Unavailable, match="interrupted"):
        sqlite_desk.reads(lambda work: work.connection.fetch(endless, []))
    assert keys(sqlite_desk) == set()


def test_who_asks_what_takes_too_long_is_told_503(sqlite_desk):
    """A list whose time is up after some steps."""
    desk = sqlite_desk
    desk.signs_in()
    body = [vendor_of(f"V{n}") for n in range(20)]
    desk.call("POST", f"{VENDORS}/bulk", body, status=201)
    reader, steps = desk.environment.database.reader.driver, count()
    reader.set_progress_handler(lambda: next(steps) == 300, 1)
    answer = desk.answer("GET", VENDORS)
    assert (answer.status_code, answer.json()[0]["code"]) == (503, "BDC_1001")
    assert answer.headers["retry-after"]
    reader.set_progress_handler(None)
    assert len(desk.call("GET", VENDORS, max=100)["results"]) == 21


# Beginning and ending


def test_closing_finishes_what_was_accepted(sqlite_desk, sqlite_url):
    async def close_while_writing():
        database = SqliteDatabase(sqlite_url.removeprefix("sqlite:"))
        await database.start()
        insert = lambda id: (
            lambda connection: connection.insert(
                Key, [Key(id, KeyKind.DEVELOPER, "last", START, active=False)]
            )
        )
        writes = [asyncio.create_task(database.write(insert(str(n)))) for n in range(200)]
        await asyncio.sleep(0)
        await database.close()
        await asyncio.gather(*writes)
        with pytest.raises(Unavailable, match="stopping"):
            await database.write(insert("late"))

    sqlite_desk.runner.run(close_while_writing())
    assert keys(sqlite_desk) == {str(n) for n in range(200)}


def test_what_was_committed_is_there_after_a_new_beginning(database_url, open_desk):
    first = open_desk(database_url)
    at_once(first, write_key("a"), refuse, write_key("b"))
    assert keys(open_desk(database_url, start=None)) == {"a", "b"}


def waits_for_the_disk(work) -> bool:
    """What the connection that writes was told."""
    sqlite = work.connection.driver.__class__.__module__.startswith("apsw")
    ask = "PRAGMA synchronous" if sqlite else "SHOW synchronous_commit"
    ((said,),) = work.connection.fetch(ask, [])
    assert str(said) in ("1", "2", "off", "on")
    return str(said) in ("2", "on")


def test_what_would_be_done_again_need_not_wait_for_the_disk(copied_postgres_url, open_desk):
    """Nor does it keep those from it who come after it on the same connection."""
    desk = open_desk(copied_postgres_url)
    waits = lambda durable: desk.environment.write(waits_for_the_disk, durable=durable)
    assert [desk.runner.run(waits(durable)) for durable in (False, True, False)] == [False, True, False]


@pytest.mark.parametrize("stirs", [True, False])
def test_what_makes_others_forget_waits_for_the_disk(
    copied_postgres_url, open_desk, monkeypatch, stirs
):
    """Else a version of the clock that a crash undid would come again and mean another thing."""
    desk, waits = open_desk(copied_postgres_url), []

    def unit(work) -> None:
        work.stirs = stirs
        commit = work.connection._commit
        seen = lambda: (waits.append(waits_for_the_disk(work)), commit())
        monkeypatch.setattr(work.connection, "_commit", seen)

    desk.runner.run(desk.environment.write(unit, durable=False))
    assert waits == [stirs]


@pytest.mark.parametrize("durable", [True, False])
def test_a_sandbox_may_forgo_the_disk_and_nothing_else(database_url, open_desk, durable):
    desk = open_desk(database_url, durable=durable)
    said = at_once(desk, write_key("a"), refuse, write_key("b"), crash, write_key("c"))
    assert [type(each) for each in said] == [str, Refusal, str, ZeroDivisionError, str]
    assert desk.writes(waits_for_the_disk) is durable
    for made in ({"name": "stage", "ephemeral": True}, {"name": "test"}):
        made["from"] = "sandbox"  # Copied, which is quicker.
        desk.call("POST", f"{CONTROL}/environments", made, 201, session="")

    async def waits(name: str) -> bool:
        async with desk.billfold.host.entered(name) as site:
            return await site.environment.write(waits_for_the_disk)

    assert [desk.runner.run(waits(name)) for name in ("stage", "test")] == [False, durable]
    assert keys(open_desk(database_url, start=None)) == {"a", "b", "c"}


def test_somebodys_books_always_wait_for_the_disk(sqlite_url, open_desk):
    desk = open_desk(sqlite_url, durable=False)
    made = {"name": "books", "policy": "production"}
    answer = desk.answer("POST", f"{CONTROL}/environments", made, session="")
    assert answer.status_code == 422 and "outlive" in answer.text


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2"])
def test_a_library_that_corrupts_is_refused(version):
    with pytest.raises(Unusable, match=version):
        SqliteDatabase("any.db", version=version)


def test_a_library_that_does_not_is_taken():
    SqliteDatabase("any.db", version="3.51.3")


def test_an_id_that_is_taken_is_no_trouble(desk, monkeypatch):
    """Where a clock stands still nothing but chance parts the ids of several processes."""
    desk.is_at_work()
    first, ids = desk.vendor("First"), desk.environment.ids
    chance, taken = ids.new, [first]

    def new(kind, moment):
        return taken.pop() if kind == "vendor" and taken else chance(kind, moment)

    monkeypatch.setattr(ids, "new", new)
    made = [("POST", f"{V3}/vendors", vendor_of(f"Second {number}")) for number in range(4)]
    assert {answer.status_code for answer in desk.together(made)} == {201}
    assert taken == []
    names = [each["name"] for each in desk.call("GET", f"{V3}/vendors")["results"]]
    assert sorted(name for name in names if name != "Juniper Supply") == [
        "First", *(f"Second {number}" for number in range(4)),
    ]  # fmt: skip

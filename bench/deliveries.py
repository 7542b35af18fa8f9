"""Notifications: beside a bare loop that only signs and posts, soon after a change, past receivers that
fail, out of a long backlog, and by two workers."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from statistics import mean, median

import aiohttp

from bench import seeding, world
from bench.bare import BODY_BYTES
from bench.databases import POSTGRES, Data, Databases
from bench.load import HOME, Server
from bench.receiver import LATER_SECONDS
from bench.report import Report, spread
from billfold.app import Billfold
from billfold.events import outbox
from billfold.events.catalog import VERSIONS
from billfold.events.subscriptions import Subscription, Wanted
from billfold.kit import agenda
from billfold.kit.agenda_items import AgendaItem
from billfold.kit.work import Work
from billfold.kit.worker import FLYING_MAX
from billfold.settings import Settings

NOTIFICATIONS, SHARE_MIN, GROWTH_MAX = 20_000, 0.5, 1.1
TARGETS, MANY_TARGETS = 10, 50
FAILING, FAILING_ROUNDS, KEPT_MIN = ("hang", "refuse", "broken"), 3, 0.9
EVENTS_A_SECOND, EVENTS, ARRIVES_MILLISECONDS_MAX = 200, 2_000, 250
BACKLOG, CLAIMED, CLAIM_TIMES_MAX = 100_000, 1_000, 1.5
# By fours they are as many as two workers have in flight.
SLOWER_TARGETS, WORKERS_TIMES_MIN = 2_048, 1.6
SECONDS_MAX = 300
# What is answered is recorded within so long.
SETTLES_SECONDS = 2
TYPE = "vendor.updated"
# How much metadata adds to what is said of the subject.
METADATA_BYTES = 250
# Where nobody listens.
REFUSED = "http://127.0.0.1:9/refuse"
Arrivals = dict[str, list[tuple[str, float]]]


def measure(report: Report, databases: Databases, rounds: int, seconds: int) -> None:
    report.say()
    report.say("## Notifications")
    report.say()
    report.say(
        f"{NOTIFICATIONS:,} of {BODY_BYTES:,} bytes, due at once, to {TARGETS} subscriptions on one"
        " machine, by the server's own worker; the bare loop signs and posts as many with the same HTTP"
        " client, once before and once after."
    )
    report.say()
    with Server("the receiver", [sys.executable, "-m", "bench.receiver", "{port}"]) as receiver:
        for kind in databases.kinds:
            _whole(report, databases.data(kind, "whole"), receiver, kind)
            _paced(report, databases.data(kind, "paced"), receiver, kind)
            _past_failing(report, databases, receiver, kind)
            _backlog(report, databases.data(kind, "backlog"), kind)
        if POSTGRES in databases.kinds:
            _two_workers(report, databases, receiver)


def _whole(report: Report, data: Data, receiver: Server, kind: str) -> None:
    paths = [f"/well/{number}" for number in range(TARGETS)]
    _seed(data, [receiver.base + path for path in paths], NOTIFICATIONS)
    bare = [_bare(receiver)]
    memory = []
    with _collected(receiver) as arrivals, Server("Billfold", data.serve(worker=True)) as server:
        for share in (0.25, 1):
            _wait(receiver, paths, int(NOTIFICATIONS * share))
            memory.append(server.memory_megabytes)
    bare.append(_bare(receiver))
    rate = _rate(arrivals)
    _check_once(arrivals, NOTIFICATIONS)
    beside = median(bare)
    report.figures["Notifications, deliveries/s (more is better)"] += [
        (f"Billfold, {kind}", rate), (f"bare loop, beside {kind}", beside),
    ]  # fmt: skip
    said = f"{rate:,.0f} a second beside {beside:,.0f}, {rate / beside:.0%}"
    report.judge(
        f"notifications on {kind}",
        said,
        f"{SHARE_MIN:.0%} of the bare loop",
        rate >= SHARE_MIN * beside,
    )
    early, late = memory
    said = f"{early:.0f} MB after a quarter, {late:.0f} MB after all"
    report.judge(f"memory on {kind}", said, f"{GROWTH_MAX} times", late <= GROWTH_MAX * early)


def _paced(report: Report, data: Data, receiver: Server, kind: str) -> None:
    """From just before a change is committed, which is when its event is made, to its arrival."""

    def fill(work: Work) -> None:
        world.add_vendors(work)
        _subscribe(work, [receiver.base + "/well/0"])

    world.seed_billfold(data, fill)
    with _collected(receiver) as arrivals, Server("Billfold", data.serve(worker=True)) as server:
        asyncio.run(_change_vendors(server.base))
        _wait(receiver, ["/well/0"], EVENTS + 1)
    _check_once(arrivals, EVENTS + 1)
    made = {id: _moment(time) for id, time in data.ask("SELECT id, created_time FROM events")}
    taken = sorted((came - made[id]) * 1000 for id, came in arrivals["/well/0"][1:])
    p99 = taken[len(taken) * 99 // 100]
    said = f"p99 {p99:.0f} ms (median {median(taken):.0f}, most {taken[-1]:.0f})"
    report.judge(
        f"from change to arrival at {EVENTS_A_SECOND} events/s, on {kind}", said,
        f"{ARRIVES_MILLISECONDS_MAX} ms", p99 < ARRIVES_MILLISECONDS_MAX,
    )  # fmt: skip


def _past_failing(report: Report, databases: Databases, receiver: Server, kind: str) -> None:
    """The healthy ones beside others that have as much to hear and never take it, each time between
    two times without them."""
    healthy = [f"/well/{number}" for number in range(len(FAILING), MANY_TARGETS)]
    failing = [f"/{does}/x" for does in FAILING]

    def rate(name: str, others: list[str]) -> float:
        each, data = NOTIFICATIONS // MANY_TARGETS, databases.data(kind, name)
        urls = [REFUSED if "refuse" in path else receiver.base + path for path in (*others, *healthy)]
        _seed(data, urls, each * len(urls))
        with _collected(receiver) as arrivals, Server("Billfold", data.serve(worker=True)):
            _wait(receiver, healthy, each * len(healthy))
        return _rate({path: arrivals[path] for path in healthy})

    alone, beside = [rate("alone_0", [])], []
    for number in range(1, FAILING_ROUNDS + 1):
        beside.append(rate(f"beside_{number}", failing))
        alone.append(rate(f"alone_{number}", []))
    kept = [rate / mean(around) for rate, *around in zip(beside, alone, alone[1:], strict=False)]
    share = spread([100 * each for each in kept], "%")
    said = f"{median(beside):,.0f} a second, {share} of {median(alone):,.0f} without them"
    report.judge(
        f"{len(healthy)} receivers beside one that hangs, one that refuses and one that answers 500, on"
        f" {kind}, {FAILING_ROUNDS} times", said, f"{KEPT_MIN:.0%}", median(kept) >= KEPT_MIN,
    )  # fmt: skip


def _backlog(report: Report, data: Data, kind: str) -> None:
    """Claimed and done by the agenda alone; nothing is sent."""
    world.seed_billfold(data)
    seeding.pour(data, (AgendaItem, map(_item, range(BACKLOG))))
    taken = asyncio.run(_claim_all(data))
    times = taken[-1] / taken[0]
    said = f"{taken[0] * 1000:.0f} ms and {taken[-1] * 1000:.0f} ms, {times:.2f} times"
    report.judge(
        f"first and last {CLAIMED:,} claimed of {BACKLOG:,}, on {kind}", said,
        f"{CLAIM_TIMES_MAX} times", times <= CLAIM_TIMES_MAX,
    )  # fmt: skip


def _two_workers(report: Report, databases: Databases, receiver: Server) -> None:
    """Where receivers are so slow that what a worker may have in flight is the limit; and where the
    processor is, which two workers share."""
    one, two = _by_workers(databases, receiver, "slower", SLOWER_TARGETS)
    report.judge(
        f"two workers beside one, {SLOWER_TARGETS:,} receivers that take {LATER_SECONDS['slower']:.0f}"
        f" s, where the limit is the {FLYING_MAX:,} that each worker has in flight",
        f"{two:,.0f} a second beside {one:,.0f} (the middle half), {two / one:.2f} times, none lost,"
        " none twice",
        f"{WORKERS_TIMES_MIN} times",
        two >= WORKERS_TIMES_MIN * one,
    )
    one, two = _by_workers(databases, receiver, "slow", MANY_TARGETS)
    report.say(
        f"- no target: two workers beside one, {MANY_TARGETS} receivers that take"
        f" {LATER_SECONDS['slow'] * 1000:.0f} ms, where the limit is the processors, which they share:"
        f" {two:,.0f} a second beside {one:,.0f}, {two / one:.2f} times, none lost, none twice"
    )


def _by_workers(databases: Databases, receiver: Server, does: str, targets: int) -> list[float]:
    """Notifications a second by one worker and by two, of the middle half: without the beginning,
    when receivers are come to one after the other, and the end, when few are left."""
    paths = [f"/{does}/{number}" for number in range(targets)]
    count = NOTIFICATIONS // targets * targets
    rates = []
    for workers in (1, 2):
        data = databases.data(POSTGRES, f"{does}_{workers}")
        _seed(data, [receiver.base + path for path in paths], count)
        with _collected(receiver) as arrivals, ExitStack() as stack:
            for _ in range(workers):
                stack.enter_context(_worker(data))
            _wait(receiver, paths, count)
            # Who stops before a receiver has answered leaves it to the other, who tells it again.
            time.sleep(LATER_SECONDS[does] + SETTLES_SECONDS)
            assert data.ask("SELECT count(*) FROM agenda") == [(0,)], "something is left to be done"
        _check_once(arrivals, count)
        times = sorted(came for got in arrivals.values() for _, came in got)
        rates.append(count / 2 / (times[count * 3 // 4] - times[count // 4]))
    return rates


# What is there


def _seed(data: Data, urls: list[str], count: int) -> None:
    """So many notifications that are due, of the subscriptions in turn."""
    said = json.dumps({"vendor": {"name": "x" * (BODY_BYTES - METADATA_BYTES)}}).encode()

    def fill(work: Work) -> None:
        subscriptions = _subscribe(work, urls)
        for number in range(count):
            subscription = subscriptions[number % len(urls)]
            outbox.send_one(work, subscription, TYPE, world.VENDOR_ID % 0, said)

    world.seed_billfold(data, fill)


def _subscribe(work: Work, urls: list[str]) -> list[Subscription]:
    """More than one organization may have by the API: here as many stand for those of several."""
    return [_subscription(work, f"{number}", url) for number, url in enumerate(urls)]


def _subscription(work: Work, name: str, url: str) -> Subscription:
    id = work.ids.uuid(work.now)
    key = work.secrets.seal(work.ids.token(), id)
    events = [Wanted(TYPE, VERSIONS[0])]
    return work.add(Subscription, id=id, name=name, url=url, events=events, key=key)


def _item(number: int) -> AgendaItem:
    id, lane = f"agi{number:017d}", f"{number % MANY_TARGETS}"
    return AgendaItem(id, world.ORGANIZATION, world.MADE, outbox.DELIVER, "", lane=lane)


# What is done


def _bare(receiver: Server) -> float:
    command = [sys.executable, "-m", "bench.bare", receiver.base, str(TARGETS), str(NOTIFICATIONS)]
    with _collected(receiver) as arrivals:
        subprocess.run(command, cwd=HOME, check=True, timeout=SECONDS_MAX)
    return _rate(arrivals)


@contextmanager
def _worker(data: Data) -> Iterator[None]:
    process = subprocess.Popen(data.work(), cwd=HOME, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(SECONDS_MAX)


async def _change_vendors(base: str) -> None:
    """At a steady pace, whether or not the answers keep up."""
    headers = {"sessionId": world.SESSION_ID % 0, "devKey": world.KEY}
    async with aiohttp.ClientSession(base, headers=headers) as http, asyncio.TaskGroup() as group:

        async def change(number: int) -> None:
            path = f"/connect/v3/vendors/{world.VENDOR_ID % number}"
            async with http.patch(path, json={"accountNumber": f"changed {number}"}) as answer:
                assert answer.status == 200, await answer.text()

        await change(EVENTS)  # The first one has much to import.
        await asyncio.sleep(1)
        began = time.perf_counter()
        for number in range(EVENTS):
            await asyncio.sleep(max(0, began + number / EVENTS_A_SECOND - time.perf_counter()))
            group.create_task(change(number))


async def _claim_all(data: Data) -> list[float]:
    """Seconds for each thousand."""
    settings = Settings(data=str(data.folder), database=data.url, worker=False)
    billfold = Billfold(settings)
    taken: list[float] = []
    async with billfold.lifespan():
        environment = billfold.environment
        await agenda.take_due(environment, 1)  # To connect, and to know the statements.
        while True:
            claimed, seconds = 0, 0.0
            while claimed < CLAIMED:
                began = time.perf_counter()
                items = await agenda.take_due(environment, agenda.TAKEN_MAX)
                seconds += time.perf_counter() - began
                if not items:
                    return taken
                claimed += len(items)

                def finish(work: Work, items: list[AgendaItem] = items) -> None:
                    for item in items:
                        agenda.finish(work, item)

                await environment.write(finish)
            taken.append(seconds / claimed * CLAIMED)


# What came of it


@contextmanager
def _collected(receiver: Server) -> Iterator[Arrivals]:
    """What arrives meanwhile, filled in at the end."""
    _ask(receiver, "/arrivals", "DELETE")
    arrivals: Arrivals = {}
    yield arrivals
    arrivals |= _ask(receiver, "/arrivals")


def _wait(receiver: Server, paths: list[str], count: int) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while (got := _count(_ask(receiver, "/counts"), paths)) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {got:,} of {count:,} notifications have arrived")
        time.sleep(0.1)


def _count(counts: dict[str, int], paths: list[str]) -> int:
    return sum(counts.get(path, 0) for path in paths)


def _ask(receiver: Server, path: str, method: str = "GET") -> dict:
    request = urllib.request.Request(receiver.base + path, method=method)
    with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
        return json.load(answer)


def _rate(arrivals: Arrivals) -> float:
    """Arrivals a second between the first and the last."""
    times = sorted(came for got in arrivals.values() for _, came in got)
    return (len(times) - 1) / (times[-1] - times[0])


def _check_once(arrivals: Arrivals, count: int) -> None:
    ids = [id for got in arrivals.values() for id, _ in got]
    if len(ids) != count or len(set(ids)) != count:
        raise RuntimeError(f"{count:,} were sent; {len(ids):,} came, of {len(set(ids)):,} events")


def _moment(stored: object) -> float:
    """PostgreSQL has a moment, SQLite its text."""
    moment = stored if isinstance(stored, datetime) else datetime.fromisoformat(str(stored))
    return moment.timestamp()

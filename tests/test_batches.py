"""What many ask for at once is done together; who is to blame is told alone, and what is begun ends."""

import asyncio

import pytest

from billfold.kit.batches import Batches, to_the_end
from billfold.kit.errors import Unavailable

BATCH_MAX = 64


class Doing:
    """Doubles numbers; a three is at fault, and a zero is the database's trouble."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def all(self, numbers: list[int]) -> list[int]:
        self.batches.append(numbers)
        await self.may_end.wait()
        if 3 in numbers:
            raise ValueError("three")
        if 0 in numbers:
            raise Unavailable("zero")
        return [2 * number for number in numbers]


def asks(*rounds: list[int]):
    """What was done together, and what each was told, of numbers asked for while others are done."""

    async def run():
        doing = Doing()
        batches, told = Batches(doing.all, BATCH_MAX), []
        doing.may_end.clear()
        for numbers in rounds:
            told += [batches.do(number) for number in numbers]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        doing.may_end.set()
        return doing.batches, await asyncio.gather(*told, return_exceptions=True)

    return asyncio.run(run())


def test_what_is_asked_at_once_is_done_together_and_answered_in_order():
    assert asks([1, 2, 4]) == ([[1, 2, 4]], [2, 4, 8])


def test_while_one_batch_is_done_the_next_one_gathers():
    assert asks([1], [2], [4, 5])[0] == [[1], [2, 4, 5]]


def test_a_batch_is_bounded():
    done, told = asks([*range(1, 3), *range(4, BATCH_MAX + 10)])
    assert [len(batch) for batch in done] == [BATCH_MAX, 8]
    assert told[-1] == 2 * (BATCH_MAX + 9)


def test_only_who_is_to_blame_is_told():
    done, (one, fault, two) = asks([1, 3, 2])
    assert (one, repr(fault), two) == (2, "ValueError('three')", 4)
    assert done == [[1, 3, 2], [1], [3, 2], [3], [2]]


def test_the_trouble_of_the_database_is_everyones():
    done, told = asks([1, 0])
    assert done == [[1, 0]]
    assert [type(each) for each in told] == [Unavailable, Unavailable]


def test_who_leaves_before_its_turn_is_left_out():
    async def run():
        doing = Doing()
        batches = Batches(doing.all, BATCH_MAX)
        left, stays = batches.do(1), batches.do(2)
        left.cancel()
        assert await stays == 4
        return doing.batches

    assert asyncio.run(run()) == [[2]]


@pytest.mark.parametrize("cancels", [0, 1, 3])
def test_what_is_begun_is_ended_however_often_it_is_cancelled(cancels):
    async def run():
        doing = Doing()
        doing.may_end.clear()
        task = asyncio.create_task(to_the_end(Batches(doing.all, BATCH_MAX).do(2)))
        for _ in range(cancels):
            await asyncio.sleep(0.001)
            task.cancel()
        await asyncio.sleep(0.001)
        doing.may_end.set()
        return await task

    assert asyncio.run(run()) == 4


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_who_is_cancelled_just_when_it_ends_has_what_was_done(turns):
    async def run():
        done = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(to_the_end(done))
        await asyncio.sleep(0)
        done.set_result(4)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        return await task

    assert asyncio.run(run()) == 4


def test_who_waits_for_what_is_cancelled_is_told():
    async def run():
        doing = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(to_the_end(doing))
        await asyncio.sleep(0)
        doing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_nobody_waits_for_ever_where_all_is_cancelled(turns):
    async def run():
        doing = Doing()
        doing.may_end.clear()
        batches = Batches(doing.all, 1)
        waits = [asyncio.create_task(to_the_end(batches.do(number))) for number in (1, 2)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        async with asyncio.timeout(5):
            ended = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(each) for each in ended] == [asyncio.CancelledError] * 2
        doing.may_end.set()
        assert await batches.do(4) == 8  # Who asks afterwards is answered.

    asyncio.run(run())


def test_nobody_waits_for_ever_where_the_work_itself_ends():
    async def run():
        async def ends(numbers: list[int]) -> list[int]:
            raise GeneratorExit

        batches = Batches(ends, BATCH_MAX)
        async with asyncio.timeout(5):
            told = await asyncio.gather(batches.do(1), batches.do(2), return_exceptions=True)
        assert list(map(type, told)) == [GeneratorExit, GeneratorExit]

    asyncio.run(run())


def test_nobody_has_anothers_answer_where_one_is_missing():
    async def run():
        async def one_too_few(numbers: list[int]) -> list[int]:
            return numbers[1:]

        batches = Batches(one_too_few, BATCH_MAX)
        async with asyncio.timeout(5):
            told = await asyncio.gather(batches.do(1), batches.do(2), return_exceptions=True)
        assert list(map(type, told)) == [ValueError, ValueError]

    asyncio.run(run())


@pytest.mark.parametrize(("cancels", "raised"), [(False, ValueError), (True, asyncio.CancelledError)])
def test_what_does_not_end_well_is_told(cancels, raised):
    async def run():
        doing = Doing()
        doing.may_end.clear()
        task = asyncio.create_task(to_the_end(Batches(doing.all, BATCH_MAX).do(3)))
        await asyncio.sleep(0.001)
        if cancels:
            task.cancel()
            await asyncio.sleep(0.001)
        doing.may_end.set()
        with pytest.raises(raised):
            await task

    asyncio.run(run())

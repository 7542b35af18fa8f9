"""What many ask for at one moment is done by one unit of work."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from billfold.kit.errors import Unavailable

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Batches(Generic[Asked, Answer]):
    """`do_all` is given what has been asked for since it was last begun, and answers each in order;
    meanwhile the next batch gathers. To do several at once makes them smaller, and all of it slower.

    All of a batch happens or nothing. One that fails is done again by halves, so that only whoever
    is to blame is told; the database's trouble is everyone's."""

    def __init__(self, do_all: Callable[[list[Asked]], Awaitable[Sequence[Answer]]], most: int) -> None:
        """`most` bounds a batch, and with it how long one unit takes."""
        self._do_all, self._most = do_all, most
        self._waiting: deque[tuple[Asked, asyncio.Future[Answer]]] = deque()
        self._batch: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._at_work: asyncio.Task | None = None

    def do(self, asked: Asked) -> asyncio.Future[Answer]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((asked, answer))
        if self._at_work is None:
            # It begins when the loop turns: what is asked for in this turn goes with it.
            self._at_work = loop.create_task(self._work())
            self._at_work.add_done_callback(self._end)
        return answer

    async def _work(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most))]
            # Whoever was cancelled before its turn wants nothing any more.
            self._batch = [each for each in batch if not each[1].done()]
            if self._batch:
                await self._answer(self._batch)
        self._at_work = None

    def _end(self, work: asyncio.Task) -> None:
        """Where it did not come to its end, or not even to its beginning, nobody waits for ever."""
        if work is not self._at_work:
            return
        self._at_work = None
        error = None if work.cancelled() else work.exception()
        for _, answer in (*self._batch, *self._waiting):
            if error and not answer.done():
                answer.set_exception(error)
            answer.cancel()
        self._waiting.clear()

    async def _answer(self, batch: list[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        try:
            found = await self._do_all([asked for asked, _ in batch])
            answers = list(zip(batch, found, strict=True))  # Nobody has another's answer.
        except Exception as error:
            if isinstance(error, Unavailable) or len(batch) == 1:
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
            else:
                half = len(batch) // 2
                await self._answer(batch[:half])
                await self._answer(batch[half:])
        else:
            for (_, answer), one in answers:
                if not answer.done():
                    answer.set_result(one)


class _Lasting(asyncio.Future):
    """Who waits for it and is cancelled meanwhile hears of that when it is over."""

    def cancel(self, msg: object = None) -> bool:
        return False


async def to_the_end(doing: asyncio.Future[Answer]) -> Answer:
    """What is half done is ended, also by who is cancelled meanwhile: that is raised only where it did
    not end well."""
    over = _Lasting(loop=doing.get_loop())
    doing.add_done_callback(over.set_result)
    try:
        await over
    except asyncio.CancelledError as cancelled:
        if error := doing.exception():
            raise cancelled from error
    return doing.result()

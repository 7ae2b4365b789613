"""What is asked for in one turn of the loop goes to a thread together, and comes back in time.

That is what makes many requests at once cheap: a trip to a thread and back costs as much as dozens
of sessions that are read there. While one is under way, what is asked for gathers for the next.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from ...exceptions import StoreUnavailable
from ...tasks import Tasks
from ..asking import Limit
from .errors import FileFailed
from .thread import Thread

#: How much goes together at most (`Asked.weight`): nobody else who writes is held up for long.
MOST_AT_ONCE: Final = 1000

# How long a thread that ends is waited for, in seconds.
_GOODBYE: Final = 1.0


@dataclass(slots=True, eq=False)
class Asked:
    """What somebody waits for, and since when, by this process's monotonic clock."""

    answer: asyncio.Future[Any] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future(), kw_only=True
    )
    since: float = field(default_factory=monotonic, kw_only=True)
    #: How many sessions it is about.
    weight: int = field(default=1, kw_only=True)

    @property
    def is_wanted(self) -> bool:
        """Whether it is to be done; can be asked in any thread."""
        return not self.answer.done()

    def give(self, answer: Any) -> None:
        if self.answer.done():  # whoever waited has left
            return
        if isinstance(answer, BaseException):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


_A = TypeVar("_A", bound=Asked)
_T = TypeVar("_T")


class Lane(Generic[_A]):
    """The way to a thread, and back.

    Args:
        do: what is done there with what was asked for: gives an answer, or an error, to each.
        end: what is done there last.
        timeout: how long an answer may take, in seconds.
        name: the thread's.
    """

    def __init__(
        self,
        do: Callable[[Sequence[_A]], Sequence[Any]],
        end: Callable[[], None],
        timeout: float,
        name: str,
    ) -> None:
        self._do = do
        self._end = end
        self._timeout = timeout
        self._thread = Thread(name)
        self._waiting: list[_A] = []
        self._tasks = Tasks()
        self._is_going = False

    async def ask(self, asked: _A) -> Any:
        """What is answered.

        Raises:
            StoreUnavailable: nothing is, or not in time.
        """
        self._waiting.append(asked)
        if not self._is_going:
            self._is_going = True
            self._tasks.start(self._go())
        try:
            return await asked.answer
        except (FileFailed, sqlite3.Error, OSError, TimeoutError) as error:
            raise StoreUnavailable from error

    async def run(self, call: Callable[[], _T]) -> _T:
        """Have something done there beside that, for which nobody waits."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def close(self) -> None:
        """End the thread; whoever waits still is told that the store failed."""
        await self._tasks.end()
        loop = asyncio.get_running_loop()
        ending = loop.run_in_executor(self._thread, self._end)
        self._thread.shutdown()
        await asyncio.wait([ending], timeout=_GOODBYE)

    async def _go(self) -> None:
        try:
            await asyncio.sleep(0)  # what is asked for in this turn goes together
            while self._waiting:
                if batch := self._next():
                    await self._trip(batch)
        finally:
            self._is_going = False
            self._give_up(sqlite3.OperationalError("the store was closed"), since=monotonic())

    def _next(self) -> list[_A]:
        """Some of what is waiting, and what nobody waits for any more is dropped."""
        batch: list[_A] = []
        weight = 0
        for at, asked in enumerate(self._waiting):
            if weight and weight + asked.weight > MOST_AT_ONCE:
                self._waiting = self._waiting[at:]
                return batch
            if asked.is_wanted:
                batch.append(asked)
                weight += asked.weight
        self._waiting = []
        return batch

    async def _trip(self, batch: list[_A]) -> None:
        """Have these done, and give everybody an answer, be it that it takes too long."""
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._thread, self._do, batch)
        try:
            while not work.done():
                waited = monotonic() - (batch[0].since)
                limit = Limit(max(self._timeout - waited, self._timeout / 4))
                try:
                    async with limit.wait:
                        await asyncio.shield(work)
                except TimeoutError as error:
                    if not work.done():
                        self._give_up(error, since=monotonic() - self._timeout, also=batch)
                except Exception:  # noqa: S110  (its own: see below)
                    pass
                finally:
                    limit.cancel()
            answers = work.result()
        except Exception as error:
            answers = [error] * len(batch)
        except BaseException:
            work.add_done_callback(_seen)
            for asked in batch:
                asked.give(sqlite3.OperationalError("the store was closed"))
            raise
        for asked, answer in zip(batch, answers, strict=True):
            asked.give(answer)

    def _give_up(self, error: Exception, *, since: float, also: Sequence[_A] = ()) -> None:
        """Tell those who have waited since then, or before, that it was in vain."""
        for asked in (*also, *self._waiting):
            if asked.since <= since:
                asked.give(error)
        self._waiting = [asked for asked in self._waiting if asked.is_wanted]


def _seen(work: asyncio.Future[Any]) -> None:
    """Whatever it was, nobody is told of it."""
    if not work.cancelled():
        work.exception()

"""What is asked for in one turn of the loop goes to a thread together, and comes back in time.

That is what makes many requests at once cheap: a trip to a thread and back costs as much as dozens
of sessions that are read there. While one is under way, what is asked for gathers for the next.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from ...exceptions import StoreUnavailable
from ..asking import Timer
from .errors import FileFailed
from .thread import Thread

#: How much goes together at most (`Asked.weight`): nobody else who writes is held up for long.
MOST_AT_ONCE: Final = 1000


@dataclass(slots=True, eq=False)
class Asked:
    """What somebody waits for, and since when, by this process's monotonic clock."""

    answer: asyncio.Future[Any] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future(), kw_only=True
    )
    since: float = field(default_factory=monotonic, kw_only=True)
    #: How many sessions it is about.
    weight: int = field(default=1, kw_only=True)
    #: Whether it is done though nobody waits for it any more.
    even_late: bool = field(default=False, kw_only=True)

    @property
    def is_wanted(self) -> bool:
        """Whether it is to be done; can be asked in any thread."""
        return self.even_late or not self.answer.done()

    def give(self, answer: Any) -> None:
        if self.answer.done():  # whoever waited has left
            return
        if isinstance(answer, StopIteration):  # no future takes it
            answer = RuntimeError(repr(answer))
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
        self._loop = asyncio.get_running_loop()
        self._thread = Thread(name)
        self._waiting: list[_A] = []
        # What is under way, and what goes off if that takes too long.
        self._batch: list[_A] = []
        self._timer: Timer | None = None
        self._is_going = False
        self._is_closed = False

    async def ask(self, asked: _A) -> Any:
        """What is answered.

        Raises:
            StoreUnavailable: nothing is, or not in time.
        """
        self._waiting.append(asked)
        if not self._is_going:
            self._is_going = True
            self._loop.call_soon(self._go)  # what is asked for in this turn goes together
        try:
            return await asked.answer
        except (FileFailed, sqlite3.Error, OSError, TimeoutError) as error:
            raise StoreUnavailable from error

    async def run(self, call: Callable[[], _T]) -> _T:
        """Have something done there beside that, for which nobody waits."""
        return await self._loop.run_in_executor(self._thread, call)

    async def close(self) -> None:
        """End the thread; whoever waits still is told that the store failed."""
        batch = self._batch
        self._arrive()
        self._is_closed, self._is_going = True, False
        self._give_up(sqlite3.OperationalError("the store was closed"), also=batch)
        if self._waiting:
            self._thread.put(partial(self._there, self._waiting))
            self._waiting = []
        await self._thread.close(self._end)

    # There and back by callbacks: for a trip that takes one session, each task and each turn of the
    # loop costs as much as what is read there.

    def _go(self) -> None:
        """Have some of what is waiting done."""
        if self._is_closed:
            self._give_up(sqlite3.OperationalError("the store was closed"))
            self._waiting = []
        batch: list[_A] = []
        while self._waiting and not batch:
            batch = self._next()
        self._is_going = bool(batch)
        if batch:
            self._batch = batch
            self._wait()
            try:
                self._thread.put(partial(self._there, batch))
            except RuntimeError as error:  # the next call tries again
                self._arrive()
                self._is_going = False
                self._give_up(FileFailed(str(error)), also=batch)

    def _there(self, batch: list[_A]) -> None:
        """Do it; in the thread."""
        answers: Sequence[Any]
        try:
            answers = self._do(batch)
        except BaseException as error:  # whoever waits gets it
            answers = [error] * len(batch)
        with suppress(RuntimeError):  # the loop is gone, with whoever waited there
            self._loop.call_soon_threadsafe(self._back, batch, answers)

    def _back(self, batch: list[_A], answers: Sequence[Any]) -> None:
        """Give everybody an answer."""
        self._arrive()
        for asked, answer in zip(batch, answers, strict=True):
            asked.give(answer)
        self._go()

    def _arrive(self) -> None:
        """Nothing is under way."""
        self._batch = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        """See to it that everybody is answered in time; each trip has a quarter of it at least."""
        waited = monotonic() - self._batch[0].since
        self._timer = Timer(max(self._timeout - waited, self._timeout / 4), self._is_late)

    def _is_late(self, _: float) -> None:
        self._give_up(TimeoutError(), since=monotonic() - self._timeout, also=self._batch)
        self._wait()

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

    def _give_up(self, error: Exception, *, since: float = inf, also: Sequence[_A] = ()) -> None:
        """Tell those who have waited since then, or before, that it was in vain.

        What is done all the same stays in the line.
        """
        for asked in (*also, *self._waiting):
            if asked.since <= since:
                asked.give(error)
        self._waiting = [asked for asked in self._waiting if asked.is_wanted]

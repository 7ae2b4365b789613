"""Asking a store: in time, and so that a failure is never taken for an answer.

A call is begun by hand (``next(call.__await__())``), since most calls of a store in this process
are over at once: that takes 1.3 µs, and 8 with a timer for each, as `asyncio.timeout` sets one. The
standard library has nothing for this: an eager task begins a coroutine so, but is another task with
a context of its own, and Python 3.11 has none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from types import coroutine
from typing import Any, Final, NamedTuple, TypeVar, cast

from ..exceptions import ConfigError, StoreUnavailable, TooManySessions
from ..log import Outage

# How often in a row the event loop is to be on time before a time-out counts; and how many times as
# long as it that can take.
_CHECKS: Final = 5
_MOST_PATIENCE: Final = 10

#: How long to wait before a store that has failed is asked again, in seconds.
ASK_AGAIN: Final = 1.0

_T = TypeVar("_T")


@coroutine
def _resume(step: Generator[Any, None, _T], waits_for: object) -> Generator[Any, None, _T]:
    """Go on with a call that was begun with ``next(call.__await__())``, and waits."""
    try:
        while True:
            try:
                yield waits_for
            except BaseException as error:
                waits_for = step.throw(error)
            else:
                waits_for = next(step)
    except StopIteration as done:
        return cast("_T", done.value)


class Timer:
    """Goes off when a store's time is up.

    Where thousands of requests come at once, the event loop is busy for seconds, and an answer that
    has come waits for its turn: that is no failure of the store's. So the time is up only if the
    loop has been on time for the last of it, or is never.

    Args:
        timeout: the time, in seconds.
        go_off: is called then, with the loop's time.
    """

    __slots__ = ("_due", "_go_off", "_latest", "_loop", "_on_time", "_step", "_timer")

    def __init__(self, timeout: float, go_off: Callable[[float], object]) -> None:
        self._go_off = go_off
        self._loop = asyncio.get_running_loop()
        self._step = timeout / 20
        self._on_time = 0
        now = self._loop.time()
        self._latest = now + _MOST_PATIENCE * timeout
        self._due = now + timeout - (_CHECKS - 1) * self._step
        self._timer = self._loop.call_at(self._due, self._check)

    def _check(self) -> None:
        now = self._loop.time()
        self._on_time = self._on_time + 1 if now - self._due < self._step else 0
        if self._on_time == _CHECKS or now > self._latest:
            self._go_off(now)
        else:
            self._due = now + self._step
            self._timer = self._loop.call_at(self._due, self._check)

    def cancel(self) -> None:
        """It does not go off any more."""
        self._timer.cancel()


class Limit(Timer):
    """Ends a wait for a store, by `TimeoutError`, when its time is up: ``async with limit.wait:``.

    Args:
        timeout: the time, in seconds.
    """

    __slots__ = ("wait",)

    def __init__(self, timeout: float) -> None:
        self.wait = asyncio.timeout(None)
        super().__init__(timeout, self.wait.reschedule)


class Patience(NamedTuple):
    """How long to wait for a store, and what the log is told of it."""

    #: In seconds; None: it keeps the time itself.
    timeout: float | None
    outage: Outage


async def ask(call: Awaitable[_T], patience: Patience | float | None) -> _T:
    """What a store's method answers in time; without a `Patience`, each failure is told.

    Raises:
        StoreUnavailable: the store failed, or did not answer in time; the log says which. (Its
            cause is a `ConfigError` where waiting does not mend it.)
        TooManySessions: the store answered that.
    """
    timeout, outage = patience if isinstance(patience, Patience) else Patience(patience, Outage())
    step = call.__await__()
    try:
        try:
            waits_for = next(step)
        except StopIteration as done:  # it did not wait: a timer would be wasted
            answer = cast("_T", done.value)
        else:
            answer = await _within(timeout, step, waits_for)
    except TimeoutError:
        outage.failed("it did not answer in time")
    except StoreUnavailable as error:
        cause = error.__cause__ or error
        outage.failed("it did not answer in time" if isinstance(cause, TimeoutError) else cause)
    except TooManySessions:
        outage.answered()
        raise
    except ConfigError as error:
        outage.failed(error)
        raise StoreUnavailable from error
    except Exception as error:
        # Whatever a store stumbles over, the session that it holds is not over.
        outage.failed("it failed", error)
    else:
        if outage.calls_failed:  # most often none, and each request comes by here
            outage.answered()
        return answer
    raise StoreUnavailable


async def _within(timeout: float | None, step: Generator[Any, None, _T], waits_for: object) -> _T:
    if timeout is None:
        return await _resume(step, waits_for)
    limit = Limit(timeout)
    try:
        async with limit.wait:
            return await _resume(step, waits_for)
    finally:
        limit.cancel()

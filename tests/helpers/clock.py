"""Time that passes at once."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from selectors import BaseSelector
from typing import Any

import pytest

from quart_idle.stores.sqlite.thread import Thread
from tests.helpers.limit import TooLong

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


class Clock:
    """Time that passes at once: an event loop that would wait finds that it has waited.

    The same time is the stores', the package's and the loop's, so timers go off in their order.
    """

    EPOCH = 1_800_000_000.0

    def __init__(self, limit: float = 120.0) -> None:
        self._now = 1000.0
        self._in_threads: set[object] = set()
        # When a test that still runs is taken for one that never ends, by the system's time.
        self._limit = time.monotonic() + limit

    def __call__(self) -> float:
        """Seconds since the epoch, for a store."""
        return self.EPOCH + self._now

    def monotonic(self) -> float:
        return self._now

    async def advance(self, seconds: float) -> None:
        """Let time pass, and what is due happen."""
        await asyncio.sleep(seconds)

    def rule(self, loop: Any, patch: pytest.MonkeyPatch) -> None:
        """Take the place of a loop's time, and of the package's."""
        selector: BaseSelector = loop._selector
        select, run_in_executor = selector.select, loop.run_in_executor

        def jump(timeout: float | None = None) -> Any:
            left = self._limit - time.monotonic()
            events = select(max(0.0, left)) if timeout is None else ()
            if left <= 0 or (timeout is None and not events):
                self._limit = time.monotonic() + 10  # for what tidies up
                raise TooLong("time passes at once, and the test does not end: it waits for ever")
            if timeout is None:
                return events
            if timeout <= 0:
                return select(timeout)
            events = select(None if self._in_threads else 0)
            if not events:
                self._now += timeout
            return events

        def run(*arguments: Any) -> asyncio.Future[Any]:
            future: asyncio.Future[Any] = run_in_executor(*arguments)
            self._in_threads.add(future)
            future.add_done_callback(self._in_threads.discard)
            return future

        put = Thread.put

        def put_in_thread(thread: Thread, job: Callable[[], None]) -> None:
            def counted() -> None:
                job()
                with suppress(RuntimeError):  # the loop is gone
                    loop.call_soon_threadsafe(self._in_threads.discard, counted)

            self._in_threads.add(counted)
            put(thread, counted)

        patch.setattr(Thread, "put", put_in_thread)
        patch.setattr(selector, "select", jump)
        patch.setattr(loop, "time", self.monotonic)
        patch.setattr(loop, "run_in_executor", run)
        for name, module in tuple(sys.modules.items()):
            if name.startswith("quart_idle."):
                for attribute, value in tuple(vars(module).items()):
                    if value is time.monotonic:
                        patch.setattr(module, attribute, self.monotonic)

    @staticmethod
    def forget(loop: Any) -> None:
        """Drop what a loop would do later.

        By the system's time all of it may be due at once, as the loop closes: a task that begins in
        its last turn is never awaited.
        """
        for timer in loop._scheduled:
            timer.cancel()

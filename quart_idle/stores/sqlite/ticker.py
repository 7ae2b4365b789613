"""A clock that wakes all who wait for it in one turn of the loop, so that they share a trip.

What a worker costs that has nothing to do is its trips to the thread that reads.
"""

from __future__ import annotations

import asyncio


class Ticker:
    """Ticks while somebody waits for it, in one event loop.

    Args:
        interval: how long from one tick to the next, in seconds.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._next = asyncio.Event()

    async def wait(self, ticks: int = 1) -> None:
        """Until it has ticked so often."""
        for _ in range(ticks):
            if self._timer is None:
                self._timer = self._loop.call_later(self._interval, self._tick)
            await self._next.wait()

    def _tick(self) -> None:
        self._timer = None
        self._next.set()
        self._next = asyncio.Event()

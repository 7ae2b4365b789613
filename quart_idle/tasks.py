"""Tasks that nobody waits for: kept until they are over, and ended for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Final

# After how long a task that was cancelled, and goes on, is cancelled again, in seconds.
_END_AGAIN: Final = 0.1


class Tasks:
    """Keeps tasks until they are over: a loop has only weak references to them."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, call: Coroutine[object, None, None]) -> None:
        """Run this beside all else."""
        task = asyncio.get_running_loop().create_task(call)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def cancel(self) -> None:
        """Give up what is not over."""
        for task in self._running:
            task.cancel()

    async def end(self) -> None:
        """Give up what is not over, and wait until it is."""
        await end_tasks(self._running)


async def end_tasks(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they are over.

    Once may not be enough: under Python 3.11 `asyncio.wait_for`, by which redis-py sends what has a
    time-out (as to a Sentinel, or to a node that has moved), can lose a cancellation.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        over, waiting = await asyncio.wait(waiting, timeout=_END_AGAIN)
        for task in over:
            if not task.cancelled():
                task.exception()  # seen: nobody else is told of it

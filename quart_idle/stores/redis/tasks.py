"""Ending tasks for certain, and waiting for several calls, whichever of them fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Iterable
from typing import Any, Final

from ...exceptions import StoreUnavailable

# After how long a task that was cancelled, and goes on, is cancelled again, in seconds.
_END_AGAIN: Final = 0.1


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


async def failures_of(calls: Iterable[Awaitable[Any]]) -> list[Exception]:
    """Have all of these calls done, and not only until one fails; the failures of the store."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, StoreUnavailable):
            raise answer
    return [answer for answer in answers if isinstance(answer, StoreUnavailable)]

"""Activity in, batched renewals out.

Signs of life are merged by session and written together, so an open page costs the store a few
writes an hour and a busy one no more. A sign of life that comes when its session is about to end is
written at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Final, NamedTuple

from .exceptions import StoreUnavailable
from .policy import Activity
from .stores.base import Ended, Live

# How long signs of life are gathered, in seconds.
_GATHER: Final = 0.5
# How long to wait after the store has failed, in seconds.
_RETRY: Final = 1.0


class _Sign(NamedTuple):
    """A sign of life by this process's monotonic clock."""

    seen: float
    active: float
    paged: bool


_NEVER: Final = float("-inf")


class Renewals:
    """This worker's signs of life that are not written yet.

    Args:
        renew: writes them; may raise `StoreUnavailable`, in which case they are kept.
        tell: is told what became of each session.
    """

    def __init__(
        self,
        renew: Callable[[Mapping[str, Activity]], Awaitable[Mapping[str, Live | Ended | None]]],
        tell: Callable[[str, Live | Ended | None], None],
    ) -> None:
        self._renew = renew
        self._tell = tell
        self._signs: dict[str, _Sign] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def note(
        self,
        id: str,
        *,
        active: bool,
        left: float,
        idle: float = 0.0,
        paged: bool = False,
    ) -> None:
        """Take in a sign of life of a session.

        Args:
            id: the session's.
            active: whether it is activity.
            left: how long the session has left if it is not written, in seconds.
            idle: how long ago the activity was, in seconds.
            paged: whether it comes from an open page.
        """
        now = monotonic()
        self._merge(id, _Sign(now, now - idle if active else _NEVER, paged))
        self._schedule(0.0 if left < 2 * _GATHER else _GATHER)

    async def flush(self) -> None:
        """Write what there is.

        Raises:
            StoreUnavailable: the store did not answer; nothing is lost.
        """
        signs, self._signs = self._signs, {}
        if not signs:
            return
        now = monotonic()
        try:
            outcomes = await self._renew(
                {
                    id: Activity(now - seen, None if active == _NEVER else now - active, paged)
                    for id, (seen, active, paged) in signs.items()
                }
            )
        except BaseException:
            for id, sign in signs.items():
                self._merge(id, sign)
            raise
        for id, outcome in outcomes.items():
            self._tell(id, outcome)

    def _merge(self, id: str, sign: _Sign) -> None:
        known = self._signs.get(id)
        if known is not None:
            sign = _Sign(
                max(sign.seen, known.seen),
                max(sign.active, known.active),
                sign.paged or known.paged,
            )
        self._signs[id] = sign

    def _schedule(self, delay: float) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a test client's earlier loop is gone, with its timers
            self._loop, self._timer, self._flushing = loop, None, None
        when = loop.time() + delay
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = loop.call_at(when, self._start)

    def _start(self) -> None:
        self._timer = None
        if self._flushing is None and self._loop is not None:
            self._flushing = self._loop.create_task(self._run())

    async def _run(self) -> None:
        delay = 0.0
        try:
            await self.flush()
        except StoreUnavailable:
            delay = _RETRY
        finally:
            self._flushing = None
        # What came in while the store was busy, or could not be written.
        if self._signs:
            self._schedule(delay)

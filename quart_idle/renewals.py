"""Activity in, batched renewals out.

Signs of life are merged by session and written together, so an open page costs the store a few
writes an hour and a busy one no more. A sign of life that comes when its session is about to end is
written at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final

from .exceptions import StoreUnavailable
from .policy import Activity
from .stores.base import Ended, Live

# How long signs of life are gathered, in seconds.
_GATHER: Final = 0.5
# How long to wait after the store has failed, in seconds.
_RETRY: Final = 1.0


@dataclass(slots=True)
class _Sign:
    """Signs of life of one session, merged; by this process's monotonic clock."""

    seen: float
    active: float
    paged: bool

    def merge(self, seen: float, active: float, paged: bool) -> None:
        self.seen = max(self.seen, seen)
        self.active = max(self.active, active)
        self.paged = self.paged or paged


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
        # Requests whose route was not known when they came: id, moment, whether it is activity.
        self._arrivals: list[tuple[str, float, Callable[[], bool]]] = []
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
        self._merge(id, now, now - idle if active else _NEVER, paged)
        self._schedule(0.0 if left < 2 * _GATHER else _GATHER)

    def note_arrival(self, id: str, is_activity: Callable[[], bool], left: float) -> float:
        """Take in a request that is not routed yet.

        Args:
            id: the session's.
            is_activity: whether the request is activity; called once it is routed.
            left: how long the session has left if this is not written, in seconds.

        Returns:
            When that was, by this process's monotonic clock.
        """
        now = monotonic()
        self._arrivals.append((id, now, is_activity))
        self._schedule(0.0 if left < 2 * _GATHER else _GATHER)
        return now

    async def flush(self) -> None:
        """Write what there is.

        Raises:
            StoreUnavailable: the store did not answer; nothing is lost.
        """
        arrivals, self._arrivals = self._arrivals, []
        for id, moment, is_activity in arrivals:
            self._merge(id, moment, moment if is_activity() else _NEVER, False)
        signs, self._signs = self._signs, {}
        if not signs:
            return
        now = monotonic()
        try:
            outcomes = await self._renew(
                {
                    id: Activity(
                        now - sign.seen,
                        None if sign.active == _NEVER else now - sign.active,
                        sign.paged,
                    )
                    for id, sign in signs.items()
                }
            )
        except BaseException:
            for id, sign in signs.items():
                self._merge(id, sign.seen, sign.active, sign.paged)
            raise
        for id, outcome in outcomes.items():
            self._tell(id, outcome)

    def _merge(self, id: str, seen: float, active: float, paged: bool) -> None:
        known = self._signs.get(id)
        if known is None:
            self._signs[id] = _Sign(seen, active, paged)
        else:
            known.merge(seen, active, paged)

    def _schedule(self, delay: float) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a test client's earlier loop is gone, with its timers
            self._loop, self._timer, self._flushing = loop, None, None
        if delay == _GATHER and self._timer is not None:
            return  # it is due in less
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
        if self._signs or self._arrivals:
            self._schedule(delay)

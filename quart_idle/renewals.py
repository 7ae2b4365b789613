"""Signs of life in, batched renewals out.

Signs of life are merged by session and written together. One that comes when its session is about
to end is written at once; one that would change little can be held back until it matters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from time import monotonic
from typing import Final

from .exceptions import StoreUnavailable
from .policy import NEVER, Arrival, Clocks, MergedSigns, SignOfLife, renewed
from .stores.asking import ASK_AGAIN
from .stores.base import Ended, Live
from .tasks import Tasks

# How long signs of life are gathered, in seconds.
_GATHER: Final = 0.5


class Renewals:
    """This worker's signs of life that are not written yet.

    Args:
        renew: writes them; may raise `StoreUnavailable`, in which case they are kept.
        tell: is told what became of each session.
    """

    def __init__(
        self,
        renew: Callable[[Mapping[str, SignOfLife]], Awaitable[Mapping[str, Live | Ended | None]]],
        tell: Callable[[str, Live | Ended | None], None],
    ) -> None:
        self._renew = renew
        self._tell = tell
        self._signs: dict[str, MergedSigns] = {}
        self._held: dict[str, MergedSigns] = {}
        self._writing: dict[str, MergedSigns] = {}
        # Requests that are not judged yet.
        self._arrivals: set[Arrival] = set()
        self._timer: asyncio.TimerHandle | None = None
        # When it goes off, by the loop's time: uvloop's handles do not all tell.
        self._due = 0.0
        # Whether a flush is under way: its task would not tell, as an eager one is over before it
        # can be assigned.
        self._flushing = False
        self._tasks = Tasks()
        self._one_by_one = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def note(self, id: str, sign: SignOfLife, *, left: float, hold: bool = False) -> None:
        """Take in a sign of life of a session.

        Args:
            id: the session's.
            sign: the sign.
            left: how long the session has left if this is not written, in seconds.
            hold: keep it until there is another that is not held, or `release` is called.
        """
        now = monotonic()
        active = NEVER if sign.active is None else now - sign.active
        seen, paged = now - sign.seen, sign.paged
        if hold and (held := self._held.get(id)) is not None:
            held.merge(seen, active, paged)
        elif hold:
            self._held[id] = MergedSigns(seen, active, paged)
        else:
            self._queue(id, MergedSigns(seen, active, paged))
            self._schedule(0.0 if left < 2 * _GATHER else _GATHER)

    def note_arrival(self, id: str, is_activity: Callable[[], bool], left: float) -> Arrival:
        """Take in a request that is not routed yet. It is judged when it is written, or before.

        Args:
            id: the session's.
            is_activity: whether the request is activity; called once it is routed.
            left: how long the session has left if this is not written, in seconds.

        Returns:
            What `judge` takes.
        """
        arrival = Arrival(id, monotonic(), is_activity)
        self._arrivals.add(arrival)
        self._schedule(0.0 if left < 2 * _GATHER else _GATHER)
        return arrival

    def judge(self, arrival: Arrival) -> None:
        """Ask whether a request is activity, once it is routed, unless that was asked already.

        Requests that are done are not kept until the next flush, and it has less to do at once: it
        would hold up others.
        """
        if arrival in self._arrivals:
            self._arrivals.discard(arrival)
            self._judge(arrival)

    def _judge(self, arrival: Arrival) -> None:
        active = arrival.moment if arrival.is_activity() else NEVER
        if (sign := self._signs.get(arrival.id)) is not None:
            sign.merge(arrival.moment, active, False)
        else:
            self._queue(arrival.id, MergedSigns(arrival.moment, active, False))

    def release(self, id: str) -> None:
        """Have what is held of a session written with the next flush."""
        if (sign := self._held.pop(id, None)) is not None:
            self._queue(id, sign)
            self._schedule(0.0)

    def forget(self, id: str) -> None:
        """Nothing is to be written of a session any more: it is over."""
        self._held.pop(id, None)
        self._signs.pop(id, None)

    def waits(self, id: str) -> bool:
        """Whether a sign of life of a session is to be written, and is not held."""
        return id in self._signs or id in self._writing

    def unwritten(self, id: str) -> tuple[MergedSigns | None, ...]:
        """The signs of life of a session that are not written yet, for `renewed`."""
        return self._signs.get(id), self._held.get(id), self._writing.get(id)

    def renewed(
        self, id: str, clocks: Clocks, now: float, known: Iterable[MergedSigns | None] = ()
    ) -> Clocks:
        """A session's clocks with the signs of life that are not written yet.

        Args:
            id: the session's.
            clocks: as the store had them.
            now: the store's clock, in seconds.
            known: what was `unwritten` when the store had them so, and may be written by now.
        """
        moment = monotonic()
        for sign in (*known, *self.unwritten(id)):
            if sign is not None:
                clocks = renewed(clocks, sign.at(moment), now)
        return clocks

    async def flush(self) -> None:
        """Write what is not held; when this is over, what was being written is written too.

        Raises:
            StoreUnavailable: the store did not answer; nothing is lost.
        """
        async with self._one_by_one:
            await self._flush()

    async def _flush(self) -> None:
        arrivals, self._arrivals = self._arrivals, set()
        for arrival in arrivals:  # those that take their time
            self._judge(arrival)
        signs, self._signs = self._signs, {}
        if not signs:
            return
        now = monotonic()
        self._writing = signs
        outcomes: Mapping[str, Live | Ended | None] = {}
        try:
            outcomes = await self._renew({id: sign.at(now) for id, sign in signs.items()})
        finally:
            self._writing = {}
            missing = signs.keys() - outcomes.keys()
            for id in missing:
                self._queue(id, signs[id])
        for id, outcome in outcomes.items():
            self._tell(id, outcome)
        if missing:
            raise StoreUnavailable

    def _queue(self, id: str, sign: MergedSigns) -> None:
        if (held := self._held.pop(id, None)) is not None:
            sign.merge(held.seen, held.active, held.paged)
        _merge(self._signs, id, sign)

    def _schedule(self, delay: float) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a test client's earlier loop is gone, with its timers
            self._loop, self._timer, self._flushing = loop, None, False
            self._one_by_one = asyncio.Lock()
        if delay == _GATHER and self._timer is not None:
            return  # it is due in less
        when = loop.time() + delay
        if self._timer is not None:
            if self._due <= when:
                return
            self._timer.cancel()
        self._due = when
        self._timer = loop.call_at(when, self._start)

    def _start(self) -> None:
        self._timer = None
        if not self._flushing:
            self._flushing = True
            self._tasks.start(self._run())

    async def _run(self) -> None:
        delay = 0.0
        try:
            await self.flush()
        except StoreUnavailable:
            delay = ASK_AGAIN
        finally:
            self._flushing = False
        # What came in while the store was busy, or could not be written.
        if self._signs or self._arrivals:
            self._schedule(delay)


def _merge(signs: dict[str, MergedSigns], id: str, sign: MergedSigns) -> None:
    known = signs.get(id)
    if known is None:
        signs[id] = sign
    else:
        known.merge(sign.seen, sign.active, sign.paged)

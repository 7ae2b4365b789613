"""What is to be looked at when: names by their times, a bounded piece of work at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from math import ceil, inf
from typing import Final
from weakref import ref

# How many names are looked at before the event loop does what else there is to do; and how long it
# has for that at least, in seconds.
_MOST_AT_ONCE: Final = 200
_PAUSE: Final = 0.001
# How far ahead a name is noted, in seconds: one that has more time is looked at then, and noted
# again. So lists are few, and what was noted for nothing is gone after this.
_FAR: Final = 3600.0


class Agenda:
    """Names, each looked at within a second after its time.

    It has a timer in the event loop that it is used in, and none while there is nothing to do; in
    another loop it has another. It keeps neither a loop nor its owner alive.

    Args:
        clock: the clock that counts, in seconds.
        look: is told the name, which is not noted any more, and the time; it may note it again.
    """

    def __init__(self, clock: Callable[[], float], look: Callable[[str, float], None]) -> None:
        self._clock = clock
        self._look = look
        # When each name is to be looked at, in whole seconds; the names by that, among them some
        # that are to be looked at sooner by now; and those seconds, as a heap.
        self._noted: dict[str, int] = {}
        self._names: dict[int, list[str]] = {}
        self._seconds: list[int] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due: float = inf

    def note(self, name: str, when: float, now: float) -> None:
        """Have a name looked at then, or sooner if that was said before."""
        second = ceil(min(when, now + _FAR))
        noted = self._noted.get(name)
        if noted is not None and noted <= second:
            return
        self._noted[name] = second
        if second in self._names:
            self._names[second].append(name)
        else:
            self._names[second] = [name]
            heappush(self._seconds, second)
            self.attend(now)

    def attend(self, now: float) -> None:
        """Have the timer go off in time, in the loop that is running."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # an earlier one is gone, with its timer
            self._loop, self._timer, self._due = loop, None, inf
        if not self._seconds:
            return
        first = self._seconds[0]
        # (The machine may have slept, which the loop's clock does not count.)
        if first < self._due or -inf < self._due <= now:
            if self._timer is not None:
                self._timer.cancel()
            self._due = first if first > now else -inf
            self._timer = loop.call_later(max(_PAUSE, first - now), _work, ref(self))

    def close(self) -> None:
        """Have no timer any more, until it attends again."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = None, inf

    def _work(self) -> None:
        self._timer, self._due = None, inf
        now = self._clock()
        try:
            for _ in range(_MOST_AT_ONCE):
                if not self._seconds or (second := self._seconds[0]) > now:
                    break
                if not (names := self._names[second]):
                    del self._names[heappop(self._seconds)]
                elif self._noted.get(name := names.pop()) == second:
                    del self._noted[name]
                    self._look(name, now)
        finally:
            self.attend(self._clock())


def _work(agenda: ref[Agenda]) -> None:
    if (alive := agenda()) is not None:
        alive._work()

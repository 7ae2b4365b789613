"""What this process knows of Redis's clock, and so when a write comes too late. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

# How long what was learned is not replaced by what is less sure, in seconds.
_LEARNED_FOR: Final = 60.0


def seconds(answer: Sequence[bytes] | Exception) -> float:
    """What Redis's `TIME` says, in seconds; an error that it answers is raised."""
    if isinstance(answer, Exception):
        raise answer
    return int(answer[0]) + int(answer[1]) / 1e6


class ServerClock:
    """How far Redis's clock is ahead of this process's monotonic one: by so much at least.

    What it says has been on its way: by now it says more. The shorter the way, the less is missing,
    so the most that was seen is the best that is known. An estimate that is too low is safe: a
    write is then too late a little early, and is tried again.
    """

    def __init__(self) -> None:
        self._ahead = -inf
        self._learned = -inf
        #: Whether to ask before the next write: nothing is known yet, or the clock was set.
        self.is_doubtful = True

    def learn(self, time: float, now: float) -> None:
        """Take in what Redis's clock said.

        Args:
            time: what it said, in seconds.
            now: the monotonic clock when its answer was read.
        """
        if time - now >= self._ahead or now - self._learned > _LEARNED_FOR:
            self._ahead, self._learned = time - now, now

    def not_after(self, until: float) -> str:
        """A moment by the monotonic clock, as the scripts that write take it: by Redis's."""
        return f"{until + self._ahead:.6f}"

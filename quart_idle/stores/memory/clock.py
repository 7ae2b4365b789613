"""A clock that no one sets."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

# A correction of the machine's time must not end sessions, or prolong them. Where the system has
# such a clock, it goes on while the machine sleeps.
try:
    _ticks: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
except AttributeError:
    _ticks = time.monotonic
_EPOCH = time.time() - _ticks()


def steady_time() -> float:
    """Seconds since the epoch, as the wall clock had it at the start, and counted from there."""
    return _EPOCH + _ticks()

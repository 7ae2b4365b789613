"""A limit to what a test may take."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class TooLong(AssertionError):
    """A test does not end."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Have what takes longer than this fail, whatever it does; in the main thread only."""

    def stop(*_: Any) -> None:
        raise TooLong(f"this took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    # Again and again: a task or callback that is not the test's may be what is struck.
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, 1.0 if left else 0.0)
        signal.signal(signal.SIGALRM, before)

"""Whose turn it is, where several processes run tests: what keeps a machine busy runs by itself."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Where the processes find the file whose bytes they lock: those that run tests inherit it.
_VARIABLE = "QUART_IDLE_TEST_TURNS"
# Whoever wants a turn takes the first, so that one who waits for all others is not passed by.
_NEXT, _RUNNING = 0, 1


def share_turns() -> None:
    """Make the file; it has no name, and is gone with those that have it open."""
    if _VARIABLE not in os.environ:
        file, path = tempfile.mkstemp(prefix="quart-idle-turns-")
        os.unlink(path)
        os.environ[_VARIABLE] = f"/proc/{os.getpid()}/fd/{file}"


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait for those that run by themselves; or, to be alone, for all."""
    file = os.open(os.environ[_VARIABLE], os.O_RDWR)  # of its own: locks are the process's
    try:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, _NEXT)
        fcntl.lockf(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, 1, _RUNNING)
        fcntl.lockf(file, fcntl.LOCK_UN, 1, _NEXT)
        yield
    finally:
        os.close(file)  # which gives back what is locked

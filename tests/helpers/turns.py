"""Whose turn it is, where several processes run tests: what keeps a machine busy runs by itself."""

from __future__ import annotations

import fcntl
import os
import tempfile

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


class Turn:
    """This process's turn."""

    def __init__(self) -> None:
        self._file: int | None = None

    def take(self, *, alone: bool) -> None:
        """Wait for those that run by themselves; or, to be alone, for all; unless it is kept."""
        if self._file is None:
            file = self._file = os.open(os.environ[_VARIABLE], os.O_RDWR)  # locks are a process's
            fcntl.lockf(file, fcntl.LOCK_EX, 1, _NEXT)
            fcntl.lockf(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, 1, _RUNNING)
            fcntl.lockf(file, fcntl.LOCK_UN, 1, _NEXT)

    def give_back(self) -> None:
        if self._file is not None:
            os.close(self._file)  # which gives back what is locked
            self._file = None

"""Hearing what other workers did: by numbers, so that whoever was away knows what was missed.

SQLite wakes nobody. It tells whether another connection has written since it was asked last, which
costs microseconds; only then is what was done looked at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from time import monotonic
from typing import Final, NamedTuple

from ..base import Ended, Live
from .packing import pack_clocks, to_bytes, to_text, unpack_clocks

# For how long what was done is kept for others to hear of, in seconds; and how much of it is given
# at a time.
_KEPT: Final = 60.0
_MOST: Final = 1000

# How long after the last look there is doubt whether there will be a next one, in seconds.
_STALE: Final = 3.0

_PUT: Final = """
INSERT INTO changes (at, space, worker, id, reason, ended_at, clocks) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
# The last one stays: it has the number that the next one counts from.
_TRIM: Final = """
DELETE FROM changes WHERE number IN (
    SELECT number FROM changes WHERE number < (SELECT max(number) FROM changes)
    ORDER BY number LIMIT ?
) AND at < ?
"""
_BEHIND: Final = """
SELECT number, space, worker, id, at, reason, ended_at, clocks
FROM changes WHERE number > ? ORDER BY number LIMIT ?
"""


def tell_others(
    connection: sqlite3.Connection,
    space: int,
    worker: int,
    told: Sequence[tuple[str, Live | Ended]],
    now: float,
) -> None:
    """Leave word of what was done, for other workers; what is old goes."""
    if not told:
        return
    connection.execute(_TRIM, (2 * len(told) + 10, now - _KEPT))
    connection.executemany(
        _PUT,
        [
            (now, space, worker, id, None, None, pack_clocks(outcome.clocks))
            if isinstance(outcome, Live)
            else (now, space, worker, id, to_bytes(outcome.reason), now - outcome.ago, None)
            for id, outcome in told
        ],
    )


class Heard(NamedTuple):
    """What others did."""

    told: Sequence[tuple[str, Live | Ended]]
    #: Whether there is more.
    more: bool = False
    #: Whether something was missed.
    missed: bool = False


class Hearing:
    """What this worker has heard so far.

    Args:
        worker: its own number: what it did itself it knows.
        timeout: how long a call may take, in seconds.
    """

    def __init__(self, worker: int, timeout: float) -> None:
        self._worker = worker
        self._timeout = timeout
        self._connection: sqlite3.Connection | None = None
        self._version: int | None = None
        self._number: int | None = None
        # Since when nothing was missed, and when it was looked last, by this process's clock.
        self._since = self._looked = float("-inf")

    def listen(self, connection: sqlite3.Connection, space: int, now: float) -> Heard:
        """What others did since this was asked last; in the thread that reads."""
        if connection is not self._connection:  # each counts for itself
            self._connection, self._version = connection, None
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return Heard(())
        if self._number is None:
            self._number = _last(connection)
            self._version = version
            return Heard((), missed=True)
        found = connection.execute(_BEHIND, (self._number, _MOST)).fetchall()
        more = len(found) == _MOST
        first = found[0][0] if found else self._number + 1
        missed = first != self._number + 1 or (not found and _last(connection) != self._number)
        self._number = found[-1][0] if found else _last(connection)
        if not more:
            self._version = version
        told: list[tuple[str, Live | Ended]] = []
        for _, where, worker, id, at, reason, ended_at, clocks in found:
            if where == space and worker != self._worker:
                told.append(
                    (id, Live(unpack_clocks(clocks), at))
                    if reason is None
                    else (id, Ended(to_text(reason), max(0.0, now - ended_at)))
                )
        return Heard(told, more, missed)

    def heard(self, heard: Heard, since: float) -> None:
        """Take in that it was asked, at a moment of this process's clock; in the event loop."""
        if heard.missed:
            self._since = since
        self._looked = since

    def hears(self, since: float) -> bool:
        """As `Store.hears`."""
        # A call that was answered at that moment may have been handled a time-out earlier.
        return self._since + self._timeout <= since and monotonic() - self._looked < _STALE


def _last(connection: sqlite3.Connection) -> int:
    """The number of what was done last."""
    (number,) = connection.execute("SELECT max(number) FROM changes").fetchone()
    return number or 0

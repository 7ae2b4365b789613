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


class _Place(NamedTuple):
    """How far somebody has heard."""

    connection: sqlite3.Connection | None = None
    #: What the connection says of the file as long as nobody else has written.
    version: int | None = None
    #: The number of what was heard last.
    number: int | None = None


class Heard(NamedTuple):
    """What others did between two places."""

    told: Sequence[tuple[str, Live | Ended]]
    behind: _Place
    up_to: _Place
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
        self._place = _Place()
        # Since when nothing was missed, and when it was looked last, by this process's clock.
        self._since = self._looked = float("-inf")

    def listen(self, connection: sqlite3.Connection, space: int, now: float) -> Heard:
        """What others did since the place that was heard up to; in the thread that reads.

        It changes nothing: its answer may come too late, and then the next gives the same again.
        """
        behind = self._place
        known = behind.version if connection is behind.connection else None  # each has its own
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version == known:
            return Heard((), behind, behind)
        number = behind.number
        if number is None:
            up_to = _Place(connection, version, _last(connection))
            return Heard((), behind, up_to, missed=True)
        found = connection.execute(_BEHIND, (number, _MOST)).fetchall()
        more = len(found) == _MOST
        first = found[0][0] if found else number + 1
        last = found[-1][0] if found else _last(connection)
        missed = first != number + 1 or (not found and last != number)
        told: list[tuple[str, Live | Ended]] = []
        for _, where, worker, id, at, reason, ended_at, clocks in found:
            if where == space and worker != self._worker:
                try:
                    outcome = (
                        Live(unpack_clocks(clocks), at)
                        if reason is None
                        else Ended(to_text(reason), max(0.0, now - ended_at))
                    )
                except Exception:  # it may hold anything, and holds up no other
                    missed = True
                else:
                    told.append((id, outcome))
        up_to = _Place(connection, None if more else version, last)
        return Heard(told, behind, up_to, more, missed)

    def heard(self, heard: Heard, since: float) -> Sequence[tuple[str, Live | Ended]]:
        """Take in an answer to what was asked at a moment of this process's clock; in the loop.

        What of it is news: another answer may have been there before.
        """
        if heard.missed:
            self._since = since
        self._looked = since
        if heard.behind is not self._place:
            return ()
        self._place = heard.up_to
        return heard.told

    def hears(self, since: float) -> bool:
        """As `Store.hears`."""
        # A call that was answered at that moment may have been handled a time-out earlier.
        return self._since + self._timeout <= since and monotonic() - self._looked < _STALE


def _last(connection: sqlite3.Connection) -> int:
    """The number of what was done last."""
    (number,) = connection.execute("SELECT max(number) FROM changes").fetchone()
    return number or 0

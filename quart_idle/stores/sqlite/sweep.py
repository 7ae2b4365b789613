"""Ending what is due, which nobody asks for: a bite at a time, between other writes.

Any worker that is there does it. What one has ended, another does not find any more.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from time import monotonic
from typing import Final

from ...exceptions import ConfigError, StoreUnavailable
from ...log import Outage
from ..base import MOST_ENDS
from .book import Book
from .drafts import are_some_old, drop_old
from .ends import surplus
from .lane import Lane
from .reading import Load, Read
from .rows import Damaged
from .ticker import Ticker
from .writing import Write

# After how many ticks what is due is looked for, which is once a second; and how many rows there
# are in a bite.
_TICKS: Final = 2
_MOST_AT_ONCE: Final = 200
# How long others have between two bites at least, in seconds.
_PAUSE: Final = 0.002

_log = logging.getLogger("quart_idle")

_DUE: Final = "SELECT EXISTS (SELECT 1 FROM sessions WHERE space = ? AND look <= ?)"


class Sweep:
    """Looks for sessions that are due, and ends them.

    Args:
        reads: the way to the thread that reads.
        writes: the way to the one that writes.
        ticker: ticks twice a second.
    """

    def __init__(
        self,
        reads: Lane[Load | Read],
        writes: Lane[Write],
        ticker: Ticker,
    ) -> None:
        self._reads = reads
        self._writes = writes
        self._ticker = ticker
        self._outage = Outage("looking for sessions that are due, in SQLite,")

    async def run(self) -> None:
        """Sweep, until this is cancelled."""
        while True:
            await self._ticker.wait(_TICKS)
            try:
                while await self._reads.ask(Read(_is_something_due)):
                    began = monotonic()
                    if not await self._writes.ask(Write(_bite, weight=_MOST_AT_ONCE)):
                        break
                    await asyncio.sleep(max(_PAUSE, monotonic() - began))
                self._outage.answered()
            except Exception as error:  # whatever it was, it is tried again
                away = isinstance(error, ConfigError | StoreUnavailable | sqlite3.Error | OSError)
                self._outage.failed(repr(error.__cause__ or error), None if away else error)


def _is_something_due(connection: sqlite3.Connection, space: int, now: float) -> bool:
    (found,) = connection.execute(_DUE, (space, now)).fetchone()
    return bool(found) or are_some_old(connection, space, now)


def _bite(book: Book, now: float) -> bool:
    """End some of what is due, and forget some of what is old; whether there may be more."""
    book.needs_data = False
    dropped = drop_old(book, now, _MOST_AT_ONCE)
    if book.keeps_ends and surplus(book.connection, book.space, MOST_ENDS - _MOST_AT_ONCE):
        return False  # too many are to be told already: these wait
    rows = book.due(now, _MOST_AT_ONCE)
    _log_damaged([row.id for row in rows if isinstance(row, Damaged)])
    for row in rows:
        book.look(row, now)
    return _MOST_AT_ONCE in (len(rows), dropped)


def _log_damaged(ids: Sequence[str]) -> None:
    if ids:
        _log.error(
            "sessions in SQLite are damaged (%d, the first is %s): they stay as they are, and "
            "whoever has one cannot be served",
            *(len(ids), ids[0]),
        )

"""What the file needs that nobody asks for, beside reads and writes, in a thread of its own.

What is written goes to a log beside the file. SQLite writes that back in the middle of a commit,
once it is long; the disk takes its time over it, and whoever writes next would wait that long.
"""

from __future__ import annotations

import asyncio
import sqlite3
from time import monotonic
from typing import Final

from ...exceptions import ConfigError, StoreUnavailable
from ...log import Outage
from .database import DatabaseFile
from .lane import Lane
from .opening import Opening
from .thread import Thread
from .ticker import Ticker
from .writing import Write, Writer

# After how many ticks what was written is synced, which is once a second.
_TICKS: Final = 2
# After how many rows that were written the log is written back; and how often in a row, since
# others write meanwhile: the log begins anew only where all of it was.
_ROWS: Final = 1000
_ATTEMPTS: Final = 4
# How often space is given back, in seconds.
_TIDY: Final = 60.0


class Upkeep:
    """Has what was written outlast a power cut, be written back, and the file be tidy.

    Args:
        file: the file.
        opening: the connection that this has for itself.
        writes: the way to the thread that writes.
        writer: what that one does.
        ticker: ticks twice a second.
    """

    def __init__(
        self,
        file: DatabaseFile,
        opening: Opening,
        writes: Lane[Write],
        writer: Writer,
        ticker: Ticker,
    ) -> None:
        self._file = file
        self._opening = opening
        self._writes = writes
        self._writer = writer
        self._ticker = ticker
        self._thread = Thread("quart-idle-upkeep")
        # How many rows had been written when the log was written back; and when it was tidied.
        self._rows = 0
        self._tidied = monotonic()
        self._outage = Outage("keeping what was written, in SQLite,")

    async def run(self) -> None:
        """See to the file, until this is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._ticker.wait(_TICKS)
            try:
                if self._writer.is_unsynced:
                    await loop.run_in_executor(self._thread, self._keep)
                await self._tidy()
                self._outage.answered()
            except Exception as error:  # whatever it was, it is tried again
                away = isinstance(error, ConfigError | StoreUnavailable | sqlite3.Error | OSError)
                self._outage.failed(repr(error.__cause__ or error), None if away else error)

    async def close(self) -> None:
        """End the thread."""
        await self._thread.close(self._opening.close)

    def _keep(self) -> None:
        self._writer.sync()
        rows = self._writer.rows
        if rows - self._rows < _ROWS:
            return
        try:
            connection = self._opening.connection()
            for _ in range(_ATTEMPTS):
                busy, logged, written = connection.execute(
                    "PRAGMA wal_checkpoint(PASSIVE)"
                ).fetchone()
                if busy or logged == written:
                    break
        except sqlite3.Error as error:
            raise self._opening.failed(error) from error
        self._rows = rows

    async def _tidy(self) -> None:
        if monotonic() - self._tidied >= _TIDY:
            more = await self._writes.run(
                lambda: self._file.tidy(self._writer.opening.connection())
            )
            if not more:
                self._tidied = monotonic()

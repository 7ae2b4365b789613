"""What the file needs that nobody asks for, beside reads and writes, in a thread of its own.

What is written goes to a log beside the file. SQLite writes that back in the middle of a commit,
once it is long; the disk takes its time over it, and whoever writes next would wait that long.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
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
# After how many rows the log is written back: a row takes one to eight pages of it.
_MANY: Final = 250
# How often in a row that is tried, since others write meanwhile: the log begins anew only where all
# of it was written back. And how many pages long it has to be that others wait for the last of it.
_ATTEMPTS: Final = 4
_LONG: Final = 2000
# How long those are waited for who hold that up, and hold up others themselves, in milliseconds.
_HOLD_UP: Final = 50
# How often space is given back, and after how long a disk is said not to answer, in seconds.
_TIDY: Final = 60.0
_PATIENCE: Final = 10.0


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
        self._written_back = 0
        self._tidied = monotonic()
        self._outage = Outage("keeping what was written, in SQLite,")

    async def run(self) -> None:
        """See to the file, until this is cancelled."""
        while True:
            await self._ticker.wait(_TICKS)
            try:
                if self._writer.is_unsynced or self._has_much_to_write_back():
                    await self._do(self._sync_and_write_back)
                    self._outage.answered()
                if monotonic() - self._tidied >= _TIDY:
                    await self._tidy()
                    self._outage.answered()
            except Exception as error:  # whatever it was, it is tried again
                away = isinstance(error, ConfigError | StoreUnavailable | sqlite3.Error | OSError)
                self._outage.failed(repr(error.__cause__ or error), None if away else error)

    async def close(self) -> None:
        """End the thread."""
        await self._thread.close(self._opening.close)

    async def _do(self, work: Callable[[], None]) -> None:
        """Have something done in the thread; where the disk does not answer, the log says so."""
        try:
            doing = asyncio.get_running_loop().run_in_executor(self._thread, work)
        except RuntimeError as error:  # the system has no thread to give now
            raise StoreUnavailable from error
        try:
            while not (await asyncio.wait([doing], timeout=_PATIENCE))[0]:
                self._outage.failed(f"the disk has not answered for {_PATIENCE:g} s")
            await doing
        finally:
            doing.cancel()

    def _has_much_to_write_back(self) -> bool:
        return self._writer.rows - self._written_back >= _MANY

    def _sync_and_write_back(self) -> None:
        if self._writer.is_unsynced:
            self._writer.sync()
        if self._has_much_to_write_back():
            rows = self._writer.rows
            self._with_connection(_write_back)
            self._written_back = rows

    async def _tidy(self) -> None:
        # (First by a connection that is open: a file that was deleted cannot be opened.)
        opening = self._writer.opening
        if not await self._writes.run(lambda: self._file.tidy(opening.connection())):
            self._tidied = monotonic()
            await self._do(lambda: self._with_connection(self._file.shorten_log))

    def _with_connection(self, work: Callable[[sqlite3.Connection], None]) -> None:
        try:
            connection = self._opening.connection()
            connection.execute(f"PRAGMA busy_timeout = {_HOLD_UP}")
            work(connection)
        except sqlite3.Error as error:
            raise StoreUnavailable from self._opening.failed(error)


def _write_back(connection: sqlite3.Connection) -> None:
    before = None
    for _ in range(_ATTEMPTS):
        # What it tells is how long the log was when it began.
        busy, logged, written = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if busy or before == logged == written:
            return
        before = logged
    if logged > _LONG:
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

"""`DatabaseFile`: the file of a store, its clock, and what is wrong with it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from ...exceptions import StoreUnavailable
from .applications import APPLICATIONS
from .clock import CLOCK, HostClock, host_clock
from .errors import explained, is_lost
from .file import File
from .place import place_of
from .tidying import shorten_log, tidy

_log = logging.getLogger("quart_idle")

# How much of the time that a call has is spent on waiting for others who write.
_SHARE = 0.8


class DatabaseFile:
    """The file that a store's connections are to.

    Args:
        where: a URL, ``sqlite:///…``, or a path.
        migrations: what leads from each version of the store's tables to the next: SQL.
        folder: where a URL's relative path begins; None: in the folder that the process is in.
        time: what to count by instead of the host's clock: seconds since the epoch.
        makes: whether the file is made where it is not there.

    Raises:
        ConfigError: the URL is wrong.
    """

    def __init__(
        self,
        where: str | Path,
        migrations: Sequence[str],
        folder: Path | None = None,
        time: Callable[[], float] | None = None,
        *,
        makes: bool = True,
    ) -> None:
        is_url = isinstance(where, str) and where.startswith("sqlite:")
        path, synced = (
            place_of(str(where), folder or Path.cwd())
            if is_url
            else (Path(where).absolute(), False)
        )
        own = f"{CLOCK};{APPLICATIONS};"
        first, *others = migrations
        self.path = path
        self._file = File(path, [own + first, *others], synced=synced, makes=makes)
        self._time = time
        self._clock: HostClock | None = None
        self._timeout = _SHARE

    def bind(self, timeout: float) -> None:
        """Learn how long a call may take, in seconds."""
        self._timeout = _SHARE * timeout

    def connect(self, *, writes: bool) -> sqlite3.Connection:
        """Open the file, and make it before where there is none.

        The connection begins no transaction by itself, and can go from thread to thread.

        Raises:
            ConfigError: the file is one that waiting does not make better.
            sqlite3.Error: it could not be opened now.
        """
        connection = self._file.connect(self._timeout, reads=not writes)
        if self._time is None and self._clock is None:
            try:
                with closing(self._file.connect(self._timeout)) as other:
                    self._clock = host_clock(other)
            except BaseException:
                connection.close()
                raise
        return connection

    def now(self) -> float:
        """The time that counts, in seconds since the epoch; from the first `connect` on."""
        if self._time is not None:
            return self._time()
        if self._clock is None:
            raise StoreUnavailable
        return self._clock()

    def note(self, connection: sqlite3.Connection) -> None:
        """Have the file know what time it is; in each transaction that writes."""
        if self._clock is not None:
            self._clock.note(connection)

    def sync(self) -> None:
        """Have what was committed so far outlast a power cut."""
        self._file.sync()

    def tidy(self, connection: sqlite3.Connection) -> bool:
        """Give a little space back, in no transaction. Whether there is more to do."""
        if self._file.is_moved():
            _log.error(
                "%s was deleted or replaced while workers have it open, which go on with the "
                "former one: restart them",
                self.path,
            )
        return tidy(connection)

    def shorten_log(self, connection: sqlite3.Connection) -> None:
        """Begin the log of writes anew, in no transaction, if it has become long."""
        shorten_log(connection, self.path)

    def lost(self, error: sqlite3.Error) -> bool:
        """Whether a connection is of no use any more, after this error."""
        return is_lost(error)

    def explained(self, error: sqlite3.Error) -> Exception:
        """The same error in words that say what to do."""
        return explained(error, self.path)

"""The file that sessions are in: found or made, looked at, brought up to date, opened."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Final

from ...exceptions import ConfigError
from .errors import is_busy, lasts
from .mounts import mount_of

#: How large the log of writes may stay, in bytes: what is larger is cut at its next beginning.
MOST_LOGGED: Final = 8 * 1024 * 1024

# After how many pages SQLite itself writes the log back, in the middle of a commit: where there is
# no `upkeep`, or it cannot keep up.
_MOST_PAGES: Final = 8000

#: What kind of file this is, by SQLite's ``application_id``: "QIdl".
KIND: Final = 0x5149_646C

_OLDEST: Final = 3, 35

_CONTENT: Final = """
SELECT (SELECT application_id FROM pragma_application_id),
    (SELECT user_version FROM pragma_user_version),
    (SELECT count(*) FROM sqlite_master)
"""

# How long to wait before what was locked is tried again, in seconds.
_PAUSE: Final = 0.01

# Closing a file takes away what locks the process has on it. So nobody in this process opens one
# that another makes.
_making = Lock()


class File:
    """An SQLite file of sessions.

    Args:
        path: where it is, or is to be; absolute.
        migrations: what leads from each version of the tables to the next, from none to the latest:
            statements of SQL.
        synced: whether each commit waits until the disk has it.
        makes: whether the file is made where it is not there.
    """

    def __init__(
        self, path: Path, migrations: Sequence[str], *, synced: bool = False, makes: bool = True
    ) -> None:
        self.path = path
        self._migrations = migrations
        self._synced = synced
        self._makes = makes
        self._is_ready = False
        self._identity: tuple[int, int] | None = None

    def connect(self, timeout: float, *, reads: bool = False) -> sqlite3.Connection:
        """Open the file, which is made or brought up to date before, if it is to be.

        The connection begins no transaction by itself, and can go from thread to thread.

        Args:
            timeout: how long to wait for others who are at it, here and later, in seconds.
            reads: whether it can only read.

        Raises:
            ConfigError: the file is one that waiting does not make better.
            sqlite3.Error: it could not be opened now.
        """
        if not self._is_ready:
            with _making:
                self._check_place()
                self._make()
            self._bring_up_to_date(timeout)
            self._identity = self._identify()
            self._is_ready = True
        with self._lasting_errors():
            connection = self._open(timeout)
            try:
                for pragma in (
                    f"synchronous = {'FULL' if self._synced else 'NORMAL'}",
                    f"journal_size_limit = {MOST_LOGGED}",
                    f"wal_autocheckpoint = {_MOST_PAGES}",
                    "temp_store = MEMORY",
                    f"query_only = {reads:d}",
                ):
                    connection.execute(f"PRAGMA {pragma}")
            except BaseException:
                connection.close()
                raise
        return connection

    def sync(self) -> None:
        """Have what was committed so far outlast a power cut.

        (The log of writes can be opened beside SQLite, whose locks are on the other two files.)
        """
        with suppress(FileNotFoundError):  # all has been written where it belongs
            log = os.open(f"{self.path}-wal", os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(log)
            finally:
                os.close(log)

    def is_moved(self) -> bool:
        """Whether the file that is there now is not the one that was opened."""
        return self._identity not in (None, self._identify())

    def _identify(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _open(self, timeout: float) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",
            uri=True,
            timeout=timeout,
            isolation_level=None,
            check_same_thread=False,
        )

    # Its place.

    def _check_place(self) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise ConfigError(
                f"this Python has SQLite {sqlite3.sqlite_version}; allowed: 3.35 or later"
            )
        mount = mount_of(self.path)
        if mount is not None and mount.is_of_a_network:
            raise self._unusable(
                f"is on a network file system ({mount.kind} at {mount.point}), where workers "
                "cannot share it; allowed: a disk of this host. For several hosts use redis://"
            )
        if mount is not None and mount.point == os.path.realpath(self.path):
            raise self._unusable(
                "is mounted by itself, and SQLite keeps two more files beside it: mount its folder"
            )

    def _make(self) -> None:
        """Make the file and its folder, for nobody else to read, if they are not there."""
        folder = self.path.parent
        if not (self._makes or os.path.exists(self.path)):
            raise self._unusable("is not there")
        try:
            with suppress(FileExistsError):
                folder.mkdir(0o700)
                folder.chmod(0o700)  # whatever the umask is
            with suppress(FileExistsError):
                made = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
                try:
                    os.chmod(self.path, 0o600)
                finally:
                    os.close(made)
        except FileNotFoundError:
            missing = next(parent for parent in folder.parents if parent.exists())
            raise self._unusable(
                f"cannot be made: of its folder {folder}, only {missing} is there"
            ) from None
        except OSError as error:
            raise self._unusable(f"cannot be made: {error.strerror}") from None
        if not self.path.is_file():
            raise self._unusable("is no file")
        for what, rights in ((self.path, os.R_OK | os.W_OK), (folder, os.W_OK | os.X_OK)):
            if not os.access(what, rights, effective_ids=os.access in os.supports_effective_ids):
                raise self._unusable(
                    f"cannot be used, since this process may not write {what}: see its owner, "
                    "rights and file system"
                )

    # What is in it.

    def _bring_up_to_date(self, timeout: float) -> None:
        """Have the latest tables in it. One process does that, and others wait.

        What is somebody else's is left as it is.
        """
        with self._lasting_errors(), closing(self._open(timeout)) as connection:
            version = self._version(connection)  # before anything is written
            if not (version or self._makes):
                raise self._unusable("is empty")
            # Pages that are empty can be given back later; this counts for a file that is new.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._have_log(connection, timeout)
            if version == len(self._migrations):
                return
            connection.execute("BEGIN EXCLUSIVE")
            with connection:
                for migration in self._migrations[self._version(connection) :]:
                    for statement in _statements(migration):
                        connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {KIND}")
                connection.execute(f"PRAGMA user_version = {len(self._migrations)}")

    def _have_log(self, connection: sqlite3.Connection, timeout: float) -> None:
        """Have writes go to a log, beside which others read. A backup may have lost that."""
        give_up = time.monotonic() + timeout
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
                break
            except sqlite3.Error as error:  # SQLite itself does not always wait for others here
                if not is_busy(error) or time.monotonic() > give_up:
                    raise
            time.sleep(_PAUSE)
        if mode != "wal":
            raise self._unusable("is where processes cannot share memory: put it elsewhere")

    def _version(self, connection: sqlite3.Connection) -> int:
        """Which version of the tables it has; 0: none yet."""
        # (In one statement: somebody else may make the tables meanwhile.)
        kind, version, tables = connection.execute(_CONTENT).fetchone()
        if kind != KIND and (kind or version or tables):
            raise self._unusable("is a database of another program; it has been left as it is")
        if version > len(self._migrations):
            raise self._unusable(
                f"was written by a newer version of quart-idle (its tables have the version "
                f"{version}, this one knows {len(self._migrations)}); it has been left as it is"
            )
        return int(version)

    # What is wrong with it.

    @contextmanager
    def _lasting_errors(self) -> Iterator[None]:
        """Have an error that waiting does not mend be one of configuration."""
        try:
            yield
        except sqlite3.Error as error:
            if not lasts(error):
                raise
            raise self._unusable(
                "is no SQLite database, or a damaged one; it has been left as it is: move it away, "
                "or put a backup in its place"
            ) from error

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError(f"QUART_IDLE_STORE: the file {self.path} {why}")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script. (Python's own way to run one would commit before it.)"""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip() != ";":
                yield statement
            statement = ""

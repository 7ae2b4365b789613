"""A thread's connection to the file: opened when it is needed, and anew where it was lost."""

from __future__ import annotations

import sqlite3
from time import monotonic
from typing import Final

from ..asking import ASK_AGAIN
from .database import DatabaseFile

_SPACE: Final = "SELECT space FROM spaces WHERE prefix = ?"


class Opening:
    """What one thread has of the file.

    Args:
        file: the file.
        prefix: the namespace in it.
        writes: whether the thread writes.
    """

    def __init__(self, file: DatabaseFile, prefix: str, *, writes: bool) -> None:
        self._file = file
        self._prefix = prefix
        self._writes = writes
        self._connection: sqlite3.Connection | None = None
        self._space: int | None = None
        # Why it could not be opened, and until when it is not tried again.
        self._failure: Exception | None = None
        self._again = 0.0

    def connection(self) -> sqlite3.Connection:
        """The connection.

        Raises:
            ConfigError: the file is one that waiting does not make better.
            sqlite3.Error: it cannot be opened now.
        """
        if self._connection is None:
            if self._failure is not None and monotonic() < self._again:
                raise self._failure
            try:
                self._connection = self._file.connect(writes=self._writes)
            except Exception as error:
                self._failure, self._again = error, monotonic() + ASK_AGAIN
                raise
            self._failure = None
        return self._connection

    def space(self) -> int:
        """The namespace's number; where there is none yet, and this cannot write, none's."""
        if self._space is None:
            connection = self.connection()
            if self._writes:
                connection.execute(
                    "INSERT OR IGNORE INTO spaces (prefix) VALUES (?)", (self._prefix,)
                )
            found = connection.execute(_SPACE, (self._prefix,)).fetchone()
            if found is None:
                return 0
            self._space = int(found[0])
        return self._space

    def failed(self, error: Exception) -> Exception:
        """Take in an error; one of SQLite's in words that say what to do."""
        if not isinstance(error, sqlite3.Error):
            return error
        if self._file.lost(error):
            self.close()
        return self._file.explained(error)

    def close(self) -> None:
        """Close it; it is opened anew where it is used again."""
        connection, self._connection, self._space = self._connection, None, None
        if connection is not None:
            connection.close()

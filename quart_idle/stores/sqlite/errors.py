"""What is wrong with a file, in words that say what to do. Nothing is ever deleted."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

_WORDS: Final = {
    sqlite3.SQLITE_BUSY: "another program holds it locked",
    sqlite3.SQLITE_LOCKED: "another program holds it locked",
    sqlite3.SQLITE_FULL: "the disk is full: nothing is written, and read only what was open",
    sqlite3.SQLITE_READONLY: "it may not be written: look at its owner, rights and file system",
    sqlite3.SQLITE_PERM: "it may not be read: look at its owner and rights",
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened: look at its folder, the rights there, and the limit of open files"
    ),
    sqlite3.SQLITE_IOERR: "the disk is full, or fails",
    sqlite3.SQLITE_CORRUPT: "it is damaged: stop all workers, and put a backup in its place",
    sqlite3.SQLITE_NOTADB: "it is no SQLite database, or damaged",
}

# What waiting does not mend.
_LASTING: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

# What another connection may be spared.
_LOST: Final = _LASTING | {
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY),
}


class FileFailed(Exception):
    """What is wrong with the file."""


class SessionDamaged(FileFailed):
    """A session stands in the file, and cannot be read.

    Args:
        id: the session's.
    """

    def __init__(self, id: object) -> None:
        super().__init__(f"the session {id} is damaged, and stays as it is")


def explained(error: sqlite3.Error, path: Path) -> FileFailed:
    """What an error of SQLite's means for the file that is there."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    words = _WORDS.get(_code(error), str(error))
    return FileFailed(f"{path}: {words} ({name})")


def lasts(error: sqlite3.Error) -> bool:
    """Whether waiting does not mend it."""
    return _code(error) in _LASTING


def is_lost(error: sqlite3.Error) -> bool:
    """Whether the connection that had it is better closed."""
    return _code(error) in _LOST


def is_busy(error: sqlite3.Error) -> bool:
    """Whether it is only that somebody else is at the file."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: sqlite3.Error) -> int:
    """Which of SQLite's errors it is, without the details; 0: none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF

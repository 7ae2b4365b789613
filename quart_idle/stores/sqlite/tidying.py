"""Giving space back: pages that are empty, in small bites; and the log of writes."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from .file import MOST_LOGGED

# How many pages are given back at once, in some milliseconds.
_BITE: Final = 64

# Which share of the file may be empty, and how many pages of it in any case: what is to be used
# again soon is not given back.
_SHARE: Final = 4
_FEW: Final = 1024


def tidy(connection: sqlite3.Connection) -> bool:
    """Give a little space back, if much is empty. Whether there is more of that.

    Args:
        connection: to the file, in no transaction.

    Raises:
        sqlite3.Error: the file cannot be written now.
    """
    surplus = _surplus(connection)
    if surplus <= 0:
        return False
    # (Python's `execute` takes one step of this, which is one page.)
    connection.executescript(f"PRAGMA incremental_vacuum({min(surplus, _BITE)})")
    return surplus > _BITE


def _surplus(connection: sqlite3.Connection) -> int:
    """How many pages are empty beyond those that are kept."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (empty,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(empty - max(_FEW, (pages - empty) // _SHARE))


def shorten_log(connection: sqlite3.Connection, path: Path) -> None:
    """Begin the log of writes anew, if reads have kept that off for long.

    Args:
        connection: to the file, in no transaction.
        path: the file's.

    Raises:
        sqlite3.Error: the file cannot be written now.
    """
    try:
        size = os.stat(f"{path}-wal").st_size
    except FileNotFoundError:
        return
    if size > MOST_LOGGED:
        _, logged, written = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if written == logged:  # else somebody reads what was before, and is not waited for
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

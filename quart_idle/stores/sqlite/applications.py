"""Which applications keep their sessions in a file, and under which prefix."""

from __future__ import annotations

import sqlite3
from typing import Final

from ..records import APPLICATION_KEPT

#: When each was last started.
APPLICATIONS: Final = """
CREATE TABLE applications (
    prefix TEXT NOT NULL,
    name TEXT NOT NULL,
    started REAL NOT NULL,
    PRIMARY KEY (prefix, name)
) WITHOUT ROWID
"""


def meet(connection: sqlite3.Connection, prefix: str, name: str, now: float) -> list[str]:
    """Note that an application has started; the names of others that did under its prefix.

    Args:
        connection: to the file, in a transaction that writes.
        prefix: the prefix.
        name: the application's.
        now: the time, by the file's clock.
    """
    connection.execute("DELETE FROM applications WHERE started <= ?", (now - APPLICATION_KEPT,))
    connection.execute("INSERT OR REPLACE INTO applications VALUES (?, ?, ?)", (prefix, name, now))
    others = "SELECT name FROM applications WHERE prefix = ? AND name != ? ORDER BY name"
    return [name for (name,) in connection.execute(others, (prefix, name))]

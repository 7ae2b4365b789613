"""Sessions in a file of this host, for any number of workers."""

from __future__ import annotations

from .moving import SQLiteMovable
from .store import SQLiteStore

__all__ = ["SQLiteMovable", "SQLiteStore"]

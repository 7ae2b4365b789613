"""Drafts, as `DraftStore` has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

from ..base import DRAFT_KEPT, MOST_DRAFTS
from .book import Book
from .packing import to_bytes, to_text

_DROP: Final = "DELETE FROM drafts WHERE space = ? AND box = ? AND name = ?"
_KEEP: Final = "INSERT INTO drafts (space, box, name, at, draft) VALUES (?, ?, ?, ?, ?)"
_DROP_SURPLUS: Final = """
DELETE FROM drafts WHERE key IN (
    SELECT key FROM drafts WHERE space = ? AND box = ? ORDER BY at DESC, key DESC LIMIT -1 OFFSET ?
)
"""
_OF_BOX: Final = "SELECT name, draft, at FROM drafts WHERE space = ? AND box = ? AND at > ?"
_DROP_OLD: Final = """
DELETE FROM drafts WHERE key IN (
    SELECT key FROM drafts WHERE space = ? AND at <= ? ORDER BY at LIMIT ?
)
"""
_SOME_OLD: Final = "SELECT EXISTS (SELECT 1 FROM drafts WHERE space = ? AND at <= ?)"


def keep(book: Book, box: str, name: str, draft: bytes, now: float) -> None:
    """Keep one, in the place of one of this name; in a full box, of the oldest."""
    drop(book, box, name)  # the new one is the youngest
    raw = to_bytes(name)
    book.connection.execute(_KEEP, (book.space, box, raw, now, draft))
    book.connection.execute(_DROP_SURPLUS, (book.space, box, MOST_DRAFTS))


def drop(book: Book, box: str, name: str) -> None:
    """Forget one, if it is there."""
    book.connection.execute(_DROP, (book.space, box, to_bytes(name)))


def all_of(
    connection: sqlite3.Connection, space: int, box: str, now: float
) -> Mapping[str, tuple[bytes, float]]:
    """Those of a box by name, each with its age in seconds."""
    found = connection.execute(_OF_BOX, (space, box, now - DRAFT_KEPT)).fetchall()
    return {to_text(name): (draft, now - at) for name, draft, at in found}


def are_some_old(connection: sqlite3.Connection, space: int, now: float) -> bool:
    """Whether there are any that are to be forgotten."""
    (found,) = connection.execute(_SOME_OLD, (space, now - DRAFT_KEPT)).fetchone()
    return bool(found)


def drop_old(book: Book, now: float, limit: int) -> int:
    """Forget those whose day is over; how many, so many at most."""
    done = book.connection.execute(_DROP_OLD, (book.space, now - DRAFT_KEPT, limit))
    return done.rowcount

"""Ends that are to be told: kept by the transaction that ends a session, taken by one worker."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any, Final

from ..base import MOST_ENDS, Fields, Record, TakenEnds, UntoldEnd, hidden_for
from .book import Book
from .packing import (
    pack_clocks,
    pack_sign_in,
    to_bytes,
    to_text,
    unpack_clocks,
    unpack_sign_in,
)

_log = logging.getLogger("quart_idle")

_PUT: Final = """
INSERT OR REPLACE INTO ends
    (space, id, take_at, tries, reason, ended_at, by_id, clocks, user_id, sign_in)
VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?)
"""
_TAKE: Final = """
SELECT key, id, tries, reason, ended_at, by_id, clocks, user_id, sign_in
FROM ends WHERE space = ? AND take_at <= ? ORDER BY take_at, key LIMIT ?
"""
_SPAN: Final = "SELECT (SELECT max(key) FROM ends) - (SELECT min(key) FROM ends)"
_COUNT: Final = "SELECT count(*) FROM ends WHERE space = ?"
_DROP: Final = """
DELETE FROM ends WHERE key IN (SELECT key FROM ends WHERE space = ? ORDER BY key LIMIT ?)
"""
_SOME: Final = """
SELECT EXISTS (SELECT 1 FROM ends WHERE space = ? AND take_at <= ?)
    OR EXISTS (SELECT 1 FROM spaces WHERE space = ? AND lost)
"""


def put_out(
    connection: sqlite3.Connection, space: int, ends: Sequence[UntoldEnd], now: float
) -> None:
    """Keep ends until they are told; of too many the oldest are dropped."""
    if not ends:
        return
    connection.executemany(
        _PUT,
        [
            (
                *(space, end.id, now, to_bytes(end.reason), end.session.now, end.by),
                pack_clocks(end.session.clocks),
                None if end.session.user_id is None else to_bytes(end.session.user_id),
                pack_sign_in(end.session.sign_in),
            )
            for end in ends
        ],
    )
    if (dropped := surplus(connection, space, MOST_ENDS)) > 0:
        connection.execute(_DROP, (space, dropped))
        connection.execute("UPDATE spaces SET lost = 1 WHERE space = ?", (space,))


def surplus(connection: sqlite3.Connection, space: int, most: int) -> int:
    """How many more than these are to be told."""
    (span,) = connection.execute(_SPAN).fetchone()
    if span is None or span < most:  # they are counted only where there may be so many
        return 0
    (count,) = connection.execute(_COUNT, (space,)).fetchone()
    return max(0, int(count) - most)


def are_some(connection: sqlite3.Connection, space: int, now: float) -> bool:
    """Whether there is something to take."""
    (found,) = connection.execute(_SOME, (space, now, space)).fetchone()
    return bool(found)


def unpack_end(found: Sequence[Any]) -> UntoldEnd:
    """An end, out of the columns that `_TAKE` has."""
    _, id, tries, reason, at, by, clocks, user, sign_in = found
    user_id = None if user is None else to_text(user)
    session = Record(Fields(), user_id, unpack_clocks(clocks), at, unpack_sign_in(sign_in))
    return UntoldEnd(id, session, to_text(reason), by, tries)


def take(book: Book, limit: int, now: float) -> TakenEnds:
    """Some that nobody tells now."""
    connection, space = book.connection, book.space
    ends: list[UntoldEnd] = []
    taken: list[tuple[float, int, int]] = []
    for found in connection.execute(_TAKE, (space, now, limit)).fetchall():
        try:
            end = unpack_end(found)
        except Exception:  # it may hold anything
            _log.error("the end of session %s cannot be read, and is told to nobody", found[1])
            connection.execute("DELETE FROM ends WHERE key = ?", found[:1])
            continue
        tries = end.tries + 1
        ends.append(end._replace(tries=tries))
        taken.append((now + hidden_for(tries), tries, found[0]))
    connection.executemany("UPDATE ends SET take_at = ?, tries = ? WHERE key = ?", taken)
    lost = connection.execute(
        "UPDATE spaces SET lost = 0 WHERE space = ? AND lost", (space,)
    ).rowcount
    return TakenEnds(ends, bool(lost))


def forget(book: Book, ids: Collection[str]) -> None:
    """They have been told, or are given up."""
    book.connection.executemany(
        "DELETE FROM ends WHERE space = ? AND id = ?", [(book.space, id) for id in ids]
    )

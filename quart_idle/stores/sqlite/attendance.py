"""Open pages of all workers, as `PresenceStore` has them.

What is kept of a worker whose lease is over is no page of anybody's: reading leaves it out, and the
next report, whoever's, takes it off.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from math import inf
from typing import Any, Final

from ..attendance import (
    FOUND_LATE,
    GONE_KEPT,
    HELD_BACK,
    MOST_REPORTED,
    MOST_TAKEN_OFF,
    MOST_TOLD,
    STAND_IN,
    Counts,
    OpenPages,
    Report,
    Reported,
)
from .book import Book
from .packing import to_bytes, to_text

_decode = json.JSONDecoder().decode

_KNOWN: Final = "SELECT lease_end, number, answer FROM page_workers WHERE space = ? AND worker = ?"
_KEEP: Final = "INSERT OR REPLACE INTO page_workers VALUES (?, ?, ?, ?, ?)"
_OVER: Final = """
SELECT worker, lease_end FROM page_workers WHERE space = ? AND lease_end <= ? ORDER BY lease_end
"""
_SOME_OF: Final = "SELECT id, user_id FROM pages WHERE space = ? AND worker = ? LIMIT ?"
_DROP_WORKER: Final = "DELETE FROM page_workers WHERE space = ? AND worker = ?"

_WHOSE: Final = "SELECT user_id FROM pages WHERE space = ? AND id = ? AND worker = ?"
_PUT: Final = "INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?, ?)"
_DROP: Final = "DELETE FROM pages WHERE space = ? AND id = ? AND worker = ?"
_HAS_PAGES: Final = "SELECT 1 FROM pages WHERE space = ? AND user_id = ? LIMIT 1"

_GONE: Final = "INSERT OR REPLACE INTO users_gone VALUES (?, ?, ?)"
_BACK: Final = "DELETE FROM users_gone WHERE space = ? AND user_id = ?"
_GONE_BEFORE: Final = """
SELECT user_id, since FROM users_gone WHERE space = ? AND since <= ? ORDER BY since LIMIT ?
"""
_NEXT: Final = """
SELECT (SELECT min(lease_end) FROM page_workers WHERE space = ?),
    (SELECT min(since) FROM users_gone WHERE space = ?)
"""

_COUNT: Final = """
SELECT count(DISTINCT id), coalesce(sum(pages), 0)
FROM pages JOIN page_workers USING (space, worker)
WHERE space = ? AND lease_end > ?
"""
_LATELY: Final = """
SELECT user_id FROM pages JOIN page_workers USING (space, worker)
WHERE space = ? AND lease_end > ? AND user_id {which}
UNION SELECT user_id FROM users_gone WHERE space = ? AND since > ? AND user_id {which}
"""
_PAGES_OF: Final = """
SELECT id, sum(pages) FROM pages JOIN page_workers USING (space, worker)
WHERE space = ? AND lease_end > ? AND id {which} GROUP BY id
"""

Reading = Callable[[sqlite3.Connection, int, float], Any]


# Reports.


def take_report(report: Report, book: Book, now: float) -> Reported | None:
    """As `PresenceStore.report_pages`."""
    worker, number, changes, lease, grace, tells = report
    connection, space = book.connection, book.space
    _take_off(book, now)
    lease_end, known, answer = connection.execute(_KNOWN, (space, worker)).fetchone() or (0, 0, "")
    if lease_end <= now:
        known = 0
    if number not in (known, known + 1):
        forget_worker(book, worker, now)
        return None
    if _is_held_back(book, now):
        grace = inf
    if number > known:
        gone = _take_gone(book, now - grace - (0.0 if tells else GONE_KEPT))
        came = {
            user: now
            for id, pages in changes.items()
            for user in _put(book, worker, id, pages, now)
        }
        answer = json.dumps([came, gone] if tells else [{}, {}])
    connection.execute(_KEEP, (space, worker, now + lease, number, answer))
    online, offline = _decode(answer)
    return Reported(online, offline, _due(book, grace if tells else inf, now))


def forget_worker(book: Book, worker: str, now: float) -> bool:
    """As `PresenceStore.forget_pages`."""
    book.connection.execute(
        "UPDATE page_workers SET lease_end = min(lease_end, ?) WHERE space = ? AND worker = ?",
        (now, book.space, worker),
    )
    _take_off(book, now)
    return book.connection.execute(_KNOWN, (book.space, worker)).fetchone() is not None


def _put(book: Book, worker: str, id: str, pages: OpenPages, now: float) -> Iterator[str]:
    """Take in what a worker has of a session; the user, if they came online by it."""
    connection, space = book.connection, book.space
    user = None if pages.user_id is None else to_bytes(pages.user_id)
    (was,) = connection.execute(_WHOSE, (space, id, worker)).fetchone() or (None,)
    if pages.pages:
        if user is not None and not _has_pages(book, user):
            came = not connection.execute(_BACK, (space, user)).rowcount
            if came and pages.user_id is not None:
                yield pages.user_id
        connection.execute(_PUT, (space, id, worker, user, pages.pages))
    else:
        connection.execute(_DROP, (space, id, worker))
    _note_gone(book, was, now)


def _has_pages(book: Book, user: bytes) -> bool:
    return book.connection.execute(_HAS_PAGES, (book.space, user)).fetchone() is not None


def _note_gone(book: Book, user: bytes | None, since: float) -> None:
    if user is not None and not _has_pages(book, user):
        book.connection.execute(_GONE, (book.space, user, since))


def _take_off(book: Book, now: float) -> None:
    """Take off some pages of workers whose lease is over."""
    connection, space = book.connection, book.space
    left, late = MOST_TAKEN_OFF, False
    for worker, lease_end in connection.execute(_OVER, (space, now)).fetchall():
        found = connection.execute(_SOME_OF, (space, worker, left)).fetchall()
        connection.executemany(_DROP, [(space, id, worker) for id, _ in found])
        for user in {user for _, user in found}:
            _note_gone(book, user, lease_end)
        late = late or (bool(found) and now - lease_end > FOUND_LATE)
        if len(found) == left:
            break
        connection.execute(_DROP_WORKER, (space, worker))
        left -= len(found)
    if late:
        connection.execute(_KEEP, (space, STAND_IN, now + HELD_BACK, 0, ""))


def _is_held_back(book: Book, now: float) -> bool:
    found = book.connection.execute(_KNOWN, (book.space, STAND_IN)).fetchone()
    return found is not None and found[0] > now


def _take_gone(book: Book, before: float) -> dict[str, float]:
    found = book.connection.execute(_GONE_BEFORE, (book.space, before, MOST_TOLD)).fetchall()
    book.connection.executemany(_BACK, [(book.space, user) for user, _ in found])
    return {to_text(user): since for user, since in found}


def _due(book: Book, grace: float, now: float) -> float:
    lease_end, since = book.connection.execute(_NEXT, (book.space, book.space)).fetchone()
    return float(max(0.0, (lease_end if since is None else min(lease_end, since + grace)) - now))


# Questions.


def pages_of(ids: Sequence[str]) -> Reading:
    """Reads how many pages some sessions have."""

    def read(connection: sqlite3.Connection, space: int, now: float) -> dict[str, int]:
        return {
            id: pages
            for some in _parts(ids)
            for id, pages in connection.execute(_about(_PAGES_OF, some), (space, now, *some))
        }

    return read


def online(user_ids: Collection[str], grace: float) -> Reading:
    """Reads which of some users are online."""
    users = [to_bytes(user) for user in user_ids]

    def read(connection: sqlite3.Connection, space: int, now: float) -> list[str]:
        return [
            to_text(user)
            for some in _parts(users)
            for (user,) in connection.execute(
                _about(_LATELY, some), (space, now - grace, *some) * 2
            )
        ]

    return read


def count(grace: float) -> Reading:
    """Reads how many there are."""
    users = f"SELECT count(*) FROM ({_LATELY.format(which='IS NOT NULL')})"  # noqa: S608

    def read(connection: sqlite3.Connection, space: int, now: float) -> Counts:
        (online,) = connection.execute(users, (space, now - grace) * 2).fetchone()
        return Counts(online, *connection.execute(_COUNT, (space, now)).fetchone())

    return read


def _parts(asked: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (asked[at : at + MOST_REPORTED] for at in range(0, len(asked), MOST_REPORTED))


def _about(query: str, some: Sequence[Any]) -> str:
    return query.format(which=f"IN ({', '.join('?' * len(some))})")

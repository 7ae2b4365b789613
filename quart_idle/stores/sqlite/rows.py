"""Sessions as rows of the table: read, and written as little of as will do."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from ..base import Fields
from ..changing import Over
from ..entry import Entry
from .packing import (
    pack_clocks,
    pack_fields,
    pack_sign_in,
    to_bytes,
    to_text,
    unpack_clocks,
    unpack_fields,
    unpack_sign_in,
)

# What of a row is to be written. A row whose data was not read is over, or keeps it.
CLOCKS, LOOK, DATA, ALL = 1, 2, 4, 8

_LIGHT: Final = """
    sessions.key, sessions.id, look, clocks, user_id, place, sign_in,
    reason, ended_at, new_id, passes_saves_on
"""
# Where the place stands there.
_PLACE: Final = 5
# (The order of the tables is said, lest many ids be taken for a reason to look at all rows.)
_ASKED: Final = """
    FROM json_each(?) AS asked CROSS JOIN sessions ON space = ? AND sessions.id = asked.value
"""
_ONE: Final = f"SELECT {_LIGHT}, data FROM sessions WHERE space = ? AND id = ?"  # noqa: S608
_BY_ID: Final = f"SELECT {_LIGHT}, data {_ASKED}"
_BY_ID_LIGHT: Final = f"SELECT {_LIGHT}, NULL {_ASKED}"
_DUE: Final = (
    f"SELECT {_LIGHT}, NULL FROM sessions "  # noqa: S608
    "WHERE space = ? AND look <= ? ORDER BY look LIMIT ?"
)
_OF_USER: Final = (
    f"SELECT {_LIGHT}, NULL FROM sessions "  # noqa: S608
    "WHERE space = ? AND user_id = ? AND place > ? ORDER BY place LIMIT ?"
)
_BEHIND: Final = (
    f"SELECT {_LIGHT}, data FROM sessions "  # noqa: S608
    "WHERE space = ? AND key > ? ORDER BY key LIMIT ?"
)
_INSERT: Final = """
INSERT INTO sessions (
    look, clocks, user_id, place, sign_in, reason, ended_at, new_id, passes_saves_on, data,
    space, id
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
# What is written of a row that is there already, but for its key, which comes last.
_COLUMNS: Final = {
    CLOCKS: ("clocks",),
    CLOCKS | LOOK: ("clocks", "look"),
    CLOCKS | DATA: ("clocks", "sign_in", "data"),
    ALL: (
        *("look", "clocks", "user_id", "place", "sign_in"),
        *("reason", "ended_at", "new_id", "passes_saves_on", "data"),
    ),
}
# How many rows go into one statement at most.
_MOST_TOGETHER: Final = 128
_UPDATE_LOOK: Final = "UPDATE sessions SET look = ? WHERE key = ?"
_DELETE: Final = "DELETE FROM sessions WHERE key = ?"


@dataclass(slots=True, repr=False)
class Row(Entry):
    """A session, alive or over, as it is in the file and as it is to be."""

    id: str = ""
    #: None: it is not in the file yet.
    key: int | None = None
    #: When it is looked at whether it is due, or can be forgotten.
    look: float = 0.0
    #: In whose list it is, and where.
    listed: tuple[str, int] | None = None
    over: Over | None = None
    has_data: bool = True
    #: What of it is to be written.
    unwritten: int = 0
    #: Whether it is to be forgotten.
    is_gone: bool = False


@dataclass(slots=True, frozen=True)
class Damaged:
    """A row that cannot be read; it stays as it is."""

    key: int
    id: str


def _row_or_damaged(found: tuple[Any, ...]) -> Row | Damaged:
    try:
        return _row(found)
    except Exception:  # it may hold anything
        return Damaged(found[0], found[1])


def _row(found: tuple[Any, ...]) -> Row:
    key, id, look, clocks, user, place, sign_in, reason, at, new_id, passes_on, data = found
    user_id = None if user is None else to_text(user)
    return Row(
        Fields() if data is None else unpack_fields(data),
        user_id,
        unpack_clocks(clocks),
        unpack_sign_in(sign_in),
        id,
        key,
        float(look),
        None if user_id is None else (user_id, int(place)),
        None if reason is None else Over(to_text(reason), float(at), new_id, bool(passes_on)),
        data is not None or reason is not None,  # one that is over has none
    )


class Table:
    """The rows of one namespace.

    Args:
        connection: to the file.
        space: the namespace.
    """

    def __init__(self, connection: sqlite3.Connection, space: int) -> None:
        self._connection = connection
        self._space = space

    def by_id(self, ids: Collection[str], *, with_data: bool) -> Iterator[Row | Damaged]:
        """Those of these that there are."""
        if with_data and len(ids) == 1:
            return self._rows(_ONE, self._space, *ids)
        return self._rows(_BY_ID if with_data else _BY_ID_LIGHT, json.dumps([*ids]), self._space)

    def behind(self, key: int, limit: int) -> list[Row | Damaged]:
        """Those that follow a key, so many at most."""
        return list(self._rows(_BEHIND, self._space, key, limit))

    def due(self, now: float, limit: int) -> Iterator[Row | Damaged]:
        """Those that are to be looked at by now, without data."""
        return self._rows(_DUE, self._space, now, limit)

    def of_user(self, user_id: str, after: float, limit: int) -> list[Row]:
        """Those in a user's list, behind a place, without data; fewer only if there are no more.

        Those that are damaged are passed over.
        """
        rows: list[Row] = []
        while len(rows) < limit:
            asked = limit - len(rows)
            where = self._space, to_bytes(user_id), after, asked
            found = self._connection.execute(_OF_USER, where).fetchall()
            rows += [row for row in map(_row_or_damaged, found) if isinstance(row, Row)]
            if len(found) < asked:
                break
            after = found[-1][_PLACE]
        return rows

    def look_later(self, damaged: Damaged, look: float) -> None:
        """Have one be looked at no sooner than then."""
        self._connection.execute(_UPDATE_LOOK, (look, damaged.key))

    def write(self, rows: Iterable[Row]) -> None:
        """Write what of these is to be written."""
        together: dict[int, list[tuple[Any, ...]]] = {}
        for row in rows:
            if row.key is None:
                if not row.is_gone:
                    done = self._connection.execute(_INSERT, (*_all(row), self._space, row.id))
                    row.key = done.lastrowid
            elif row.is_gone:
                self._connection.execute(_DELETE, (row.key,))
            else:
                what = _to_write(row)
                together.setdefault(what, []).append((*_WRITTEN[what](row), row.key))
            row.unwritten = 0
        for what, values in together.items():
            for at in range(0, len(values), _MOST_TOGETHER):
                self._update(what, values[at : at + _MOST_TOGETHER])

    def _update(self, what: int, rows: list[tuple[Any, ...]]) -> None:
        # A power of two, filled up with rows of no key: there are few statements, which stay known.
        size = 1 << (len(rows) - 1).bit_length()
        nobody = (None,) * len(rows[0])
        values = [value for row in (*rows, *[nobody] * (size - len(rows))) for value in row]
        self._connection.execute(_update_of(what, size), values)

    def _rows(self, query: str, *arguments: Any) -> Iterator[Row | Damaged]:
        return map(_row_or_damaged, self._connection.execute(query, arguments).fetchall())


# A statement for each row would let go of the interpreter's lock for each, and where the event loop
# is busy, that is a wait each time.
@cache
def _update_of(what: int, size: int) -> str:
    """The statement that writes so many rows."""
    columns = _COLUMNS[what]
    if size == 1:
        return f"UPDATE sessions SET {' = ?, '.join(columns)} = ? WHERE key = ?"  # noqa: S608
    row = f"({', '.join('?' * (len(columns) + 1))})"
    return (
        f"WITH new ({', '.join(columns)}, key) AS (VALUES {', '.join([row] * size)}) "  # noqa: S608
        f"UPDATE sessions SET {', '.join(f'{column} = new.{column}' for column in columns)} "
        "FROM new WHERE sessions.key = new.key"
    )


def _to_write(row: Row) -> int:
    """What of a row is written together, where this is to be."""
    if row.unwritten & ALL or (row.unwritten & LOOK and row.unwritten & DATA):
        return ALL
    return CLOCKS | row.unwritten


def _all(row: Row) -> tuple[Any, ...]:
    """What is stored of a row, in the statements' order."""
    user, place = row.listed or (None, None)
    over = row.over
    return (
        row.look,
        pack_clocks(row.clocks),
        None if user is None else to_bytes(user),
        place,
        pack_sign_in(row.sign_in),
        *((None,) * 3 if over is None else (to_bytes(over.reason), over.at, over.new_id)),
        over is not None and over.passes_saves_on,
        pack_fields(row.data),
    )


# What is written of a row, in the order of `_COLUMNS`.
_WRITTEN: Final[Mapping[int, Callable[[Row], tuple[Any, ...]]]] = {
    CLOCKS: lambda row: (pack_clocks(row.clocks),),
    CLOCKS | LOOK: lambda row: (pack_clocks(row.clocks), row.look),
    CLOCKS | DATA: lambda row: (
        *(pack_clocks(row.clocks), pack_sign_in(row.sign_in)),
        pack_fields(row.data),
    ),
    ALL: _all,
}

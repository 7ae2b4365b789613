"""Sessions, drafts and untold ends of a file, read out and taken in without an application."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Final

from ...policy import Clocks, Limits
from ..base import Record, UntoldEnd
from ..changing import Over
from ..moving import (
    IDENTITY_SIZE,
    MARK_KEPT,
    PAGE,
    UNREADABLE,
    Draft,
    DraftName,
    EndName,
    Found,
    Mark,
    Name,
    Outcome,
    SessionName,
    Taken,
    Thing,
    Unreadable,
    if_readable,
    taken_in,
)
from .book import Book
from .database import DatabaseFile
from .drafts import drop, keep
from .ends import forget, put_out, unpack_end
from .lane import Lane
from .packing import to_bytes, to_text
from .rows import Damaged, Row, Table
from .schema import MIGRATIONS
from .writing import Write, Writer

# No application's, so that nothing ends.
_NO_LIMITS: Final = Limits(timeout=inf)

_ENDS: Final = """
SELECT key, id, tries, reason, ended_at, by_id, clocks, user_id, sign_in
FROM ends WHERE space = ? AND {} LIMIT ?
"""
_ENDS_BEHIND: Final = _ENDS.format("key > ? ORDER BY key")
_END: Final = _ENDS.format("id = ?")
_DRAFTS: Final = (
    "SELECT key, box, name, draft, at FROM drafts WHERE space = ? AND key > ? ORDER BY key LIMIT ?"
)
_DRAFT: Final = "SELECT draft, at FROM drafts WHERE space = ? AND box = ? AND name = ?"
_MARK: Final = "SELECT mark FROM moved WHERE space = ? AND name = ?"
_REMEMBER: Final = "INSERT OR REPLACE INTO moved (space, name, mark, at) VALUES (?, ?, ?, ?)"
_FORGET: Final = "DELETE FROM moved WHERE space = ? AND at < ?"
_IDENTIFY: Final = (
    "UPDATE spaces SET identity = ifnull(identity, ?) WHERE space = ? RETURNING identity"
)
_SOURCES: Final = "SELECT DISTINCT substr(mark, 1, ?) FROM moved WHERE space = ?"
_FORGET_SOURCE: Final = "DELETE FROM moved WHERE space = ? AND substr(mark, 1, ?) = ?"
_MARKED: Final = "SELECT name FROM moved WHERE space = ? AND name > ? ORDER BY name LIMIT ?"

# The last key of a page, None where nothing follows; and the page.
_Page = tuple[int | None, dict[Name, Found]]


class SQLiteMovable:
    """A `Movable` in a file.

    Args:
        where: a URL, ``sqlite:///…``, or a path.
        prefix: the namespace in it.
        timeout: how long an answer may take, in seconds.
        clock: the clock that counts; None: the host's.
        makes: whether the file is made where it is not there.

    Raises:
        ConfigError: the URL is wrong.
    """

    def __init__(
        self,
        where: str | Path,
        prefix: str,
        timeout: float,
        *,
        clock: Callable[[], float] | None = None,
        makes: bool = True,
    ) -> None:
        file = DatabaseFile(where, MIGRATIONS, None, clock, makes=makes)
        file.bind(timeout)
        self._writer = Writer(file, prefix, _NO_LIMITS, 0, lambda _: None, lambda: False)
        self._timeout = timeout

    async def open(self) -> None:
        self._lane: Lane[Write] = Lane(
            self._writer.do, self._writer.opening.close, self._timeout, "quart-idle-move"
        )

        def work(book: Book, now: float) -> None:
            book.connection.execute(_FORGET, (book.space, now - MARK_KEPT))

        await self._do(work)

    async def close(self) -> None:
        await self._lane.close()

    async def _do(self, work: Callable[[Book, float], Any]) -> Any:
        return await self._lane.ask(Write(work, lasts=True))

    async def identity(self) -> bytes:
        new = secrets.token_bytes(IDENTITY_SIZE)

        def work(book: Book, now: float) -> bytes:  # noqa: ARG001
            found: bytes = book.connection.execute(_IDENTIFY, (new, book.space)).fetchone()[0]
            return found

        identity: bytes = await self._do(work)
        return identity

    async def sources(self) -> Collection[bytes]:
        def work(book: Book, now: float) -> set[bytes]:  # noqa: ARG001
            rows = book.connection.execute(_SOURCES, (IDENTITY_SIZE, book.space))
            return {bytes(store) for (store,) in rows}

        found: set[bytes] = await self._do(work)
        return found

    async def forget_source(self, store: bytes) -> None:
        def work(book: Book, now: float) -> None:  # noqa: ARG001
            book.connection.execute(_FORGET_SOURCE, (book.space, IDENTITY_SIZE, store))

        await self._do(work)

    # Reading out.

    async def pages(self) -> AsyncIterator[Mapping[Name, Found]]:
        for read in (_sessions, _drafts, _ends):
            last: int | None = -1
            while last is not None:
                last, page = await self._do(partial(read, last=last))
                if page:
                    yield page

    async def read(self, names: Collection[Name]) -> Mapping[Name, Found]:
        found: Mapping[Name, Found] = await self._do(
            lambda book, now: {name: Found(_thing(book, name, now)[0], now) for name in names}
        )
        return found

    # Taking in.

    async def taken(self) -> AsyncIterator[Collection[Name]]:
        last = b""
        while rows := await self._do(partial(_marks, last=last)):
            last = rows[-1]
            names = [if_readable(partial(_name_of, name)) for name in rows]
            yield [name for name in names if not isinstance(name, Unreadable)]

    async def take_in(self, store: bytes, page: Mapping[Name, Found]) -> Taken:
        def work(book: Book, now: float) -> Taken:
            here = {name: _thing(book, name, now) for name in page}
            return Taken(
                [name for name in page if _take_in(book, name, store, here[name], page[name], now)],
                [name for name, (thing, _) in here.items() if isinstance(thing, Unreadable)],
            )

        taken: Taken = await self._do(work)
        return taken


def _take_in(
    book: Book,
    name: Name,
    store: bytes,
    here: tuple[Thing | Unreadable | None, Row | None],
    there: Found,
    now: float,
) -> bool:
    marked = book.connection.execute(_MARK, (book.space, _marked(name))).fetchone()
    mark = None if marked is None else Mark.unpack(marked[0])
    thing, row = here
    outcome = taken_in(Found(thing, now), mark, store, there)
    if outcome is None:
        return False
    _write(book, name, row, outcome, now)
    if outcome.mark is not None:
        book.connection.execute(_REMEMBER, (book.space, _marked(name), outcome.mark.pack(), now))
    return True


def _write(book: Book, name: Name, row: Row | None, outcome: Outcome, now: float) -> None:
    thing = outcome.thing
    if isinstance(name, SessionName):
        _write_session(book, name.id, row, thing, now)
    elif isinstance(name, DraftName):
        if isinstance(thing, Draft):
            keep(book, name.box, name.name, thing.draft, thing.at)
        else:
            drop(book, name.box, name.name)
    elif isinstance(thing, UntoldEnd):
        put_out(book.connection, book.space, [thing], now)
    else:
        forget(book, [name.id])


def _write_session(book: Book, id: str, row: Row | None, thing: Thing | None, now: float) -> None:
    entry = book.new(id, thing.clocks) if isinstance(thing, Record) else None
    if isinstance(thing, Record) and entry is not None:
        entry.data, entry.user_id, entry.sign_in = thing.data, thing.user_id, thing.sign_in
        book.put(id, entry, now)
        entry.look = now  # whoever knows the limits says when
    elif isinstance(thing, Over):
        if row is None or row.over is not None:
            book.put(id, book.new(id, Clocks(now, now, now)), now)
        book.fetch([id])
        book.finish(id, thing, now)


def _thing(book: Book, name: Name, now: float) -> tuple[Thing | Unreadable | None, Row | None]:
    """A thing as it is here; and of a session the row."""
    if isinstance(name, SessionName):
        table = Table(book.connection, book.space)
        row = next(table.by_id([name.id], with_data=True), None)
        if isinstance(row, Damaged):
            return UNREADABLE, None
        return (None, None) if row is None else (_session(row, now), row)
    if isinstance(name, DraftName):
        place = book.space, name.box, to_bytes(name.name)
        found = book.connection.execute(_DRAFT, place).fetchone()
        return (None if found is None else Draft(*found)), None
    found = book.connection.execute(_END, (book.space, name.id, 1)).fetchone()
    return (None if found is None else if_readable(lambda: unpack_end(found))), None


def _session(row: Row, now: float) -> Record | Over | None:
    if row.over is not None:
        return None if row.over.why(now) is None else row.over
    return Record(row.data, row.user_id, row.clocks, now, row.sign_in)


def _sessions(book: Book, now: float, last: int) -> _Page:
    rows = Table(book.connection, book.space).behind(last, PAGE)
    page: dict[Name, Found] = {}
    for row in rows:
        thing = UNREADABLE if isinstance(row, Damaged) else _session(row, now)
        if thing is not None:
            page[SessionName(row.id)] = Found(thing, now)
    return rows[-1].key if rows else None, page


def _drafts(book: Book, now: float, last: int) -> _Page:
    rows = book.connection.execute(_DRAFTS, (book.space, last, PAGE)).fetchall()
    page: dict[Name, Found] = {}
    for _, box, raw, draft, at in rows:
        name = if_readable(lambda raw=raw: to_text(raw))  # type: ignore[misc]
        if isinstance(name, Unreadable):
            page[DraftName(box, raw.decode(errors="backslashreplace"))] = Found(name, now)
        else:
            page[DraftName(box, name)] = Found(Draft(draft, at), now)
    return rows[-1][0] if rows else None, page


def _ends(book: Book, now: float, last: int) -> _Page:
    rows = book.connection.execute(_ENDS_BEHIND, (book.space, last, PAGE)).fetchall()
    page: dict[Name, Found] = {
        EndName(row[1]): Found(if_readable(partial(unpack_end, row)), now) for row in rows
    }
    return rows[-1][0] if rows else None, page


def _marks(book: Book, now: float, last: bytes) -> list[bytes]:  # noqa: ARG001
    rows = book.connection.execute(_MARKED, (book.space, last, PAGE)).fetchall()
    return [name for (name,) in rows]


def _marked(name: Name) -> bytes:
    """What the mark of a thing is called."""
    if isinstance(name, DraftName):
        return to_bytes(f"draft:{name.box}:{name.name}")
    return to_bytes(f"{'end' if isinstance(name, EndName) else 'session'}:{name.id}")


def _name_of(marked: bytes) -> Name:
    """What `_marked` made this of."""
    kind, _, rest = to_text(marked).partition(":")
    if kind == "draft":
        box, _, name = rest.partition(":")
        return DraftName(box, name)
    return EndName(rest) if kind == "end" else SessionName(rest)

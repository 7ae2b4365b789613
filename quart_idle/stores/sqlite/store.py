"""`SQLiteStore`: what a store is asked for, as reads and writes; and what it has under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from ...exceptions import ConfigError, StoreUnavailable
from ...policy import Clocks, Limits, SignOfLife
from .. import changing
from ..base import (
    Change,
    Changed,
    Counts,
    Ended,
    EndedSome,
    Listed,
    Listener,
    Live,
    Record,
    Report,
    Reported,
    Stretch,
    TakenEnds,
)
from ..changing import SomeEnded
from .applications import meet
from .attendance import count, forget_worker, online, pages_of, take_report
from .book import Book
from .database import DatabaseFile
from .drafts import all_of, drop, keep
from .ends import are_some, forget, take
from .errors import SessionDamaged
from .lane import MOST_AT_ONCE
from .reading import Load, Read
from .running import Running
from .schema import MIGRATIONS
from .writing import Write


class SQLiteStore:
    """A `Store` in a file of this host, for any number of workers.

    Args:
        where: a URL, ``sqlite:///…``, or a path.
        folder: where a URL's relative path begins; None: in the folder that the process is in.
        clock: the clock that counts, in seconds since the epoch; None: the host's.

    Raises:
        ConfigError: the URL is wrong.
    """

    #: Calls fail by themselves when their time is up.
    timely = True

    def __init__(
        self,
        where: str | Path,
        folder: Path | None = None,
        *,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._file = DatabaseFile(where, MIGRATIONS, folder, clock)
        self._terms: tuple[Limits, str, float] | None = None
        self._listeners: list[Listener] = []
        self._wants_ends: list[Callable[[], bool]] = []
        self._running: Running | None = None

    def bind(
        self, limits: Limits, listener: Listener, prefix: str = "quart-idle", timeout: float = 1.0
    ) -> None:
        terms = limits, prefix, timeout
        if self._terms not in (None, terms):
            raise ConfigError(
                "this SQLiteStore serves an application with other limits, another key prefix or "
                "another store timeout already"
            )
        self._terms = terms
        self._limits, self._prefix, _ = terms
        self._listeners.append(listener)
        self._file.bind(timeout)

    async def open(self) -> None:
        await self._start().begin()

    async def close(self) -> None:
        running = self._running
        if running is None or running.loop is not asyncio.get_running_loop():
            return
        self._running = None
        await running.close()

    def _start(self) -> Running:
        """Have the work under way, in this event loop: an earlier one is gone."""
        running = self._running
        if running is None or running.loop is not asyncio.get_running_loop():
            if self._terms is None:
                raise RuntimeError("a store is bound before it is used")
            running = self._running = Running(
                self._file, self._tell, self._is_to_keep_ends, *self._terms
            )
        return running

    async def _read(self, read: Load | Read) -> Any:
        return await self._start().reads.ask(read)

    async def _write(
        self, work: Callable[[Book, float], Any], ids: Collection[str] = (), **how: Any
    ) -> Any:
        return await self._start().writes.ask(Write(work, ids=ids, **how))

    async def _write_again(
        self, work: Callable[[Book, float], Any], ids: Collection[str], **how: Any
    ) -> Any:
        """Write, and again until there is room for one more session, in the time of one call."""
        since = monotonic()
        timeout = self._start().timeout
        while True:
            try:
                return await self._write(work, ids, since=since, **how)
            except SomeEnded:
                if monotonic() - since >= timeout:
                    raise StoreUnavailable from TimeoutError("more sessions than end in one call")

    # Sessions.

    async def load(self, id: str) -> Record | Ended | None:
        found: Record | Ended | None = await self._read(Load(id))
        return found

    async def create(self, id: str, change: Change) -> Clocks:
        def work(book: Book, now: float) -> Clocks:
            return changing.create(book, id, change, now)

        clocks: Clocks = await self._write_again(work, [id])
        return clocks

    async def save(self, id: str, change: Change) -> Changed | None:
        def work(book: Book, now: float) -> Changed | None:
            return changing.save(book, id, change, now)

        changed: Changed | None = await self._write(work, [id])
        return changed

    async def regenerate(self, id: str, new_id: str, change: Change) -> Changed | None:
        def work(book: Book, now: float) -> Changed | None:
            return changing.regenerate(book, id, new_id, change, now)

        changed: Changed | None = await self._write_again(work, [id, new_id], lasts=True)
        return changed

    async def end(
        self, id: str, reason: str, by: str | None = None, user_id: str | None = None
    ) -> str | None:
        def work(book: Book, now: float) -> str | None:
            return changing.end(book, id, reason, by, user_id, now)

        ended: str | None = await self._write(
            work, [id], needs_data=False, lasts=True, even_late=True
        )
        return ended

    async def renew(self, signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        if len(signs) <= MOST_AT_ONCE:  # in this turn, with what else is asked
            return await self._renew(signs)
        items = list(signs.items())
        answers = await asyncio.gather(
            *(
                self._renew(dict(items[at : at + MOST_AT_ONCE]))
                for at in range(0, len(items), MOST_AT_ONCE)
            )
        )
        return {id: outcome for answer in answers for id, outcome in answer.items()}

    async def _renew(self, signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        def work(book: Book, now: float) -> Mapping[str, Live | Ended | None]:
            undamaged = book.undamaged(signs.keys())
            if signs and not undamaged:
                raise SessionDamaged(next(iter(signs)))
            some = {id: sign for id, sign in signs.items() if id in undamaged}
            return changing.renew(book, some, self._limits.warning, now)

        answer: Mapping[str, Live | Ended | None] = await self._write(
            work, signs.keys(), needs_data=False, weight=len(signs)
        )
        return answer

    # A user's sessions.

    async def sessions_of(self, user_id: str, after: float, limit: int) -> Sequence[Listed]:
        found: Sequence[Listed] = await self._read(
            self._start().reader.sessions_of(user_id, after, limit)
        )
        return found

    async def end_some(
        self,
        user_id: str,
        reason: str,
        keep: str | None = None,
        rest: Stretch | None = None,
        by: str | None = None,
    ) -> EndedSome:
        def work(book: Book, now: float) -> EndedSome:
            left = rest
            if left is None:
                kept = changing.current(book, keep, now)
                place = None if kept is None else book.place_of(kept, user_id)
                left = Stretch(0.0, book.last_place(), place)
            some = book.listed(user_id, left.after, changing.MOST_AT_ONCE)
            return changing.end_some(book, some, left, reason, by, now)

        answer: EndedSome = await self._write(
            work, needs_data=False, lasts=True, weight=changing.MOST_AT_ONCE
        )
        return answer

    # Ends that are to be told.

    def keep_ends(self, wanted: Callable[[], bool]) -> None:
        self._wants_ends.append(wanted)

    def _is_to_keep_ends(self) -> bool:
        return any(wanted() for wanted in self._wants_ends)

    async def take_ends(self, limit: int) -> TakenEnds:
        if not await self._read(Read(are_some)):
            return TakenEnds([])
        taken: TakenEnds = await self._write(lambda book, now: take(book, limit, now))
        return taken

    async def ends_told(self, ids: Collection[str]) -> None:
        await self._write(lambda book, _: forget(book, ids))

    # Open pages.

    async def report_pages(self, report: Report) -> Reported | None:
        weight = len(report.changes) + 1
        found: Reported | None = await self._write(partial(take_report, report), weight=weight)
        return found

    async def forget_pages(self, worker: str) -> bool:
        more: bool = await self._write(lambda book, now: forget_worker(book, worker, now))
        return more

    async def pages_of(self, ids: Collection[str]) -> Mapping[str, int]:
        found: Mapping[str, int] = await self._read(Read(pages_of(list(ids))))
        return found

    async def online(self, user_ids: Collection[str], grace: float) -> Collection[str]:
        found: Collection[str] = await self._read(Read(online(user_ids, grace)))
        return found

    async def count_pages(self, grace: float) -> Counts:
        found: Counts = await self._read(Read(count(grace)))
        return found

    # Drafts.

    async def keep_draft(self, box: str, name: str, draft: bytes) -> None:
        await self._write(lambda book, now: keep(book, box, name, draft, now))

    async def drafts(self, box: str) -> Mapping[str, tuple[bytes, float]]:
        def read(*where: Any) -> Mapping[str, tuple[bytes, float]]:
            connection, space, now = where
            return all_of(connection, space, box, now)

        found: Mapping[str, tuple[bytes, float]] = await self._read(Read(read))
        return found

    async def drop_draft(self, box: str, name: str) -> None:
        await self._write(lambda book, _: drop(book, box, name))

    # Others.

    async def meet(self, application: str) -> Collection[str]:
        def work(book: Book, now: float) -> Collection[str]:
            return meet(book.connection, self._prefix, application, now)

        found: Collection[str] = await self._write(work)
        return found

    # Telling.

    def hears(self, since: float) -> bool:
        return self._running is not None and self._running.hearing.hears(since)

    def _tell(self, id: str, outcome: Live | Ended) -> None:
        for listener in self._listeners:
            listener(id, outcome)

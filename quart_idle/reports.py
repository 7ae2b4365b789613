"""What this worker reports to the store of its open pages, for all workers to know.

What changed is gathered for a second and reported together; what changed back meanwhile is not. A
page that stays open costs nothing: the worker reports every few seconds that it is there, for all
of its pages.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from itertools import islice
from typing import Final

from .config import Settings
from .exceptions import StoreUnavailable
from .stores.asking import ASK_AGAIN, ask
from .stores.base import MOST_REPORTED, OpenPages, PresenceStore, Report, Reported, Times

# How long changes are gathered, in seconds.
_GATHER: Final = 1.0

_NONE: Final = OpenPages(None, 0)

_log = logging.getLogger("quart_idle")


class Reports:
    """This worker's open pages, and what the store knows of them.

    Args:
        settings: the application's settings, with the store.
        times: how long what counts.
        tells: whether anybody is to be told of users who come online and go offline.
        tell: tells of them.
    """

    def __init__(
        self,
        settings: Settings,
        times: Times,
        tells: Callable[[], bool],
        tell: Callable[[Reported], None],
    ) -> None:
        self._store = settings.store if isinstance(settings.store, PresenceStore) else None
        self._patience = settings.patience
        self._times = times
        self._tells = tells
        self._tell = tell
        self._open: dict[str, OpenPages] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._forget()

    def _forget(self) -> None:
        """Nothing is under way in this event loop."""
        self._open.clear()
        self._round: asyncio.Task[bool] | None = None
        self._timer: asyncio.TimerHandle | None = None
        # When it goes off, and when a report is due though nothing changed, by the loop's time.
        self._due = self._renewal = 0.0
        self._stops = False
        self._begin_anew()

    def _begin_anew(self) -> None:
        """The store knows nothing of this worker."""
        self._worker = secrets.token_hex(8)
        self._number = 0
        # The report that is not answered yet; what the store knows once it is; what is not so and
        # goes with this round; and what goes with the next.
        self._report: dict[str, OpenPages] | None = None
        self._known: dict[str, OpenPages] = {}
        self._batch = set(self._open)
        self._changed: set[str] = set()

    # Pages.

    def opened(self, id: str, user_id: str | None) -> None:
        """A page of a user's session is open."""
        self._attend()
        self._note(id, OpenPages(user_id, self._open.get(id, _NONE).pages + 1))

    def closed(self, id: str) -> None:
        """A page of a session is not open any more."""
        if (found := self._open.get(id)) is not None and self._is_here():
            self._note(id, found._replace(pages=found.pages - 1))

    def _note(self, id: str, pages: OpenPages) -> None:
        _put(self._open, id, pages)
        if self._open.get(id) == self._known.get(id):
            self._changed.discard(id)
            self._batch.discard(id)
        elif id not in self._batch:
            self._changed.add(id)
            self._schedule(_GATHER)

    # Coming and going.

    def open(self) -> None:
        """The application starts."""
        self._attend()
        self._stops = False
        if self._tells():
            if self._store is None:
                _log.error(
                    "user_online or user_offline is connected, and the store does not know the "
                    "pages of all workers: none is told"
                )
            self._schedule(_GATHER)

    async def close(self) -> None:
        """The application stops: it has no pages here any more."""
        if not self._is_here():
            return
        self._stops = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._open.clear()
        if self._round is not None and self._in_round():
            await asyncio.wait([self._round])
        if self._store is not None and self._number:
            with suppress(StoreUnavailable):  # the log has it; they go with the lease
                while await ask(self._store.forget_pages(self._worker), self._patience):
                    pass  # some are taken off at a time
        self._begin_anew()

    # Asking.

    async def pages_of(self, ids: Collection[str]) -> Mapping[str, int]:
        """How many pages sessions have open, on all workers, by their ids; those that have any.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        if self._store is None:
            return {id: self._open[id].pages for id in ids if id in self._open}
        await self.flush()
        return await ask(self._store.pages_of(ids), self._patience)

    async def flush(self) -> None:
        """Have the store know what is open here.

        Raises:
            StoreUnavailable: the store did not answer; it is told later.
        """
        # (A round that is under way may not know of the latest, which the next one does.)
        for _ in range(2 if self._in_round() else 1):
            if self._store is None or not self._is_here() or not self._has_news():
                return
            # (Whoever waits may leave.)
            if not await asyncio.shield(self._begin_round(self._store)):
                raise StoreUnavailable

    # Reporting.

    def _attend(self) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a test client's earlier loop is gone, with its pages
            self._loop = loop
            self._forget()

    def _is_here(self) -> bool:
        return self._loop is asyncio.get_running_loop()

    def _schedule(self, delay: float) -> None:
        """Have a round in a while, or earlier."""
        if self._loop is None or self._stops or self._store is None:
            return
        when = self._loop.time() + delay
        if self._timer is not None:
            if self._due <= when:
                return
            self._timer.cancel()
        self._due = when
        self._timer = self._loop.call_at(when, self._go)

    def _go(self) -> None:
        self._timer = None
        if self._loop is None or self._store is None:
            return
        rest = self._renewal - self._loop.time()
        if self._has_news() or (rest <= 0 and self._is_to_be_there()):
            self._begin_round(self._store)
        elif self._is_to_be_there():  # what changed has changed back
            self._schedule(rest)

    def _has_news(self) -> bool:
        return bool(self._changed or self._batch) or self._report is not None

    def _is_to_be_there(self) -> bool:
        """Whether this worker reports though nothing changes."""
        return bool(self._open) or self._tells()

    def _in_round(self) -> bool:
        return self._round is not None and not self._round.done()

    def _begin_round(self, store: PresenceStore) -> asyncio.Task[bool]:
        if self._round is None or not self._in_round():
            self._round = asyncio.get_running_loop().create_task(self._run(store))
        return self._round

    async def _run(self, store: PresenceStore) -> bool:
        """Report what has changed until now; whether the store took it."""
        try:
            due = await self._report_all(store)
        except StoreUnavailable:  # the log has it
            self._schedule(ASK_AGAIN)
            return False
        if self._changed:
            self._schedule(_GATHER)
        if self._loop is not None and self._is_to_be_there():
            wait = min(self._times.renewal, max(due, _GATHER))
            self._renewal = self._loop.time() + wait
            self._schedule(wait)
        elif not self._changed:
            self._begin_anew()  # the lease runs out
        return True

    async def _report_all(self, store: PresenceStore) -> float:
        """Report what changed, or that this worker is there; when the next report is due."""
        times = self._times
        self._batch |= self._changed
        self._changed.clear()
        while True:
            if self._report is None:
                self._make_report()
            tells = self._tells()
            changes = self._report or {}
            report = Report(self._worker, self._number, changes, times.lease, times.grace, tells)
            reported = await ask(store.report_pages(report), self._patience)
            if reported is None:
                first = self._number == 1
                self._begin_anew()
                if first:
                    raise StoreUnavailable
                continue
            self._report = None
            if tells:
                self._tell(reported)
            if not self._batch:
                return reported.due

    def _make_report(self) -> None:
        ids = list(islice(self._batch, MOST_REPORTED))
        self._batch.difference_update(ids)
        self._report = {id: self._open.get(id, _NONE) for id in ids}
        for id, pages in self._report.items():
            _put(self._known, id, pages)
        self._number += 1


def _put(known: dict[str, OpenPages], id: str, pages: OpenPages) -> None:
    if pages.pages:
        known[id] = pages
    else:
        known.pop(id, None)

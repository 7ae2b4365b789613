"""Ends of sessions, told out of the store's outbox (`EventStore`), wherever they happened: by one
worker, and again until every receiver has returned.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from blinker import NamedSignal
from quart import Quart

from . import signals
from .config import Settings
from .exceptions import StoreUnavailable
from .log import Outage, log_event, logs_events
from .receivers import send
from .sessions import Sessions
from .stores.asking import ask
from .stores.base import EventStore, UntoldEnd
from .tasks import Tasks

#: How often an end is told, if receivers fail each time: then it is given up.
MOST_TRIES: Final = 10

# How often the store is asked for ends that are to be told, in seconds.
_EVERY: Final = 1.0
# How many are told at a time.
_MOST: Final = 1000

_log = logging.getLogger("quart_idle")


class Ends:
    """Tells what ended of an application's sessions.

    Args:
        app: the application.
        settings: its settings, with the store.
        sessions: its sessions.
    """

    def __init__(self, app: Quart, settings: Settings, sessions: Sessions) -> None:
        self._app = app
        self._store = settings.store if isinstance(settings.store, EventStore) else None
        self._patience = settings.patience
        self._sessions = sessions
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        # Whether a round is under way, and whether there may be more than the last one took.
        self._in_round = self._more = False
        self._stops = False
        self._rounds = Tasks()
        #: What is being told.
        self.telling: set[asyncio.Task[None]] = set()
        self._losing = Outage("room for ends of sessions that are to be told")

    def bind(self) -> None:
        """Have the store keep what is to be told; it is bound itself."""
        if self._store is not None:
            self._store.keep_ends(self.are_wanted)

    def are_wanted(self) -> bool:
        """Whether anybody is to be told: a receiver, or the log."""
        return signals.session_ended.has_receivers_for(self._app) or logs_events()

    def open(self) -> None:
        """The application starts: what was not told before it is told."""
        self._stops = False
        if self._store is None and signals.session_ended.has_receivers_for(self._app):
            _log.error("session_ended is connected, and the store does not keep ends: none is told")
        self.schedule()

    async def stop(self) -> None:
        """The application stops: begin to tell what is left, and then nothing more."""
        self._stops = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with suppress(StoreUnavailable):
            await self._take()
        self._rounds.cancel()

    def schedule(self) -> None:
        """Have a round in a while."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a test client's earlier loop is gone, with its tasks
            self._loop, self._timer, self._in_round, self._more = loop, None, False, False
            self.telling.clear()
        if self._timer is None and not self._in_round and self._store is not None:
            self._timer = loop.call_later(_EVERY, self._begin_round)

    def _begin_round(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._in_round and not self._stops:
            self._in_round = True
            self._rounds.start(self._round())

    async def _round(self) -> None:
        try:
            with suppress(StoreUnavailable):  # the log has it
                await self._take()
        finally:
            self._in_round = False
        if self.are_wanted() and not self._stops:
            self.schedule()

    async def _take(self) -> None:
        """Begin to tell what is to be told, as much as can be told at a time."""
        while self._store is not None and self.are_wanted():
            room = _MOST - len(self.telling)
            self._more = room <= 0
            if self._more:
                return
            ends, lost = await ask(self._store.take_ends(room), self._patience)
            if lost:
                self._losing.failed("too many wait, and some were dropped")
            elif ends:
                self._losing.answered()
            for end in ends:
                self._start(end)
            if len(ends) < room:
                return
            await asyncio.sleep(0)

    def _start(self, end: UntoldEnd) -> None:
        task = asyncio.get_running_loop().create_task(self._tell(end))
        self.telling.add(task)
        task.add_done_callback(self._is_told)

    def _is_told(self, task: asyncio.Task[None]) -> None:
        self.telling.discard(task)
        log_failure(task)
        if self._more:
            self._begin_round()

    async def _tell(self, end: UntoldEnd) -> None:
        ended_at = datetime.fromtimestamp(end.session.now, UTC)
        told = await send(
            self._app,
            signals.session_ended,
            session=replace(self._sessions.info(end.id, end.session), expires_at=ended_at),
            reason=end.reason,
            by=end.by,
            event_id=event_id(end.id, signals.session_ended),
        )
        if not told and end.tries < MOST_TRIES:
            return  # it is taken again
        if not told:
            _log.error(
                "the end of session %s is told no more: receivers have failed %d times",
                *(end.id, end.tries),
            )
        log_event("session_expired", end.session.user_id, end.reason)
        if self._store is not None:
            with suppress(StoreUnavailable):
                await ask(self._store.ends_told([end.id]), self._patience)


def event_id(id: str, signal: NamedSignal) -> str:
    """What is the same however often it is told: none of these happens twice to an id."""
    return f"{id}:{signal.name}"


def log_failure(task: asyncio.Task[None]) -> None:
    """Log what went wrong in a task that told something."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("what happened to a session could not be told", exc_info=error)

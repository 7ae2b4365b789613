"""What happens to sessions, told: to receivers of `signals`, and to the log, there in the words of
OWASP's Logging Vocabulary.

What happens here is told at once, and once. Ends are told out of the store's outbox (`EventStore`),
wherever they happened: by one worker, and again until every receiver has returned. No request, page
or sweep waits for a receiver.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from blinker import NamedSignal
from quart import Quart

from . import signals
from .config import Settings
from .exceptions import StoreUnavailable
from .log import Outage, log_event, logs_events
from .policy import Clocks
from .receivers import send
from .sessions import SessionInfo, Sessions
from .stores.asking import ask
from .stores.base import EventStore, Record, Reported, UntoldEnd
from .tasks import Tasks

#: How often an end is told, if receivers fail each time: then it is given up.
MOST_TRIES: Final = 10

# How often the store is asked for ends that are to be told, in seconds.
_EVERY: Final = 1.0
# How many ends are told at a time, and how many other events: so many more of these wait, and what
# comes then is dropped.
_MOST_ENDS: Final = 1000
_MOST_OTHERS: Final = 1000
_MOST_WAITING: Final = 100_000
# How long what is told has when the application stops, in seconds; and what is cancelled then.
_GOODBYE: Final = 2.0
_CANCELLED: Final = 0.1

_log = logging.getLogger("quart_idle")


class Events:
    """Tells what happens to the sessions of an application.

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
        # Pages that were told of, each with its session's id and the session.
        self._opened: dict[object, tuple[str, Record]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        # Whether a round is under way, and whether there may be more than the last one took.
        self._in_round = self._more = False
        self._stops = False
        self._rounds = Tasks()
        self._ends: set[asyncio.Task[None]] = set()
        self._others: set[asyncio.Task[None]] = set()
        self._waiting: deque[Callable[[], Coroutine[object, None, None]]] = deque()
        self._dropping = Outage("telling what happens to sessions")
        self._losing = Outage("room for ends of sessions that are to be told")

    def bind(self) -> None:
        """Have the store keep what is to be told; it is bound itself."""
        if self._store is not None:
            self._store.keep_ends(self.wants_ends)

    def wants_ends(self) -> bool:
        """Whether anybody is to be told of ends: a receiver, or the log."""
        return signals.session_ended.has_receivers_for(self._app) or logs_events()

    # What happened here.

    def created(self, id: str, session: Record) -> None:
        """A session was made."""
        log_event("session_created", session.user_id)
        self._schedule()
        if session.user_id is None:
            self._tell_of(id, session, signals.session_created)
        else:
            log_event("authn_login_success", session.user_id)
            self._tell_of(id, session, signals.session_created, signals.session_signed_in)

    def signed_in(self, id: str, session: Record) -> None:
        """A session is its user's now, under this id."""
        log_event("authn_login_success", session.user_id)
        self._tell_of(id, session, signals.session_signed_in)

    def _tell_of(self, id: str, session: Record, *told: NamedSignal) -> None:
        if wanted := [signal for signal in told if signal.has_receivers_for(self._app)]:
            self._start_other(partial(self._look_and_send, id, session, wanted))

    async def _look_and_send(self, id: str, session: Record, told: Sequence[NamedSignal]) -> None:
        info = None
        with suppress(StoreUnavailable):
            info = await self._sessions.get(id)
        if info is None:  # it is over by now
            info = self._sessions.info(id, session)
        for signal in told:
            await send(self._app, signal, session=info, event_id=_event_id(id, signal))

    def page_opened(self, page: object, id: str, session: Record) -> None:
        """A page of a session is open."""
        opened, closed = signals.page_opened, signals.page_closed
        if opened.has_receivers_for(self._app) or closed.has_receivers_for(self._app):
            self._opened[page] = id, session
            self._tell_page(opened, id, session)

    def page_closed(self, page: object, clocks: Clocks, reason: str | None) -> None:
        """A page is gone: for a reason, or by itself."""
        if self._opened and (known := self._opened.pop(page, None)) is not None:
            id, session = known
            session = session._replace(clocks=clocks)
            self._tell_page(signals.page_closed, id, session, reason=reason)

    def _tell_page(
        self, signal: NamedSignal, id: str, session: Record, **about: str | None
    ) -> None:
        info = self._sessions.info(id, session)
        self._start_other(partial(self._count_and_send, signal, info, **about))

    async def _count_and_send(
        self, signal: NamedSignal, info: SessionInfo, **about: str | None
    ) -> None:
        with suppress(StoreUnavailable):
            info = await self._sessions.with_pages(info)
        await send(self._app, signal, session=info, event_id=_new_event_id(), **about)

    def wants_users(self) -> bool:
        """Whether anybody is to be told of users who come online and go offline."""
        wanted = signals.user_online, signals.user_offline
        return any(signal.has_receivers_for(self._app) for signal in wanted)

    def users_changed(self, reported: Reported) -> None:
        """Users came online, or went offline."""
        for signal, users in (
            (signals.user_offline, reported.offline),
            (signals.user_online, reported.online),
        ):
            if not signal.has_receivers_for(self._app):
                continue
            for user_id, moment in users.items():
                at = datetime.fromtimestamp(moment, UTC)
                event_id = _new_event_id()
                self._start_other(
                    partial(_sent, self._app, signal, user_id=user_id, at=at, event_id=event_id)
                )

    def _start_other(self, telling: Callable[[], Coroutine[object, None, None]]) -> None:
        if len(self._others) < _MOST_OTHERS:
            self._start(self._others, telling())
        elif len(self._waiting) < _MOST_WAITING:
            self._waiting.append(telling)
        else:
            self._dropping.failed(f"receivers are busy, and {_MOST_WAITING} events wait")
            return
        self._dropping.answered()

    # Ends.

    def open(self) -> None:
        """The application starts: what was not told before it is told."""
        self._stops = False
        if self._store is None and signals.session_ended.has_receivers_for(self._app):
            _log.error("session_ended is connected, and the store does not keep ends: none is told")
        self._schedule()

    async def close(self) -> None:
        """The application stops: what is being told is given a little time."""
        self._stops = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with suppress(StoreUnavailable):
            await self._take()
        self._rounds.cancel()  # it starts nothing more
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                while tasks := self._ends | self._others:
                    await asyncio.wait(tasks)
        self._waiting.clear()
        if late := self._ends | self._others:
            for task in late:
                task.cancel()
            # (Whoever does not let itself be cancelled is not waited for.)
            await asyncio.wait(late, timeout=_CANCELLED)

    def _schedule(self) -> None:
        """Have a round in a while."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a test client's earlier loop is gone, with its tasks
            self._loop, self._timer, self._in_round, self._more = loop, None, False, False
            self._ends.clear()
            self._others.clear()
            self._waiting.clear()
            self._opened.clear()
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
        if self.wants_ends() and not self._stops:
            self._schedule()

    async def _take(self) -> None:
        """Begin to tell what is to be told, as much as can be told at a time."""
        while self._store is not None and self.wants_ends():
            room = _MOST_ENDS - len(self._ends)
            self._more = room <= 0
            if self._more:
                return
            ends, lost = await ask(self._store.take_ends(room), self._patience)
            if lost:
                self._losing.failed("too many wait, and some were dropped")
            elif ends:
                self._losing.answered()
            for end in ends:
                self._start(self._ends, self._tell_end(end))
            if len(ends) < room:
                return
            await asyncio.sleep(0)

    async def _tell_end(self, end: UntoldEnd) -> None:
        ended_at = datetime.fromtimestamp(end.session.now, UTC)
        told = await send(
            self._app,
            signals.session_ended,
            session=replace(self._sessions.info(end.id, end.session), expires_at=ended_at),
            reason=end.reason,
            by=end.by,
            event_id=_event_id(end.id, signals.session_ended),
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

    def _start(
        self, tasks: set[asyncio.Task[None]], telling: Coroutine[object, None, None]
    ) -> None:
        task = asyncio.get_running_loop().create_task(telling)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(self._is_told)

    def _is_told(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("what happened to a session could not be told", exc_info=error)
        while self._waiting and len(self._others) < _MOST_OTHERS:
            self._start(self._others, self._waiting.popleft()())
        if self._more:
            self._begin_round()


async def _sent(app: Quart, signal: NamedSignal, **about: object) -> None:
    await send(app, signal, **about)


def _new_event_id() -> str:
    """Of what is told once."""
    return secrets.token_hex(16)


def _event_id(id: str, signal: NamedSignal) -> str:
    """What is the same however often it is told: none of these happens twice to an id."""
    return f"{id}:{signal.name}"

"""What happens to sessions, told: to receivers of `signals`, and to the log, there in the words of
OWASP's Logging Vocabulary.

What happens here is told at once, and once; ends are told as `ends` has it. No request, page or
sweep waits for a receiver.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Final

from blinker import NamedSignal
from quart import Quart

from . import signals
from .config import Settings
from .ends import Ends, event_id, log_failure
from .exceptions import StoreUnavailable
from .log import Outage, log_event
from .policy import Clocks
from .receivers import send
from .sessions import SessionInfo, Sessions
from .stores.base import Record, Reported

# How many events are told at a time, besides ends; and how many more wait: what comes then is
# dropped.
_MOST: Final = 1000
_MOST_WAITING: Final = 100_000
# How long what is told has when the application stops, in seconds; and what is cancelled then.
_GOODBYE: Final = 2.0
_CANCELLED: Final = 0.1


class Events:
    """Tells what happens to the sessions of an application.

    Args:
        app: the application.
        settings: its settings, with the store.
        sessions: its sessions.
    """

    def __init__(self, app: Quart, settings: Settings, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions
        self._ends = Ends(app, settings, sessions)
        # Pages that were told of, each with its session's id and the session.
        self._opened: dict[object, tuple[str, Record]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._waiting: deque[Callable[[], Coroutine[object, None, None]]] = deque()
        self._dropping = Outage("telling what happens to sessions")

    def bind(self) -> None:
        """Have the store keep what is to be told; it is bound itself."""
        self._ends.bind()

    # What happened here.

    def created(self, id: str, session: Record) -> None:
        """A session was made."""
        log_event("session_created", session.user_id)
        self._attend()
        self._ends.schedule()
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
            self._begin_to_tell(partial(self._look_and_send, id, session, wanted))

    async def _look_and_send(self, id: str, session: Record, told: Sequence[NamedSignal]) -> None:
        info = None
        with suppress(StoreUnavailable):
            info = await self._sessions.get(id)
        if info is None:  # it is over by now
            info = self._sessions.info(id, session)
        for signal in told:
            await send(self._app, signal, session=info, event_id=event_id(id, signal))

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
        if signal.has_receivers_for(self._app):  # counting its pages costs a report of them
            info = self._sessions.info(id, session)
            self._begin_to_tell(partial(self._count_and_send, signal, info, **about))

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
                about = {"user_id": user_id, "at": at, "event_id": _new_event_id()}
                self._begin_to_tell(partial(_sent, self._app, signal, **about))

    def _begin_to_tell(self, telling: Callable[[], Coroutine[object, None, None]]) -> None:
        if len(self._telling) < _MOST:
            self._start(telling())
        elif len(self._waiting) < _MOST_WAITING:
            self._waiting.append(telling)
        else:
            self._dropping.failed(f"receivers are busy, and {_MOST_WAITING} events wait")
            return
        self._dropping.answered()

    def _start(self, telling: Coroutine[object, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(telling)
        self._telling.add(task)
        task.add_done_callback(self._is_told)

    def _is_told(self, task: asyncio.Task[None]) -> None:
        self._telling.discard(task)
        log_failure(task)
        while self._waiting and len(self._telling) < _MOST:
            self._start(self._waiting.popleft()())

    # Coming and going.

    def open(self) -> None:
        """The application starts: ends that were not told before it are told."""
        self._attend()
        self._ends.open()

    async def close(self) -> None:
        """The application stops: what is being told is given a little time."""
        await self._ends.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                while tasks := self._ends.telling | self._telling:
                    await asyncio.wait(tasks)
        self._waiting.clear()
        if late := self._ends.telling | self._telling:
            for task in late:
                task.cancel()
            # (Whoever does not let itself be cancelled is not waited for.)
            await asyncio.wait(late, timeout=_CANCELLED)

    def _attend(self) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a test client's earlier loop is gone, with its tasks
            self._loop = loop
            self._telling.clear()
            self._waiting.clear()
            self._opened.clear()


async def _sent(app: Quart, signal: NamedSignal, **about: object) -> None:
    await send(app, signal, **about)


def _new_event_id() -> str:
    """Of what is told once."""
    return secrets.token_hex(16)

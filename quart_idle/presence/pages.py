"""Who is here: pages come and go, and hear what became of their session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from hypercorn.typing import ASGISendCallable

from .. import protocol
from ..config import Settings
from ..policy import SignOfLife
from ..reasons import REGENERATED, UNKNOWN
from ..renewals import Renewals
from ..reports import Reports
from ..servers import stopping
from ..stores.asking import ask
from ..stores.base import Ended, Live, Record
from ..tasks import Tasks
from .bonds import Bonds
from .deadlines import Deadlines
from .open_session import OpenSession, Page
from .stored import StoredSessions
from .wheel import Wheel

# How many pages of one session a worker holds open.
_MOST_PAGES: Final = 100
# Pings that a page may leave without an answer.
_MOST_UNANSWERED: Final = 2
# The window over which pages are to come back, in seconds: for each page, at least, at most.
_RECONNECT_EACH: Final = 0.004
_RECONNECT_LEAST: Final = 1.0
_RECONNECT_MOST: Final = 30.0


class Pages:
    """The open pages of one worker, by their sessions.

    Args:
        settings: the application's settings, with the store.
        renewals: where signs of life go.
        stored: asks the store.
        reports: is told of pages that are open, for all workers to know.

    Attributes:
        tasks: what is under way for a page that waits for the store.
        bonds: what else ends with a session.
    """

    def __init__(
        self, settings: Settings, renewals: Renewals, stored: StoredSessions, reports: Reports
    ) -> None:
        self._settings = settings
        self._renewals = renewals
        self._reports = reports
        self._sessions: dict[str, OpenSession] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        # None: no page has come yet by whose connection that can be seen.
        self._is_stopping: Callable[[], bool] | None = None
        self.tasks = Tasks()
        self._wheel: Wheel[Page] = Wheel(
            settings.ping_interval, self._ping, self._send_away, self.server_stops
        )
        self._deadlines = Deadlines(
            settings.limits, renewals, stored, self.tasks, self._ping, self.tell
        )
        self.bonds = Bonds(settings, renewals, stored, self)

    # Coming and going.

    def join(self, id: str, send: ASGISendCallable) -> Page:
        """A page of a session has come. It counts, and hears of an end, before it is accepted."""
        session = self.watch(id, send)
        if len(session.pages) >= _MOST_PAGES:
            self.close(session.pages[0], protocol.TRY_AGAIN, "too many pages of the session")
        page = Page(session, send, self._wheel.pick())
        session.pages += (page,)
        self._wheel.add(page, page.slot)
        return page

    def watch(self, id: str, send: ASGISendCallable | None = None) -> OpenSession:
        """A session that is told of from now on."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a test client's earlier loop is gone, with its pages
            self._loop, self._is_stopping = loop, None
            self._sessions.clear()
            self._wheel.forget()
            self.bonds.forget()
        if self._is_stopping is None and send is not None:
            self._is_stopping = stopping(send)
        session = self._sessions.get(id)
        if session is None:
            session = self._sessions[id] = OpenSession(id)
        return session

    def unwatch(self, session: OpenSession) -> None:
        """Somebody has left a session: nothing is to be told of it, if it was the last."""
        if not session.is_watched:
            self._deadlines.disarm(session)
            if self._sessions.get(session.id) is session:
                del self._sessions[session.id]

    def opened(self, page: Page, user_id: str | None) -> None:
        """The page is open: its user has it before them."""
        page.is_open = True
        self._reports.opened(page.session.id, user_id)

    def leave(self, page: Page) -> None:
        """The page does not count any more; it may be told so still."""
        if not self._wheel.discard(page, page.slot):
            return
        session = page.session
        if page.is_open:
            page.is_open = False
            self._reports.closed(session.id)
        session.pages = tuple(other for other in session.pages if other is not page)
        self._renewals.release(session.id)
        self.unwatch(session)

    def close(self, page: Page, code: int, reason: str) -> None:
        """Send a page away."""
        self.leave(page)
        page.close(code, reason)

    def close_as(self, page: Page, ended: Ended | None) -> None:
        """Send a page away because its session is over; None: it is not known why."""
        if ended is None:
            self.close(page, protocol.ENDED, UNKNOWN)
        elif ended.superseded or (page.accepted and ended.reason == REGENERATED):
            # However late it hears of that: with the old cookie still, it is told at the door.
            self.close(page, protocol.TOKEN_CHANGED, ended.reason)
        else:
            self.close(page, protocol.ENDED, ended.reason)

    def close_all(self) -> None:
        """The worker stops: send its pages away, to come back to another."""
        for session in tuple(self._sessions.values()):
            for page in session.pages:
                self._send_away(page)
        self._wheel.stop()
        self.bonds.close_all()

    def _send_away(self, page: Page) -> None:
        self.close(page, protocol.GOING_AWAY, "the server stops")

    def server_stops(self) -> bool:
        """Whether the server has been told to stop, and waits for its connections."""
        return self._is_stopping is not None and self._is_stopping()

    # What became of a session.

    def tell(self, id: str, outcome: Live | Record | Ended | None) -> None:
        """Take in what the store said of a session; if it is over, so are its pages and bonds."""
        session = self._sessions.get(id)
        if session is None:
            return
        if not isinstance(outcome, Live | Record):
            self._renewals.forget(id)
            for page in session.pages:
                self.close_as(page, outcome)
            self.bonds.tell_end(session, outcome)
            return
        self._deadlines.learn(session, outcome)
        if self._deadlines.take_back_warning(session):
            session.push(self.state(session))
        self._deadlines.arm(session)

    async def renew(self, id: str, sign: SignOfLife) -> Live | Ended | None:
        """Renew a session at once, and tell its pages.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        renewing = self._settings.store.renew({id: sign})
        outcome = (await ask(renewing, self._settings.patience)).get(id)
        self.tell(id, outcome)
        return outcome

    def note(self, session: OpenSession, sign: SignOfLife) -> None:
        """Note a sign of life; it is written only if it moves the deadline by much.

        Until then it is held back: what a worker that is killed takes with it is small beside the
        session's time, and an open page costs the store next to nothing. But where the store may
        have ended the session without this worker's hearing of it, writing is a way to ask.
        """
        told = session.clocks.paged or not sign.paged  # the store knows of the page
        moves_little = session.renew(sign, self._settings.limits) < session.hold_below
        hold = told and moves_little and self._settings.store.hears(session.learned)
        self._renewals.note(session.id, sign, left=session.stored_left(), hold=hold)

    # What pages are told unasked.

    def state(self, session: OpenSession) -> str:
        """The frame that tells what a session has left."""
        left = session.left(self._settings.limits)
        warning = self._deadlines.warning(session)
        return protocol.state(left, warning, self._settings.keepalive, self._reconnect_window)

    def _ping(self, page: Page) -> None:
        if page.unanswered >= _MOST_UNANSWERED:
            # Where the end is near the page may still read that, though it counts no more.
            if page.session.stored_left() > self._settings.ping_interval:
                self.close(page, protocol.GOING_AWAY, "two pings were not answered")
        elif page.accepted:
            page.unanswered += 1
            page.frames = 0
            left = page.session.left(self._settings.limits).deadline
            page.push(protocol.ping(left, self._reconnect_window))

    @property
    def _reconnect_window(self) -> float:
        """The window over which this worker wants its pages back, in seconds."""
        window = _RECONNECT_EACH * self._wheel.size
        return max(_RECONNECT_LEAST, min(_RECONNECT_MOST, window))

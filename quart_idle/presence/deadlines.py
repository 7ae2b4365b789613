"""What is due as a session comes to its end: a last call, the warning, a last call, the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Final

from .. import protocol
from ..exceptions import StoreUnavailable
from ..policy import Limits, timeout_of
from ..renewals import Renewals
from ..stores.asking import ASK_AGAIN
from ..stores.base import Ended, Live, Record
from ..tasks import Tasks
from .open_session import OpenSession, Page
from .stored import StoredSessions

# How long before a warning or an end the pages are asked once more, in seconds.
_LAST_CALL: Final = 1.0


class Deadlines:
    """A timer for each session that is watched, armed for what comes next.

    That is reckoned from the deadline that the store knows. A little before the warning is due the
    pages are asked once more, since what they say now is in time; then the store is asked, and only
    if it says so, too, they are warned. The same once more before the end. A renewal at any time
    leads back: it is noticed when the timer goes off, or earlier if a warning is to be taken back.

    Args:
        limits: the clocks that count.
        renewals: has what the store does not know yet.
        stored: asks the store.
        tasks: where a session that waits for the store waits.
        ping: asks a page.
        tell: takes in what the store said.
    """

    def __init__(
        self,
        limits: Limits,
        renewals: Renewals,
        stored: StoredSessions,
        tasks: Tasks,
        ping: Callable[[Page], None],
        tell: Callable[[str, Live | Record | Ended | None], None],
    ) -> None:
        self._limits = limits
        self._renewals = renewals
        self._stored = stored
        self._tasks = tasks
        self._ping = ping
        self._tell = tell

    def warning(self, session: OpenSession) -> float:
        """How long before its end a session is warned, in seconds: its own timeout may be short."""
        own = timeout_of(session.clocks, self._limits)
        warning = self._limits.warning if self._limits.warning < own else own / 2
        # Open pages keep the closed timeout away, ping by ping: it is nothing to warn of.
        return min(warning, (self._limits.closed_timeout or inf) / 2)

    def learn(self, session: OpenSession, live: Live | Record) -> None:
        """Take in what the store says of a session."""
        unwritten = self._renewals.renewed(session.id, live.clocks, live.now)
        session.learn(live, unwritten, self._limits)

    def take_back_warning(self, session: OpenSession) -> bool:
        """Whether a session was warned, and has been renewed since."""
        if not session.warned or session.stored_left() <= self.warning(session):
            return False
        session.warned = False
        return True

    def arm(self, session: OpenSession) -> None:
        """See to it that what comes next happens in time."""
        # A little late, so that it is due by every clock's reckoning: uvloop's has milliseconds.
        self._arm(session, self._until_next(session) + 0.002)

    def disarm(self, session: OpenSession) -> None:
        """Nothing is to be done about a session any more."""
        if session.timer is not None:
            session.timer.cancel()

    def _arm(self, session: OpenSession, delay: float) -> None:
        loop = asyncio.get_running_loop()
        when = loop.time() + delay
        if session.timer is not None:
            if session.due <= when:
                return  # it comes early, and looks again
            session.timer.cancel()
        session.due = when
        session.timer = loop.call_at(when, self._due, session)

    def _until_next(self, session: OpenSession) -> float:
        """How long until something is to be done about a session, in seconds."""
        wait = session.stored_left()
        if not session.warned:
            wait -= self.warning(session)
        if not session.asked_once_more:
            wait -= min(_LAST_CALL, self.warning(session) / 4)
        return max(0.0, wait)

    def _due(self, session: OpenSession) -> None:
        session.timer = None
        if self._until_next(session) > 0.0:  # it was renewed in the meantime
            session.asked_once_more = False
            self.arm(session)
        elif not session.asked_once_more:
            session.asked_once_more = True
            self._renewals.release(session.id)
            for page in session.pages:
                self._ping(page)
            self.arm(session)
        else:
            self._tasks.start(self._settle(session))

    async def _settle(self, session: OpenSession) -> None:
        """Warn or end, if that is what the store says too."""
        self._renewals.release(session.id)
        with suppress(StoreUnavailable):  # perhaps of other sessions
            await self._renewals.flush()
        outcome: Record | Ended | None = None
        known = False
        with suppress(StoreUnavailable):
            outcome = await self._stored.load_session(session.id)
            # Alive, it is to hear of the last signs of life before it is warned.
            known = not (isinstance(outcome, Record) and self._renewals.waits(session.id))
        if not known:
            if session.is_watched and session.timer is None:
                self._arm(session, ASK_AGAIN)
            return
        session.asked_once_more = False
        if isinstance(outcome, Record):
            self.learn(session, outcome)
            if not session.warned and session.stored_left() <= self.warning(session):
                session.warned = True
                session.push(protocol.warn(session.left(self._limits)))
        self._tell(session.id, outcome)

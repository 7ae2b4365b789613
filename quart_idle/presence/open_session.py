"""A session that is watched here, its open pages, and what else ends with it: its bonds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from time import monotonic

from hypercorn.typing import ASGISendCallable

from .. import protocol
from ..policy import Clocks, Left, Limits, SignOfLife, deadline, renewed, time_left, timeout_of
from ..stores.base import Live, Record
from .sending import Sender


class Page(Sender):
    """One open page.

    Args:
        session: whose page it is.
        send: its connection's, as ASGI has it.
        slot: where the wheel has it.
    """

    __slots__ = ("answering", "frames", "is_open", "session", "slot", "unanswered", "wants")

    def __init__(self, session: OpenSession, send: ASGISendCallable, slot: set[Page]) -> None:
        super().__init__(send)
        self.session = session
        self.slot = slot
        # Whether it has been let in, and counts as its user's.
        self.is_open = False
        # Pings that it has not answered, and frames that it sent since the last.
        self.unanswered = 0
        self.frames = 0
        self.wants: protocol.Extend | protocol.Ask | None = None
        # Whether what the page wants is being answered. (The task would not tell: an eager one is
        # over before it can be assigned.)
        self.answering = False


class Bond:
    """What ends with a session and is no page: a socket or stream of the application's, or a wait.

    Args:
        end: called once, with a close code and a reason; not for what has left before.
        may_stay: whether it goes on while the server stops, for as long as that waits.
    """

    __slots__ = ("end", "may_stay", "session", "slot")

    def __init__(self, end: Callable[[int, str], None], *, may_stay: bool) -> None:
        self.end = end
        self.may_stay = may_stay
        self.session: OpenSession | None = None
        # Where the wheel has it.
        self.slot: set[Bond] = set()


class OpenSession:
    """A session with pages or bonds here; times by this process's monotonic clock, in seconds."""

    __slots__ = (
        "_clock_offset",
        "asked_once_more",
        "asking",
        "bonds",
        "clocks",
        "due",
        "followed",
        "hold_below",
        "id",
        "learned",
        "pages",
        "stored_deadline",
        "timer",
        "warned",
    )

    def __init__(self, id: str) -> None:
        self.id = id
        self.pages: tuple[Page, ...] = ()  # the oldest first
        self.bonds: set[Bond] | None = None  # most sessions have none
        # Whether the store is being asked, for the bonds' sake, what became of the session; and
        # which id it has since its token was changed.
        self.asking = False
        self.followed = False
        # What is known of the session, on the store's clock, with the signs of life that are held
        # back; that clock less this process's; and the deadline as the store knows it, without.
        self.clocks = Clocks(0.0, 0.0, 0.0)
        self._clock_offset = 0.0
        self.stored_deadline = 0.0
        # When that was.
        self.learned = 0.0
        # By less than this, in seconds, the deadline may move without being written.
        self.hold_below = 0.0
        # What `Deadlines` keeps: how far the session is, and the timer for what comes next. When it
        # goes off, by the loop's time: uvloop's handles do not all tell.
        self.warned = False
        self.asked_once_more = False
        self.timer: asyncio.TimerHandle | None = None
        self.due = 0.0

    def learn(self, live: Live | Record, unwritten: Clocks, limits: Limits) -> None:
        """Take in what the store says, and the clocks with what it does not know yet."""
        self.clocks = unwritten
        self.learned = monotonic()
        self._clock_offset = live.now - self.learned
        self.stored_deadline = deadline(live.clocks, limits)[0] - self._clock_offset
        self.hold_below = min(timeout_of(unwritten, limits), limits.closed_timeout or inf) / 8

    def left(self, limits: Limits) -> Left:
        """What the session has left, by all that is known here."""
        return time_left(self.clocks, limits, monotonic() + self._clock_offset)

    def idle(self) -> float:
        """How long ago the last activity was that is known here, in seconds."""
        return max(0.0, monotonic() + self._clock_offset - self.clocks.active)

    def stored_left(self) -> float:
        """How long until the deadline that the store knows, in seconds."""
        return self.stored_deadline - monotonic()

    def renew(self, sign: SignOfLife, limits: Limits) -> float:
        """Take in a sign of life; by how much the deadline is ahead of what the store knows."""
        self.clocks = renewed(self.clocks, sign, monotonic() + self._clock_offset)
        return deadline(self.clocks, limits)[0] - self._clock_offset - self.stored_deadline

    @property
    def is_watched(self) -> bool:
        """Whether anybody here is to hear of it."""
        return bool(self.pages or self.bonds)

    def push(self, frame: str) -> None:
        """Send a frame to all pages that are accepted."""
        for page in self.pages:
            if page.accepted:
                page.push(frame)

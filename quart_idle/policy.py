"""The clocks of a session: pure, with no I/O and no clock of its own.

``deadline = min(active + timeout, began + lifetime, seen + closed_timeout)``

A clock that is not configured is left out. ``active`` and ``seen`` only ever grow, so a renewal is
a max-merge: late, repeated, reordered or batched, the result is the same.

All times here are seconds on one clock, the store's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from .reasons import CLOSED, IDLE, LIFETIME, Clock

#: A moment before all others.
NEVER: Final = float("-inf")

# How far a proof may lie ahead of the store's clock, in seconds: a Redis that takes over has a
# clock of its own. If it is further ahead, the clock was set back, and nobody knows how long ago it
# was.
_MOST_AHEAD: Final = 5.0


class Limits(NamedTuple):
    """The application's settings, in seconds."""

    timeout: float
    lifetime: float | None = None
    closed_timeout: float | None = None
    #: How long before the end pages are warned: no clock, but who has less left may see a prompt.
    warning: float = 0.0


class Clocks(NamedTuple):
    """What one session's deadline is reckoned from, in seconds on the store's clock."""

    created: float
    #: The last activity.
    active: float
    #: The last request, or answer from a page.
    seen: float
    #: Whether a page was ever open: from then on the closed timeout counts.
    paged: bool = False
    #: The session's own idle timeout; None: the application's.
    timeout: float | None = None
    #: When it became another user's, or was cleared and filled anew; None: when it was created.
    began_anew: float | None = None

    @property
    def began(self) -> float:
        """What the lifetime counts from."""
        return self.created if self.began_anew is None else self.began_anew


class SignOfLife(NamedTuple):
    """A sign of life, told by how long ago it was, in seconds: workers' clocks may disagree.

    Attributes:
        seen: the age of the last request, or answer from a page.
        active: the age of the last activity; None: there was none.
        paged: whether a page was open.
    """

    seen: float
    active: float | None
    paged: bool = False


class Arrival:
    """A request, as a sign of life: whether it is activity is known once it is routed.

    Args:
        id: the session's.
        moment: when it came, by this process's monotonic clock, in seconds.
        is_activity: whether it is activity, to be asked once it is routed.
    """

    __slots__ = ("id", "is_activity", "moment")

    def __init__(self, id: str, moment: float, is_activity: Callable[[], bool]) -> None:
        self.id = id
        self.moment = moment
        self.is_activity = is_activity


@dataclass(slots=True)
class MergedSigns:
    """Signs of life of one session, merged; by this process's monotonic clock."""

    seen: float
    active: float
    paged: bool

    def merge(self, seen: float, active: float, paged: bool) -> None:
        if seen > self.seen:
            self.seen = seen
        if active > self.active:
            self.active = active
        self.paged |= paged

    def at(self, now: float) -> SignOfLife:
        active = None if self.active == NEVER else now - self.active
        return SignOfLife(now - self.seen, active, self.paged)


def timeout_of(clocks: Clocks, limits: Limits) -> float:
    """The idle timeout that counts for this session, in seconds."""
    return limits.timeout if clocks.timeout is None else clocks.timeout


def lifetime_end(clocks: Clocks, limits: Limits) -> float | None:
    """When the session's lifetime is over; None: never."""
    return None if limits.lifetime is None else clocks.began + limits.lifetime


def deadline(clocks: Clocks, limits: Limits) -> tuple[float, Clock]:
    """When the session ends unless it is renewed, and by which clock."""
    # (As `timeout_of` has it: on memory each request comes by here twice.)
    end: float = clocks.active + (limits.timeout if clocks.timeout is None else clocks.timeout)
    why: Clock = IDLE
    if limits.closed_timeout is not None and clocks.paged:
        closed = clocks.seen + limits.closed_timeout
        if closed < end:
            end, why = closed, CLOSED
    # On a tie the lifetime is what ends it: no renewal could have helped.
    if limits.lifetime is not None and clocks.began + limits.lifetime <= end:
        end, why = clocks.began + limits.lifetime, LIFETIME
    return end, why


def renewed(clocks: Clocks, sign: SignOfLife, now: float) -> Clocks:
    """The clocks after a sign of life, merged by maximum; data is not concerned."""
    created, active, seen, paged, timeout, began_anew = clocks
    if sign.active is not None:
        active = max(active, now - sign.active)
    seen = max(seen, now - sign.seen)
    return Clocks(created, active, seen, paged or sign.paged, timeout, began_anew)


class Left(NamedTuple):
    """What a session has left, in seconds."""

    #: Until the deadline.
    deadline: float
    #: Until the lifetime is over; None: no lifetime is configured.
    total: float | None

    @property
    def extendable(self) -> bool:
        """Whether activity would move the deadline: not if the lifetime is what ends."""
        return self.total is None or self.deadline < self.total


def time_left(clocks: Clocks, limits: Limits, now: float) -> Left:
    """What a session has left."""
    end = lifetime_end(clocks, limits)
    return Left(deadline(clocks, limits)[0] - now, None if end is None else end - now)


def since_proof(moment: float, now: float) -> float | None:
    """How long ago a user proved who they are, in seconds; None: nobody can say."""
    return None if moment - now > _MOST_AHEAD else max(0.0, now - moment)

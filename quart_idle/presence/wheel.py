"""The wheel of pings: each page's turn comes once in an interval, spread over it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from itertools import islice
from typing import Final, Generic, TypeVar

# How often the wheel moves on, in seconds.
_TICK: Final = 0.05
# How many slots the wheel takes in one move, at most, if all but the last are empty.
_MOST_SLOTS: Final = 10
# How many members are sent away with each move when the server stops.
_MOST_SENT_AWAY: Final = 200

_Member = TypeVar("_Member")


class Wheel(Generic[_Member]):
    """Calls for each of its members once in an interval; it stands still while it has none.

    Args:
        interval: in seconds.
        ping: called for a member when its turn has come; it may take members off.
        send_away: called for each member when the server stops, some with each move; it takes the
            member off.
        server_stops: whether the server has been told to stop, and waits for its connections.

    Attributes:
        size: how many members there are.
    """

    def __init__(
        self,
        interval: float,
        ping: Callable[[_Member], None],
        send_away: Callable[[_Member], None],
        server_stops: Callable[[], bool],
    ) -> None:
        self._ping = ping
        self._send_away = send_away
        self._server_stops = server_stops
        count = max(1, round(interval / _TICK))
        self._tick = interval / count
        self._slots: list[set[_Member]] = [set() for _ in range(count)]
        # The slot whose turn comes next, or that of empty ones before it.
        self._hand = 0
        # How many slots the move takes that is due.
        self._taken = 1
        self._timer: asyncio.TimerHandle | None = None
        self.size = 0

    def pick(self) -> set[_Member]:
        """A slot for a new member, at random."""
        return random.choice(self._slots)  # noqa: S311  (no secret)

    def add(self, member: _Member, slot: set[_Member]) -> None:
        """Have a member called for from now on."""
        slot.add(member)
        self.size += 1
        if self._timer is None:
            self._turn()

    def discard(self, member: _Member, slot: set[_Member]) -> bool:
        """Take a member off; whether it was there."""
        if member not in slot:
            return False
        slot.discard(member)
        self.size -= 1
        return True

    def stop(self) -> None:
        """Stand still until another member comes."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def forget(self) -> None:
        """Begin anew, without members: the event loop that they were in is gone."""
        self._timer, self.size = None, 0
        for slot in self._slots:
            slot.clear()

    def _turn(self) -> None:
        """Call for those whose turn it is; if the server stops, send some away before."""
        self._timer = None
        server_stops = self._server_stops()
        if server_stops:
            everyone = (member for slot in self._slots for member in slot)
            for member in tuple(islice(everyone, _MOST_SENT_AWAY)):
                self._send_away(member)
        for _ in range(self._taken):
            for member in tuple(self._slots[self._hand]):
                self._ping(member)
            self._hand = (self._hand + 1) % len(self._slots)
        if self.size:
            self._taken = 1 if server_stops else self._up_to_next()
            delay = self._taken * self._tick
            self._timer = asyncio.get_running_loop().call_later(delay, self._turn)

    def _up_to_next(self) -> int:
        """How many slots there are up to the next that has members, with it: a move for all."""
        for count in range(1, _MOST_SLOTS):
            if self._slots[(self._hand + count - 1) % len(self._slots)]:
                return count
        return _MOST_SLOTS

"""Ends that are to be told, in this process."""

from __future__ import annotations

from collections.abc import Collection
from heapq import heappop, heappush

from ..base import MOST_ENDS, UntoldEnd, hidden_for


class Outbox:
    """Ends by the ids of their sessions, as `EventStore` has them; the oldest of too many go."""

    def __init__(self) -> None:
        self._ends: dict[str, UntoldEnd] = {}
        # When to give which of them to somebody, as a heap; some have been told by now.
        self._times: list[tuple[float, str]] = []
        self._lost = False

    def add(self, end: UntoldEnd, now: float) -> None:
        if len(self._ends) >= MOST_ENDS:
            del self._ends[next(iter(self._ends))]
            self._lost = True
        self._ends[end.id] = end
        heappush(self._times, (now, end.id))

    def take(self, limit: int, now: float) -> tuple[list[UntoldEnd], bool]:
        """Some that are to be told now, and whether others were lost since this was asked last."""
        taken: list[UntoldEnd] = []
        while self._times and len(taken) < limit and self._times[0][0] <= now:
            _, id = heappop(self._times)
            if (end := self._ends.get(id)) is not None:
                end = self._ends[id] = end._replace(tries=end.tries + 1)
                heappush(self._times, (now + hidden_for(end.tries), id))
                taken.append(end)
        lost, self._lost = self._lost, False
        return taken, lost

    def told(self, ids: Collection[str]) -> None:
        for id in ids:
            self._ends.pop(id, None)
        if not self._ends:
            self._times.clear()

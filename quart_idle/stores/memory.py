"""Sessions in this process: gone with it, and known to it alone.

Nothing here waits, so every method is atomic.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from errno import EADDRINUSE
from functools import partial
from hashlib import sha256
from heapq import heapify, heappop, heappush
from math import inf

from ..exceptions import ConfigError
from ..policy import Activity, Clocks, Limits, deadline, renewed
from .base import (
    DRAFT_KEPT,
    MOST_DRAFTS,
    REASON_KEPT,
    REGENERATED,
    Change,
    Ended,
    Listener,
    Live,
    Record,
)

# A clock that no one sets: a correction of the machine's time must not end sessions, or prolong
# them. Where the system has one, it goes on while the machine sleeps.
try:
    _ticks: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
except AttributeError:
    _ticks = time.monotonic
_EPOCH = time.time() - _ticks()


def steady_time() -> float:
    """Seconds since the epoch, as the wall clock had it at the start, and counted from there."""
    return _EPOCH + _ticks()


# Names that this process has claimed.
_claimed: set[str] = set()


def claim(name: str) -> bool:
    """Whether no other process of this host has the name; it is this one's until it ends.

    Only Linux has such names (of sockets that are no files, and go with their process): elsewhere,
    and where a socket cannot be had, no other process is known to have it.
    """
    if name in _claimed or sys.platform != "linux":
        return True
    with suppress(OSError):
        mine = socket.socket(socket.AF_UNIX)
        try:
            mine.bind(b"\0quart-idle-" + sha256(os.fsencode(name)).hexdigest().encode())
        except OSError as error:
            mine.close()
            return error.errno != EADDRINUSE
        mine.detach()  # open from now on
        _claimed.add(name)
    return True


@dataclass(slots=True)
class _Entry:
    data: Mapping[str, bytes]  # replaced at a change: readers keep the one that they got
    user_id: str | None
    clocks: Clocks
    #: When the session is looked at next; never after its deadline.
    due: float = inf

    def apply(self, change: Change) -> None:
        data = {} if change.clear else dict(self.data)
        for key, value in change.fields.items():
            if value is None:
                data.pop(key, None)
            else:
                data[key] = value
        self.data = data
        if "user_id" in change.attributes:
            self.user_id = change.attributes["user_id"]
        if "timeout" in change.attributes:
            self.clocks = self.clocks._replace(timeout=change.attributes["timeout"])


class MemoryStore:
    """A `Store` for a single process.

    Args:
        clock: the clock that counts, in seconds since the epoch.
    """

    timely = True

    def __init__(self, clock: Callable[[], float] = steady_time) -> None:
        self._clock = clock
        self._limits: Limits | None = None
        self._listeners: list[Listener] = []
        self._entries: dict[str, _Entry] = {}
        # When to look at which session. A renewal that moves the deadline away leaves this alone:
        # the session is looked at when it would have ended, and then at its new deadline.
        self._due: list[tuple[float, str]] = []
        # Id to reason, moment and the id that the session has now; oldest first.
        self._ended: dict[str, tuple[str, float, str | None]] = {}
        # Drafts and their moments by box and name, and the moments of all; the oldest first, both.
        self._boxes: dict[str, dict[str, tuple[bytes, float]]] = {}
        self._kept: dict[tuple[str, str], float] = {}

    def bind(
        self,
        limits: Limits,
        listener: Listener,
        prefix: str = "",  # noqa: ARG002  (sessions have this process to themselves)
        timeout: float = 0.0,  # noqa: ARG002  (nothing here takes time)
    ) -> None:
        if self._limits not in (None, limits):
            raise ConfigError("this MemoryStore serves an application with other limits already")
        self._limits = limits
        self._warning = limits.warning
        self._listeners.append(listener)

    async def open(self) -> None:
        pass

    def hears(self, since: float) -> bool:  # noqa: ARG002
        return True

    def _deadline(self, entry: _Entry) -> tuple[float, str]:
        if self._limits is None:
            raise RuntimeError("a store is bound before it is used")
        return deadline(entry.clocks, self._limits)

    def _tidy(self) -> float:
        """End what is due, forget old reasons and drafts; the time."""
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            due, id = heappop(self._due)
            entry = self._entries.get(id)
            if entry is None or entry.due != due:
                continue
            end, reason = self._deadline(entry)
            if end <= now:
                self._finish(id, reason, end, now)
            else:
                entry.due = inf
                self._watch(id, entry)
        while self._ended:
            id = next(iter(self._ended))
            if self._ended[id][1] > now - REASON_KEPT:
                break
            del self._ended[id]
        while self._kept:
            box, name = next(iter(self._kept))
            if now - self._kept[box, name] < DRAFT_KEPT:
                break
            self._drop(box, name)
        return now

    def _watch(self, id: str, entry: _Entry) -> None:
        """See to it that the session is looked at by its deadline, wherever that moved."""
        end, _ = self._deadline(entry)
        if end < entry.due:
            entry.due = end
            heappush(self._due, (end, id))
        if len(self._due) > 2 * len(self._entries) + 64:
            # Most are of sessions that ended early, or were to be looked at sooner.
            self._due = [(entry.due, id) for id, entry in self._entries.items()]
            heapify(self._due)

    def _finish(
        self, id: str, reason: str, at: float, now: float, new_id: str | None = None
    ) -> None:
        del self._entries[id]
        self._ended[id] = (reason, at, new_id)
        self._tell(id, Ended(reason, now - at))

    def _tell(self, id: str, outcome: Live | Ended) -> None:
        for listener in self._listeners:
            listener(id, outcome)

    def _why(self, id: str, now: float) -> Ended | None:
        if id not in self._ended:
            return None
        reason, at, _ = self._ended[id]
        return Ended(reason, now - at) if now - at < REASON_KEPT else None

    async def load(self, id: str) -> Record | Ended | None:
        now = self._tidy()
        entry = self._entries.get(id)
        if entry is None:
            return self._why(id, now)
        return Record(entry.data, entry.user_id, entry.clocks, now)

    async def create(self, id: str, change: Change) -> Clocks:
        now = self._tidy()
        entry = _Entry({}, None, Clocks(now, now, now))
        entry.apply(change)
        self._entries[id] = entry
        self._watch(id, entry)
        return entry.clocks

    async def save(self, id: str, change: Change) -> bool:
        self._tidy()
        entry = self._entries.get(id)
        if entry is None:
            return False
        entry.apply(change)
        if "timeout" in change.attributes:  # the deadline may be nearer than it was
            self._watch(id, entry)
        return True

    async def regenerate(self, id: str, new_id: str, change: Change) -> bool:
        now = self._tidy()
        entry = self._entries.get(id)
        if entry is None:
            return new_id in self._entries and id in self._ended and self._ended[id][2] == new_id
        entry.apply(change)
        self._ended.pop(new_id, None)  # it may go back to an id that it had
        self._entries[new_id] = entry
        entry.due = inf
        self._watch(new_id, entry)
        self._finish(id, REGENERATED, now, now, new_id)
        return True

    async def end(self, id: str, reason: str) -> str | None:
        now = self._tidy()
        while id in self._ended and (new_id := self._ended[id][2]) is not None:
            id = new_id
        if id not in self._entries:
            return None
        self._finish(id, reason, now, now)
        return id

    async def renew(self, activities: Mapping[str, Activity]) -> Mapping[str, Live | Ended | None]:
        now = self._tidy()
        answer: dict[str, Live | Ended | None] = {}
        for id, activity in activities.items():
            entry = self._entries.get(id)
            if entry is None:
                answer[id] = self._why(id, now)
            else:
                left = self._deadline(entry)[0] - now
                before, entry.clocks = entry.clocks, renewed(entry.clocks, activity, now)
                self._watch(id, entry)
                live = answer[id] = Live(entry.clocks, now)
                if before.paged and before != entry.clocks and left <= self._warning:
                    self._tell(id, live)
        return answer

    def _drop(self, box: str, name: str) -> None:
        if self._kept.pop((box, name), None) is not None:
            del self._boxes[box][name]
            if not self._boxes[box]:
                del self._boxes[box]

    async def keep_draft(self, box: str, name: str, draft: bytes) -> None:
        now = self._tidy()
        self._drop(box, name)  # the new one is the youngest
        self._kept[box, name] = now
        drafts = self._boxes.setdefault(box, {})
        drafts[name] = draft, now
        if len(drafts) > MOST_DRAFTS:
            self._drop(box, next(iter(drafts)))

    async def drafts(self, box: str) -> Mapping[str, tuple[bytes, float]]:
        now = self._tidy()
        return {name: (draft, now - at) for name, (draft, at) in self._boxes.get(box, {}).items()}

    async def drop_draft(self, box: str, name: str) -> None:
        self._tidy()
        self._drop(box, name)

    async def close(self) -> None:
        pass

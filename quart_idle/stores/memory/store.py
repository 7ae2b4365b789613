"""`MemoryStore`: what a store is asked for, done at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from ...exceptions import ConfigError
from ...policy import Clocks, Limits, SignOfLife
from .. import changing
from ..agenda import Agenda
from ..base import (
    Change,
    Changed,
    Counts,
    Ended,
    EndedSome,
    Listed,
    Listener,
    Live,
    Record,
    Report,
    Reported,
    Stretch,
    TakenEnds,
)
from ..changing import SomeEnded
from .attendance import Attendance
from .clock import steady_time
from .drafts import Boxes
from .sessions import Sessions


class MemoryStore:
    """A `Store` for a single process.

    Args:
        clock: the clock that counts, in seconds since the epoch.
    """

    timely = True

    def __init__(self, clock: Callable[[], float] = steady_time) -> None:
        self._clock = clock
        # When to look at which session, and at which box of drafts.
        self._agenda = Agenda(clock, self._look)
        self._sessions = Sessions(self._agenda)
        self._boxes = Boxes(self._agenda)
        self._attendance = Attendance()

    def bind(
        self,
        limits: Limits,
        listener: Listener,
        prefix: str = "",  # noqa: ARG002  (sessions have this process to themselves)
        timeout: float = 0.0,  # noqa: ARG002  (nothing here takes time)
    ) -> None:
        if self._sessions.limits not in (None, limits):
            raise ConfigError("this MemoryStore serves an application with other limits already")
        self._sessions.limits = limits
        self._warning = limits.warning
        self._sessions.listeners.append(listener)

    async def open(self) -> None:
        pass

    def hears(self, since: float) -> bool:  # noqa: ARG002
        return True

    def _now(self) -> float:
        """The time, for a call."""
        now = self._clock()
        self._agenda.attend(now)
        return now

    def _look(self, name: str, now: float) -> None:
        """Look at a session, or a box of drafts."""
        self._sessions.look(name, now)
        self._boxes.look(name, now)

    async def load(self, id: str) -> Record | Ended | None:
        now = self._now()
        entry = self._sessions.alive(id, now)
        if entry is None:
            return self._sessions.why(id, now)
        return Record(entry.data, entry.user_id, entry.clocks, now, entry.sign_in)

    async def create(self, id: str, change: Change) -> Clocks:
        while True:
            with suppress(SomeEnded):
                return changing.create(self._sessions, id, change, self._now())
            await asyncio.sleep(0)

    async def save(self, id: str, change: Change) -> Changed | None:
        return changing.save(self._sessions, id, change, self._now())

    async def regenerate(self, id: str, new_id: str, change: Change) -> Changed | None:
        while True:
            with suppress(SomeEnded):
                return changing.regenerate(self._sessions, id, new_id, change, self._now())
            await asyncio.sleep(0)

    async def end(
        self, id: str, reason: str, by: str | None = None, user_id: str | None = None
    ) -> str | None:
        return changing.end(self._sessions, id, reason, by, user_id, self._now())

    async def renew(self, signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        return changing.renew(self._sessions, signs, self._warning, self._now())

    async def sessions_of(self, user_id: str, after: float, limit: int) -> Sequence[Listed]:
        now, sessions = self._now(), self._sessions
        found: list[Listed] = []
        while len(found) < limit and (some := sessions.lists.behind(user_id, after, limit)):
            for place, id in some:
                if (entry := sessions.alive(id, now)) is not None and entry.sign_in is not None:
                    found.append(Listed(id, entry.clocks, float(place), now, entry.sign_in))
            after = some[-1][0]
        return found[:limit]

    async def end_some(
        self,
        user_id: str,
        reason: str,
        keep: str | None = None,
        rest: Stretch | None = None,
        by: str | None = None,
    ) -> EndedSome:
        now, sessions = self._now(), self._sessions
        if rest is None:
            kept = changing.current(sessions, keep, now)
            place = None if kept is None else sessions.place_of(kept, user_id)
            rest = Stretch(0.0, sessions.lists.last, place)
        some = sessions.lists.behind(user_id, rest.after, changing.MOST_AT_ONCE)
        return changing.end_some(sessions, some, rest, reason, by, now)

    def keep_ends(self, wanted: Callable[[], bool]) -> None:
        self._sessions.wants_ends.append(wanted)

    async def take_ends(self, limit: int) -> TakenEnds:
        return TakenEnds(*self._sessions.outbox.take(limit, self._now()))

    async def ends_told(self, ids: Collection[str]) -> None:
        self._sessions.outbox.told(ids)

    async def report_pages(self, report: Report) -> Reported | None:
        return self._attendance.report(report, self._now())

    async def forget_pages(self, worker: str) -> bool:
        return self._attendance.forget(worker, self._now())

    async def pages_of(self, ids: Collection[str]) -> Mapping[str, int]:
        now = self._now()
        counts = {id: self._attendance.pages_of(id, now) for id in ids}
        return {id: count for id, count in counts.items() if count}

    async def online(self, user_ids: Collection[str], grace: float) -> Collection[str]:
        now = self._now()
        return [user for user in user_ids if self._attendance.is_online(user, grace, now)]

    async def count_pages(self, grace: float) -> Counts:
        return self._attendance.count(grace, self._now())

    async def keep_draft(self, box: str, name: str, draft: bytes) -> None:
        self._boxes.keep(box, name, draft, self._now())

    async def drafts(self, box: str) -> Mapping[str, tuple[bytes, float]]:
        return self._boxes.all_of(box, self._now())

    async def drop_draft(self, box: str, name: str) -> None:
        self._boxes.drop(box, name, self._now())

    async def close(self) -> None:
        self._agenda.close()

"""`MemoryStore`: what a store is asked for, done at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from ...exceptions import ConfigError
from ...policy import Clocks, Limits, SignOfLife, renewed
from ...reasons import REGENERATED, SIGNED_OUT
from ..agenda import Agenda
from ..base import (
    Change,
    Changed,
    Ended,
    EndedSome,
    Fields,
    Listed,
    Listener,
    Live,
    Record,
    Stretch,
    TakenEnds,
)
from .clock import steady_time
from .drafts import Boxes
from .sessions import MOST_AT_ONCE, MemoryEntry, Sessions


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
        while not self._sessions.make_room(change, now := self._now(), id, id):  # noqa: ASYNC110
            await asyncio.sleep(0)
        entry = MemoryEntry(Fields(), None, Clocks(now, now, now))
        entry.apply(change, now)
        former = self._sessions.living.get(id)
        if former is not None:  # it is asked for again
            entry.listed = former.listed
        self._sessions.put(id, entry, now)
        return entry.clocks

    async def save(self, id: str, change: Change) -> Changed | None:
        now = self._now()
        while (new_id := self._sessions.follows(id, now, by_saves=True)) is not None:
            id = new_id
        entry = self._sessions.alive(id, now)
        if entry is None:
            return None
        was = entry.without_data(now)
        entry.apply(change, now)
        if entry.is_left_with_nothing(change):
            self._sessions.finish(id, SIGNED_OUT, now, now, by=id, was=was)
            return Changed(id, ended=True)
        self._sessions.enlist(id, entry)
        if "timeout" in change.attributes:  # the deadline may be nearer than it was
            self._sessions.watch(id, entry, now)
        return Changed(id)

    async def regenerate(self, id: str, new_id: str, change: Change) -> Changed | None:
        # (Whatever others do while this waits: there is a session then, or not.)
        while (entry := self._sessions.alive(id, now := self._now())) is not None:
            if self._sessions.make_room(change, now, id, new_id):
                break
            await asyncio.sleep(0)
        if entry is None:
            # It may have been asked for before.
            over = self._sessions.over(id, now)
            if over is None or over.new_id != new_id:
                return None
            if over.reason == SIGNED_OUT:
                return Changed(id, ended=True)
            return None if self._sessions.alive(new_id, now) is None else Changed(new_id)
        was = entry.without_data(now)
        entry.apply(change, now)
        if entry.is_left_with_nothing(change):
            self._sessions.finish(id, SIGNED_OUT, now, now, new_id, by=id, was=was)
            return Changed(id, ended=True)
        self._sessions.put(new_id, entry, now, anew=change.begins_anew)
        listed, entry.listed = entry.listed, None  # the session goes on
        self._sessions.finish(
            id, REGENERATED, now, now, new_id, passes_saves_on=not change.begins_anew
        )
        entry.listed = listed
        return Changed(new_id)

    async def end(
        self, id: str, reason: str, by: str | None = None, user_id: str | None = None
    ) -> str | None:
        now = self._now()
        while (new_id := self._sessions.follows(id, now)) is not None:
            id, by = new_id, new_id if by == id else by
        entry = self._sessions.alive(id, now)
        if entry is None or user_id not in (None, entry.user_id):
            return None
        self._sessions.finish(id, reason, now, now, by=by)
        return id

    async def renew(self, signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        now = self._now()
        answer: dict[str, Live | Ended | None] = {}
        for id, sign in signs.items():
            entry = self._sessions.alive(id, now)
            if entry is None:
                answer[id] = self._sessions.why(id, now)
            else:
                left = self._sessions.deadline(entry)[0] - now
                before, entry.clocks = entry.clocks, renewed(entry.clocks, sign, now)
                if entry.clocks.paged and not before.paged:  # the closed timeout counts from now on
                    self._sessions.watch(id, entry, now)
                live = answer[id] = Live(entry.clocks, now)
                if before.paged and before != entry.clocks and left <= self._warning:
                    self._sessions.tell(id, live)
        return answer

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
            while keep is not None and (new_id := sessions.follows(keep, now)) is not None:
                keep = new_id
            kept = sessions.living.get(keep or "")
            listed = kept.listed if kept is not None else None
            place = listed[1] if listed is not None and listed[0] == user_id else None
            rest = Stretch(0.0, sessions.lists.last, place)
        some = sessions.lists.behind(user_id, rest.after, MOST_AT_ONCE)
        ended = []
        for place, id in some:
            if place <= rest.last and place != rest.kept and sessions.alive(id, now) is not None:
                sessions.finish(id, reason, now, now, by=by)
                ended.append(id)
        goes_on = len(some) == MOST_AT_ONCE and some[-1][0] < rest.last
        return EndedSome(ended, rest._replace(after=some[-1][0]) if goes_on else None)

    def keep_ends(self, wanted: Callable[[], bool]) -> None:
        self._sessions.wants_ends.append(wanted)

    async def take_ends(self, limit: int) -> TakenEnds:
        return TakenEnds(*self._sessions.outbox.take(limit, self._now()))

    async def ends_told(self, ids: Collection[str]) -> None:
        self._sessions.outbox.told(ids)

    async def keep_draft(self, box: str, name: str, draft: bytes) -> None:
        self._boxes.keep(box, name, draft, self._now())

    async def drafts(self, box: str) -> Mapping[str, tuple[bytes, float]]:
        return self._boxes.all_of(box, self._now())

    async def drop_draft(self, box: str, name: str) -> None:
        self._boxes.drop(box, name, self._now())

    async def close(self) -> None:
        self._agenda.close()

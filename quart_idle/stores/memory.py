"""Sessions in this process: gone with it, and known to it alone.

Nothing here waits, so every method is atomic. Each looks at the sessions that it is asked about,
and at no others: what is due is ended by an `Agenda`, a few at a time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from ..exceptions import ConfigError, TooManySessions
from ..policy import Clocks, Limits, SignOfLife, deadline, renewed
from ..reasons import LIMIT, REGENERATED, SIGNED_OUT
from .agenda import Agenda
from .base import (
    PERMANENT,
    REASON_KEPT,
    Change,
    Changed,
    Device,
    Ended,
    EndedSome,
    Fields,
    Listed,
    Listener,
    Live,
    Record,
    SignIn,
    Stretch,
    TakenEnds,
    UntoldEnd,
)
from .memory_drafts import Boxes
from .memory_events import Outbox
from .memory_lists import Lists

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


# How many sessions of a user a call ends: it holds up no other for long.
_MOST_AT_ONCE: Final = 500


@dataclass(slots=True, repr=False)
class _Entry:
    data: Mapping[str, bytes]  # replaced at a change: readers keep the one that they got
    user_id: str | None
    clocks: Clocks
    sign_in: SignIn | None = None
    #: In whose list it is, and where.
    listed: tuple[str, int] | None = None

    def apply(self, change: Change, now: float) -> None:
        data = Fields() if change.clear else Fields(self.data)
        for key, value in change.fields.items():
            if value is None:
                data.pop(key, None)
            else:
                data[key] = value
        self.data = data
        if "user_id" in change.attributes:
            self.user_id = change.attributes["user_id"]
            device = change.attributes.get("device", Device())
            self.sign_in = None if self.user_id is None else SignIn(now, device)
        if self.sign_in is not None and "authenticated" in change.attributes:
            moment = min(now, change.attributes["authenticated"])
            self.sign_in = self.sign_in._replace(authenticated=moment)
        if "timeout" in change.attributes:
            self.clocks = self.clocks._replace(timeout=change.attributes["timeout"])
        if change.begins_anew and now != self.clocks.created:
            self.clocks = self.clocks._replace(began_anew=now)

    def without_data(self, now: float) -> Record:
        return Record(Fields(), self.user_id, self.clocks, now, self.sign_in)

    def is_left_with_nothing(self, change: Change) -> bool:
        return change.may_empty and self.user_id is None and self.data.keys() <= {PERMANENT}


class _Over(NamedTuple):
    reason: str
    at: float
    #: The id that the session has now, if it was regenerated; or was to have, if that left nothing.
    new_id: str | None
    #: Whether its token alone was changed: a save follows it.
    passes_saves_on: bool


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
        # Sessions that are over, for as long as it is told why.
        self._over: dict[str, _Over] = {}
        # When to look at which of them all, and at boxes of drafts. A renewal that moves a deadline
        # away leaves it alone: the session is looked at when it would have ended, and then at its
        # new deadline.
        self._agenda = Agenda(clock, self._look)
        self._boxes = Boxes(self._agenda)
        self._lists = Lists()
        self._outbox = Outbox()
        self._wants_ends: list[Callable[[], bool]] = []

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

    def _now(self) -> float:
        """The time, for a call."""
        now = self._clock()
        self._agenda.attend(now)
        return now

    def _look(self, name: str, now: float) -> None:
        """End a session that is due, forget an old reason and old drafts; note what is not."""
        if (entry := self._alive(name, now)) is not None:
            self._watch(name, entry, now)
        if name in self._over and self._why(name, now) is None:
            del self._over[name]
        elif name in self._over:
            self._agenda.note(name, self._over[name].at + REASON_KEPT, now)
        self._boxes.look(name, now)

    def _watch(self, id: str, entry: _Entry, now: float) -> None:
        """See to it that the session is looked at by its deadline, wherever that moved."""
        self._agenda.note(id, self._deadline(entry)[0], now)

    def _alive(self, id: str, now: float) -> _Entry | None:
        """A session; one that is due ends here, if nobody has looked at it yet."""
        entry = self._entries.get(id)
        if entry is not None:
            end, reason = self._deadline(entry)
            if end <= now:
                self._finish(id, reason, end, now)
                return None
        return entry

    def _finish(
        self,
        id: str,
        reason: str,
        at: float,
        now: float,
        new_id: str | None = None,
        *,
        by: str | None = None,
        was: Record | None = None,
        passes_saves_on: bool = False,
    ) -> None:
        entry = self._entries.pop(id)
        if reason != REGENERATED and any(wanted() for wanted in self._wants_ends):
            session = (was or entry.without_data(at))._replace(now=at)
            self._outbox.add(UntoldEnd(id, session, reason, by), now)
        if entry.listed is not None:
            self._lists.leave(*entry.listed)
            entry.listed = None
        self._over[id] = _Over(reason, at, new_id, passes_saves_on)
        self._agenda.note(id, at + REASON_KEPT, now)
        self._tell(id, Ended(reason, now - at))

    def _list(self, id: str, entry: _Entry, *, anew: bool = False) -> None:
        """Have a session in its user's list, and in no other.

        Args:
            id: the session's.
            entry: the session.
            anew: whether it goes to the end of the list, and does not keep its place.
        """
        listed = entry.listed
        if listed is not None and (anew or listed[0] != entry.user_id):
            self._lists.leave(*listed)
            listed = entry.listed = None
        if listed is not None:
            self._lists.take_place(*listed, id)
        elif entry.user_id is not None:
            entry.listed = entry.user_id, self._lists.join(entry.user_id, id)

    def _make_room(self, change: Change, now: float, own: str, new_id: str) -> None:
        """See to it that a user may have one more session than there are beside their own here."""
        user = change.attributes.get("user_id")
        if user is None or change.limit is None:
            return
        others = [
            (entry.clocks.active, place, id)
            for place, id in self._lists.behind(user, 0, sys.maxsize)
            if id != own and (entry := self._alive(id, now)) is not None
        ]
        surplus = max(0, len(others) + 1 - change.limit.sessions)
        if surplus and change.limit.refuses:
            raise TooManySessions
        for _, _, id in sorted(others)[:surplus]:
            self._finish(id, LIMIT, now, now, by=new_id)

    def _tell(self, id: str, outcome: Live | Ended) -> None:
        for listener in self._listeners:
            listener(id, outcome)

    def _why(self, id: str, now: float) -> Ended | None:
        over = self._over.get(id)
        if over is None or now - over.at >= REASON_KEPT:
            return None
        return Ended(over.reason, now - over.at)

    def _follows(self, id: str, now: float) -> str | None:
        """The id that took an id's place, while it is told that one did."""
        over = self._over.get(id)
        if over is None or over.reason != REGENERATED or self._why(id, now) is None:
            return None
        return over.new_id

    async def load(self, id: str) -> Record | Ended | None:
        now = self._now()
        entry = self._alive(id, now)
        if entry is None:
            return self._why(id, now)
        return Record(entry.data, entry.user_id, entry.clocks, now, entry.sign_in)

    async def create(self, id: str, change: Change) -> Clocks:
        now = self._now()
        self._make_room(change, now, id, id)
        entry = _Entry(Fields(), None, Clocks(now, now, now))
        entry.apply(change, now)
        self._watch(id, entry, now)
        former = self._entries.get(id)
        if former is not None:  # it is asked for again
            entry.listed = former.listed
        self._entries[id] = entry
        self._list(id, entry)
        return entry.clocks

    async def save(self, id: str, change: Change) -> Changed | None:
        now = self._now()
        while (new_id := self._follows(id, now)) is not None and self._over[id].passes_saves_on:
            id = new_id
        entry = self._alive(id, now)
        if entry is None:
            return None
        was = entry.without_data(now)
        entry.apply(change, now)
        if entry.is_left_with_nothing(change):
            self._finish(id, SIGNED_OUT, now, now, by=id, was=was)
            return Changed(id, ended=True)
        self._list(id, entry)
        if "timeout" in change.attributes:  # the deadline may be nearer than it was
            self._watch(id, entry, now)
        return Changed(id)

    async def regenerate(self, id: str, new_id: str, change: Change) -> Changed | None:
        now = self._now()
        entry = self._alive(id, now)
        if entry is None:
            # It may have been asked for before.
            if self._why(id, now) is None or self._over[id].new_id != new_id:
                return None
            if self._over[id].reason == SIGNED_OUT:
                return Changed(id, ended=True)
            return None if self._alive(new_id, now) is None else Changed(new_id)
        self._make_room(change, now, id, new_id)
        was = entry.without_data(now)
        entry.apply(change, now)
        if entry.is_left_with_nothing(change):
            self._finish(id, SIGNED_OUT, now, now, new_id, by=id, was=was)
            return Changed(id, ended=True)
        self._over.pop(new_id, None)  # it may go back to an id that it had
        self._entries[new_id] = entry
        self._list(new_id, entry, anew=change.begins_anew)
        self._watch(new_id, entry, now)
        listed, entry.listed = entry.listed, None  # the session goes on
        self._finish(id, REGENERATED, now, now, new_id, passes_saves_on=not change.begins_anew)
        entry.listed = listed
        return Changed(new_id)

    async def end(
        self, id: str, reason: str, by: str | None = None, user_id: str | None = None
    ) -> str | None:
        now = self._now()
        while (new_id := self._follows(id, now)) is not None:
            id, by = new_id, new_id if by == id else by
        entry = self._alive(id, now)
        if entry is None or user_id not in (None, entry.user_id):
            return None
        self._finish(id, reason, now, now, by=by)
        return id

    async def renew(self, signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        now = self._now()
        answer: dict[str, Live | Ended | None] = {}
        for id, sign in signs.items():
            entry = self._alive(id, now)
            if entry is None:
                answer[id] = self._why(id, now)
            else:
                left = self._deadline(entry)[0] - now
                before, entry.clocks = entry.clocks, renewed(entry.clocks, sign, now)
                if entry.clocks.paged and not before.paged:  # the closed timeout counts from now on
                    self._watch(id, entry, now)
                live = answer[id] = Live(entry.clocks, now)
                if before.paged and before != entry.clocks and left <= self._warning:
                    self._tell(id, live)
        return answer

    async def sessions_of(self, user_id: str, after: float, limit: int) -> Sequence[Listed]:
        now = self._now()
        found: list[Listed] = []
        while len(found) < limit and (some := self._lists.behind(user_id, after, limit)):
            for place, id in some:
                if (entry := self._alive(id, now)) is not None and entry.sign_in is not None:
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
        now = self._now()
        if rest is None:
            while keep is not None and (new_id := self._follows(keep, now)) is not None:
                keep = new_id
            kept = self._entries.get(keep or "")
            listed = kept.listed if kept is not None else None
            place = listed[1] if listed is not None and listed[0] == user_id else None
            rest = Stretch(0.0, self._lists.last, place)
        some = self._lists.behind(user_id, rest.after, _MOST_AT_ONCE)
        ended = []
        for place, id in some:
            if place <= rest.last and place != rest.kept and self._alive(id, now) is not None:
                self._finish(id, reason, now, now, by=by)
                ended.append(id)
        goes_on = len(some) == _MOST_AT_ONCE and some[-1][0] < rest.last
        return EndedSome(ended, rest._replace(after=some[-1][0]) if goes_on else None)

    def keep_ends(self, wanted: Callable[[], bool]) -> None:
        self._wants_ends.append(wanted)

    async def take_ends(self, limit: int) -> TakenEnds:
        return TakenEnds(*self._outbox.take(limit, self._now()))

    async def ends_told(self, ids: Collection[str]) -> None:
        self._outbox.told(ids)

    async def keep_draft(self, box: str, name: str, draft: bytes) -> None:
        self._boxes.keep(box, name, draft, self._now())

    async def drafts(self, box: str) -> Mapping[str, tuple[bytes, float]]:
        return self._boxes.all_of(box, self._now())

    async def drop_draft(self, box: str, name: str) -> None:
        self._boxes.drop(box, name, self._now())

    async def close(self) -> None:
        self._agenda.close()

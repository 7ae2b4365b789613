"""Sessions in this process: which live, in whose list they are, and what comes with an end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...policy import Clocks, Limits, deadline
from ...reasons import REGENERATED
from ..agenda import Agenda
from ..base import REASON_KEPT, Ended, Fields, Listener, Live, Record, UntoldEnd
from ..changing import Over
from ..entry import Entry
from .events import Outbox
from .lists import Lists


@dataclass(slots=True, repr=False)
class MemoryEntry(Entry):
    """A session in this process."""

    #: In whose list it is, and where.
    listed: tuple[str, int] | None = None


class Sessions:
    """Sessions by id, and those that are over, for as long as it is told why.

    What has no text here has it at `changing.Sessions`.

    Args:
        agenda: when to look at which of them all. A renewal that moves a deadline away leaves it
            alone: the session is looked at when it would have ended, and then at its new deadline.

    Attributes:
        limits: the clocks that count; None until they are known.
        listeners: who is told of what happens.
        wants_ends: who may want to be told of ends later, out of the outbox.
        living: what nobody has found to be due yet; ask `alive` for it.
        lists: users' lists of sessions.
        outbox: ends that are to be told.
    """

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self.limits: Limits | None = None
        self.listeners: list[Listener] = []
        self.wants_ends: list[Callable[[], bool]] = []
        self.living: dict[str, MemoryEntry] = {}
        self._over: dict[str, Over] = {}
        self.lists = Lists()
        self.outbox = Outbox()

    def look(self, id: str, now: float) -> None:
        """End a session that is due, and forget an old reason; note when to look again."""
        if (entry := self.alive(id, now)) is not None:
            self._watch(id, entry, now)
        if id in self._over and self.why(id, now) is None:
            del self._over[id]
        elif id in self._over:
            self._agenda.note(id, self._over[id].at + REASON_KEPT, now)

    def _watch(self, id: str, entry: MemoryEntry, now: float) -> None:
        """See to it that the session is looked at by its deadline, wherever that moved."""
        self._agenda.note(id, self.deadline(entry)[0], now)

    def deadline(self, entry: MemoryEntry) -> tuple[float, str]:
        """When a session ends unless it is renewed, and by which clock."""
        if self.limits is None:
            raise RuntimeError("a store is bound before it is used")
        return deadline(entry.clocks, self.limits)

    def alive(self, id: str, now: float) -> MemoryEntry | None:
        """A session; one that is due ends here, if nobody has looked at it yet."""
        entry = self.living.get(id)
        if entry is not None:
            end, reason = self.deadline(entry)
            if end <= now:
                self.finish(id, Over(reason, end), now)
                return None
        return entry

    def new(self, id: str, clocks: Clocks) -> MemoryEntry:
        former = self.living.get(id)  # it is asked for again
        return MemoryEntry(Fields(), None, clocks, listed=former.listed if former else None)

    def put(self, id: str, entry: MemoryEntry, now: float) -> None:
        self.living[id] = entry
        self._enlist(id, entry)
        self._watch(id, entry, now)

    def move(
        self, id: str, new_id: str, entry: MemoryEntry, now: float, over: Over, *, anew: bool
    ) -> None:
        self._over.pop(new_id, None)  # it may go back to an id that it had
        self._enlist(new_id, entry, anew=anew)
        del self.living[id]
        self.living[new_id] = entry
        self._watch(new_id, entry, now)
        self._end(id, over, now)  # last: whoever is told of it may look at the new id at once

    def changed(self, id: str, entry: MemoryEntry, now: float, *, nearer: bool) -> None:
        self._enlist(id, entry)
        if nearer:
            self._watch(id, entry, now)

    def renewed(self, id: str, entry: MemoryEntry, now: float, *, nearer: bool) -> None:
        if nearer:
            self._watch(id, entry, now)

    def place_of(self, id: str, user_id: str) -> float | None:
        """Where a session stands in a user's list, if it does."""
        entry = self.living.get(id)
        listed = None if entry is None else entry.listed
        return listed[1] if listed is not None and listed[0] == user_id else None

    def _enlist(self, id: str, entry: MemoryEntry, *, anew: bool = False) -> None:
        """Have a session in its user's list, and in no other."""
        listed = entry.listed
        if listed is not None and (anew or listed[0] != entry.user_id):
            self.lists.leave(*listed)
            listed = entry.listed = None
        if listed is not None:
            self.lists.take_place(*listed, id)
        elif entry.user_id is not None:
            entry.listed = entry.user_id, self.lists.join(entry.user_id, id)

    def others(
        self, user_id: str, own: str, now: float, limit: int
    ) -> tuple[Sequence[tuple[float, float, str]], bool]:
        found = self.lists.behind(user_id, 0, limit + 1)
        living = [
            (entry.clocks.active, place, id)
            for place, id in found[:limit]
            if id != own and (entry := self.alive(id, now)) is not None
        ]
        return living, len(found) <= limit

    def finish(
        self, id: str, over: Over, now: float, *, by: str | None = None, was: Record | None = None
    ) -> None:
        entry = self.living.pop(id)
        if over.reason != REGENERATED and any(wanted() for wanted in self.wants_ends):
            session = (was or entry.without_data(over.at))._replace(now=over.at)
            self.outbox.add(UntoldEnd(id, session, over.reason, by), now)
        if entry.listed is not None:
            self.lists.leave(*entry.listed)
            entry.listed = None
        self._end(id, over, now)

    def _end(self, id: str, over: Over, now: float) -> None:
        """Have an id be over, and tell so."""
        self._over[id] = over
        self._agenda.note(id, over.at + REASON_KEPT, now)
        self.tell(id, Ended(over.reason, now - over.at))

    def tell(self, id: str, outcome: Live | Ended) -> None:
        """Tell all listeners what has happened to a session."""
        for listener in self.listeners:
            listener(id, outcome)

    def over(self, id: str, now: float) -> Over | None:
        over = self._over.get(id)
        return None if over is None or over.why(now) is None else over

    def why(self, id: str, now: float) -> Ended | None:
        """Why a session is over, while it is told."""
        over = self._over.get(id)
        return None if over is None else over.why(now)

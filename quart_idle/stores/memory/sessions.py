"""Sessions in this process: which live, in whose list they are, and what comes with an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from ...exceptions import TooManySessions
from ...policy import Limits, deadline
from ...reasons import LIMIT, REGENERATED
from ..agenda import Agenda
from ..base import REASON_KEPT, Change, Ended, Listener, Live, Record, UntoldEnd
from ..entry import Entry
from .events import Outbox
from .lists import Lists

#: How many sessions of a user end at once: that holds up no other call for long.
MOST_AT_ONCE: Final = 500


@dataclass(slots=True, repr=False)
class MemoryEntry(Entry):
    """A session in this process."""

    #: In whose list it is, and where.
    listed: tuple[str, int] | None = None


class Over(NamedTuple):
    """A session that is over."""

    reason: str
    at: float
    #: The id that the session has now, if it was regenerated; or was to have, if that left nothing.
    new_id: str | None
    #: Whether its token alone was changed: a save follows it.
    passes_saves_on: bool


class Sessions:
    """Sessions by id, and those that are over, for as long as it is told why.

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
            self.watch(id, entry, now)
        if id in self._over and self.why(id, now) is None:
            del self._over[id]
        elif id in self._over:
            self._agenda.note(id, self._over[id].at + REASON_KEPT, now)

    def watch(self, id: str, entry: MemoryEntry, now: float) -> None:
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
                self.finish(id, reason, end, now)
                return None
        return entry

    def put(self, id: str, entry: MemoryEntry, now: float, *, anew: bool = False) -> None:
        """Have a session under an id, in its user's list, and looked at in time.

        Args:
            id: the session's, from now on; one that is over is so no more.
            entry: the session.
            now: the moment.
            anew: whether it goes to the end of the list, and does not keep its place.
        """
        self._over.pop(id, None)
        self.living[id] = entry
        self.enlist(id, entry, anew=anew)
        self.watch(id, entry, now)

    def enlist(self, id: str, entry: MemoryEntry, *, anew: bool = False) -> None:
        """Have a session in its user's list, and in no other."""
        listed = entry.listed
        if listed is not None and (anew or listed[0] != entry.user_id):
            self.lists.leave(*listed)
            listed = entry.listed = None
        if listed is not None:
            self.lists.take_place(*listed, id)
        elif entry.user_id is not None:
            entry.listed = entry.user_id, self.lists.join(entry.user_id, id)

    def make_room(self, change: Change, now: float, own: str, new_id: str) -> bool:
        """See to it that a user may have one more session than there are beside their own here.

        Of very many, some end: then it is to be asked again, as there is no room yet.

        Raises:
            TooManySessions: they may not; nothing has changed.
        """
        user, limit = change.attributes.get("user_id"), change.limit
        if user is None or limit is None:
            return True
        many = limit.sessions + MOST_AT_ONCE
        found = self.lists.behind(user, 0, many + 1)
        are_all = len(found) <= many
        others = [
            (entry.clocks.active, place, id)
            for place, id in found[:many]
            if id != own and (entry := self.alive(id, now)) is not None
        ]
        if limit.refuses and len(others) >= limit.sessions:
            raise TooManySessions
        # (Of some, too, so many of which were active later stay. Room for one more is made last.)
        surplus = max(0, len(others) - limit.sessions + are_all)
        for _, _, id in sorted(others)[:surplus]:
            self.finish(id, LIMIT, now, now, by=new_id)
        return are_all

    def finish(
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
        """End a living session, or one's having this id.

        Args:
            id: the session's.
            reason: why.
            at: the moment of the end.
            now: the moment.
            new_id: the id that it has instead, or was to have.
            by: the id of the session whose request ends it, if any.
            was: the session before a change that ended it.
            passes_saves_on: whether a save goes to the new id.
        """
        entry = self.living.pop(id)
        if reason != REGENERATED and any(wanted() for wanted in self.wants_ends):
            session = (was or entry.without_data(at))._replace(now=at)
            self.outbox.add(UntoldEnd(id, session, reason, by), now)
        if entry.listed is not None:
            self.lists.leave(*entry.listed)
            entry.listed = None
        self._over[id] = Over(reason, at, new_id, passes_saves_on)
        self._agenda.note(id, at + REASON_KEPT, now)
        self.tell(id, Ended(reason, now - at))

    def tell(self, id: str, outcome: Live | Ended) -> None:
        """Tell all listeners what has happened to a session."""
        for listener in self.listeners:
            listener(id, outcome)

    def over(self, id: str, now: float) -> Over | None:
        """A session that is over, while it is told why."""
        over = self._over.get(id)
        return None if over is None or now - over.at >= REASON_KEPT else over

    def why(self, id: str, now: float) -> Ended | None:
        """Why a session is over, while it is told."""
        over = self.over(id, now)
        return None if over is None else Ended(over.reason, now - over.at)

    def follows(self, id: str, now: float, *, by_saves: bool = False) -> str | None:
        """The id that took an id's place, while it is told that one did.

        Args:
            id: the former one.
            now: the moment.
            by_saves: whether to tell that only where saves go there, too.
        """
        over = self.over(id, now)
        if over is None or over.reason != REGENERATED or (by_saves and not over.passes_saves_on):
            return None
        return over.new_id

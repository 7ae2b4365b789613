"""What the calls of a store do to sessions, for stores that reckon in Python.

Each happens at once: no other call comes in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

from ..exceptions import TooManySessions
from ..policy import Clocks, SignOfLife, renewed
from ..reasons import LIMIT, REGENERATED, SIGNED_OUT
from .entry import Entry
from .records import REASON_KEPT, Change, Changed, Ended, EndedSome, Live, Record, Stretch

#: How many sessions of a user a call ends: it holds up no other for long.
MOST_AT_ONCE: Final = 500

_E = TypeVar("_E", bound=Entry)


class Over(NamedTuple):
    """A session that is over."""

    reason: str
    at: float
    #: The id that the session has now, if it was regenerated; or was to have, if that left nothing.
    new_id: str | None = None
    #: Whether its token alone was changed: a save follows it.
    passes_saves_on: bool = False

    def why(self, now: float) -> Ended | None:
        """Why it is over, while that is told."""
        return None if now - self.at >= REASON_KEPT else Ended(self.reason, now - self.at)


class SomeEnded(Exception):
    """Some of very many sessions have ended for a limit, and no more was done: ask again."""


class Sessions(Protocol[_E]):
    """Sessions by id, as a store has them, and those that are over, while it is told why."""

    def new(self, id: str, clocks: Clocks) -> _E:
        """A session that holds nothing, and is not in the store yet (`put`)."""

    def alive(self, id: str, now: float) -> _E | None:
        """A session; one that is due ends here, if nobody has looked at it yet."""

    def over(self, id: str, now: float) -> Over | None:
        """A session that is over, while it is told why."""

    def put(self, id: str, entry: _E, now: float) -> None:
        """Have a new session, in its user's list; it takes the place of one with this id."""

    def move(self, id: str, new_id: str, entry: _E, now: float, over: Over, *, anew: bool) -> None:
        """Have a session under another id.

        Args:
            id: the one that it had.
            new_id: the one that it has from now on.
            entry: the session.
            now: the moment.
            over: what is told of the former id.
            anew: whether it goes to the end of its user's list, and does not keep its place.
        """

    def changed(self, id: str, entry: _E, now: float, *, nearer: bool) -> None:
        """Take in that a session was changed.

        Args:
            id: the session's.
            entry: the session.
            now: the moment.
            nearer: whether its deadline may be nearer than it was.
        """

    def renewed(self, id: str, entry: _E, now: float, *, nearer: bool) -> None:
        """Take in that its clocks were, and nothing else; as `changed`."""

    def finish(
        self, id: str, over: Over, now: float, *, by: str | None = None, was: Record | None = None
    ) -> None:
        """End a living session.

        Args:
            id: the session's.
            over: why, and when.
            now: the moment.
            by: the id of the session whose request ends it, if any.
            was: the session before a change that ended it.
        """

    def deadline(self, entry: _E) -> tuple[float, str]:
        """When a session ends unless it is renewed, and by which clock."""

    def others(
        self, user_id: str, own: str, now: float, limit: int
    ) -> tuple[Sequence[tuple[float, float, str]], bool]:
        """A user's living sessions but for one: their last activity, place and id.

        So many of the list are looked at at most; and whether those are all.
        """

    def tell(self, id: str, outcome: Live | Ended) -> None:
        """Tell all listeners what has happened to a session."""


def create(sessions: Sessions[_E], id: str, change: Change, now: float) -> Clocks:
    """As `Store.create`.

    Raises:
        TooManySessions: as there.
        SomeEnded: it is to be asked again.
    """
    clocks = Clocks(now, now, now)
    if sessions.alive(id, now) is None and sessions.over(id, now) is not None:
        return clocks
    _make_room(sessions, change, now, id, id)
    entry = sessions.new(id, clocks)
    entry.apply(change, now)
    sessions.put(id, entry, now)
    return entry.clocks


def save(sessions: Sessions[_E], id: str, change: Change, now: float) -> Changed | None:
    """As `Store.save`."""
    while (
        (over := sessions.over(id, now)) is not None
        and over.reason == REGENERATED
        and over.passes_saves_on
        and over.new_id
    ):
        id = over.new_id
    entry = sessions.alive(id, now)
    if entry is None:
        return None
    was = entry.without_data(now)
    entry.apply(change, now)
    if entry.is_left_with_nothing(change):
        sessions.finish(id, Over(SIGNED_OUT, now), now, by=id, was=was)
        return Changed(id, ended=True)
    sessions.changed(id, entry, now, nearer="timeout" in change.attributes)
    return Changed(id)


def regenerate(
    sessions: Sessions[_E], id: str, new_id: str, change: Change, now: float
) -> Changed | None:
    """As `Store.regenerate`.

    Raises:
        TooManySessions: as there.
        SomeEnded: it is to be asked again.
    """
    entry = sessions.alive(id, now)
    if entry is None:
        # It may have been asked for before.
        over = sessions.over(id, now)
        if over is None or over.new_id != new_id:
            return None
        if over.reason == SIGNED_OUT:
            return Changed(id, ended=True)
        return None if sessions.alive(new_id, now) is None else Changed(new_id)
    _make_room(sessions, change, now, id, new_id)
    was = entry.without_data(now)
    entry.apply(change, now)
    if entry.is_left_with_nothing(change):
        sessions.finish(id, Over(SIGNED_OUT, now, new_id), now, by=id, was=was)
        return Changed(id, ended=True)
    over = Over(REGENERATED, now, new_id, passes_saves_on=not change.begins_anew)
    sessions.move(id, new_id, entry, now, over, anew=change.begins_anew)
    return Changed(new_id)


def end(
    sessions: Sessions[_E], id: str, reason: str, by: str | None, user_id: str | None, now: float
) -> str | None:
    """As `Store.end`."""
    while (new_id := _follows(sessions, id, now)) is not None:
        id, by = new_id, new_id if by == id else by
    entry = sessions.alive(id, now)
    if entry is None or user_id not in (None, entry.user_id):
        return None
    sessions.finish(id, Over(reason, now), now, by=by)
    return id


def renew(
    sessions: Sessions[_E], signs: Mapping[str, SignOfLife], warning: float, now: float
) -> Mapping[str, Live | Ended | None]:
    """As `Store.renew`.

    Args:
        sessions: the sessions.
        signs: what renews which.
        warning: how long before the end pages are warned, in seconds.
        now: the moment.
    """
    answer: dict[str, Live | Ended | None] = {}
    for id, sign in signs.items():
        entry = sessions.alive(id, now)
        if entry is None:
            over = sessions.over(id, now)
            answer[id] = None if over is None else over.why(now)
            continue
        left = sessions.deadline(entry)[0] - now
        before, entry.clocks = entry.clocks, renewed(entry.clocks, sign, now)
        live = answer[id] = Live(entry.clocks, now)
        if before != entry.clocks:
            # The closed timeout counts from a session's first page on.
            sessions.renewed(id, entry, now, nearer=entry.clocks.paged and not before.paged)
            if before.paged and left <= warning:
                sessions.tell(id, live)
    return answer


def current(sessions: Sessions[_E], id: str | None, now: float) -> str | None:
    """The id that a session has now."""
    while id is not None and (new_id := _follows(sessions, id, now)) is not None:
        id = new_id
    return id


def end_some(
    sessions: Sessions[_E],
    some: Sequence[tuple[float, str]],
    rest: Stretch,
    reason: str,
    by: str | None,
    now: float,
) -> EndedSome:
    """End some of a user's sessions, as `UserStore.end_some` does.

    Args:
        sessions: the sessions.
        some: what stands in the user's list behind `rest.after`, by place: `MOST_AT_ONCE`, or all.
        rest: what of the list is to be ended.
        reason: why.
        by: the id of the session whose request it is, if any.
        now: the moment.
    """
    ended = []
    for place, id in some:
        if place <= rest.last and place != rest.kept and sessions.alive(id, now) is not None:
            sessions.finish(id, Over(reason, now), now, by=by)
            ended.append(id)
    goes_on = len(some) == MOST_AT_ONCE and some[-1][0] < rest.last
    return EndedSome(ended, rest._replace(after=some[-1][0]) if goes_on else None)


def _follows(sessions: Sessions[_E], id: str, now: float) -> str | None:
    """The id that took an id's place, while it is told that one did."""
    over = sessions.over(id, now)
    return over.new_id if over is not None and over.reason == REGENERATED else None


def _make_room(sessions: Sessions[_E], change: Change, now: float, own: str, new_id: str) -> None:
    """See to it that a user may have one more session than there are beside their own here.

    Raises:
        TooManySessions: they may not; nothing has changed.
        SomeEnded: they have very many, of which some have ended.
    """
    user, limit = change.attributes.get("user_id"), change.limit
    if user is None or limit is None:
        return
    others, are_all = sessions.others(user, own, now, limit.sessions + MOST_AT_ONCE)
    if limit.refuses and len(others) >= limit.sessions:
        raise TooManySessions
    # (Of some, too, so many of which were active later stay. Room for one more is made last.)
    surplus = max(0, len(others) - limit.sessions + are_all)
    for _, _, id in sorted(others)[:surplus]:
        sessions.finish(id, Over(LIMIT, now), now, by=new_id)
    if not are_all:
        raise SomeEnded

"""Users' lists of sessions: what is done about them beside the write that makes or ends a session.

One server has all keys: there the script that writes a session lists it, too. On a cluster the list
and the session are on different nodes, and the writes go in this order:

1. The new id joins the list; that it may not be there yet is noted beside the list.
2. The session is written.
3. What ended, or has another id, leaves the list.

Whoever reads a list asks the sessions, so nobody is told of one that is not there (yet, or any
more). A worker that is killed after 1 or 2 leaves an entry behind that says nothing; whoever reads
the list next takes it out. `end_all` ends an id that has joined before there is a session: then
there will be none.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from math import inf
from typing import Any, Final

from ...exceptions import StoreUnavailable
from ...tasks import Tasks
from ..base import EndedSome, Listed, SessionLimit, Stretch
from .calls import Calls, failures_of
from .keys import Keys
from .packing import to_bytes, to_text, unpack_clocks, unpack_sign_in
from .scripts import MOST_ENDED
from .trips import MOST_AT_ONCE

# How long before another one an id must have joined, for what it is of to be given up, in seconds.
_JOINED_BEFORE: Final = 60.0

#: Ends a session: its id, whose it must be, and whether one that is not there yet is to be none.
End = Callable[[str, str, bool], Awaitable[str | None]]


class Lists:
    """Users' lists of sessions.

    Args:
        calls: the way to Redis.
        keys: the names of keys and channels.
        alone: whether one server has all keys.

    Attributes:
        alone: the same.
    """

    def __init__(self, calls: Calls, keys: Keys, *, alone: bool) -> None:
        self._calls = calls
        self._keys = keys
        self.alone = alone
        self._tasks = Tasks()

    async def close(self) -> None:
        await self._tasks.end()

    async def join(self, user: str, id: str, like: str = "", own: float = 0.0) -> None:
        """Have an id in a user's list before there is a session, where its script cannot.

        Args:
            user: the user.
            id: the session's, to be.
            like: an id whose place it takes, if that has one.
            own: the session's own timeout in seconds, if it has one.
        """
        if not self.alone:
            arguments = to_bytes(id), to_bytes(like), repr(own)
            await self._calls.write("join", self._keys.user_list(user), *arguments)

    async def leave(self, user: str, id: str) -> None:
        """Have an id that joined leave a list again: there will be no such session."""
        if not self.alone:
            with suppress(StoreUnavailable):  # then it counts for some seconds
                await self._calls.call("leave", self._keys.user_list(user)[:1], to_bytes(id))

    def settled(self, answer: Any) -> Any:
        """What a script answered, without what it says that is to be done about lists."""
        if not isinstance(answer, list):
            return answer
        answer, left, joins = answer
        self._tasks.start(self._tidy(left, joins))
        return answer

    async def _tidy(self, left: Sequence[bytes], joins: Sequence[bytes]) -> None:
        # What fails is taken out by whoever reads the list next; or the next sweep says it again.
        calls = [
            self._calls.call("leave", self._keys.user_list(to_text(user))[:1], id)
            for user, id in zip(left[::2], left[1::2], strict=True)
        ]
        calls += [
            self.join(to_text(user), to_text(id), own=float(own))
            for user, id, own in zip(joins[::3], joins[1::3], joins[2::3], strict=True)
        ]
        await failures_of(calls)

    async def sessions_of(self, user: str, after: float, limit: int) -> list[Listed]:
        """A user's living sessions that stand behind a place, in order."""
        found: list[Listed] = []
        while len(found) < limit:
            many = min(limit - len(found), MOST_AT_ONCE)
            listed = await self._listed(user, after, inf, many)
            found += await self._living(user, listed)
            if len(listed) < many:
                break
            after = listed[-1][1]
        return found[:limit]

    async def _listed(
        self, user: str, after: float, last: float, many: int
    ) -> list[tuple[str, float, bool]]:
        """Ids, their places, and whether each may be about to join."""
        keys = self._keys.user_list(user)
        answer = await self._calls.call("listed", keys, repr(after), repr(last), many)
        return [(to_text(id), float(place), bool(joins)) for id, place, joins in answer]

    async def _living(
        self, user: str, listed: Sequence[tuple[str, float, bool]], absent: set[str] | None = None
    ) -> list[Listed]:
        """Those of them that are alive, and this user's; what is over leaves the list.

        Args:
            user: the user.
            listed: what `_listed` gave.
            absent: is given the ids of which there is no session, nor was.
        """
        name = to_bytes(user)
        places = {self._keys.session(id): (id, place) for id, place, _ in listed}
        found: dict[str, Listed] = {}

        async def ask(keys: Sequence[bytes]) -> None:
            time, *answers = await self._calls.call("living", keys, name)
            for key, answer in zip(keys, answers, strict=True):
                if isinstance(answer, list):
                    raw, id = answer[0], to_text(answer[1])
                    clocks = unpack_clocks(raw)
                    with suppress(struct.error, ValueError):  # one that was tampered with
                        sign_in = unpack_sign_in(raw, clocks)
                        found[id] = Listed(id, clocks, places[key][1], float(time), sign_in)
                elif answer and absent is not None:
                    absent.add(places[key][0])

        if failed := await failures_of(ask(keys) for keys in self._calls.by_slot(places)):
            raise failed[0]
        gone = [to_bytes(id) for id, _, joins in listed if id not in found and not joins]
        if gone:
            with suppress(StoreUnavailable):
                await self._calls.call("forget", self._keys.user_list(user), name, *gone)
        return sorted(found.values(), key=lambda one: one.place)

    async def end_some(
        self, user: str, keep: str | None, rest: Stretch | None, end: End
    ) -> EndedSome:
        """End the first sessions of a user that are to be ended still; None: of all but one."""
        stretch = rest or await self._whole(user, keep)
        if stretch is None:
            return EndedSome((), None)
        listed = await self._listed(user, stretch.after, stretch.last, MOST_AT_ONCE)
        some = [(id, joins) for id, place, joins in listed if place != stretch.kept]
        ended = await self._end(some, user, end)
        if len(listed) < MOST_AT_ONCE:
            return EndedSome(ended, None)
        return EndedSome(ended, stretch._replace(after=listed[-1][1]))

    async def _end(self, some: Sequence[tuple[str, bool]], user: str, end: End) -> list[str]:
        """End sessions, and have none of those that are about to be; the ids that ended."""
        ended: list[str] = []

        async def end_one(id: str, joins: bool) -> None:
            if (now_id := await end(id, user, joins)) is not None:
                ended.append(now_id)

        if failed := await failures_of(end_one(*one) for one in some):
            raise failed[0]
        gone = [to_bytes(id) for id, joins in some if joins]
        for start in range(0, len(gone), MOST_AT_ONCE):
            leaving = gone[start : start + MOST_AT_ONCE]
            await self._calls.call("leave", self._keys.user_list(user)[:1], *leaving)
        return ended

    async def make_room(
        self, user: str, limit: SessionLimit, id: str, former: str, end: End
    ) -> bool:
        """See to it that a user may have one more session, whose id has joined; whether so.

        Of those who join at the same moment each counts whoever joined before it, and what lives.

        Args:
            user: the user.
            limit: how many they may have.
            id: the session's, to be.
            former: the one that it had, if any; the session is no other than that.
            end: ends others.
        """
        own_ids = {id, former, await self._moved(former) if former else None}
        if not await self._shorten(user, limit, id, own_ids, end):
            await self.leave(user, id)
            return False
        listed: list[tuple[str, float, bool]] = []
        while True:
            some = await self._listed(user, listed[-1][1] if listed else -inf, inf, MOST_AT_ONCE)
            listed += some
            if len(some) < MOST_AT_ONCE:
                break
        absent: set[str] = set()
        active = {one.place: one.clocks.active for one in await self._living(user, listed, absent)}
        since = next((place for other, place, _ in listed if other == id), None)
        if since is None:
            return True  # whoever joined later has ended it: there will be none
        if since in active:
            return True  # it is asked for again
        # A browser that signs in twice at once has one session.
        own = {place for other, place, _ in listed if other in own_ids}
        # By place: one whose token is changing has two ids.
        others: dict[float, float] = {}
        abandoned: set[float] = set()
        for other, place, _ in listed:
            if place in own or place > since:  # whoever joined later counts this one
                continue
            if place in active:
                others[place] = active[place]
                abandoned.discard(place)
            elif other in absent and place < since and place not in others:
                if place < since - _JOINED_BEFORE:  # its worker was killed; if not, there is none
                    abandoned.add(place)
                else:
                    others[place] = place
        surplus = max(0, len(others) + 1 - limit.sessions)
        if surplus and limit.refuses:
            await self.leave(user, id)
            return False
        over = abandoned | set(sorted(others, key=lambda place: (others[place], place))[:surplus])
        too_many = [(other, joins) for other, place, joins in listed if place in over]
        await self._end(too_many, user, end)
        return True

    async def _shorten(
        self, user: str, limit: SessionLimit, id: str, own: Collection[str | None], end: End
    ) -> bool:
        """See to a user who has many more sessions than they may; whether they may have another.

        Some are looked at, and end, at a time: who signs in has little, and asks again.
        """
        many = limit.sessions + MOST_ENDED
        while len(listed := await self._listed(user, -inf, inf, many)) >= many:
            found = await self._living(user, listed)
            others = [one for one in found if one.id not in own]
            surplus = len(others) - limit.sessions
            if limit.refuses:
                return surplus < 0 or id in {one.id for one in found}
            if surplus <= 0:
                break
            others.sort(key=lambda one: (one.clocks.active, one.place))
            await self._end([(one.id, False) for one in others[:surplus]], user, end)
        return True

    async def _whole(self, user: str, keep: str | None) -> Stretch | None:
        """All of a list, and the place of a session by whichever id it has now."""
        while True:
            list_key = self._keys.user_list(user)[:1]
            last, kept = await self._calls.call("span", list_key, to_bytes(keep or ""))
            if keep is None or kept:
                break
            moved = await self._moved(keep)
            if moved is None:
                break
            keep = moved
        return Stretch(-inf, float(last), float(kept) if kept else None) if last else None

    async def _moved(self, id: str) -> str | None:
        """The id that a session has now, if another."""
        moved = await self._calls.call("moved", [self._keys.session(id)])
        return to_text(moved) if isinstance(moved, bytes) else None

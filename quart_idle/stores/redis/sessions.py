"""Sessions in Redis: what is asked of one, or renewed of many, as calls of scripts.

A script works on one slot. Where a change names a user, the session is in that user's list before
it is written, and out of it only afterwards: `lists`.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Any

from ...exceptions import StoreUnavailable, TooManySessions
from ...policy import Clocks, Limits, SignOfLife
from ...reasons import LIMIT, REGENERATED, SIGNED_OUT
from ..base import Change, Changed, Ended, EndedSome, Live, Record, Stretch
from .calls import Calls, failures_of
from .cluster import Cluster
from .keys import Keys
from .lists import Lists
from .packing import (
    NOBODY,
    change_arguments,
    pack_signs,
    to_bytes,
    to_text,
    unpack_clocks,
    unpack_end,
    unpack_session,
)
from .scripts import ANYBODY, DONE, LEFT_WITH_NOTHING, MORE, REFUSED
from .trips import MOST_AT_ONCE, Server


class Sessions:
    """Sessions, each on its slot.

    Args:
        trips: the way to Redis.
        calls: scripts by name.
        lists: users' lists.
        keys: the names of keys.
        limits: the clocks that count.
        timeout: how long a call may take, in seconds.
        keeps_ends: whether ends are to be told.
        ended: told of an end that was asked for here, with its reason.
    """

    def __init__(
        self,
        trips: Server | Cluster,
        calls: Calls,
        lists: Lists,
        keys: Keys,
        limits: Limits,
        timeout: float,
        keeps_ends: Callable[[], bool],
        ended: Callable[[str, str], None],
    ) -> None:
        self._trips = trips
        self._calls = calls
        self._lists = lists
        self._keys = keys
        self._limits = limits
        self._timeout = timeout
        self._keeps_ends = keeps_ends
        self._ended = ended

    # Reading.

    async def load(self, id: str) -> Record | Ended | None:
        found, now = await self._trips.load(self._keys.session(id))
        try:
            return unpack_session(found, now, self._limits)
        except (struct.error, ValueError) as error:  # it was tampered with
            raise StoreUnavailable from error

    # Writing.

    async def create(self, id: str, change: Change) -> Clocks:
        await self._join(change, id)
        room = await self._room(change, id)
        arguments = *room, *change_arguments(change)
        return unpack_clocks(await self._write_if_room("create", self._places_of(id), *arguments))

    async def save(self, id: str, change: Change) -> Changed | None:
        mark = secrets.token_bytes(8) if change.may_empty else b""
        while True:
            arguments = change_arguments(change)
            await self._join(change, id)
            answer = await self._write("save", self._places_of(id), mark, *arguments)
            if not isinstance(answer, bytes):
                return self._changed(answer, id, id)
            id = to_text(answer)

    async def regenerate(self, id: str, new_id: str, change: Change) -> Changed | None:
        name = to_bytes(new_id)
        mark = name if change.may_empty else b""
        keys = *self._places_of(id), *self._places_of(new_id)
        joined: str | bytes = NOBODY
        user = change.attributes.get("user_id")
        if "user_id" in change.attributes:
            joined = ANYBODY
            await self._join(change, new_id)
        room = await self._room(change, new_id, id)
        while True:
            arguments = name, mark, to_bytes(joined), *room, *change_arguments(change)
            answer = await self._write_if_room("regenerate", keys, *arguments)
            if not isinstance(answer, bytes):
                break
            joined = user = to_text(answer)
            await self._lists.join(user, new_id, id)
        if answer == DONE:
            self._ended(id, REGENERATED)
        elif user is not None:
            await self._lists.leave(user, new_id)
        return self._changed(answer, id, new_id)

    async def end(
        self, id: str, reason: str, by: str | None = None, user_id: str | None = None
    ) -> str | None:
        return await self._end(id, reason, user_id or "", by=by)

    async def _end(
        self, id: str, reason: str, user: str = "", fence: bool = False, by: str | None = None
    ) -> str | None:
        """End a session.

        Args:
            id: the session's, now or before.
            reason: why.
            user: whose it must be; empty: anybody's.
            fence: whether there is to be none where there is none yet.
            by: the id of the session whose request it is.
        """
        mark = secrets.token_bytes(8)  # an end that is asked for again is told by it
        rest = to_bytes(reason), mark, to_bytes(user)
        while True:
            arguments = *rest, int(fence), *([to_bytes(by)] if by and self._keeps_ends() else [])
            answer = await self._calls.call("end", self._places_of(id), *arguments)
            answer = self._lists.settled(answer)
            if not isinstance(answer, bytes):
                break
            moved = to_text(answer)
            id, by, fence = moved, moved if by == id else by, False
        if not answer:
            return None
        self._ended(id, reason)
        return id

    def _changed(self, answer: int, id: str, new_id: str) -> Changed | None:
        if answer == LEFT_WITH_NOTHING:
            self._ended(id, SIGNED_OUT)
            return Changed(id, ended=True)
        return Changed(new_id) if answer == DONE else None

    def _places_of(self, id: str) -> tuple[bytes, bytes]:
        return self._keys.session(id), self._keys.index(id)

    async def _write(self, name: str, keys: Sequence[bytes], *arguments: Any) -> Any:
        return self._lists.settled(await self._calls.write(name, keys, *arguments))

    async def _write_if_room(self, name: str, keys: Sequence[bytes], *arguments: Any) -> Any:
        """Write what a limit of sessions may refuse.

        Raises:
            TooManySessions: it does.
            StoreUnavailable: there are more to end for it than can be in the time; some have been.
        """
        until = monotonic() + self._timeout
        while (answer := await self._write(name, keys, *arguments)) == MORE:
            if monotonic() > until:
                raise StoreUnavailable from TimeoutError(
                    "too many of a user's sessions end at once"
                )
        if answer == REFUSED:
            raise TooManySessions
        return answer

    async def _join(self, change: Change, id: str) -> None:
        """Have an id in the list of the user whom a change names."""
        if (user := change.attributes.get("user_id")) is not None:
            own = change.attributes.get("timeout") or 0.0
            await self._lists.join(user, id, own=own)

    async def _room(self, change: Change, id: str, former: str = "") -> tuple[int, bytes]:
        """How many sessions the user may have whom a change names, for the script that sees to it.

        Where no script can, it is seen to here.
        """
        user, limit = change.attributes.get("user_id"), change.limit
        if user is None or limit is None:
            return 0, b""
        if self._lists.alone:
            return -limit.sessions if limit.refuses else limit.sessions, to_bytes(user)

        def end(other: str, user: str, fence: bool) -> Awaitable[str | None]:
            return self._end(other, LIMIT, user, fence, by=id)

        if not await self._lists.make_room(user, limit, id, former, end):
            raise TooManySessions
        return 0, b""

    async def end_some(
        self,
        user_id: str,
        reason: str,
        keep: str | None = None,
        rest: Stretch | None = None,
        by: str | None = None,
    ) -> EndedSome:
        def end(id: str, user: str, fence: bool) -> Awaitable[str | None]:
            return self._end(id, reason, user, fence, by)

        return await self._lists.end_some(user_id, keep, rest, end)

    # Renewing.

    async def renew(self, signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        ids = {self._keys.session(id): id for id in signs}
        outcomes: dict[str, Live | Ended | None] = {}

        async def renew_some(keys: Sequence[bytes]) -> None:
            some = [ids[key] for key in keys]
            indexes, packed = pack_signs(
                [signs[id] for id in some], [self._keys.index(id) for id in some]
            )
            time, *answers = await self._calls.write("renew", [*keys, *indexes], len(some), packed)
            now = float(time)
            for id, answer in zip(some, answers, strict=True):
                if isinstance(answer, bytes):
                    outcomes[id] = Live(unpack_clocks(answer), now)
                elif answer != 0:
                    outcomes[id] = unpack_end(answer[0], answer[1], now)

        failed = await failures_of(
            renew_some(keys[start : start + MOST_AT_ONCE])
            for keys in self._calls.by_slot(ids)
            for start in range(0, len(keys), MOST_AT_ONCE)
        )
        if signs and not outcomes:
            raise failed[0] if failed else StoreUnavailable
        return outcomes

"""`RedisStore`: what a store is asked for, as calls of scripts; and what it has under way."""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from time import monotonic
from typing import Any

from redis import asyncio as aioredis

from ...exceptions import ConfigError, StoreUnavailable, TooManySessions
from ...policy import Clocks, Limits, SignOfLife
from ...reasons import LIMIT, REGENERATED, SIGNED_OUT
from ...tasks import end_tasks
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
from .attendance import Attendance
from .calls import Calls, failures_of
from .cluster import Cluster
from .events import Ends
from .hearing import Hearing
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
from .scripts import ANYBODY, DONE, LEFT_WITH_NOTHING, MORE, REFUSED, Script, scripts
from .sweep import Sweep
from .trips import MOST_AT_ONCE, Server
from .urls import client_maker


class RedisStore:
    """A `Store` in Redis 7.0 or later, for any number of workers.

    Args:
        client: a ``redis.asyncio`` client of the application's, which stays open when the store
            closes; or a URL: ``redis://``, ``rediss://``, ``unix://``,
            ``redis+cluster://host[,host…]`` or ``redis+sentinel://host[,host…]/service``.

    Raises:
        ConfigError: the URL is wrong.
    """

    def __init__(self, client: aioredis.Redis | aioredis.RedisCluster | str) -> None:
        self._owns_client = isinstance(client, str)
        try:
            self._make = client_maker(client) if isinstance(client, str) else lambda _: client
        except ConfigError as error:
            del client  # a traceback may show the variables
            raise error.with_traceback(None) from None
        # To find the node of a cluster takes time that no trip's limit counts.
        self.timely = not (
            client.startswith("redis+cluster:")
            if isinstance(client, str)
            else isinstance(client, aioredis.RedisCluster)
        )
        self._name = secrets.token_hex(8)
        self._terms: tuple[Limits, str, float] | None = None
        self._listeners: list[Listener] = []
        self._wants_ends: list[Callable[[], bool]] = []
        self._keeps_ends = False
        self._running: _Running | None = None

    def bind(
        self, limits: Limits, listener: Listener, prefix: str = "quart-idle", timeout: float = 1.0
    ) -> None:
        terms = limits, prefix, timeout
        if self._terms not in (None, terms):
            raise ConfigError(
                "this RedisStore serves an application with other limits, another key prefix or "
                "another store timeout already"
            )
        self._terms = terms
        self._limits, _, self._timeout = terms
        self._listeners.append(listener)
        self._keys = Keys(prefix, self._name)
        self._with_outbox, self._without_outbox = (
            scripts(limits, self._keys, alone=self.timely, outbox=outbox)
            for outbox in (True, False)
        )

    async def open(self) -> None:
        await self._start().hearing.begun.wait()

    async def close(self) -> None:
        running = self._running
        if running is None or running.loop is not asyncio.get_running_loop():
            return
        self._running = None
        await running.close()
        if self._owns_client:
            await running.client.aclose()

    def _start(self) -> _Running:
        """Have the work under way, in this event loop: an earlier one is gone."""
        running = self._running
        if running is None or running.loop is not asyncio.get_running_loop():
            if self._terms is None:
                raise RuntimeError("a store is bound before it is used")
            client = self._make(self._timeout)
            running = self._running = _Running(
                client, self._choose_scripts, self._keys, self._tell, self._timeout
            )
        return running

    # Reading.

    async def load(self, id: str) -> Record | Ended | None:
        found, now = await self._start().trips.load(self._keys.session(id))
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
            await self._start().lists.join(user, new_id, id)
        if answer == DONE:
            self._tell_if_deaf(id, REGENERATED)
        elif user is not None:
            await self._start().lists.leave(user, new_id)
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
            arguments = *rest, int(fence), *([to_bytes(by)] if by and self._keeps_ends else [])
            answer = await self._call("end", self._places_of(id), *arguments)
            answer = self._start().lists.settled(answer)
            if not isinstance(answer, bytes):
                break
            moved = to_text(answer)
            id, by, fence = moved, moved if by == id else by, False
        if not answer:
            return None
        self._tell_if_deaf(id, reason)
        return id

    def _changed(self, answer: int, id: str, new_id: str) -> Changed | None:
        if answer == LEFT_WITH_NOTHING:
            self._tell_if_deaf(id, SIGNED_OUT)
            return Changed(id, ended=True)
        return Changed(new_id) if answer == DONE else None

    def _places_of(self, id: str) -> tuple[bytes, bytes]:
        return self._keys.session(id), self._keys.index(id)

    async def _call(self, name: str, keys: Sequence[bytes], *arguments: Any) -> Any:
        return await self._start().calls.call(name, keys, *arguments)

    async def _write(self, name: str, keys: Sequence[bytes], *arguments: Any) -> Any:
        running = self._start()
        return running.lists.settled(await running.calls.write(name, keys, *arguments))

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
            await self._start().lists.join(user, id, own=own)

    async def _room(self, change: Change, id: str, former: str = "") -> tuple[int, bytes]:
        """How many sessions the user may have whom a change names, for the script that sees to it.

        Where no script can, it is seen to here.
        """
        user, limit = change.attributes.get("user_id"), change.limit
        if user is None or limit is None:
            return 0, b""
        if self.timely:
            return -limit.sessions if limit.refuses else limit.sessions, to_bytes(user)

        def end(other: str, user: str, fence: bool) -> Awaitable[str | None]:
            return self._end(other, LIMIT, user, fence, by=id)

        if not await self._start().lists.make_room(user, limit, id, former, end):
            raise TooManySessions
        return 0, b""

    # A user's sessions.

    async def sessions_of(self, user_id: str, after: float, limit: int) -> Sequence[Listed]:
        return await self._start().lists.sessions_of(user_id, after, limit)

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

        return await self._start().lists.end_some(user_id, keep, rest, end)

    # Renewing.

    async def renew(self, signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        calls = self._start().calls
        ids = {self._keys.session(id): id for id in signs}
        outcomes: dict[str, Live | Ended | None] = {}

        async def renew_some(keys: Sequence[bytes]) -> None:
            some = [ids[key] for key in keys]
            indexes, packed = pack_signs(
                [signs[id] for id in some], [self._keys.index(id) for id in some]
            )
            time, *answers = await calls.write("renew", [*keys, *indexes], len(some), packed)
            now = float(time)
            for id, answer in zip(some, answers, strict=True):
                if isinstance(answer, bytes):
                    outcomes[id] = Live(unpack_clocks(answer), now)
                elif answer != 0:
                    outcomes[id] = unpack_end(answer[0], answer[1], now)

        failed = await failures_of(
            renew_some(keys[start : start + MOST_AT_ONCE])
            for keys in calls.by_slot(ids)
            for start in range(0, len(keys), MOST_AT_ONCE)
        )
        if signs and not outcomes:
            raise failed[0] if failed else StoreUnavailable
        return outcomes

    # Drafts.

    async def keep_draft(self, box: str, name: str, draft: bytes) -> None:
        await self._write("keep", self._keys.places(box), to_bytes(name), draft)

    async def drafts(self, box: str) -> Mapping[str, tuple[bytes, float]]:
        found = await self._call("drafts", self._keys.places(box))
        return {to_text(name): (draft, float(age)) for name, draft, age in found}

    async def drop_draft(self, box: str, name: str) -> None:
        await self._write("drop", self._keys.places(box), to_bytes(name))

    # Ends that are to be told.

    def keep_ends(self, wanted: Callable[[], bool]) -> None:
        self._wants_ends.append(wanted)
        if self._running is not None:
            self._running.calls.choose_scripts()

    def _choose_scripts(self) -> Mapping[str, Script]:
        """The scripts that keep ends, as long as these are wanted, or those that know of none."""
        self._keeps_ends = any(wanted() for wanted in self._wants_ends)
        return self._with_outbox if self._keeps_ends else self._without_outbox

    async def take_ends(self, limit: int) -> TakenEnds:
        return await self._start().ends.take(limit)

    async def ends_told(self, ids: Collection[str]) -> None:
        await self._start().ends.told(ids)

    # Open pages.

    async def report_pages(self, report: Report) -> Reported | None:
        return await self._start().attendance.report(report)

    async def forget_pages(self, worker: str) -> bool:
        return await self._start().attendance.forget(worker)

    async def pages_of(self, ids: Collection[str]) -> Mapping[str, int]:
        return await self._start().attendance.pages_of(ids)

    async def online(self, user_ids: Collection[str], grace: float) -> Collection[str]:
        return await self._start().attendance.online(user_ids, grace)

    async def count_pages(self, grace: float) -> Counts:
        return await self._start().attendance.count(grace)

    # Others.

    async def meet(self, application: str) -> Collection[str]:
        found = await self._call("meet", [self._keys.applications], to_bytes(application))
        return [to_text(name) for name in found]

    # Telling.

    def hears(self, since: float) -> bool:
        return self._running is not None and self._running.hearing.hears(since)

    def _tell(self, id: str, outcome: Live | Ended) -> None:
        for listener in self._listeners:
            listener(id, outcome)

    def _tell_if_deaf(self, id: str, reason: str) -> None:
        """Tell this process itself, if it does not hear what Redis tells all."""
        if self._running is None or self._running.hearing.is_deaf:
            self._tell(id, Ended(reason))


class _Running:
    """What a store has under way in one event loop: its connections, and two tasks."""

    def __init__(
        self,
        client: Any,
        scripts: Callable[[], Mapping[str, Script]],
        keys: Keys,
        tell: Listener,
        timeout: float,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.client = client
        self.trips: Server | Cluster
        if isinstance(client, aioredis.RedisCluster):
            self.trips = Cluster(client, timeout)
        else:
            self.trips = Server(client, timeout)
        self.calls = Calls(self.trips, scripts, timeout)
        self.hearing = Hearing(self.trips, keys, tell, timeout)
        alone = not isinstance(client, aioredis.RedisCluster)
        self.lists = Lists(self.calls, keys, alone=alone)
        self.ends = Ends(self.calls, keys)
        self.attendance = Attendance(self.calls, keys)
        sweep = Sweep(self.calls, keys, self.lists.settled)
        self._tasks = [self.loop.create_task(work) for work in (self.hearing.run(), sweep.run())]

    async def close(self) -> None:
        await end_tasks(self._tasks)
        await self.lists.close()
        await self.trips.close()

"""`RedisStore`: what a store is asked for, handed on to those who know of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence

from redis import asyncio as aioredis

from ...exceptions import ConfigError
from ...policy import Clocks, Limits, SignOfLife
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
from .keys import Keys
from .packing import to_bytes, to_text
from .running import Running
from .scripts import Script, scripts
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
        self._running: Running | None = None

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

    def _start(self) -> Running:
        """Have the work under way, in this event loop: an earlier one is gone."""
        running = self._running
        if running is None or running.loop is not asyncio.get_running_loop():
            if self._terms is None:
                raise RuntimeError("a store is bound before it is used")
            limits, _, timeout = self._terms
            running = self._running = Running(
                self._make(timeout),
                self._keys,
                self._choose_scripts,
                self._tell,
                lambda: self._keeps_ends,
                limits,
                timeout,
            )
        return running

    # Sessions.

    async def load(self, id: str) -> Record | Ended | None:
        return await self._start().sessions.load(id)

    async def create(self, id: str, change: Change) -> Clocks:
        return await self._start().sessions.create(id, change)

    async def save(self, id: str, change: Change) -> Changed | None:
        return await self._start().sessions.save(id, change)

    async def regenerate(self, id: str, new_id: str, change: Change) -> Changed | None:
        return await self._start().sessions.regenerate(id, new_id, change)

    async def end(
        self, id: str, reason: str, by: str | None = None, user_id: str | None = None
    ) -> str | None:
        return await self._start().sessions.end(id, reason, by, user_id)

    async def renew(self, signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        return await self._start().sessions.renew(signs)

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
        return await self._start().sessions.end_some(user_id, reason, keep, rest, by)

    # Drafts.

    async def keep_draft(self, box: str, name: str, draft: bytes) -> None:
        calls = self._start().calls
        await calls.write("keep", self._keys.places(box), to_bytes(name), draft)

    async def drafts(self, box: str) -> Mapping[str, tuple[bytes, float]]:
        found = await self._start().calls.call("drafts", self._keys.places(box))
        return {to_text(name): (draft, float(age)) for name, draft, age in found}

    async def drop_draft(self, box: str, name: str) -> None:
        await self._start().calls.write("drop", self._keys.places(box), to_bytes(name))

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
        calls = self._start().calls
        found = await calls.call("meet", [self._keys.applications], to_bytes(application))
        return [to_text(name) for name in found]

    # Telling.

    def hears(self, since: float) -> bool:
        return self._running is not None and self._running.hearing.hears(since)

    def _tell(self, id: str, outcome: Live | Ended) -> None:
        for listener in self._listeners:
            listener(id, outcome)

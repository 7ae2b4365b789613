"""A store to tamper with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from quart_idle import Store
from quart_idle.policy import Clocks, Limits, SignOfLife
from quart_idle.stores.base import (
    Change,
    Changed,
    Counts,
    Ended,
    EndedSome,
    EventStore,
    Listed,
    Listener,
    Live,
    PresenceStore,
    Record,
    Report,
    Reported,
    Stretch,
    TakenEnds,
)


@dataclass
class Gate:
    """Where a store's call is held."""

    after: bool
    late: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def passed(self) -> None:
        self.reached.set()
        await self.opened.wait()

    def open(self) -> None:
        self.opened.set()


class Tampered:
    """A store whose calls are counted, and can be held at a gate or made to fail."""

    timely = False

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self._gates: dict[str, Gate] = {}
        self.calls: list[str] = []
        #: What is reported and asked of open pages, apart.
        self.page_calls: list[str] = []
        self.fault: Exception | None = None
        #: Sessions that a part of the store has which fails; renewals notice.
        self.lost: set[str] = set()
        #: Whether what happens to sessions is not heard, as of another worker.
        self.deaf = False

    def hold(self, name: str, *, after: bool = False, late: bool = False) -> Gate:
        """Hold the next call of this name, before or after the store has handled it.

        A late one is handled when it is let go, though the caller may have given up long ago.
        """
        gate = self._gates[name] = Gate(after, late)
        return gate

    async def _pass(self, name: str, *arguments: Any) -> Any:
        (self.page_calls if hasattr(PresenceStore, name) else self.calls).append(name)
        if self.fault is not None:
            raise type(self.fault)(*self.fault.args)  # its traceback would grow and grow
        gate = self._gates.pop(name, None)
        call = self._pass_gate(gate, name, *arguments)
        if gate is not None and gate.late:
            return await asyncio.shield(asyncio.ensure_future(call))
        return await call

    async def _pass_gate(self, gate: Gate | None, name: str, *arguments: Any) -> Any:
        if gate is not None and not gate.after:
            await gate.passed()
        answer = await getattr(self._inner, name)(*arguments)
        if gate is not None and gate.after:
            await gate.passed()
        return answer

    def bind(
        self, limits: Limits, listener: Listener, prefix: str = "", timeout: float = 0.0
    ) -> None:
        def told(id: str, outcome: Live | Ended) -> None:
            if not self.deaf:
                listener(id, outcome)

        self._inner.bind(limits, told, prefix, timeout)

    def hears(self, since: float) -> bool:
        return not self.deaf and self._inner.hears(since)

    async def open(self) -> None:
        await self._pass("open")

    async def load(self, id: str) -> Record | Ended | None:
        return cast("Record | Ended | None", await self._pass("load", id))

    async def create(self, id: str, change: Change) -> Clocks:
        return cast(Clocks, await self._pass("create", id, change))

    async def save(self, id: str, change: Change) -> Changed | None:
        return cast("Changed | None", await self._pass("save", id, change))

    async def regenerate(self, id: str, new_id: str, change: Change) -> Changed | None:
        return cast("Changed | None", await self._pass("regenerate", id, new_id, change))

    async def end(
        self, id: str, reason: str, by: str | None = None, user_id: str | None = None
    ) -> str | None:
        return cast("str | None", await self._pass("end", id, reason, by, user_id))

    async def renew(self, signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        here = {id: sign for id, sign in signs.items() if id not in self.lost}
        answer = await self._pass("renew", here)
        return cast("Mapping[str, Live | Ended | None]", answer)

    async def sessions_of(self, user_id: str, after: float, limit: int) -> Sequence[Listed]:
        return cast("Sequence[Listed]", await self._pass("sessions_of", user_id, after, limit))

    async def end_some(
        self,
        user_id: str,
        reason: str,
        keep: str | None = None,
        rest: Stretch | None = None,
        by: str | None = None,
    ) -> EndedSome:
        return cast(EndedSome, await self._pass("end_some", user_id, reason, keep, rest, by))

    def keep_ends(self, wanted: Callable[[], bool]) -> None:
        if isinstance(self._inner, EventStore):
            self._inner.keep_ends(wanted)

    async def take_ends(self, limit: int) -> TakenEnds:
        return cast(TakenEnds, await self._pass("take_ends", limit))

    async def ends_told(self, ids: Collection[str]) -> None:
        await self._pass("ends_told", ids)

    async def report_pages(self, report: Report) -> Reported | None:
        return cast("Reported | None", await self._pass("report_pages", report))

    async def forget_pages(self, worker: str) -> bool:
        return cast(bool, await self._pass("forget_pages", worker))

    async def pages_of(self, ids: Collection[str]) -> Mapping[str, int]:
        return cast("Mapping[str, int]", await self._pass("pages_of", ids))

    async def online(self, user_ids: Collection[str], grace: float) -> Collection[str]:
        return cast("Collection[str]", await self._pass("online", user_ids, grace))

    async def count_pages(self, grace: float) -> Counts:
        return cast(Counts, await self._pass("count_pages", grace))

    async def close(self) -> None:
        await self._pass("close")

    async def keep_draft(self, box: str, name: str, draft: bytes) -> None:
        await self._pass("keep_draft", box, name, draft)

    async def drafts(self, box: str) -> Mapping[str, tuple[bytes, float]]:
        return cast("Mapping[str, tuple[bytes, float]]", await self._pass("drafts", box))

    async def drop_draft(self, box: str, name: str) -> None:
        await self._pass("drop_draft", box, name)

"""Open pages of all workers, in Redis: `attendance.lua` has them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..attendance import GONE_KEPT, MOST_REPORTED, Counts, Report, Reported
from .calls import Calls
from .keys import Keys
from .packing import to_bytes, to_text


class Attendance:
    """Open pages, as `PresenceStore` has them.

    Args:
        calls: the way to Redis.
        keys: the names of keys and channels.
    """

    def __init__(self, calls: Calls, keys: Keys) -> None:
        self._calls = calls
        self._keys = keys.attendance

    async def report(self, report: Report) -> Reported | None:
        worker, number, changes, lease, grace, tells = report
        packed = [
            it
            for id, (user_id, pages) in changes.items()
            for it in (to_bytes(id), b"%d:" % pages + to_bytes(user_id or ""))
        ]
        terms = repr(lease), repr(grace), int(tells), GONE_KEPT
        answer = await self._calls.write("report", self._keys, worker, number, *terms, *packed)
        if answer is None:
            return None
        came, left, at, due = answer
        gone = zip(left[::2], left[1::2], strict=True)
        return Reported(
            {to_text(user): float(at) for user in came},
            {to_text(user): float(since) for user, since in gone},
            float(due),
        )

    async def forget(self, worker: str) -> bool:
        return bool(await self._calls.call("forget_pages", self._keys, worker))

    async def pages_of(self, ids: Collection[str]) -> Mapping[str, int]:
        found = await self._ask("pages_of", ids)
        return {id: int(count) for id, count in found if count}

    async def online(self, user_ids: Collection[str], grace: float) -> Collection[str]:
        return [user for user, online in await self._ask("online", user_ids, repr(grace)) if online]

    async def count(self, grace: float) -> Counts:
        return Counts(*await self._calls.call("count_pages", self._keys, repr(grace)))

    async def _ask(
        self, name: str, about: Collection[str], *arguments: Any
    ) -> Sequence[tuple[str, Any]]:
        """What is answered to each, in one trip."""
        asked = list(about)
        answers = await asyncio.gather(
            *(
                self._calls.call(name, self._keys, *arguments, *map(to_bytes, part))
                for at in range(0, len(asked), MOST_REPORTED)
                if (part := asked[at : at + MOST_REPORTED])
            )
        )
        return list(zip(asked, [it for answer in answers for it in answer], strict=True))

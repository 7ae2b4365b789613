"""Ends that are to be told: taken from Redis by one worker each, and forgotten when they were.

They are kept by the scripts that end sessions (`put_out` in `scripts.lua`), by hash tag, so that on
a cluster an end and what is to be told of it are one write on one node.
"""

from __future__ import annotations

import logging
import random
import struct
from collections.abc import Collection
from typing import Final

from ...exceptions import StoreUnavailable
from ..base import HASH_TAG_LENGTH, TakenEnds, UntoldEnd
from .calls import Calls, failures_of
from .keys import HASH_TAGS, Keys
from .packing import to_bytes, to_text, unpack_untold

# How long a worker's turn to take ends lasts, in milliseconds: over when it looks again.
_TURN: Final = 900

_log = logging.getLogger("quart_idle")


class Ends:
    """Ends that are to be told.

    Args:
        calls: the way to Redis.
        keys: the names of keys and channels.
    """

    def __init__(self, calls: Calls, keys: Keys) -> None:
        self._calls = calls
        self._keys = keys
        # Whether there may be more than were taken: it is this worker's turn still.
        self._more = False

    async def take(self, limit: int) -> TakenEnds:
        """As `EventStore.take_ends`."""
        if not (self._more or await self._is_ours()):
            return TakenEnds(())
        self._more = False
        waiting: dict[str, int] = {}
        tags = {self._keys.outbox(tag)[1]: tag for tag in HASH_TAGS}

        async def look(keys: list[bytes]) -> None:
            counts = await self._calls.call("untold", keys)
            waiting.update(
                (tags[key], count) for key, count in zip(keys, counts, strict=True) if count
            )

        failed = await failures_of(look(keys) for keys in self._calls.by_slot(tags))
        ends: list[UntoldEnd] = []
        lost = False

        async def take_some(tag: str, many: int) -> None:
            nonlocal lost
            dropped, *found = await self._calls.call("take", self._keys.outbox(tag), many)
            lost = lost or bool(dropped)
            for rest, raw in found:
                id = tag + to_text(rest)
                try:
                    ends.append(unpack_untold(id, raw))
                except (struct.error, ValueError):
                    _log.error("the end of session %s cannot be read, and is told to nobody", id)
                    await self.told([id])

        takes = []
        left = limit
        for tag in random.sample(list(waiting), len(waiting)):  # none is always the last
            if left > 0:
                takes.append(take_some(tag, min(left, waiting[tag])))
                left -= waiting[tag]
        failed += await failures_of(takes)
        if failed and not ends:
            raise failed[0]
        self._more = left <= 0
        return TakenEnds(ends, lost)

    async def told(self, ids: Collection[str]) -> None:
        """As `EventStore.ends_told`."""
        by_tag: dict[str, list[bytes]] = {}
        for id in ids:
            tag, rest = id[:HASH_TAG_LENGTH], id[HASH_TAG_LENGTH:]
            by_tag.setdefault(tag, []).append(to_bytes(rest))
        failed = await failures_of(
            self._calls.call("told", self._keys.outbox(tag), *rests)
            for tag, rests in by_tag.items()
        )
        if failed:
            raise failed[0]

    async def _is_ours(self) -> bool:
        try:
            return bool(await self._calls.call("turn", [self._keys.telling_turn], _TURN))
        except StoreUnavailable:
            # The node that has the turn is down; what others have is told all the same. (No end is
            # taken by two.)
            return True

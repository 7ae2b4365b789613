"""Ending sessions whose time is up: the work of one worker at a time, whichever is there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, Final

from ...exceptions import StoreUnavailable
from ...log import Outage
from .calls import Calls, failures_of
from .keys import HASH_TAGS, Keys, sessions_of
from .scripts import DONE, MOST_DUE

# How often what is due is looked for, and the subscription is tried by a message, in seconds.
_TICK: Final = 1.0
# How long a worker's turn lasts, in milliseconds: over when it looks again.
_TURN: Final = int(_TICK * 900)


class Sweep:
    """Looks for sessions that are due, and ends them.

    Args:
        calls: the way to Redis.
        keys: the names of keys and channels.
        settled: is given what a script answered of users' lists.
    """

    def __init__(self, calls: Calls, keys: Keys, settled: Callable[[Any], Any]) -> None:
        self._settled = settled
        self._calls = calls
        self._keys = keys
        self._outage = Outage("looking for sessions that are due, in Redis,")

    async def run(self) -> None:
        """Sweep when it is this worker's turn, until this is cancelled."""
        more = False
        while True:
            self._calls.choose_scripts()
            try:
                await self._beat()
                more = (more or await self._is_ours()) and await self._sweep()
                self._outage.answered()
            except Exception as error:  # whatever it was, it is tried again
                away = isinstance(error, StoreUnavailable | OSError | TimeoutError)
                self._outage.failed(repr(error), None if away else error)
                more = False
            if not more:
                await asyncio.sleep(_TICK)

    async def _beat(self) -> None:
        """Say something to oneself, by which `Hearing` knows that it hears."""
        # By way of any node: where one is down, the others are heard still.
        index = self._keys.index(secrets.choice(HASH_TAGS))
        await failures_of([self._calls.call("beat", [index], self._keys.heartbeat)])

    async def _is_ours(self) -> bool:
        """Whether this worker gets the turn."""
        try:
            return bool(await self._calls.call("turn", [self._keys.turn], _TURN))
        except StoreUnavailable:
            # The node that has the turn is down. Others may work, so each worker sweeps those: what
            # is ended twice is ended once.
            return True

    async def _sweep(self) -> bool:
        """End what is due; whether there may be more."""
        found: list[tuple[bytes, list[bytes]]] = []

        async def look(indexes: list[bytes]) -> None:
            answers = await self._calls.call("due", indexes)
            found.extend((index, due) for index, due in zip(indexes, answers, strict=True) if due)

        indexes = [self._keys.index(tag) for tag in HASH_TAGS]
        await failures_of(look(some) for some in self._calls.by_slot(indexes))

        more = False

        async def end(index: bytes, due: list[bytes]) -> None:
            nonlocal more
            answer = await self._calls.call("sweep", [index, *sessions_of(index, due)])
            all_looked_at = self._settled(answer) == DONE
            more = more or (all_looked_at and len(due) == MOST_DUE)

        failed = await failures_of(end(index, due) for index, due in found)
        return not failed and more

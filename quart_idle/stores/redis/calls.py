"""Calls of scripts, by name; those that write do nothing once their caller has given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, Final

from ...exceptions import StoreUnavailable
from .cluster import Cluster
from .scripts import LATE, Script
from .trips import Server

# How often a write that came too late is tried again, while its caller waits.
_ATTEMPTS: Final = 3


class Calls:
    """Scripts by name.

    Args:
        trips: the way to Redis.
        scripts: gives the scripts that are to be run now.
        timeout: how long a caller waits, in seconds.
    """

    def __init__(
        self, trips: Server | Cluster, scripts: Callable[[], Mapping[str, Script]], timeout: float
    ) -> None:
        self._trips = trips
        self._choose = scripts
        self._scripts = scripts()
        self._timeout = timeout
        #: Groups of keys that one call can have together.
        self.by_slot = trips.by_slot

    def choose_scripts(self) -> None:
        """Run from now on what is to be run now."""
        self._scripts = self._choose()

    async def call(self, name: str, keys: Sequence[bytes], *arguments: Any) -> Any:
        """Run a script.

        Raises:
            StoreUnavailable: Redis did not answer, or not what it was asked for.
        """
        return await self._trips.call(self._scripts[name], keys, *arguments)

    async def write(self, name: str, keys: Sequence[bytes], *arguments: Any) -> Any:
        """Run a script that does nothing once its caller has given up.

        Raises:
            StoreUnavailable: Redis did not answer in time, or not what it was asked for.
        """
        script = self._scripts[name]
        until = monotonic() + self._timeout
        for _ in range(_ATTEMPTS):
            answer = await self._trips.call(script, keys, *arguments, until=until)
            if answer != LATE:
                return answer
            # Nothing happened. It was late, or Redis's clock was set; whoever calls waits still.
        raise StoreUnavailable from TimeoutError("a write came to Redis too late")


async def failures_of(calls: Iterable[Awaitable[Any]]) -> list[Exception]:
    """Have all of these calls done, and not only until one fails; the failures of the store."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, StoreUnavailable):
            raise answer
    return [answer for answer in answers if isinstance(answer, StoreUnavailable)]

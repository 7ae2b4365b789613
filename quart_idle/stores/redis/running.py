"""What a store has under way in one event loop: its connections, and two tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from redis import asyncio as aioredis

from ...policy import Limits
from ...tasks import end_tasks
from ..base import Ended, Listener
from .attendance import Attendance
from .calls import Calls
from .cluster import Cluster
from .events import Ends
from .hearing import Hearing
from .keys import Keys
from .lists import Lists
from .scripts import Script
from .sessions import Sessions
from .sweep import Sweep
from .trips import Server


class Running:
    """The way to Redis in one event loop, and what is done there beside what is asked for.

    Args:
        client: a `redis.asyncio` client.
        keys: the names of keys and channels.
        scripts: gives the scripts that are to be run now.
        tell: told of what happened to sessions, here and by other workers.
        keeps_ends: whether the scripts that are run now keep ends that are to be told.
        limits: the clocks that count.
        timeout: how long a call may take, in seconds.
    """

    def __init__(
        self,
        client: Any,
        keys: Keys,
        scripts: Callable[[], Mapping[str, Script]],
        tell: Listener,
        keeps_ends: Callable[[], bool],
        limits: Limits,
        timeout: float,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.client = client
        self._tell = tell
        alone = not isinstance(client, aioredis.RedisCluster)
        self.trips: Server | Cluster = (
            Server(client, timeout) if alone else Cluster(client, timeout)
        )
        self.calls = Calls(self.trips, scripts, timeout)
        self.hearing = Hearing(self.trips, keys, tell, timeout)
        self.lists = Lists(self.calls, keys, alone=alone)
        self.sessions = Sessions(
            self.trips,
            self.calls,
            self.lists,
            keys,
            limits,
            timeout,
            keeps_ends,
            self._tell_if_deaf,
        )
        self.ends = Ends(self.calls, keys)
        self.attendance = Attendance(self.calls, keys)
        sweep = Sweep(self.calls, keys, self.lists.settled)
        self._tasks = [self.loop.create_task(work) for work in (self.hearing.run(), sweep.run())]

    async def close(self) -> None:
        """End all that; the client stays open."""
        await end_tasks(self._tasks)
        await self.lists.close()
        await self.trips.close()

    def _tell_if_deaf(self, id: str, reason: str) -> None:
        """Tell this process itself, if it does not hear what Redis tells all."""
        if self.hearing.is_deaf:
            self._tell(id, Ended(reason))

"""Trips to the nodes of a cluster: which node has what, and what to do when that changes.

redis-py knows which node has what, and finds what has moved. Its `ClusterPipeline` is not used: it
waits for all nodes that it asks, so that a silent one holds up what the others answered; where one
fails it closes the connections to all, and sends everything again. It is not cheaper, either: a
load costs this process 39 microseconds of CPU with 64 at once and 198 alone; here 28 and 133.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any, Final

from redis import asyncio as aioredis
from redis.asyncio.cluster import ClusterNode
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,
    RedisClusterException,
    RedisError,
    TryAgainError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from ...exceptions import StoreUnavailable
from ...log import Outage
from ...tasks import end_tasks
from .connection import LOST, Command, Connection, timeless
from .keys import by_hash_tag
from .scripts import Script
from .trips import Trips

# How long after a look at which node has what another may follow, in seconds.
_LOOK_AGAIN: Final = 0.25
# How long a look may take, in times of a trip: it asks one node after another.
_LOOK_LASTS: Final = 4

# What says that another node may have a slot by now.
_NODE_DOWN: Final = (ConnectionError, ClusterDownError, RedisTimeoutError, OSError)


class Cluster:
    """Trips to the nodes of a cluster, each node's its own: a silent one holds up no other.

    Args:
        client: knows the nodes, and which has which slot.
        timeout: how long a trip may take, in seconds.
    """

    by_slot = staticmethod(by_hash_tag)

    def __init__(self, client: aioredis.RedisCluster, timeout: float) -> None:
        self._client = client
        self._timeout = timeout
        self._nodes: dict[str, Trips] = {}
        self._known = False
        self._looking: asyncio.Task[None] | None = None
        self._looked = -_LOOK_AGAIN
        self._looks = Outage("the list of the Redis cluster's nodes")

    async def call(
        self, script: Script, keys: Sequence[bytes], *arguments: Any, until: float | None = None
    ) -> Any:
        """What a script answers, as `Trips.call`; its keys are on one node."""
        return await self._ask(
            keys[0], lambda node: node.call(script, keys, *arguments, until=until)
        )

    async def load(self, key: bytes) -> tuple[Any, float]:
        """A hash, as `Trips.load`."""
        found: tuple[Any, float] = await self._ask(key, lambda node: node.load(key))
        return found

    async def connections(self, *, anew: bool = False) -> list[Any]:
        """One to each master, not connected yet; whoever wants them closes them.

        Args:
            anew: whether to ask first who is a master now.
        """
        await self._know()
        if anew:
            await asyncio.wait([self._look()])
        return [_connect(node) for node in self._client.get_primaries()]

    async def close(self) -> None:
        """Give the connections back; whoever waits still is told that the store failed."""
        if self._looking is not None:
            await end_tasks([self._looking])
        await asyncio.gather(*(node.close() for node in self._nodes.values()))

    async def _ask(self, key: bytes, ask: Callable[[Trips], Awaitable[Any]]) -> Any:
        """Ask the node that has a key; if that fails, the one that has it then."""
        await self._know()
        try:
            return await ask(self._node(key))
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, _NODE_DOWN):
                raise
            looking = self._look()
            if isinstance(error.__cause__, (TimeoutError, RedisTimeoutError)):
                raise  # whoever asked has given up
        await asyncio.wait([looking])
        return await ask(self._node(key))

    def _node(self, key: bytes) -> Trips:
        try:
            node = self._client.nodes_manager.get_node_from_slot(self._client.keyslot(key))
        except RedisClusterException as error:
            raise StoreUnavailable from error
        if node.name not in self._nodes:
            make = partial(NodeConnection, self._client, node)
            self._nodes[node.name] = Trips(make, self._timeout)
        return self._nodes[node.name]

    async def _know(self) -> None:
        """See to it that it is known which node has what."""
        if not self._known:
            await asyncio.wait([self._look()])
            if not self._known:
                raise StoreUnavailable from ConnectionError("no node of the cluster answers")

    def _look(self) -> asyncio.Task[None]:
        """See which node has what: once for all who want to know, whoever of them leaves."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._ask_nodes())
        return self._looking

    async def _ask_nodes(self) -> None:
        await asyncio.sleep(self._looked + _LOOK_AGAIN - monotonic())
        try:
            # It asks one after the other, in any order, until one answers.
            async with asyncio.timeout(_LOOK_LASTS * self._timeout):
                if self._known:
                    await self._client.nodes_manager.initialize()
                else:
                    await self._client.initialize()
                    self._known = True
        except (RedisError, RedisClusterException, OSError) as error:
            self._looks.failed(repr(error))
        else:
            self._looks.answered()
        finally:
            self._looked = monotonic()


class NodeConnection(Connection):
    """A connection to a node of a cluster; what is elsewhere by now is asked for there."""

    def __init__(self, client: aioredis.RedisCluster, node: ClusterNode) -> None:
        super().__init__(partial(_connect, node))
        self._client = client

    async def trip(self, commands: Sequence[Command]) -> list[Any]:
        """What is answered to each, wherever; an error that is answered is among the answers."""
        answers = await super().trip(commands)
        for at, answer in enumerate(answers):
            if isinstance(answer, (AskError, TryAgainError)):  # or MovedError, an AskError
                answers[at] = await self._ask_elsewhere(commands[at])
        return answers

    async def _ask_elsewhere(self, command: Command) -> Any:
        try:
            # The client knows the way, and learns what has moved for good.
            return await self._client.execute_command(*command, NEVER_DECODE=True)
        except (RedisError, OSError) as error:
            return error
        except (RedisClusterException, *LOST) as error:
            return ConnectionError(str(error))


def _connect(node: ClusterNode) -> Any:
    return timeless(node.connection_class(**node.connection_kwargs))

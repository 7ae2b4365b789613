"""Ways to Redis: what a load costs by the store's own, and by what redis-py has for it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from quart_idle.stores.redis.cluster import Cluster
from quart_idle.stores.redis.connection import Connection
from quart_idle.stores.redis.trips import Server, Trips
from tests.helpers.redis_servers import cluster, redis_server

_AT_ONCE = 64
_LOADS = 640
_ROUNDS = 40
_FIELDS: dict[Any, Any] = {"name": "Ada", "theme": "dark", "visits": "41", b"\xff": b"clocks" * 6}
_KEYS = [f"quart-idle:{{{4 * number:02x}}}rest".encode() for number in range(_AT_ONCE)]

Load = Callable[[Sequence[bytes]], Awaitable[Any]]


class _Pipelines(Connection):
    """A pipeline of redis-py's for each trip, over a pool that nobody else has."""

    def __init__(self, url: str) -> None:
        super().__init__(lambda: None)
        self._client = aioredis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))

    async def trip(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command, NEVER_DECODE=True)
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers

    async def drop(self) -> None:
        await self._client.aclose()


def _at_once(load: Callable[[bytes], Awaitable[Any]]) -> Load:
    async def loads(keys: Sequence[bytes]) -> None:
        await asyncio.gather(*(load(key) for key in keys))

    return loads


async def _measure(ways: dict[str, Load]) -> None:
    spent: dict[tuple[str, int], list[float]] = {}
    for number in range(_ROUNDS + 1):
        for name, load in ways.items():
            for many in (_AT_ONCE, 1):
                gc.collect()
                cpu = process_time()
                for _ in range(_LOADS // _AT_ONCE * (1 if many > 1 else 10)):
                    await load(_KEYS[:many])
                loads = _LOADS if many > 1 else _LOADS // _AT_ONCE * 10
                if number:  # the first round warms up
                    spent.setdefault((name, many), []).append((process_time() - cpu) / loads * 1e6)
    for name in ways:
        together, alone = (median(spent[name, many]) for many in (_AT_ONCE, 1))
        print(f"{name:36}{together:10.1f}{alone:10.1f}")


async def _server(url: str) -> None:
    client = aioredis.Redis.from_url(url, max_connections=2 * _AT_ONCE)
    for key in _KEYS:
        await client.hset(key, mapping=_FIELDS)
    ours, pipelines = Server(client, 10), Trips(lambda: _Pipelines(url), 10)
    await _measure(
        {
            "the store's": _at_once(ours.load),
            "a pipeline for each trip": _at_once(pipelines.load),
            "one command each, from a pool": _at_once(client.hgetall),
        }
    )
    for trips in (ours, pipelines):
        await trips.close()
    await client.aclose()


async def _cluster(port: int) -> None:
    client = aioredis.RedisCluster(host="127.0.0.1", port=port)
    for key in _KEYS:
        await client.hset(key, mapping=_FIELDS)
    ours = Cluster(client, 10)

    async def pipeline(keys: Sequence[bytes]) -> None:
        pipeline = client.pipeline()
        for key in keys:
            pipeline.execute_command("HGETALL", key, NEVER_DECODE=True)
        await pipeline.execute()

    await _measure({"the store's, cluster": _at_once(ours.load), "ClusterPipeline": pipeline})
    await ours.close()
    await client.aclose()


def main() -> None:
    """Print the table."""
    print(f"\nus of CPU a load in this process; medians of {_ROUNDS} rounds in turn")
    print(f"{'':36}{f'{_AT_ONCE} at once':>10}{'alone':>10}")
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as server:
        asyncio.run(_server(server.url))
    with TemporaryDirectory() as folder, cluster(Path(folder)) as nodes:
        asyncio.run(_cluster(nodes.nodes[0].port))

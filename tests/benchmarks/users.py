"""What users' lists of sessions cost: signing in and out, listing, ending all, bytes in Redis."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import httpx
import websockets
from quart import Quart
from redis import asyncio as aioredis

from quart_idle import QuartIdle
from quart_idle.cookies import id_of, new_token
from quart_idle.policy import Limits
from quart_idle.stores.base import Attributes, Change
from quart_idle.stores.redis import RedisStore
from tests.helpers.redis_servers import RedisServer, redis_server
from tests.helpers.servers import Server, start
from tests.helpers.wire import frame, presence

_CALLS = 4000
_AT_ONCE = 50
_SESSIONS = 20_000
_PAGES = 1000

_FIELDS: Any = {"name": b'"Ada Lovelace"', "theme": b'"dark"'}

_Call = Callable[[str], Awaitable[Any]]


async def _each(call: _Call, ids: list[str]) -> str:
    """Microseconds of this process's CPU a call, and by the clock on the wall one at a time."""
    cpu = process_time()
    for at in range(0, len(ids) - 200, _AT_ONCE):
        await asyncio.gather(*map(call, ids[at : at + _AT_ONCE]))
    cpu = (process_time() - cpu) / (len(ids) - 200)
    since = perf_counter()
    for id in ids[-200:]:
        await call(id)
    return f"{cpu * 1e6:.1f} | {(perf_counter() - since) / 200 * 1e6:.0f}"


async def _signing(server: RedisServer) -> None:
    store = RedisStore(server.url)
    store.bind(Limits(1800.0), lambda *_: None, timeout=30.0)
    await store.open()
    bare = aioredis.Redis(port=server.port)

    async def by_hand(id: str) -> None:
        async with bare.pipeline(transaction=False) as pipeline:
            pipeline.hset(id, mapping=_FIELDS)
            pipeline.pexpire(id, 1_800_000)
            pipeline.zadd("due", {id: 1.0})
            await pipeline.execute()

    async def end_by_hand(id: str) -> None:
        async with bare.pipeline(transaction=False) as pipeline:
            pipeline.unlink(id)
            pipeline.zrem("due", id)
            await pipeline.execute()

    def create(user: Callable[[str], Attributes]) -> _Call:
        return lambda id: store.create(id, Change(_FIELDS, user(id)))

    ways: dict[str, tuple[_Call, _Call]] = {
        "bare redis.asyncio, by hand": (by_hand, end_by_hand),
        "no user, no list": (create(lambda _: {}), lambda id: store.end(id, "over")),
        "listed, a user each": (
            create(lambda id: {"user_id": id}),
            lambda id: store.end(id, "over"),
        ),
        "listed, all one user's": (
            create(lambda _: {"user_id": "ada"}),
            lambda id: store.end(id, "over"),
        ),
    }
    print("\n| | sign in: CPU | alone | sign out: CPU | alone |\n| --- | --- | --- | --- | --- |")
    for name, (begin, end) in ways.items():
        ids = [id_of(new_token()) for _ in range(_CALLS)]
        await asyncio.gather(*map(begin, ids[:100]))  # Redis knows the scripts
        print(f"| {name} | {await _each(begin, ids)} | {await _each(end, ids)} |")
    await bare.aclose()
    await store.close()


async def _sizes(server: RedisServer) -> None:
    store = RedisStore(server.url)
    store.bind(Limits(1800.0), lambda *_: None, timeout=30.0)
    users: dict[str, Callable[[str], Attributes]] = {
        "no user": lambda _: {},
        "a user each": lambda id: {"user_id": f"user-{id[:10]}"},
        "all one user's": lambda _: {"user_id": "ada"},
    }
    with server.client as client:
        for name, user in users.items():
            client.flushall()
            await store.load("aa")
            used = int(client.info("memory")["used_memory"])
            for _ in range(_SESSIONS // 500):
                ids = [id_of(new_token()) for _ in range(500)]
                await asyncio.gather(*(store.create(id, Change(_FIELDS, user(id))) for id in ids))
            size = (int(client.info("memory")["used_memory"]) - used) / _SESSIONS
            print(f"bytes in Redis a session, {name}: {size:.0f}")
        client.flushall()
    await store.close()


async def _lists(server: RedisServer) -> None:
    app = Quart("lists")
    idle = QuartIdle(app, store=server.url, store_timeout=5)
    store = RedisStore(server.url)
    store.bind(Limits(2_678_400.0, warning=120.0), lambda *_: None, timeout=30.0)
    await app.startup()
    for many in (1, 100, 10_000):
        ids = [id_of(new_token()) for _ in range(many)]
        for at in range(0, many, 500):
            some = ids[at : at + 500]
            await asyncio.gather(*(store.create(id, Change({}, {"user_id": "ada"})) for id in some))
        since = perf_counter()
        assert len(await idle.sessions.of("ada")) == many
        print(f"of() for {many} sessions: {(perf_counter() - since) * 1000:.1f} ms")
        since = perf_counter()
        assert await idle.sessions.end_all("ada") == many
        print(f"end_all() of {many} sessions: {(perf_counter() - since) * 1000:.1f} ms")
    await store.close()
    await app.shutdown()


async def _pages(server: RedisServer, folder: Path) -> None:
    settings = {"store": server.url, "timeout": 1200, "ping_interval": 300}
    context = ssl.create_default_context()  # or each client makes one
    workers = [start("tests.helpers.app:app", folder, settings) for _ in range(2)]
    try:
        users: list[tuple[Server, httpx.AsyncClient]] = []
        pages: list[websockets.ClientConnection] = []

        async def open_page(worker: Server) -> None:
            user = httpx.AsyncClient(base_url=worker.url, timeout=30, verify=context)
            await user.post("/sign-in/ada")
            users.append((worker, user))
            page = await presence(worker, user, max_queue=None, open_timeout=30)
            await frame(page, "state")
            pages.append(page)

        for _ in range(0, _PAGES, 20):
            await asyncio.gather(*(open_page(workers[number % 2]) for number in range(20)))

        async def closed(page: websockets.ClientConnection) -> float:
            await page.wait_closed()
            assert page.close_code == 4401
            return perf_counter()

        waiting = [asyncio.ensure_future(closed(page)) for page in pages]
        other = httpx.AsyncClient(base_url=workers[0].url)
        since = perf_counter()
        response = await other.post("/sign-out-everywhere/ada")
        answered = perf_counter() - since
        assert response.json() == {"ended": _PAGES}
        last = max(await asyncio.gather(*waiting)) - since
        print(
            f"end_all() of {_PAGES} sessions with a page each on two workers: answered after "
            f"{answered:.2f} s, the last page closed after {last:.2f} s"
        )
        for _, user in users:
            await user.aclose()
        await other.aclose()
    finally:
        for worker in workers:
            worker.stop()


def main() -> None:
    """Print what was measured."""
    logging.disable(logging.WARNING)
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as server:
        asyncio.run(_signing(server))
        asyncio.run(_sizes(server))
        asyncio.run(_lists(server))
        asyncio.run(_pages(server, Path(folder)))

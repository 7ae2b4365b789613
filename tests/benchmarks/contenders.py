"""The servers' side of the tables of open pages: QuartIdle, the least that can be, and others.

Each is made by a server in a process of its own, which is told by its environment what to do.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import struct
import time
from collections.abc import Callable
from itertools import cycle
from typing import Any, NamedTuple

from quart import Quart, websocket
from redis import asyncio as aioredis

from quart_idle import QuartIdle
from quart_idle.codec import encode
from quart_idle.config import read
from quart_idle.cookies import id_of, new_token
from quart_idle.events import Events
from quart_idle.presence import Presence
from quart_idle.quarts import current
from quart_idle.renewals import Renewals
from quart_idle.sessions import Sessions
from quart_idle.stores.asking import ask
from quart_idle.stores.base import Change, Store
from quart_idle.stores.memory import MemoryStore
from quart_idle.stores.redis import RedisStore

#: The ping interval, in seconds.
INTERVAL = "PAGES_INTERVAL"
#: The store's URL.
STORE = "PAGES_STORE"

#: How many pages, the first, stay when all others are ended.
STAYING = 100

# Nine pings pass between two renewals of a page, as with a timeout of 30 minutes and 25 seconds.
_TIMEOUT_IN_INTERVALS = 72
_TICK = 0.05
# How many sessions are created or ended between two looks at what else there is to do.
_BATCH = 50


def _interval() -> float:
    return float(os.environ.get(INTERVAL, "25"))


def _collect_on_signal() -> None:
    signal.signal(signal.SIGUSR1, lambda *_: gc.collect())


class _Echo:
    """The frames of QuartIdle, and nothing behind them."""

    state = (
        '{"type": "state", "left": 1800000, "total": null, "warning": 120000, '
        '"keepalive": "presence", "retry": 8000}'
    )
    ping = '{"type": "ping", "left": 1795000, "retry": 8000}'

    def __init__(self) -> None:
        self.slots: list[set[Any]] = [set() for _ in range(round(_interval() / _TICK))]
        self.sends: dict[Any, None] = {}
        self.pinging: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        if scope["type"] == "http":
            if scope["path"] == "/end":
                await self.close()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ok"})
            return
        if self.pinging is None:
            self.pinging = asyncio.create_task(self.ping_all())
        slot = random.choice(self.slots)
        slot.add(send)
        self.sends[send] = None
        try:
            await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
            await send({"type": "websocket.send", "bytes": None, "text": self.state})
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            slot.discard(send)
            self.sends.pop(send, None)

    async def ping_all(self) -> None:
        for slot in cycle(self.slots):
            for send in tuple(slot):
                await send({"type": "websocket.send", "bytes": None, "text": self.ping})
            await asyncio.sleep(_TICK)

    async def close(self) -> None:
        for number, send in enumerate(tuple(self.sends)[STAYING:]):
            await send({"type": "websocket.close", "code": 4401, "reason": "signed out"})
            if number % _BATCH == 0:
                await asyncio.sleep(0)


def echo() -> _Echo:
    """The least that there can be."""
    _collect_on_signal()
    return _Echo()


def naive() -> Quart:
    """What is written first: a handler that pings, and prolongs a key in Redis for each answer."""
    _collect_on_signal()
    app = Quart("naive")
    redis = aioredis.from_url(os.environ[STORE], max_connections=1000)
    interval = _interval()

    @app.websocket("/presence")
    async def presence() -> None:
        key = f"session:{websocket.headers['Cookie'][-43:]}"
        await redis.set(key, b"{}", px=1_800_000)
        await websocket.send(_Echo.state)
        await asyncio.sleep(random.random() * interval)
        while True:
            await websocket.send(_Echo.ping)
            await websocket.receive()
            await redis.pexpire(key, 1_800_000)
            await asyncio.sleep(interval)

    return app


async def _age(store: Store, ids: list[str], interval: float) -> None:
    """Have sessions be of all ages up to that at which an open page renews them.

    So it is after a while; sessions of one moment would all be renewed at one moment.
    """
    now = time.time()
    ages = {id: random.random() * _TIMEOUT_IN_INTERVALS / 8 * interval for id in ids}
    if isinstance(store, MemoryStore):
        for id, age in ages.items():
            entry = store._sessions.living[id]
            entry.clocks = entry.clocks._replace(active=entry.clocks.active - age)
    elif isinstance(store, RedisStore):
        async with aioredis.from_url(os.environ[STORE]) as client:
            pipeline = client.pipeline(transaction=False)
            for id, age in ages.items():
                clocks = struct.pack("<ddddB", now - age, now - age, now - age, 0.0, 0)
                pipeline.hset(store._keys.session(id).decode(), "\xff".encode("latin-1"), clocks)
            await pipeline.execute()


def application(store: Store) -> Quart:
    """QuartIdle on a store, with sessions that are made and ended as they are asked for."""
    _collect_on_signal()
    app = Quart("pages")
    interval = _interval()
    QuartIdle(app, store=store, timeout=_TIMEOUT_IN_INTERVALS * interval, ping_interval=interval)
    tokens: list[str] = []

    @app.get("/sessions/<int:count>")
    async def sessions(count: int) -> str:
        new = [new_token() for _ in range(count)]
        tokens.extend(new)
        change = Change({"name": encode("name", "Ada")}, {"user_id": "ada"})
        for start in range(0, count, _BATCH):
            batch = [id_of(token) for token in new[start : start + _BATCH]]
            await asyncio.gather(*(store.create(id, change) for id in batch))
            await _age(store, batch, interval)
        return "\n".join(new)

    @app.get("/end")
    async def end() -> str:
        """End all sessions but the first ones."""
        for number, token in enumerate(tokens[STAYING:]):
            await store.end(id_of(token), "signed out")
            if number % _BATCH == 0:
                await asyncio.sleep(0)
        return "ok"

    @app.get("/end/<id>")
    async def end_one(id: str) -> str:
        await store.end(id, "signed out")
        return "ok"

    @app.get("/look")
    async def look() -> str:
        from quart import session

        return str(session["name"])

    return app


def memory() -> Quart:
    """QuartIdle as it is, in one process."""
    return application(MemoryStore())


def redis() -> Quart:
    """QuartIdle as it is, with its sessions in Redis."""
    return application(RedisStore(os.environ[STORE]))


def calm() -> Quart:
    """The same, where Python looks for garbage less often, as the guide to deployment advises."""
    gc.set_threshold(10_000, 50, 1000)
    return redis()


def behind() -> Quart:
    """The same code behind a route of the application's."""
    store = MemoryStore()
    app = application(store)
    interval = _interval()
    settings = read(
        app.config,
        {
            "store": store,
            "timeout": _TIMEOUT_IN_INTERVALS * interval,
            "ping_interval": interval,
        },
    )
    renewals = Renewals(
        lambda signs: ask(store.renew(signs), settings.store_timeout),
        lambda id, outcome: presence.tell(id, outcome),
    )
    events = Events(app, settings, Sessions(settings, renewals, lambda: None))
    presence = Presence(settings, renewals, app.config["SESSION_COOKIE_NAME"], events)
    store.bind(settings.limits, presence.tell)

    @app.websocket("/presence")
    async def page() -> None:
        socket = current(websocket)

        async def receive() -> Any:
            return {"type": "websocket.receive", "bytes": None, "text": await socket.receive()}

        async def send(message: Any) -> None:
            if message["type"] == "websocket.accept":
                await socket.accept()
            elif message["type"] == "websocket.send":
                await socket.send(message["text"])
            else:
                await socket.close(message["code"], message["reason"])

        await presence.socket(socket.scope, receive, send)

    return app


class Contender(NamedTuple):
    name: str
    make: Callable[[], Any]
    server: str = "hypercorn"
    loop: str = "asyncio"
    path: str = "/_idle/presence"
    sessions: bool = True
    ends: bool = True
    redis: bool = False


RAW = Contender("raw ASGI echo", echo, sessions=False)
NAIVE = Contender(
    "Quart route, PEXPIRE a ping", naive, path="/presence", sessions=False, ends=False, redis=True
)
MEMORY = Contender("QuartIdle on memory", memory)
REDIS = Contender("QuartIdle on Redis", redis, redis=True)
CALM = Contender("QuartIdle on Redis, calm GC", calm, redis=True)
BEHIND = Contender("QuartIdle behind a Quart route", behind, path="/presence")

"""The servers' side of the tables of open pages: QuartIdle, the least that can be, and others.

Each is made by a server in a process of its own, which is told by its environment what to do.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sqlite3
import struct
import time
from collections.abc import Callable
from contextlib import closing
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
from quart_idle.reports import Reports
from quart_idle.sessions import Sessions
from quart_idle.stores.asking import ask
from quart_idle.stores.base import Change, Store, Times
from quart_idle.stores.memory import MemoryStore
from quart_idle.stores.redis import RedisStore
from quart_idle.stores.sqlite import SQLiteStore
from quart_idle.stores.sqlite.packing import pack_clocks, unpack_clocks

from .echo import BATCH, STAYING, STORE, collect_on_signal, echo, naive, ping_interval

# Nine pings pass between two renewals of a page, as with a timeout of 30 minutes and 25 seconds.
_TIMEOUT_IN_INTERVALS = 72

_CLOCKS_OF = "SELECT clocks FROM sessions WHERE space = 1 AND id = ?"
_SET_CLOCKS = "UPDATE sessions SET clocks = ? WHERE space = 1 AND id = ?"


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
    elif isinstance(store, SQLiteStore):
        with closing(sqlite3.connect(store._file.path, isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            for id, age in ages.items():
                (raw,) = file.execute(_CLOCKS_OF, (id,)).fetchone()
                known = unpack_clocks(raw)
                older = pack_clocks(known._replace(active=known.active - age))
                file.execute(_SET_CLOCKS, (older, id))
            file.execute("COMMIT")


def application(store: Store) -> Quart:
    """QuartIdle on a store, with sessions that are made and ended as they are asked for."""
    collect_on_signal()
    app = Quart("pages")
    interval = ping_interval()
    QuartIdle(app, store=store, timeout=_TIMEOUT_IN_INTERVALS * interval, ping_interval=interval)
    tokens: list[str] = []

    @app.get("/sessions/<int:count>")
    async def sessions(count: int) -> str:
        new = [new_token() for _ in range(count)]
        tokens.extend(new)
        change = Change({"name": encode("name", "Ada")}, {"user_id": "ada"})
        for start in range(0, count, BATCH):
            batch = [id_of(token) for token in new[start : start + BATCH]]
            await asyncio.gather(*(store.create(id, change) for id in batch))
            await _age(store, batch, interval)
        return "\n".join(new)

    @app.get("/end")
    async def end() -> str:
        """End all sessions but the first ones."""
        for number, token in enumerate(tokens[STAYING:]):
            await store.end(id_of(token), "signed out")
            if number % BATCH == 0:
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


def sqlite() -> Quart:
    """QuartIdle as it is, with its sessions in a file."""
    return application(SQLiteStore(os.environ[STORE]))


def calm() -> Quart:
    """The same, where Python looks for garbage less often, as the guide to deployment advises."""
    gc.set_threshold(10_000, 50, 1000)
    return redis()


def behind() -> Quart:
    """The same code behind a route of the application's."""
    store = MemoryStore()
    app = application(store)
    interval = ping_interval()
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
    reports = Reports(settings, Times(), lambda: False, lambda _: None)
    events = Events(app, settings, Sessions(settings, renewals, reports, lambda: None))
    presence = Presence(settings, renewals, app.config["SESSION_COOKIE_NAME"], events, reports)
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
    #: Where its sessions are kept, beside its memory: "redis", or "files".
    kept: str = ""
    #: How many processes there are; 0: the server's own.
    workers: int = 0

    @property
    def redis(self) -> bool:
        return self.kept == "redis"


RAW = Contender("raw ASGI echo", echo, sessions=False)
NAIVE = Contender(
    "Quart route, PEXPIRE a ping", naive, path="/presence", sessions=False, ends=False, kept="redis"
)
MEMORY = Contender("QuartIdle on memory", memory)
REDIS = Contender("QuartIdle on Redis", redis, kept="redis")
SQLITE = Contender("QuartIdle on SQLite", sqlite, kept="files")
CALM = Contender("QuartIdle on Redis, calm GC", calm, kept="redis")
BEHIND = Contender("QuartIdle behind a Quart route", behind, path="/presence")

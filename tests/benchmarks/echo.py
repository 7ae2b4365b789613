"""The least that an open page can cost a server, and what is written first."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
from itertools import cycle
from typing import Any

from quart import Quart, websocket
from redis import asyncio as aioredis

#: The ping interval, in seconds.
INTERVAL = "PAGES_INTERVAL"
#: The store's URL.
STORE = "PAGES_STORE"

#: How many pages, the first, stay when all others are ended.
STAYING = 100

#: How many sessions are created or ended between two looks at what else there is to do.
BATCH = 50

_TICK = 0.05


def ping_interval() -> float:
    return float(os.environ.get(INTERVAL, "25"))


def collect_on_signal() -> None:
    signal.signal(signal.SIGUSR1, lambda *_: gc.collect())


class _Echo:
    """The frames of QuartIdle, and nothing behind them."""

    state = (
        '{"type": "state", "left": 1800000, "total": null, "warning": 120000, '
        '"keepalive": "presence", "retry": 8000}'
    )
    ping = '{"type": "ping", "left": 1795000, "retry": 8000}'

    def __init__(self) -> None:
        self.slots: list[set[Any]] = [set() for _ in range(round(ping_interval() / _TICK))]
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
            if number % BATCH == 0:
                await asyncio.sleep(0)


def echo() -> _Echo:
    """The least that there can be."""
    collect_on_signal()
    return _Echo()


def naive() -> Quart:
    """What is written first: a handler that pings, and prolongs a key in Redis for each answer."""
    collect_on_signal()
    app = Quart("naive")
    redis = aioredis.from_url(os.environ[STORE], max_connections=1000)
    interval = ping_interval()

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

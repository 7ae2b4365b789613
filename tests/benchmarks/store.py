"""What sessions cost in Redis: renewals, ends, bytes, and thousands of requests at once.

An end is measured in SQLite, too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import clock_gettime, perf_counter, process_time
from typing import cast

import quart
from quart import Quart
from quart_session import Session as QuartSession
from redis import Redis

from quart_idle import QuartIdle, Session
from quart_idle.codec import encode
from quart_idle.cookies import id_of, new_token
from quart_idle.policy import Limits, SignOfLife
from quart_idle.stores.base import Change, Live
from quart_idle.stores.redis import RedisStore
from tests.helpers.redis_servers import RedisServer, redis_server

from .clients import allow_files, clients
from .contenders import REDIS, SQLITE, Contender
from .million import VALUES
from .requests import request
from .serving import serve

_URL = "QUART_IDLE_BENCHMARK_REDIS"
_RENEWALS = 10_000
_PAGES = 2000
_SESSIONS = 100_000
_AT_ONCE = 5000
_ROUNDS = 5


def on_redis() -> Quart:
    """QuartIdle on the benchmark's Redis."""
    app = Quart("store")
    app.secret_key = "not a secret: a benchmark"  # noqa: S105
    QuartIdle(app, store=os.environ[_URL], timeout=1800, ping_interval=10)

    @app.get("/sign-in")
    async def sign_in() -> str:
        current = cast(Session, quart.session)
        current.user_id = "ada"
        current.update(VALUES)
        return ""

    @app.get("/read")
    async def read() -> str:
        return str(quart.session["visits"])

    return app


def _server_cpu(server: RedisServer) -> float:
    return clock_gettime((~server.process.pid << 3) | 2)


async def _renewals(server: RedisServer) -> None:
    store = RedisStore(server.url)
    store.bind(Limits(1800.0), lambda *_: None)
    await store.open()
    ids = [id_of(new_token()) for _ in range(_RENEWALS)]
    for start in range(0, _RENEWALS, 500):
        await asyncio.gather(
            *(store.create(id, Change({"a": b"1"}, {})) for id in ids[start : start + 500])
        )
    client, both = [], []
    for number in range(_ROUNDS):
        signs = {id: SignOfLife(0.0, 0.0, number > 0) for id in ids}
        theirs, ours = _server_cpu(server), process_time()
        outcomes = await store.renew(signs)
        ours, theirs = process_time() - ours, _server_cpu(server) - theirs
        assert all(isinstance(outcomes[id], Live) for id in ids)
        client.append(ours / _RENEWALS * 1e6)
        both.append((ours + theirs) / _RENEWALS * 1e6)
    await store.close()
    print(
        f"\n{_RENEWALS} renewals in one flush: {median(both):.1f} us of CPU each, client and "
        f"server together ({min(both):.1f} to {max(both):.1f}); "
        f"the client's part {median(client):.1f}"
    )


def _ends(contender: Contender, store: str) -> None:
    spent = []
    allow_files(_PAGES)
    with (
        clients() as fleet,
        serve(contender, interval=25.0, store=store) as one,
        serve(contender, interval=25.0, store=store) as two,
    ):
        for _ in range(_ROUNDS):
            (token,) = one.get("/sessions/1").split()
            for server in (one, two):
                fleet.open(server.port, contender.path, [token] * (_PAGES // 2))
            time.sleep(1.0)
            since = time.monotonic()
            one.get(f"/end/{id_of(token)}")
            while len(fleet.figures().closes) < _PAGES and time.monotonic() < since + 30:
                time.sleep(0.05)
            spent.append(fleet.figures().closes[_PAGES - 1] - since)
            fleet.leave()
    print(
        f"\n{contender.name}: an end with {_PAGES} pages on two workers, until the last has its "
        f"close frame: {median(spent) * 1000:.0f} ms "
        f"({min(spent) * 1000:.0f} to {max(spent) * 1000:.0f})"
    )


async def _at_once() -> None:
    app = on_redis()
    await app.startup()
    cookies = []
    for _ in range(50):
        response = await app.test_client().get("/sign-in")
        cookies.append(response.headers["Set-Cookie"].partition(";")[0])
    calls: list[Callable[[], Awaitable[None]]] = [
        request(app, "/read", cookies[number % 50]) for number in range(_AT_ONCE)
    ]
    start = perf_counter()
    errors = [
        outcome
        for outcome in await asyncio.gather(*(call() for call in calls), return_exceptions=True)
        if outcome is not None
    ]
    took = perf_counter() - start
    await app.shutdown()
    print(
        f"\n{_AT_ONCE} requests at once on default settings: {len(errors)} errors in {took:.1f} s"
    )


def _used(client: Redis) -> int:
    return int(client.info("memory")["used_memory"])


async def _sizes(server: RedisServer) -> None:
    client = server.client
    client.flushall()
    theirs = Quart("theirs")
    theirs.config.update(SESSION_TYPE="redis", SESSION_URI=server.url)
    QuartSession(theirs)

    @theirs.get("/sign-in")
    async def sign_in() -> str:
        quart.session.update({"user": "ada", **VALUES})
        return ""

    await theirs.startup()
    await theirs.test_client().get("/sign-in")
    (key,) = cast("list[bytes]", client.keys("*"))
    value, left = cast(bytes, client.get(key)), client.ttl(key)
    prefix = key.decode().rpartition(":")[0]
    await theirs.shutdown()
    client.flushall()

    def theirs_thousand() -> None:
        with client.pipeline(transaction=False) as pipeline:
            for _ in range(1000):
                name = f"{prefix}:{secrets.token_hex((len(key) - len(prefix) - 1) // 2)}"
                pipeline.setex(name, left, value)
            pipeline.execute()

    used = _used(client)
    for _ in range(_SESSIONS // 1000):
        theirs_thousand()
    size_theirs = (_used(client) - used) / _SESSIONS
    client.flushall()
    used = _used(client)
    store = RedisStore(server.url)
    store.bind(Limits(1800.0), lambda *_: None)
    fields = {name: encode(name, value) for name, value in VALUES.items()}
    for _ in range(_SESSIONS // 1000):
        await asyncio.gather(
            *(
                store.create(id_of(new_token()), Change(fields, {"user_id": "ada"}))
                for _ in range(1000)
            )
        )
    size = (_used(client) - used) / _SESSIONS
    await store.close()
    print(
        f"\nbytes in Redis per session of five small values, {_SESSIONS} of them: QuartIdle "
        f"{size:.0f}, the index of deadlines included; quart-session {size_theirs:.0f}"
    )


def main() -> None:
    """Print what was measured."""
    logging.disable(logging.WARNING)
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as server:
        os.environ[_URL] = server.url
        asyncio.run(_renewals(server))
        asyncio.run(_at_once())
        _ends(REDIS, server.url)
        _ends(SQLITE, f"sqlite:///{folder}/sessions.db")
        asyncio.run(_sizes(server))

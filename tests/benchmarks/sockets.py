"""How long a read takes over sockets: the median and the 99th percentile, beside bare Quart's."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple
from urllib.request import urlopen

from quart import Quart

from tests.helpers.redis_servers import redis_server

from . import requests
from .contenders import STORE, Contender
from .serving import serve

_CONNECTIONS = 32
# How long a contender has in each round, in seconds; the first of a round are not counted.
_TIME, _WARM = 1.5, 0.3
_ROUNDS = 15


def bare() -> Quart:
    return requests._bare()


def signed() -> Quart:
    return requests._on_memory()["Quart's signed cookie"]


def memory() -> Quart:
    return requests._on_memory()["QuartIdle on memory"]


def by_hand() -> Quart:
    return requests._on_redis(os.environ[STORE])["GETEX, then SET, by hand"]


def quart_session() -> Quart:
    return requests._on_redis(os.environ[STORE])["quart-session"]


def flask_session() -> Quart:
    return requests._on_redis(os.environ[STORE])["Flask-Session"]


def redis() -> Quart:
    return requests._on_redis(os.environ[STORE])["QuartIdle on Redis"]


_BARE = Contender("bare Quart, null session", bare)
_CONTENDERS = (
    _BARE,
    Contender("Quart's signed cookie", signed),
    Contender("QuartIdle on memory", memory),
    Contender("GETEX by hand", by_hand),
    Contender("quart-session", quart_session),
    Contender("Flask-Session", flask_session),
    Contender("QuartIdle on Redis", redis),
)


class _User(asyncio.Protocol):
    """A connection that asks again as soon as it is answered, and notes how long that took."""

    transport: Any

    def __init__(self, request: bytes, times: list[tuple[float, float]]) -> None:
        self.request = request
        self.times = times
        self.answer = b""
        self.asked = 0.0
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.asked = perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.answer += data
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].split()[0]):
            return
        assert head.startswith(b"HTTP/1.1 200"), head
        now = perf_counter()
        self.times.append((now, now - self.asked))
        self.answer = b""
        self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        self.gone.set_result(error)


class _Site(NamedTuple):
    port: int
    cookies: list[str]


@contextmanager
def _sites(store: str) -> Iterator[dict[str, _Site]]:
    with ExitStack() as stack:
        sites = {}
        for contender in _CONTENDERS:
            port = stack.enter_context(serve(contender, interval=25.0, store=store)).port
            cookies = []
            for _ in range(_CONNECTIONS if contender is not _BARE else 0):
                with urlopen(f"http://127.0.0.1:{port}/sign-in") as answer:
                    cookies.append(answer.headers["Set-Cookie"].partition(";")[0])
            sites[contender.name] = _Site(port, cookies or ["session=none"] * _CONNECTIONS)
        yield sites


async def _round(site: _Site) -> list[float]:
    """How long each read took, in seconds."""
    loop = asyncio.get_running_loop()
    times: list[tuple[float, float]] = []
    users = []
    for cookie in site.cookies:
        request = f"GET /read HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode()
        _, user = await loop.create_connection(
            lambda request=request: _User(request, times),  # type: ignore[misc]
            "127.0.0.1",
            site.port,
        )
        users.append(user)
    began = perf_counter()
    await asyncio.sleep(_WARM + _TIME)
    for user in users:
        user.transport.abort()
    await asyncio.gather(*(user.gone for user in users))
    gc.collect()
    return [took for at, took in times if at > began + _WARM]


def main() -> None:
    """Print the table."""
    print(
        f"\nms for a read over sockets, {_CONNECTIONS} connections, one worker of hypercorn, Redis "
        f"on the same machine;\nmedians of {_ROUNDS} rounds of {_TIME} s in turn, and of their "
        "ratios to bare Quart's of the same round"
    )
    gc.disable()  # the client's own pauses are not the servers'
    found: dict[str, list[tuple[float, float]]] = {each.name: [] for each in _CONTENDERS}
    with (
        TemporaryDirectory() as folder,
        redis_server(Path(folder)) as server,
        _sites(server.url) as sites,
    ):
        for number in range(_ROUNDS + 1):
            for name in random.sample(list(sites), len(sites)):
                times = asyncio.run(_round(sites[name]))
                percentiles = quantiles(times, n=100)
                if number:  # the first round warms up
                    found[name].append((percentiles[49] * 1e3, percentiles[98] * 1e3))
    print(f"{'':28}{'p50':>8}{'ratio':>7}{'p99':>8}{'ratio':>7}")
    for name, rounds in found.items():
        line = f"{name:28}"
        for which in (0, 1):
            value = median(each[which] for each in rounds)
            ratios = (
                each[which] / base[which]
                for each, base in zip(rounds, found[_BARE.name], strict=True)
            )
            line += f"{value:8.1f}{median(ratios):7.2f}"
        print(line)
    print("load at the end:", *(f"{load:.1f}" for load in os.getloadavg()))

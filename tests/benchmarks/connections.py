"""How long requests take over sockets, of many users at a time who ask again and again."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple
from urllib.request import urlopen

from .contenders import Contender
from .serving import serve

#: How many users there are.
CONNECTIONS = 32
#: How long a contender has in each round, in seconds; the first of a round are not counted.
TIME, _WARM = 1.5, 0.3


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


class Site(NamedTuple):
    """A server of a contender's, and its users' cookies."""

    port: int
    cookies: Sequence[str]

    async def times(self, path: str, seconds: float) -> list[tuple[float, float]]:
        """When each request for this was answered within that time, and how long it took."""
        loop = asyncio.get_running_loop()
        times: list[tuple[float, float]] = []
        users = []
        for cookie in self.cookies:
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode()
            _, user = await loop.create_connection(
                lambda request=request: _User(request, times),  # type: ignore[misc]
                "127.0.0.1",
                self.port,
            )
            users.append(user)
        began = perf_counter()
        await asyncio.sleep(_WARM + seconds)
        for user in users:
            user.transport.abort()
        await asyncio.gather(*(user.gone for user in users))
        gc.collect()
        return [(at, took) for at, took in times if at > began + _WARM]


@contextmanager
def sites(
    contenders: Sequence[Contender], redis: str, file: Path | None = None
) -> Iterator[Mapping[Contender, Site]]:
    """A server of each, and users who have signed in there.

    Args:
        contenders: whose they are.
        redis: where those have their sessions that have them in Redis.
        file: where others have theirs; None: in a file of its own each.
    """
    with ExitStack() as stack:
        made = {}
        for contender in contenders:
            store = redis
            if contender.kept == "files":
                own = file or Path(stack.enter_context(TemporaryDirectory())) / "sessions.db"
                store = f"sqlite:///{own}"
            port = stack.enter_context(serve(contender, interval=25.0, store=store)).port
            cookies = []
            for _ in range(CONNECTIONS if contender.sessions else 0):
                with urlopen(f"http://127.0.0.1:{port}/sign-in") as answer:
                    cookies.append(answer.headers["Set-Cookie"].partition(";")[0])
            made[contender] = Site(port, cookies or ["session=none"] * CONNECTIONS)
        yield made


def compare(
    contenders: Sequence[Contender], base: Contender, paths: Sequence[str], rounds: int, redis: str
) -> None:
    """Print the median and the 99th percentile of each, with ratios to the base's.

    Medians of the rounds, and of the ratios within a round.
    """
    gc.disable()  # the client's own pauses are not the servers'
    found: dict[tuple[Contender, str], list[tuple[float, float]]] = {}
    with sites(contenders, redis) as servers:
        for number in range(rounds + 1):
            for path in paths:
                for contender in random.sample(contenders, len(contenders)):
                    times = asyncio.run(servers[contender].times(path, TIME))
                    percentiles = quantiles((took for _, took in times), n=100)
                    if number:  # the first round warms up
                        measured = percentiles[49] * 1e3, percentiles[98] * 1e3
                        found.setdefault((contender, path), []).append(measured)
    gc.enable()
    columns = [(path, which) for path in paths for which in (0, 1)]
    print(
        f"{'':40}"
        + "".join(f"{path[1:]:>9} {('p50', 'p99')[which]}{'ratio':>7}" for path, which in columns)
    )
    for contender in contenders:
        line = f"{contender.name:40}"
        for path, which in columns:
            ours, theirs = ([each[which] for each in found[c, path]] for c in (contender, base))
            ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
            line += f"{median(ours):13.1f}{ratio:7.2f}"
        print(line)
    print("load at the end:", *(f"{load:.1f}" for load in os.getloadavg()))

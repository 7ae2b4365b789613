"""Thousands of pages whose worker stops, and another that takes them back."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from http.client import HTTPConnection
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

from quart_idle.cookies import id_of
from quart_idle.policy import Limits
from quart_idle.stores.base import Record
from quart_idle.stores.redis import RedisStore
from tests.helpers.redis_servers import free_port, redis_server

from .clients import Clients, allow_files, clients
from .contenders import CALM, REDIS, Contender
from .serving import PATIENCE, start

_PAGES = 5000
_INTERVAL = 25.0
# The same where they are to have signs of life that are held back, and how long those are, at most.
_SHORT, _HELD = 5.0, 5 * 72 / 8
_GRACEFUL = 3
# How many requests of other users there are in a second.
_REQUESTS = 20


class _Others:
    """Users whose requests are answered meanwhile: how long each takes, in seconds."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self.headers = {"Cookie": f"session={token}"}
        self.took: list[float] = []
        self.failed: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.is_set():
            since = time.monotonic()
            connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            try:
                connection.request("GET", "/look", headers=self.headers)
                answer = connection.getresponse()
                if answer.status == 200 and answer.read() == b"Ada":
                    self.took.append(time.monotonic() - since)
                else:
                    self.failed.append(f"{answer.status}")
            except OSError as error:
                self.failed.append(repr(error))
            finally:
                connection.close()
            self._over.wait(max(0.0, 1 / _REQUESTS - (time.monotonic() - since)))

    def __enter__(self) -> _Others:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _stampede(fleet: Clients, contender: Contender, how: signal.Signals) -> None:
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as redis:
        port, log = free_port(), Path(folder) / "log"

        server = start(
            contender, port, log, interval=_INTERVAL, store=redis.url, graceful=_GRACEFUL
        )
        try:
            tokens = server.get(f"/sessions/{_PAGES + 1}").split()
            fleet.open(port, contender.path, tokens[1:], deflate=True, stay=True)
            time.sleep(_INTERVAL + 1)  # the last ping named the window
            with redis.client as client:
                client.config_resetstat()
            stopped = time.monotonic()
            server.process.send_signal(how)
            server.process.wait(timeout=PATIENCE)
            server = start(contender, port, log, interval=_INTERVAL, store=redis.url)
            started = time.monotonic()
            busy = -server.cpu()
            with _Others(port, tokens[0]) as others:
                until = started + PATIENCE
                while len(fleet.figures().returned) < _PAGES and time.monotonic() < until:
                    time.sleep(0.5)
                busy += server.cpu()
                took = time.monotonic() - started
            found = fleet.figures()
            with redis.client as client:
                stats = client.info("commandstats")
            loads = int(stats.get("cmdstat_hgetall", {"calls": 0})["calls"]) - len(others.took)
            others.took.sort()
            print(
                f"\n{_PAGES} pages of {contender.name}, whose worker gets {how.name}; the "
                f"next one listens after {started - stopped:.1f} s:\n"
                f"  back: {len(found.returned)}, the last {found.returned[-1] - stopped:.1f} s "
                f"after the signal (half after "
                f"{found.returned[len(found.returned) // 2] - stopped:.1f} s); close codes "
                f"{found.codes}; attempts that failed: {found.refused}\n"
                f"  signed out: {found.codes.get(4401, 0)}; store errors in the log: "
                f"{log.read_text().count('the store')}; loads per page: {loads / _PAGES:.2f}\n"
                f"  requests of others meanwhile: {len(others.took)}, {len(others.failed)} failed, "
                f"p50 {others.took[len(others.took) // 2] * 1000:.0f} ms, "
                f"p99 {others.took[len(others.took) * 99 // 100] * 1000:.0f} ms; the worker's CPU: "
                f"{busy / took:.0%}",
                flush=True,
            )
        finally:
            server.process.kill()
            server.process.wait()
            fleet.leave()


def _shutdown(fleet: Clients, contender: Contender, name: str) -> None:
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as redis:
        log = Path(folder) / "log"
        server = start(
            contender,
            free_port(),
            log,
            interval=_SHORT,
            store=redis.url,
            graceful=_GRACEFUL,
        )
        try:
            tokens = server.get(f"/sessions/{_PAGES}").split()
            fleet.open(server.port, contender.path, tokens, deflate=True)
            time.sleep(_HELD / 2)
            held = _oldest(redis.url, tokens)
            since = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(timeout=PATIENCE)
            took = time.monotonic() - since
            unsettled = _oldest(redis.url, tokens) - took
        finally:
            server.process.kill()
            server.process.wait()
        found = fleet.figures()
        fleet.leave()
        print(
            f"{name:24}{took:8.2f} s{'':4}{found.codes!s:28}"
            f"{log.read_text().count('Traceback'):10}{held:12.1f} s{max(0.0, unsettled):10.1f} s",
            flush=True,
        )


def _oldest(url: str, tokens: list[str]) -> float:
    """How long ago the last sign of life that the store knows was, at most, in seconds."""

    async def ask() -> float:
        store = RedisStore(url)
        store.bind(Limits(1800.0), lambda *_: None)
        await store.open()
        records = await asyncio.gather(*(store.load(id_of(token)) for token in tokens))
        await store.close()
        return max(r.now - r.clocks.seen if isinstance(r, Record) else inf for r in records)

    return asyncio.run(ask())


def main() -> None:
    """Print what becomes of pages when their worker stops."""
    allow_files(_PAGES)
    with clients() as fleet:
        for contender, how in (
            (REDIS, signal.SIGTERM),
            (REDIS, signal.SIGKILL),
            (CALM, signal.SIGKILL),
        ):
            _stampede(fleet, contender, how)
        print(
            f"\n{_PAGES} open pages at SIGTERM, pinged every {_SHORT:g} s, a grace time of "
            f"{_GRACEFUL:g} s; how old the oldest of the last signs of life is in Redis at the "
            f"signal, and how old it was then by what is there when the process is gone"
        )
        print(
            f"{'':24}{'gone after':>10}{'':4}{'close codes':28}{'tracebacks':>10}"
            f"{'oldest':>14}{'after':>12}"
        )
        for server in ("hypercorn", "uvicorn"):
            for loop in ("asyncio", "uvloop"):
                _shutdown(fleet, REDIS._replace(server=server, loop=loop), f"{server}, {loop}")

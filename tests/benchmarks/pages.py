"""What an open page costs the server, beside the least that one can cost under the same server."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from quart_idle.cookies import id_of
from quart_idle.policy import Limits
from quart_idle.stores.redis import RedisStore
from quart_idle.stores.sqlite import SQLiteStore
from tests.helpers.redis_servers import RedisServer, redis_server

from .clients import Clients, allow_files, clients
from .contenders import BEHIND, CALM, MEMORY, NAIVE, RAW, REDIS, SQLITE, Contender
from .echo import STAYING
from .serving import PATIENCE, Server, serve

# How many pings there are in a second.
_PINGS = 400
# How long the pings are counted, in seconds, and in how many parts.
_WINDOW, _PARTS = 15.0, 3
# How long round trips are measured, in seconds, and how many a second.
_PROBING, _PROBES = 4.0, 200

# Each beside the echo under the same server.
_GROUPS = (
    (RAW, NAIVE, MEMORY, SQLITE, REDIS, CALM, BEHIND),
    *(
        (RAW._replace(server=server, loop=loop), REDIS._replace(server=server, loop=loop))
        for server, loop in (("hypercorn", "uvloop"), ("uvicorn", "asyncio"), ("uvicorn", "uvloop"))
    ),
)


class Cost(NamedTuple):
    memory: float  # KB per page
    cpu: list[float]  # ms per 1,000 answered pings, by parts of the window
    ratio: list[float]  # of that to the yardstick's, in the same parts
    trip: tuple[float, float]  # ms: median, and 99 of 100
    writes: float  # commands sent to Redis, or SQLite's transactions, a second
    trips: float  # to Redis a second
    end: float | None  # s from the first end to the last close frame
    trip_meanwhile: tuple[float, float] | None


def _quantiles(trips: list[float]) -> tuple[float, float]:
    return trips[len(trips) // 2] * 1000, trips[len(trips) * 99 // 100] * 1000


def _redis_work(redis: RedisServer, commands: Collection[str]) -> tuple[int, int]:
    """Commands that clients sent, and reads from their connections, so far."""
    with redis.client as client:
        stats = client.info("commandstats")
        sent = sum(int(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in commands)
        return sent, int(client.info("stats")["total_reads_processed"])


def _transactions(file: Path) -> int:
    """Transactions that changed an SQLite file so far, as the index of its log counts them."""
    with Path(f"{file}-shm").open("rb") as index:
        index.seek(8)
        return int.from_bytes(index.read(4), sys.byteorder)


def _work(contender: Contender, redis: RedisServer, file: Path) -> tuple[int, int]:
    """Commands or transactions, and trips to Redis, so far."""
    if contender is NAIVE:
        return _redis_work(redis, {"pexpire", "set"})
    if contender.kept == "redis":
        # What QuartIdle's scripts call is counted by its own name, too.
        return _redis_work(redis, {"evalsha", "eval", "hgetall"})
    return (_transactions(file) if contender.kept else 0), 0


async def _end_from_elsewhere(store: RedisStore | SQLiteStore, tokens: list[str]) -> None:
    """End sessions as another worker would."""
    store.bind(Limits(1800.0), lambda *_: None, timeout=60.0)
    await store.open()
    await asyncio.gather(*(store.end(id_of(token), "signed out") for token in tokens))
    await store.close()


class _Meter:
    """What a server uses for its pages' pings."""

    def __init__(self, server: Server, fleet: Clients) -> None:
        self._server, self._fleet = server, fleet
        self._idle = -server.cpu()
        time.sleep(1)
        self._idle += server.cpu()

    def read(self) -> tuple[float, int]:
        """The CPU time so far, in seconds, and the pings that were answered."""
        return self._server.cpu(), self._fleet.figures().answered

    def cost(self, since: tuple[float, int], seconds: float) -> tuple[float, int]:
        """CPU in ms per 1,000 pings since then, and how many there were."""
        used, answered = (new - old for new, old in zip(self.read(), since, strict=True))
        return (used - self._idle * seconds) / answered * 1e6, int(answered)


@contextmanager
def yardstick_of(like: Contender, count: int) -> Iterator[_Meter]:
    """As many pages of the raw echo, open all the time: the machine is not always as fast."""
    raw = RAW._replace(server=like.server, loop=like.loop)
    with clients() as fleet, serve(raw, interval=count / _PINGS) as server:
        meter = _Meter(server, fleet)
        fleet.open(server.port, raw.path, ["x" * 43] * count)
        server.memory()
        yield meter


class _Machines(NamedTuple):
    """What all contenders share: pages, pages that measure round trips, and a Redis."""

    redis: RedisServer
    fleet: Clients
    prober: Clients


def measure(
    contender: Contender, count: int, deflate: bool, machines: _Machines, yardstick: _Meter
) -> Cost:
    """What so many pages of a contender cost."""
    redis, fleet, prober = machines
    interval = count / _PINGS
    with redis.client as client:
        client.flushall()
    with ExitStack() as stack:
        file = Path(stack.enter_context(TemporaryDirectory())) / "sessions.db"
        store = f"sqlite:///{file}" if contender.kept == "files" else redis.url
        server = stack.enter_context(serve(contender, interval=interval, store=store))
        tokens = ["x" * 43] * (count + STAYING)
        if contender.sessions:
            tokens = server.get(f"/sessions/{count + STAYING}").split()
        elif contender is NAIVE:
            tokens = [f"{number:043}" for number in range(count + STAYING)]
        meter = _Meter(server, fleet)
        # The first pages have the server load what it needs for one.
        prober.open(server.port, contender.path, tokens[:STAYING], deflate=deflate)
        time.sleep(1)
        before = server.memory()
        fleet.open(server.port, contender.path, tokens[STAYING:], deflate=deflate)
        server.memory()  # what opening has left to collect is not the pings'
        cpu, ratio, pings = [], [], 0
        writes, reads = _work(contender, redis, file)
        for _ in range(_PARTS):
            since, beside = meter.read(), yardstick.read()
            time.sleep(_WINDOW / _PARTS)
            ours, answered = meter.cost(since, _WINDOW / _PARTS)
            cpu.append(ours)
            ratio.append(ours / yardstick.cost(beside, _WINDOW / _PARTS)[0])
            pings += answered
        writes, reads = (
            now - then
            for now, then in zip(_work(contender, redis, file), (writes, reads), strict=True)
        )
        memory = (server.memory() - before) / count
        trip = _quantiles(prober.probe(_PROBING, _PROBES))
        found = fleet.figures()
        if found.lost or pings < 0.9 * _PINGS * _WINDOW:
            raise SystemExit(
                f"no figures: {contender.name} lost {found.lost} pages, and {pings} of "
                f"{_PINGS * _WINDOW:g} pings were answered; is the machine busy?"
            )
        end = meanwhile = None
        if contender.ends:
            end, meanwhile = _end(contender, server, tokens[STAYING:], fleet, prober, store)
        fleet.leave()
        prober.leave()
    return Cost(
        memory,
        cpu,
        ratio,
        trip,
        writes / _WINDOW,
        max(0, reads - 2) / _WINDOW,
        end,
        meanwhile,
    )


def _end(
    contender: Contender,
    server: Server,
    tokens: list[str],
    fleet: Clients,
    prober: Clients,
    store: str,
) -> tuple[float, tuple[float, float]]:
    prober.start_probe(3.0, 500)
    time.sleep(0.2)
    since = time.monotonic()
    if contender.kept:
        kind = RedisStore if contender.redis else SQLiteStore
        asyncio.run(_end_from_elsewhere(kind(store), tokens))
    else:
        server.get("/end")
    meanwhile = prober.probed()
    until = time.monotonic() + PATIENCE
    while len(fleet.figures().closes) < len(tokens):
        if time.monotonic() > until:
            raise SystemExit(f"{contender.name}: {len(fleet.figures().closes)} close frames only")
        time.sleep(0.1)
    return fleet.figures().closes[-1] - since, _quantiles(meanwhile)


def print_head(count: int) -> None:
    print(
        f"\n{count} open pages, {_PINGS} pings a second; ratios to the raw echo, without "
        f"compression, under the same server (of CPU, by way of a second echo with as many pages "
        f"that runs all the time); CPU: median of {_PARTS} parts of {_WINDOW / _PARTS:g} s, and "
        f"its ratio (least to most); round trip: a WebSocket ping by a page, answered when the "
        f"server's loop gets to it; writes: commands to Redis, or transactions; "
        f"an end: of all sessions one by one, to the last close frame"
    )
    print(
        f"{'':30}{'':9}{'KB a page':>14}{'CPU ms for 1,000 pings':>32}{'round trip, ms':>16}"
        f"{'store, a second':>20}{'end, s':>8}{'meanwhile':>14}"
    )
    print(
        f"{'':30}{'deflate':9}{'':14}{'':32}{'p50':>8}{'p99':>8}{'writes':>11}{'trips':>9}"
        f"{'':8}{'p50':>7}{'p99':>7}"
    )


def print_row(contender: Contender, deflate: bool, cost: Cost, base: Cost) -> None:
    ratios = [ratio / median(base.ratio) for ratio in cost.ratio]
    spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
    trips = f"{cost.trips:9.1f}" if contender.redis else f"{'':9}"
    work = f"{cost.writes:11.1f}{trips}" if contender.kept else f"{'':20}"
    print(
        f"{contender.name:30}{'offered' if deflate else 'no':9}"
        f"{cost.memory:8.1f} {cost.memory / base.memory:5.2f}"
        f"{median(cost.cpu):9.1f} {median(ratios):5.2f}{spread:>17}"
        f"{cost.trip[0]:8.1f}{cost.trip[1]:8.1f}{work}"
        + (
            f"{cost.end:8.2f}{cost.trip_meanwhile[0]:7.1f}{cost.trip_meanwhile[1]:7.1f}"
            if cost.end is not None and cost.trip_meanwhile is not None
            else ""
        ),
        flush=True,
    )


def make_machines(stack: ExitStack) -> _Machines:
    folder = stack.enter_context(TemporaryDirectory())
    redis = stack.enter_context(redis_server(Path(folder)))
    return _Machines(redis, stack.enter_context(clients()), stack.enter_context(clients(1)))


def _table(
    count: int,
    groups: tuple[tuple[Contender, ...], ...] = _GROUPS,
    deflates: tuple[bool, ...] = (False, True),
) -> None:
    allow_files(count + STAYING)
    with ExitStack() as stack:
        machines = make_machines(stack)
        print_head(count)
        for group in groups:
            print(f"under {group[0].server}, {group[0].loop}")
            base: Cost | None = None
            with yardstick_of(group[0], count) as yardstick:
                for contender, deflate in product(group, deflates):
                    cost = measure(contender, count, deflate, machines, yardstick)
                    base = base or cost
                    print_row(contender, deflate, cost, base)


def main() -> None:
    """Two thousand pages."""
    _table(2000)


def many() -> None:
    """Ten thousand."""
    (*hypercorn, _), uvloop, uvicorn, _ = _GROUPS
    _table(10_000, (tuple(hypercorn), uvloop, uvicorn))


def host() -> None:
    """Ten thousand on one host, by where their sessions are."""
    _table(10_000, ((RAW, MEMORY, SQLITE, REDIS),), deflates=(False,))

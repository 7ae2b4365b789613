"""What an open page costs the server, beside the least that one can cost under the same server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from quart_idle.cookies import id_of
from quart_idle.policy import Limits
from quart_idle.stores.redis import RedisStore
from tests.helpers.redis_servers import RedisServer, redis_server

from .clients import Clients, allow_files, clients
from .contenders import BEHIND, CALM, MEMORY, NAIVE, RAW, REDIS, STAYING, Contender
from .serving import PATIENCE, Server, serve

# How many pings there are in a second.
_PINGS = 400
# How long the pings are counted, in seconds, and in how many parts.
_WINDOW, _PARTS = 15.0, 3
# How long round trips are measured, in seconds, and how many a second.
_PROBING, _PROBES = 4.0, 200

# Ever more pages, and where they are drawn.
_SIZES = (1000, 2500, 5000, 10_000)
_PLOT = Path(__file__).parent / "growth.svg"

# Each beside the echo under the same server.
_GROUPS = (
    (RAW, NAIVE, MEMORY, REDIS, CALM, BEHIND),
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
    commands: float  # sent to Redis per 1,000 pings
    trips: float  # to Redis per 1,000 pings
    end: float | None  # s from the first end to the last close frame
    trip_meanwhile: tuple[float, float] | None


def _quantiles(trips: list[float]) -> tuple[float, float]:
    return trips[len(trips) // 2] * 1000, trips[len(trips) * 99 // 100] * 1000


def _redis_work(redis: RedisServer | None, contender: Contender) -> tuple[int, int]:
    """Commands that clients sent, and reads from their connections, so far."""
    if redis is None:
        return 0, 0
    with redis.client as client:
        # What QuartIdle's scripts call is counted by its own name, too.
        sent = {"pexpire", "set"} if contender is NAIVE else {"evalsha", "eval", "hgetall"}
        stats = client.info("commandstats")
        commands = sum(int(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in sent)
        return commands, int(client.info("stats")["total_reads_processed"])


async def _end_from_elsewhere(redis: RedisServer, tokens: list[str]) -> None:
    """End sessions as another worker would, on another host."""
    store = RedisStore(redis.url)
    store.bind(Limits(1800.0), lambda *_: None)
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
def _yardstick(like: Contender, count: int) -> Iterator[_Meter]:
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
    store = redis if contender.redis else None
    with redis.client as client:
        client.flushall()
    with serve(contender, interval=interval, store=redis.url) as server:
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
        commands, reads = _redis_work(store, contender)
        for _ in range(_PARTS):
            since, beside = meter.read(), yardstick.read()
            time.sleep(_WINDOW / _PARTS)
            ours, answered = meter.cost(since, _WINDOW / _PARTS)
            cpu.append(ours)
            ratio.append(ours / yardstick.cost(beside, _WINDOW / _PARTS)[0])
            pings += answered
        memory = (server.memory() - before) / count
        commands, reads = (
            after - before
            for after, before in zip(_redis_work(store, contender), (commands, reads), strict=True)
        )
        trip = _quantiles(prober.probe(_PROBING, _PROBES))
        found = fleet.figures()
        if found.lost or pings < 0.9 * _PINGS * _WINDOW:
            raise SystemExit(
                f"no figures: {contender.name} lost {found.lost} pages, and {pings} of "
                f"{_PINGS * _WINDOW:g} pings were answered; is the machine busy?"
            )
        end = meanwhile = None
        if contender.ends:
            end, meanwhile = _end(contender, server, tokens[STAYING:], fleet, prober, redis)
        fleet.leave()
        prober.leave()
    return Cost(
        memory,
        cpu,
        ratio,
        trip,
        commands / pings * 1000,
        max(0, reads - 2) / pings * 1000,
        end,
        meanwhile,
    )


def _end(
    contender: Contender,
    server: Server,
    tokens: list[str],
    fleet: Clients,
    prober: Clients,
    redis: RedisServer,
) -> tuple[float, tuple[float, float]]:
    prober.start_probe(3.0, 500)
    time.sleep(0.2)
    since = time.monotonic()
    if contender.redis:
        asyncio.run(_end_from_elsewhere(redis, tokens))
    else:
        server.get("/end")
    meanwhile = prober.probed()
    until = time.monotonic() + PATIENCE
    while len(fleet.figures().closes) < len(tokens):
        if time.monotonic() > until:
            raise SystemExit(f"{contender.name}: {len(fleet.figures().closes)} close frames only")
        time.sleep(0.1)
    return fleet.figures().closes[-1] - since, _quantiles(meanwhile)


def _print_head(count: int) -> None:
    print(
        f"\n{count} open pages, {_PINGS} pings a second; ratios to the raw echo, without "
        f"compression, under the same server (of CPU, by way of a second echo with as many pages "
        f"that runs all the time); CPU: median of {_PARTS} parts of {_WINDOW / _PARTS:g} s, and "
        f"its ratio (least to most); round trip: a WebSocket ping by a page, answered when the "
        f"server's loop gets to it; an end: of all sessions one by one, to the last close frame"
    )
    print(
        f"{'':30}{'':9}{'KB a page':>14}{'CPU ms for 1,000 pings':>32}{'round trip, ms':>16}"
        f"{'Redis, 1,000 pings':>20}{'end, s':>8}{'meanwhile':>14}"
    )
    print(
        f"{'':30}{'deflate':9}{'':14}{'':32}{'p50':>8}{'p99':>8}{'commands':>11}{'trips':>9}"
        f"{'':8}{'p50':>7}{'p99':>7}"
    )


def _print_row(contender: Contender, deflate: bool, cost: Cost, base: Cost) -> None:
    ratios = [ratio / median(base.ratio) for ratio in cost.ratio]
    spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
    redis = f"{cost.commands:11.1f}{cost.trips:9.1f}" if contender.redis else f"{'':20}"
    print(
        f"{contender.name:30}{'offered' if deflate else 'no':9}"
        f"{cost.memory:8.1f} {cost.memory / base.memory:5.2f}"
        f"{median(cost.cpu):9.1f} {median(ratios):5.2f}{spread:>17}"
        f"{cost.trip[0]:8.1f}{cost.trip[1]:8.1f}{redis}"
        + (
            f"{cost.end:8.2f}{cost.trip_meanwhile[0]:7.1f}{cost.trip_meanwhile[1]:7.1f}"
            if cost.end is not None and cost.trip_meanwhile is not None
            else ""
        ),
        flush=True,
    )


def _machines(stack: ExitStack) -> _Machines:
    folder = stack.enter_context(TemporaryDirectory())
    redis = stack.enter_context(redis_server(Path(folder)))
    return _Machines(redis, stack.enter_context(clients()), stack.enter_context(clients(1)))


def _table(count: int, groups: tuple[tuple[Contender, ...], ...] = _GROUPS) -> None:
    allow_files(count + STAYING)
    with ExitStack() as stack:
        machines = _machines(stack)
        _print_head(count)
        for group in groups:
            print(f"under {group[0].server}, {group[0].loop}")
            base: Cost | None = None
            with _yardstick(group[0], count) as yardstick:
                for contender, deflate in product(group, (False, True)):
                    cost = measure(contender, count, deflate, machines, yardstick)
                    base = base or cost
                    _print_row(contender, deflate, cost, base)


def main() -> None:
    """Two thousand pages."""
    _table(2000)


def many() -> None:
    """Ten thousand."""
    (*hypercorn, _), uvloop, uvicorn, _ = _GROUPS
    _table(10_000, (tuple(hypercorn), uvloop, uvicorn))


def growth() -> None:
    """More and more pages: what one costs must not grow. Draws the plot of README.md, too."""
    allow_files(_SIZES[-1] + STAYING)
    lines: dict[tuple[Contender, bool], list[Cost]] = {
        (RAW, False): [],
        (REDIS, True): [],
    }
    with ExitStack() as stack:
        machines = _machines(stack)
        for count in _SIZES:
            _print_head(count)
            with _yardstick(RAW, count) as yardstick:
                for (contender, deflate), costs in lines.items():
                    cost = measure(contender, count, deflate, machines, yardstick)
                    costs.append(cost)
                    _print_row(contender, deflate, cost, lines[RAW, False][-1])
    _plot(
        {
            f"{contender.name}, {'with' if deflate else 'without'} compression offered": costs
            for (contender, deflate), costs in lines.items()
        }
    )


def _plot(lines: dict[str, list[Cost]]) -> None:
    from matplotlib import pyplot

    figure, (memory, cpu) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for (name, costs), style in zip(lines.items(), ("o--", "D-"), strict=True):
        memory.plot(
            _SIZES,
            [cost.memory * count / 1024 for cost, count in zip(costs, _SIZES, strict=True)],
            style,
            label=name,
        )
        raw = [median(cost.ratio) for cost in next(iter(lines.values()))]
        ratios = [[r / base for r in c.ratio] for c, base in zip(costs, raw, strict=True)]
        middle = [median(parts) for parts in ratios]
        spread = [
            [m - min(parts) for m, parts in zip(middle, ratios, strict=True)],
            [max(parts) - m for m, parts in zip(middle, ratios, strict=True)],
        ]
        cpu.errorbar(_SIZES, middle, spread, fmt=style, capsize=3, label=name)
    memory.set(xlabel="open pages", ylabel="memory, MB", ylim=0, xlim=0)
    cpu.set(xlabel="open pages", ylabel="CPU for a ping, to the raw echo's", ylim=0, xlim=0)
    memory.legend()
    for axes in (memory, cpu):
        axes.grid(alpha=0.3)
    figure.savefig(_PLOT, metadata={"Date": None})
    print(f"\n{_PLOT.name} drawn")

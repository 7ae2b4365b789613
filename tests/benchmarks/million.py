"""What a million sessions in one file cost: bytes, reads, writes, and what is due all at once."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

from quart_idle.codec import encode
from quart_idle.policy import Limits, SignOfLife
from quart_idle.stores.base import Attributes, Change
from quart_idle.stores.sqlite import SQLiteStore

from .connections import Site, sites
from .contenders import Contender
from .serving import PATIENCE
from .workers import stored

_MANY, _FEW = 1_000_000, 1000
_DUE = 100_000
# How many sessions are made in one transaction.
_BATCH = 1000
# How long before what is due falls due, after it was begun to be made, in seconds; and for how long
# requests are measured before and after.
_AHEAD, _QUIET = 75.0, 15.0
_CALLS, _AT_ONCE, _ROUNDS = 64 * 50, 64, 7
_LONG = 31 * 86_400.0

# Five small values, as an application has them.
VALUES: dict[str, Any] = {
    "name": "Ada Lovelace",
    "cart": [1017, 2214, 1003],
    "theme": "dark",
    "visits": 41,
    "csrf": "3f7c1f0a9be24d0c8a51",
}
_FIELDS = {name: encode(name, value) for name, value in VALUES.items()}

_TWO = Contender("two workers", stored, kept="files", workers=2)


async def _open(file: Path) -> SQLiteStore:
    store = SQLiteStore(file)
    store.bind(Limits(_LONG), lambda *_: None, timeout=60.0)
    await store.open()
    return store


async def _fill(store: SQLiteStore, many: int, until: float | None = None) -> list[str]:
    """Make so many sessions of a user each, that fall due at a moment, or in a month."""
    ids: list[str] = []
    for at in range(0, many, _BATCH):
        new = [secrets.token_hex(32) for _ in range(_BATCH)]
        own: Attributes = {} if until is None else {"timeout": until - time.time()}
        await asyncio.gather(
            *(
                store.create(id, Change(_FIELDS, {"user_id": f"user-{at + number}", **own}))
                for number, id in enumerate(new)
            )
        )
        ids += new
    return ids


def _size(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return file.stat().st_size


async def _each(call: Callable[[str], Awaitable[Any]], ids: Sequence[str]) -> tuple[float, float]:
    """Microseconds a call: of this process's CPU, and by the clock on the wall."""
    gc.collect()
    cpu, wall = process_time(), perf_counter()
    for at in range(0, len(ids), _AT_ONCE):
        await asyncio.gather(*map(call, ids[at : at + _AT_ONCE]))
    cpu, wall = process_time() - cpu, perf_counter() - wall
    return cpu / len(ids) * 1e6, wall / len(ids) * 1e6


def _ways(store: SQLiteStore, change: Change) -> dict[str, Callable[[str], Awaitable[Any]]]:
    return {
        "read": store.load,
        "write": lambda id: store.save(id, change),
        "renewal": lambda id: store.renew({id: SignOfLife(0.0, 0.0, False)}),
    }


async def _calls(files: dict[int, tuple[SQLiteStore, list[str]]]) -> None:
    """Print what reads, writes and renewals of sessions take that are anywhere in the file."""
    found: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for number in range(_ROUNDS + 1):
        for many, (store, all_ids) in files.items():
            ids = random.choices(all_ids, k=_CALLS)
            ways = _ways(store, Change({"visits": encode("visits", number)}, {}))
            for name, call in ways.items():
                spent = await _each(call, ids)
                if number:
                    found.setdefault((many, name), []).append(spent)
    print(f"\nus a call, {_AT_ONCE} at a time, of sessions anywhere; medians of {_ROUNDS} rounds")
    print(f"{'sessions in the file':24}{'':10}{'CPU':>8}{'ratio':>7}{'wall':>8}{'ratio':>7}")
    for (many, name), rounds in found.items():
        line = f"{many:<24,}{name:10}"
        for which in (0, 1):
            value, base = (median(each[which] for each in of) for of in (rounds, found[_FEW, name]))
            line += f"{value:8.1f}{value / base:7.2f}"
        print(line)


async def _requests(site: Site, seconds: float) -> list[tuple[float, float]]:
    """Half of the users read, and half write."""
    half = len(site.cookies) // 2
    users = (site._replace(cookies=site.cookies[:half]), site._replace(cookies=site.cookies[half:]))
    reads, writes = await asyncio.gather(
        users[0].times("/read", seconds), users[1].times("/write", seconds)
    )
    return reads + writes


def _print_times(when: str, times: Sequence[tuple[float, float]]) -> None:
    percentiles = quantiles((took for _, took in times), n=100)
    worst = max(took for _, took in times)
    print(
        f"{when:32}{len(times):8} requests: p50 {percentiles[49] * 1e3:6.1f} ms, "
        f"p99 {percentiles[98] * 1e3:6.1f} ms, longest {worst * 1e3:6.1f} ms",
        flush=True,
    )


def _are_some_due(file: Path) -> bool:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        query = "SELECT EXISTS (SELECT 1 FROM sessions WHERE look <= ? AND reason IS NULL)"
        return bool(connection.execute(query, (time.time(),)).fetchone()[0])


def _falling_due(file: Path, until: float) -> None:
    """Print what requests to two workers take before, while and after sessions fall due."""
    with sites([_TWO], "", file) as made:
        site = made[_TWO]
        gc.disable()
        if time.time() + _QUIET + 2 > until:
            raise SystemExit("no figures: sessions fell due too soon; is the machine busy?")
        time.sleep(until - time.time() - _QUIET - 2)
        _print_times("before", asyncio.run(_requests(site, _QUIET)))
        give_up = until + PATIENCE
        while not _are_some_due(file):  # by the store's clock
            if time.time() > give_up:
                raise SystemExit("no figures: nothing fell due")
            time.sleep(0.05)
        since, times = time.monotonic(), []
        while _are_some_due(file):
            times += asyncio.run(_requests(site, 2.0))
        took = time.monotonic() - since
        _print_times(f"while {_DUE:,} end, for {took:.0f} s", times)
        _print_times("after", asyncio.run(_requests(site, _QUIET)))
        gc.enable()


async def _made(folder: Path) -> float:
    """Print what a million sessions take; when some of them fall due."""
    few = await _open(folder / "few.db")
    many = await _open(folder / "sessions.db")
    small = await _fill(few, _FEW)
    empty = _size(folder / "sessions.db")
    since, cpu = perf_counter(), process_time()
    ids = await _fill(many, _MANY - _DUE)
    made = len(ids)
    took, cpu = perf_counter() - since, process_time() - cpu
    size = (_size(folder / "sessions.db") - empty) / made
    print(
        f"\n{made:,} sessions of five small values and a user each: {size:.0f} bytes each in the "
        f"file; made {_BATCH} in a transaction: {cpu / made * 1e6:.0f} us of CPU each, "
        f"{took / made * 1e6:.0f} by the clock on the wall",
        flush=True,
    )
    await _calls({_FEW: (few, small), made: (many, ids)})
    until = time.time() + _AHEAD
    await _fill(many, _DUE, until)
    await few.close()
    await many.close()
    return until


def main() -> None:
    """Print what was measured."""
    logging.disable(logging.WARNING)
    with TemporaryDirectory() as folder:
        until = asyncio.run(_made(Path(folder)))
        print("\nrequests over 32 sockets to two workers, half of them writes")
        _falling_due(Path(folder) / "sessions.db", until)
    print("load at the end:", *(f"{load:.1f}" for load in os.getloadavg()))

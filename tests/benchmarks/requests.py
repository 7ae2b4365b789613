"""Microseconds for a request, in process: QuartIdle's, beside bare Quart's and others'."""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from cProfile import Profile
from pathlib import Path
from pstats import Stats
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

from quart import Quart

from tests.helpers.redis_servers import redis_server

from . import applications
from .applications import ByHand, NoSession

_BARE = "bare Quart, null session"
_AT_ONCE = 64
_REQUESTS = 64 * 30
_ROUNDS = 7


def _on_memory() -> dict[str, Quart]:
    return {
        _BARE: applications.bare(),
        "a dict looked up by hand": applications.dict_by_hand(),
        "Quart's signed cookie": applications.signed(),
        "QuartIdle on memory": applications.ours(),
    }


def _on_redis(url: str) -> dict[str, Quart]:
    return {
        _BARE: applications.bare(),
        "GETEX, then SET, by hand": applications.redis_by_hand(url),
        "quart-session": applications.quart_session(url),
        "Flask-Session": applications.flask_session_on_redis(url),
        "QuartIdle on Redis": applications.ours(url),
    }


def _on_files(folder: Path) -> dict[str, Quart]:
    return {
        _BARE: applications.bare(),
        "QuartIdle on memory": applications.ours(),
        "sqlite3 in a thread, by hand": applications.sqlite_by_hand(folder / "hand.db"),
        "Flask-Session on files": applications.flask_session_on_files(folder / "cache"),
        "QuartIdle on SQLite": applications.ours(f"sqlite:///{folder / 'sessions.db'}"),
    }


def _stores(url: str, folder: Path) -> dict[str, Quart]:
    return {
        _BARE: applications.bare(),
        "QuartIdle on memory": applications.ours(),
        "QuartIdle on SQLite": applications.ours(f"sqlite:///{folder / 'sessions.db'}"),
        "QuartIdle on Redis": applications.ours(url),
    }


async def _cookie(app: Quart) -> str:
    if isinstance(app.session_interface, NoSession):
        return "session=none"
    if isinstance(app.session_interface, ByHand):
        token = secrets.token_urlsafe(32)
        app.session_interface.sessions[token] = {"user": "ada", "count": 0}
        return f"session={token}"
    response = await app.test_client().get("/sign-in")
    return response.headers["Set-Cookie"].partition(";")[0]


def request(app: Quart, path: str, cookie: str) -> Callable[[], Awaitable[None]]:
    """What makes a request, once for each call."""
    headers = [(b"host", b"localhost"), (b"cookie", cookie.encode())]

    async def call() -> None:
        scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "state": {},
            "extensions": {},
        }
        sent = False

        async def receive() -> Any:
            nonlocal sent
            if sent:
                await asyncio.Event().wait()
            sent = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                assert message["status"] == 200

        await app(scope, receive, send)

    return call


async def _round(calls: Sequence[Callable[[], Awaitable[None]]]) -> tuple[float, float]:
    """Microseconds per request: CPU of this process, and by the clock on the wall."""
    each = _REQUESTS // _AT_ONCE if len(calls) > 1 else _REQUESTS // 8

    async def worker(call: Callable[[], Awaitable[None]]) -> None:
        for _ in range(each):
            await call()

    await asyncio.sleep(0.6)  # what the round before has left to do is not this one's
    gc.collect()
    cpu, wall = process_time(), perf_counter()
    await asyncio.gather(*(worker(call) for call in calls))
    requests = each * len(calls)
    return (process_time() - cpu) / requests * 1e6, (perf_counter() - wall) / requests * 1e6


# What is measured: its heading, the view, how many at a time, CPU (0) or the clock on the wall (1).
_READ = ("read", "/read", _AT_ONCE, 0)
_WRITE = ("write", "/write", _AT_ONCE, 0)
_ALONE = ("read, one at a time: CPU", "/read", 1, 0)
_WAITING = ("wall", "/read", 1, 1)


async def _measure(
    contenders: dict[str, Quart], columns: Sequence[tuple[str, str, int, int]]
) -> None:
    calls = {}
    for name, app in contenders.items():
        await app.startup()
        cookies = [await _cookie(app) for _ in range(_AT_ONCE)]
        for path in ("/read", "/write"):
            everybody = [request(app, path, cookie) for cookie in cookies]
            for many in (_AT_ONCE, 1):
                if any(column[1:3] == (path, many) for column in columns):
                    calls[name, path, many] = everybody[:many]
    times: dict[tuple[str, str, int], list[tuple[float, float]]] = {key: [] for key in calls}
    for number in range(_ROUNDS + 1):
        for key, call in calls.items():
            spent = await _round(call)
            if number:  # the first round warms up
                times[key].append(spent)
    print(
        f"{'':28}"
        + "".join(f"{heading:>{max(10, len(heading) + 2)}}{'ratio':>7}" for heading, *_ in columns)
    )
    for name in contenders:
        line = f"{name:28}"
        for heading, path, many, clock in columns:
            value, base = (
                median(spent[clock] for spent in times[who, path, many]) for who in (name, _BARE)
            )
            line += f"{value:{max(10, len(heading) + 2)}.1f}{value / base:7.2f}"
        print(line)
    for app in contenders.values():
        await app.shutdown()


_TITLE = (
    f"\nus per request in process, {_AT_ONCE} users' sessions, {_AT_ONCE} at a time; "
    f"medians of {_ROUNDS} rounds"
)


def memory() -> None:
    """Print the table of sessions in this process."""
    logging.disable(logging.WARNING)
    print(_TITLE)
    asyncio.run(_measure(_on_memory(), (_READ, _WRITE)))


def redis() -> None:
    """Print the table of sessions in Redis."""
    logging.disable(logging.WARNING)
    print(f"{_TITLE}, Redis on the same machine")
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as server:
        asyncio.run(_measure(_on_redis(server.url), (_READ, _WRITE, _ALONE, _WAITING)))


def sqlite() -> None:
    """Print the table of sessions in files."""
    logging.disable(logging.WARNING)
    print(f"{_TITLE}, files on this machine's disk")
    with TemporaryDirectory() as folder:
        asyncio.run(_measure(_on_files(Path(folder)), (_READ, _WRITE, _ALONE, _WAITING)))


def stores() -> None:
    """Print the table of all stores."""
    logging.disable(logging.WARNING)
    print(f"{_TITLE}, files and Redis on the same machine")
    with (
        TemporaryDirectory() as folder,
        TemporaryDirectory() as other,
        redis_server(Path(other)) as server,
    ):
        contenders = _stores(server.url, Path(folder))
        asyncio.run(_measure(contenders, (_READ, _WRITE, _ALONE, _WAITING)))


async def _profiled(app: Quart, path: str) -> dict[str, float]:
    """A request's time by package, in shares; cProfile makes small functions dearer."""
    await app.startup()
    calls = [request(app, path, await _cookie(app)) for _ in range(_AT_ONCE)]
    await _round(calls)
    profile = Profile()
    profile.enable()
    await _round(calls)
    profile.disable()
    await app.shutdown()
    shares: dict[str, float] = {}
    for (file, *_), (_, _, own, *_) in Stats(profile).stats.items():  # type: ignore[attr-defined]
        parts = Path(file).parts
        names = [part for part in parts if part in ("quart_idle", "asyncio", "tests")]
        if "site-packages" in parts:
            names = [parts[parts.index("site-packages") + 1].removesuffix(".py")]
        name = names[0] if names else "Python and its library"
        shares[name] = shares.get(name, 0.0) + own
    waited = sum(
        own
        for (_, _, what), (_, _, own, *_) in Stats(profile).stats.items()  # type: ignore[attr-defined]
        if "poll" in what or "collect" in what
    )
    shares["Python and its library"] -= waited
    whole = sum(shares.values())
    return {name: own / whole for name, own in shares.items()}


def profile() -> None:
    """Print where the time of a request goes."""
    logging.disable(logging.WARNING)
    print("\nwhere the time of a request goes, with sessions in memory, by cProfile")
    for path in ("/read", "/write"):
        shares = asyncio.run(_profiled(_on_memory()["QuartIdle on memory"], path))
        largest = sorted(shares.items(), key=lambda item: -item[1])
        print(f"{path[1:]:8}" + ", ".join(f"{name} {s:.0%}" for name, s in largest if s >= 0.01))

"""Microseconds per request, in process: bare Quart, Quart's signed cookie, QuartIdle and others."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from cProfile import Profile
from pathlib import Path
from pstats import Stats
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, time
from typing import Any

from quart import Quart, session
from quart.sessions import NullSession, SecureCookieSession, SessionInterface
from redis import asyncio as aioredis

from quart_idle import QuartIdle
from tests.helpers.redis_servers import redis_server

_BARE = "bare Quart, null session"
_AT_ONCE = 64
_REQUESTS = 64 * 30
_ROUNDS = 7


class _NoSession(SessionInterface):
    """Quart with a session that does nothing."""

    async def open_session(self, app: Quart, request: object) -> NullSession:  # noqa: ARG002
        return await self.make_null_session(app)


class _ByHand(SessionInterface):
    """A dict, looked up by the cookie: no clocks, no ends, no safety."""

    def __init__(self) -> None:
        self.sessions: dict[str, Any] = {}

    async def open_session(self, app: Quart, request: Any) -> Any:
        return self.sessions.get(request.cookies.get(self.get_cookie_name(app)))

    async def save_session(self, app: Quart, session: Any, response: Any) -> None:
        pass


def _views(app: Quart) -> Quart:
    @app.get("/read")
    async def read() -> str:
        return str(session.get("user", ""))

    @app.get("/write")
    async def write() -> str:
        session["count"] = session.get("count", 0) + 1
        return ""

    @app.get("/sign-in")
    async def sign_in() -> str:
        session["user"] = "ada"
        session["count"] = 0
        return ""

    return app


def _bare_views(app: Quart) -> Quart:
    @app.get("/read")
    @app.get("/write")
    async def view() -> str:
        return ""

    return app


def _bare() -> Quart:
    bare = _bare_views(Quart("bare"))
    bare.session_interface = _NoSession()  # type: ignore[assignment]
    return bare


def _on_memory() -> dict[str, Quart]:
    hand = _views(Quart("hand"))
    hand.session_interface = _ByHand()  # type: ignore[assignment]
    signed = _views(Quart("signed"))
    signed.secret_key = "not a secret: a benchmark"  # noqa: S105
    ours = _views(Quart("ours"))
    QuartIdle(ours)
    return {
        _BARE: _bare(),
        "a dict looked up by hand": hand,
        "Quart's signed cookie": signed,
        "QuartIdle on memory": ours,
    }


class _GetEx(SessionInterface):
    """Redis by hand: a session is a JSON text, prolonged when it is read, written whole."""

    def __init__(self, client: aioredis.Redis) -> None:
        self.client = client

    async def open_session(self, app: Quart, request: Any) -> Any:
        token = request.cookies.get(self.get_cookie_name(app)) or secrets.token_urlsafe(32)
        raw = await self.client.getex(f"by-hand:{token}", ex=1800)
        session = SecureCookieSession(json.loads(raw) if raw else {})
        session.token = token  # type: ignore[attr-defined]
        return session

    async def save_session(self, app: Quart, session: Any, response: Any) -> None:
        if session.modified:
            await self.client.set(f"by-hand:{session.token}", json.dumps(dict(session)), ex=1800)
            response.set_cookie(self.get_cookie_name(app), session.token)


def _on_redis(url: str) -> dict[str, Quart]:
    from flask_session import Session as FlaskSession
    from quart_session import Session as QuartSession
    from redis import Redis

    hand = _views(Quart("hand"))
    hand.session_interface = _GetEx(aioredis.Redis.from_url(url))  # type: ignore[assignment]
    quart_session = _views(Quart("quart-session"))
    quart_session.config.update(SESSION_TYPE="redis", SESSION_URI=url)
    QuartSession(quart_session)
    flask_session = _views(Quart("Flask-Session"))
    flask_session.config.update(SESSION_TYPE="redis", SESSION_REDIS=Redis.from_url(url))
    FlaskSession(flask_session)
    ours = _views(Quart("ours"))
    QuartIdle(ours, store=url)
    return {
        _BARE: _bare(),
        "GETEX, then SET, by hand": hand,
        "quart-session": quart_session,
        "Flask-Session": flask_session,
        "QuartIdle on Redis": ours,
    }


class _InThread(SessionInterface):
    """sqlite3 by hand, in a thread: a session is a JSON text, prolonged when it is read."""

    def __init__(self, file: Path) -> None:
        self.connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.execute("CREATE TABLE sessions (token PRIMARY KEY, data, until)")
        self.thread = ThreadPoolExecutor(1)

    def _read(self, token: str) -> str | None:
        found = self.connection.execute(
            "UPDATE sessions SET until = ? WHERE token = ? RETURNING data", (time() + 1800, token)
        ).fetchone()
        return found[0] if found else None

    def _write(self, token: str, data: str) -> None:
        self.connection.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", (token, data, time() + 1800)
        )

    async def open_session(self, app: Quart, request: Any) -> Any:
        token = request.cookies.get(self.get_cookie_name(app)) or secrets.token_urlsafe(32)
        loop = asyncio.get_running_loop()
        raw = await loop.run_in_executor(self.thread, self._read, token)
        session = SecureCookieSession(json.loads(raw) if raw else {})
        session.token = token  # type: ignore[attr-defined]
        return session

    async def save_session(self, app: Quart, session: Any, response: Any) -> None:
        if session.modified:
            loop = asyncio.get_running_loop()
            data = json.dumps(dict(session))
            await loop.run_in_executor(self.thread, self._write, session.token, data)
            response.set_cookie(self.get_cookie_name(app), session.token)


def _on_files(folder: Path) -> dict[str, Quart]:
    from cachelib.file import FileSystemCache
    from flask_session import Session as FlaskSession

    hand = _views(Quart("hand"))
    hand.session_interface = _InThread(folder / "hand.db")  # type: ignore[assignment]
    flask_session = _views(Quart("Flask-Session"))
    flask_session.config.update(
        SESSION_TYPE="cachelib", SESSION_CACHELIB=FileSystemCache(str(folder / "cache"))
    )
    FlaskSession(flask_session)
    memory = _views(Quart("memory"))
    QuartIdle(memory)
    ours = _views(Quart("ours"))
    QuartIdle(ours, store=f"sqlite:///{folder / 'sessions.db'}")
    return {
        _BARE: _bare(),
        "QuartIdle on memory": memory,
        "sqlite3 in a thread, by hand": hand,
        "Flask-Session on files": flask_session,
        "QuartIdle on SQLite": ours,
    }


async def _cookie(app: Quart) -> str:
    if isinstance(app.session_interface, _NoSession):
        return "session=none"
    if isinstance(app.session_interface, _ByHand):
        token = secrets.token_urlsafe(32)
        app.session_interface.sessions[token] = {"user": "ada", "count": 0}
        return f"session={token}"
    response = await app.test_client().get("/sign-in")
    return response.headers["Set-Cookie"].partition(";")[0]


def _call(app: Quart, path: str, cookie: str) -> Callable[[], Awaitable[None]]:
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
            everybody = [_call(app, path, cookie) for cookie in cookies]
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


async def _profiled(app: Quart, path: str) -> dict[str, float]:
    """A request's time by package, in shares; cProfile makes small functions dearer."""
    await app.startup()
    calls = [_call(app, path, await _cookie(app)) for _ in range(_AT_ONCE)]
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

"""Applications whose requests are measured: QuartIdle, bare Quart, by hand, and others."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time
from typing import Any

from quart import Quart, session
from quart.sessions import NullSession, SecureCookieSession, SessionInterface
from redis import asyncio as aioredis

from quart_idle import QuartIdle


class NoSession(SessionInterface):
    """Quart with a session that does nothing."""

    async def open_session(self, app: Quart, request: object) -> NullSession:  # noqa: ARG002
        return await self.make_null_session(app)


class ByHand(SessionInterface):
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


def bare() -> Quart:
    """Quart without sessions."""
    app = Quart("bare")
    app.session_interface = NoSession()  # type: ignore[assignment]

    @app.get("/read")
    @app.get("/write")
    async def view() -> str:
        return ""

    return app


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


class _InThread(SessionInterface):
    """sqlite3 by hand, in a thread: a session is a JSON text, prolonged when it is read."""

    def __init__(self, file: Path) -> None:
        self.connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = NORMAL")
        self.connection.execute(
            "CREATE TABLE IF NOT EXISTS sessions (token PRIMARY KEY, data, until)"
        )
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


def dict_by_hand() -> Quart:
    """The least that sessions in a process can be."""
    app = _views(Quart("hand"))
    app.session_interface = ByHand()  # type: ignore[assignment]
    return app


def signed() -> Quart:
    """Quart's own sessions, all in the cookie."""
    app = _views(Quart("signed"))
    app.secret_key = "not a secret: a benchmark"  # noqa: S105
    return app


def ours(store: str = "memory://") -> Quart:
    """QuartIdle."""
    app = _views(Quart("ours"))
    QuartIdle(app, store=store)
    return app


def redis_by_hand(url: str) -> Quart:
    """Redis, as it is used first."""
    app = _views(Quart("hand"))
    app.session_interface = _GetEx(aioredis.Redis.from_url(url))  # type: ignore[assignment]
    return app


def quart_session(url: str) -> Quart:
    """quart-session on Redis."""
    from quart_session import Session

    app = _views(Quart("quart-session"))
    app.config.update(SESSION_TYPE="redis", SESSION_URI=url)
    Session(app)
    return app


def flask_session_on_redis(url: str) -> Quart:
    """Flask-Session on Redis."""
    from flask_session import Session
    from redis import Redis

    app = _views(Quart("Flask-Session"))
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=Redis.from_url(url))
    Session(app)
    return app


def sqlite_by_hand(file: Path) -> Quart:
    """SQLite, as it is used first."""
    app = _views(Quart("hand"))
    app.session_interface = _InThread(file)  # type: ignore[assignment]
    return app


def flask_session_on_files(folder: Path) -> Quart:
    """Flask-Session on cachelib's files, a file each."""
    from cachelib.file import FileSystemCache
    from flask_session import Session

    app = _views(Quart("Flask-Session"))
    app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=FileSystemCache(str(folder)))
    Session(app)
    return app

"""Microseconds per request, in process: bare Quart, Quart's signed cookie, QuartIdle on memory."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from statistics import median
from time import process_time
from typing import Any

from quart import Quart, session
from quart.sessions import NullSession, SessionInterface

from quart_idle import QuartIdle

_AT_ONCE = 64
_REQUESTS = 64 * 80
_ROUNDS = 11


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


def _contenders() -> dict[str, Quart]:
    bare = _bare_views(Quart("bare"))
    bare.session_interface = _NoSession()  # type: ignore[assignment]
    hand = _views(Quart("hand"))
    by_hand = _ByHand()
    by_hand.sessions["by-hand"] = {"user": "ada", "count": 0}
    hand.session_interface = by_hand  # type: ignore[assignment]
    signed = _views(Quart("signed"))
    signed.secret_key = "not a secret: a benchmark"  # noqa: S105
    ours = _views(Quart("ours"))
    QuartIdle(ours)
    return {
        "bare Quart, null session": bare,
        "a dict looked up by hand": hand,
        "Quart's signed cookie": signed,
        "QuartIdle on memory": ours,
    }


async def _cookie(app: Quart) -> str:
    if isinstance(app.session_interface, _NoSession | _ByHand):
        return "session=by-hand"
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


async def _round(call: Callable[[], Awaitable[None]]) -> float:
    """Microseconds per request."""

    async def worker() -> None:
        for _ in range(_REQUESTS // _AT_ONCE):
            await call()

    await asyncio.sleep(0.6)  # what the round before has left to do is not this one's
    gc.collect()
    start = process_time()
    await asyncio.gather(*(worker() for _ in range(_AT_ONCE)))
    return (process_time() - start) / _REQUESTS * 1e6


async def _measure() -> None:
    contenders = _contenders()
    calls = {
        (name, path): _call(app, path, await _cookie(app))
        for name, app in contenders.items()
        for path in ("/read", "/write")
    }
    times: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for number in range(_ROUNDS + 1):
        for key, call in calls.items():
            spent = await _round(call)
            if number:  # the first round warms up
                times[key].append(spent)
    print(f"\nus per request in process, {_AT_ONCE} at a time, medians of {_ROUNDS} rounds")
    print(f"{'':28}{'read':>8}{'ratio':>8}{'write':>10}{'ratio':>8}")
    base = {path: median(times["bare Quart, null session", path]) for path in ("/read", "/write")}
    for name in contenders:
        read, write = median(times[name, "/read"]), median(times[name, "/write"])
        print(
            f"{name:28}{read:8.1f}{read / base['/read']:8.2f}"
            f"{write:10.1f}{write / base['/write']:8.2f}"
        )


def main() -> None:
    """Print the table."""
    logging.disable(logging.WARNING)
    asyncio.run(_measure())

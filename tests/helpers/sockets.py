"""A page's socket in process: as ASGI has it, since Quart's own helpers differ by release."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.helpers.site import Browser


class Closed(Exception):
    """The application closed the socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Socket:
    """The page's end of a socket."""

    def __init__(self) -> None:
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_app.put_nowait({"type": "websocket.connect"})
        self.answers_close = True
        #: How it was accepted.
        self.accepted: dict[str, Any] | None = None
        #: The application's coroutine.
        self.running: asyncio.Future[None] | None = None

    async def receive(self) -> dict[str, Any]:
        """The next frame, decoded.

        Raises:
            Closed: there is none any more.
        """
        message = await self._from_app.get()
        if message["type"] == "websocket.close":
            raise Closed(message["code"], message["reason"] or "")
        frame: dict[str, Any] = json.loads(message["text"])
        return frame

    async def send(self, frame: dict[str, Any]) -> None:
        await self._to_app.put({"type": "websocket.receive", "text": json.dumps(frame)})

    def disconnect(self) -> None:
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1005})

    async def asgi_send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.accept":
            self.accepted = message
            return
        self._from_app.put_nowait(message)
        if message["type"] == "websocket.close" and self.answers_close:  # as a browser does
            self.disconnect()

    async def asgi_receive(self) -> dict[str, Any]:
        return await self._to_app.get()


@asynccontextmanager
async def open_socket(
    browser: Browser,
    query: str = "",
    *,
    http_version: str = "1.1",
    app: Any = None,
    path: str = "/_idle/presence",
    subprotocols: Sequence[str] = (),
) -> AsyncIterator[Socket]:
    """A socket of this browser's, as a page of the application's own opens it.

    (Of the application, unless there is another in front of it.)
    """
    socket = Socket()
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": http_version,
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"origin", b"http://localhost"),
            (b"cookie", f"session={browser.token}".encode()),
        ],
        "client": ("127.0.0.1", 40_000),
        "server": ("localhost", 80),
        "subprotocols": list(subprotocols),
        "extensions": {},
        "state": {},
    }
    app = app or browser.app
    socket.running = asyncio.ensure_future(app(scope, socket.asgi_receive, socket.asgi_send))
    try:
        yield socket
    finally:
        socket.disconnect()
        await socket.running


class Page:
    """A page that answers pings from a task, and keeps what else it is told."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.idle: Callable[[], float] = lambda: 0.0  # seconds since the last input
        self.answers = True
        self.told: list[dict[str, Any]] = []
        self.pings = 0
        self.code: int | None = None

    async def run(self) -> None:
        try:
            while True:
                frame = await self.socket.receive()
                if frame["type"] != "ping":
                    self.told.append(frame)
                    continue
                self.pings += 1
                if self.answers:
                    idle = round(self.idle() * 1000)
                    await self.socket.send({"type": "pong", "idle": idle, "visible": True})
        except Closed as closed:
            self.code = closed.code

    def kinds(self) -> list[str]:
        return [frame["type"] for frame in self.told]


@asynccontextmanager
async def open_page(browser: Browser, **options: Any) -> AsyncIterator[Page]:
    """A page of this browser's, open; options are `open_socket`'s."""
    async with open_socket(browser, **options) as socket:
        page = Page(socket)
        task = asyncio.get_running_loop().create_task(page.run())
        await asyncio.sleep(0.01)
        yield page
        task.cancel()

"""A client's end of a streamed response, in process: as ASGI has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.helpers.site import Browser


class Stream:
    """A client's end of a response."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        #: Whether the end of the body was sent.
        self.whole = False
        self.running: asyncio.Future[None] | None = None
        self._left = asyncio.Event()
        self._asked = False

    async def receive(self) -> dict[str, Any]:
        if self._asked:
            await self._left.wait()
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): it.decode() for name, it in message["headers"]}
            return
        self.body += message["body"]
        if not message.get("more_body", False):
            self.whole = True
            self._left.set()  # as servers say

    def leave(self) -> None:
        self._left.set()


@asynccontextmanager
async def opened(
    browser: Browser, path: str = "/stream", http_version: str = "1.1"
) -> AsyncIterator[Stream]:
    stream = Stream()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": http_version,
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"cookie", f"session={browser.token}".encode())],
        "client": ("127.0.0.1", 40_000),
        "server": ("localhost", 80),
        "extensions": {},
        "state": {},
    }
    app: Any = browser.app
    stream.running = asyncio.ensure_future(app(scope, stream.receive, stream.send))
    await asyncio.sleep(1)
    yield stream
    stream.leave()
    await stream.running

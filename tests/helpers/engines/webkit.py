"""WebKitGTK's own browser, by WebDriver: plain HTTP, for which httpx is here.

(Not by selenium: it blocks the loop, in which the tests' own lines and sockets live.)
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import socket
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tests.helpers.engines import assistive
from tests.helpers.engines.desktop import bus_in, screen_in
from tests.helpers.engines.driver import (
    DriverError,
    Return,
    Tab,
    Wish,
    called,
    click_at,
    packed,
    strokes,
)
from tests.helpers.processes import ended_after
from tests.helpers.waiting import BetweenPages, until

# What a script says of its page, or of its promise.
_ASYNC = """
const [text, done] = arguments;
(%s)(text).then((found) => done({ found }), (error) => done({ error: String(error) }));
"""


_PREFER: dict[Wish, str] = {"dark": "--dark-mode"}


def _program() -> str:
    """The browser, which is on no path."""
    found = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    return str(found[-1])


class Line:
    """Commands to the driver: one at a time, since each is for the window that was switched to."""

    def __init__(self, client: httpx.AsyncClient, bus: str) -> None:
        self._client = client
        # By which the browser speaks to assistive technology.
        self._bus = bus
        self._turn = asyncio.Lock()
        self._session = ""
        self._window = ""
        #: How the browser is started.
        self.arguments: list[str] = []

    async def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        response = await self._client.request(
            method, path, json=(body or {}) if method == "POST" else None
        )
        found = response.json()["value"]
        if response.is_error:
            raise DriverError(f"{found['error']}: {found.get('message')}")
        return found

    async def send(
        self, method: str, path: str, body: dict[str, Any] | None = None, window: str = ""
    ) -> Any:
        """What it answers; in this window, if one is named."""
        async with self._turn:
            if not self._session:
                await self._begin()
            if window and window != self._window:
                await self._send("POST", f"{self._session}/window", {"handle": window})
                self._window = window
            return await self._send(method, f"{self._session}{path}", body)

    async def _begin(self) -> None:
        wanted: dict[str, Any] = {"acceptInsecureCerts": True}
        if self.arguments:
            wanted["webkitgtk:browserOptions"] = {
                "binary": _program(),
                "args": ["--automation", *self.arguments],
            }
        # Without any wish, it is MiniBrowser, which this driver came with.
        found = await self._send("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{found['sessionId']}"
        self._window = ""

    async def assist(self, *order: str) -> str:
        """All that assistive technology is told; or it presses a button, so many times."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", assistive.__name__, *order),
            env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": self._bus},
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await process.communicate()
        assert process.returncode == 0
        return told.decode()

    async def end(self) -> None:
        """With it the browser, its windows and what it knew."""
        async with self._turn:
            session, self._session = self._session, ""
            if session:
                await self._send("DELETE", session)


class WebKitTab:
    def __init__(self, line: Line, window: str) -> None:
        self.window = window
        self._line = line

    async def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return await self._line.send(method, path, body, window=self.window)

    async def go(self, url: str) -> None:
        await self._send("POST", "/url", {"url": url})

    async def back(self) -> None:
        await self._send("POST", "/back")

    async def evaluate(self, function: str, *arguments: Any) -> Any:
        script = _ASYNC % called(function)
        try:
            found = await self._send(
                "POST", "/execute/async", {"script": script, "args": [packed(arguments)]}
            )
        except DriverError as error:
            raise BetweenPages(str(error)) from None
        if "error" in found:
            raise DriverError(found["error"])
        return json.loads(found["found"])

    async def click(self, x: float, y: float) -> None:
        await self._send("POST", "/actions", {"actions": click_at(x, y)})

    async def type(self, *keys: str) -> None:
        await self._send("POST", "/actions", {"actions": strokes(keys)})

    async def front(self) -> None:
        await self._send("GET", "/window")  # which switches to it

    async def pdf(self) -> bytes:
        raise DriverError("this driver does not print")

    async def shrink(self) -> None:
        await self._line.assist("Zoom In", "4")  # each time by a fifth
        await until(partial(self.evaluate, "() => outerWidth / innerWidth > 2"))
        # The window's own parts are above the page, and not zoomed.
        size = """() => {
          const zoom = outerWidth / innerWidth;
          const above = outerHeight - innerHeight * zoom;
          return { width: Math.round(320 * zoom), height: Math.round(256 * zoom + above) };
        }"""
        await self._send("POST", "/window/rect", await self.evaluate(size))

    async def picture(self) -> bytes:
        return base64.b64decode(await self._send("GET", "/screenshot"))

    async def read_out(self) -> str:
        return await self._line.assist()

    async def close(self) -> None:
        await self._send("DELETE", "/window")


class WebKit:
    """Each test has a browser of its own, which takes the driver a moment."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._is_new = True

    async def tab(self) -> WebKitTab:
        # One that is new has a window.
        if self._is_new:
            self._is_new = False
            return WebKitTab(self._line, await self._line.send("GET", "/window"))
        return await self._open("window")

    async def hidden_tab(self) -> WebKitTab:
        # It is not drawn, and to click there ends the browser.
        return await self._open("tab")

    async def _open(self, kind: str) -> WebKitTab:
        made = await self._line.send("POST", "/window/new", {"type": kind})
        return WebKitTab(self._line, made["handle"])

    async def tabs(self) -> list[Tab]:
        return [
            WebKitTab(self._line, each) for each in await self._line.send("GET", "/window/handles")
        ]

    async def bring_back(self, tab: Tab, how: Return) -> Tab:
        raise DriverError(f"{tab} cannot be {how}: this browser does not bring tabs back")

    async def prefer(self, wish: Wish) -> None:
        self._line.arguments = [_PREFER[wish]]

    async def start_over(self) -> None:
        self._line.arguments = []
        await self._line.end()
        self._is_new = True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def webkit(folder: Path) -> AsyncIterator[WebKit]:
    """Start the driver, with all that it keeps in this folder, and end it."""
    program = shutil.which("WebKitWebDriver")
    assert program, "these tests need WebKit: apt-get install webkit2gtk-driver"
    port = _free_port()
    (folder / "gtk-3.0").mkdir()
    (folder / "gtk-3.0" / "settings.ini").write_text("[Settings]\ngtk-overlay-scrolling=0\n")
    async with screen_in(folder) as screen, bus_in(folder) as bus:
        process = await asyncio.create_subprocess_exec(
            *(program, f"--port={port}"),
            env={
                **os.environ,
                **{name: str(folder) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")},
                **{name: str(folder) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME")},
                "DISPLAY": screen,
                "DBUS_SESSION_BUS_ADDRESS": bus,
                # There is no graphics card: what stands in for one makes each key take a second.
                "WEBKIT_SKIA_ENABLE_CPU_RENDERING": "1",
            },
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,
        )
        url = f"http://127.0.0.1:{port}"
        async with ended_after(process), httpx.AsyncClient(base_url=url, timeout=60) as client:

            async def is_ready() -> bool:
                with suppress(httpx.TransportError):
                    return (await client.get("/status")).is_success
                return False

            await until(is_ready)
            line = Line(client, bus)
            try:
                yield WebKit(line)
            finally:
                await line.end()

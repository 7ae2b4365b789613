"""A real browser, and a line to the server that can be cut."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from inspect import isawaitable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, async_playwright
from playwright.async_api import Error as PlaywrightError

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)

# Runs in every page before its own scripts: notes what the client says, and when.
_LISTEN = """
window.heard = [];
window.refused = [];
for (const name of ["state", "warning", "ended"]) {
  document.addEventListener("quart-idle:" + name, (event) => {
    heard.push({ name, detail: event.detail, cancelable: event.cancelable, at: Date.now() / 1000 });
    if (refused.includes(name)) event.preventDefault();
  });
}
"""

#: How long a slow machine may take for what is done at once, in seconds.
PATIENCE = 15.0


async def until(condition: Callable[[], Any], within: float = PATIENCE, every: float = 0.05) -> Any:
    """What the condition gives, as soon as that is something; it is asked again and again."""
    end = time.monotonic() + within
    while True:
        try:
            found = condition()
            if isawaitable(found):
                found = await found
        except PlaywrightError as error:
            # Between two pages there is none to ask.
            if "context was destroyed" not in str(error):
                raise
            found = None
        if found:
            return found
        assert time.monotonic() < end, f"not within {within:g} s"
        await asyncio.sleep(every)


@dataclass
class Browser:
    """A Chromium with a profile of its own."""

    context: BrowserContext
    #: What its pages complained of.
    complaints: list[str] = field(default_factory=list)
    #: What they were provoked to; browsers ask for an icon unasked.
    provoked: list[str] = field(default_factory=lambda: [r"/favicon\.ico"])

    def provoke(self, pattern: str) -> None:
        """Expect complaints like this."""
        self.provoked.append(pattern)

    def listen(self) -> None:
        def console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning", "assert"):
                self.complaints.append(f"{message.text} ({message.location.get('url')})")

        self.context.on("console", console)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def unexpected(self) -> list[str]:
        """The complaints that were not provoked."""
        return [
            text
            for text in self.complaints
            if not any(re.search(pattern, text) for pattern in self.provoked)
        ]

    async def start_over(self) -> None:
        """Close the tabs, and forget cookies and complaints."""
        for page in self.context.pages[1:]:  # without any, the browser ends
            await page.close()
        await self.context.clear_cookies()
        self.complaints.clear()
        self.provoked[1:] = []

    async def open(self, url: str) -> Page:
        """A new tab, in front of the others; its client has heard from the server."""
        page = await self.blank(url)
        await greeted(page)
        return page

    async def blank(self, url: str = "about:blank") -> Page:
        """A new tab, in front of the others."""
        page = await self.context.new_page()
        await page.goto(url)
        return page

    async def post(self, url: str) -> None:
        """A request with the profile's cookies, from no page."""
        response = await self.context.request.post(url)
        assert response.ok, response.status

    async def get(self, url: str) -> Any:
        """What a request with the profile's cookies is answered, from no page."""
        response = await self.context.request.get(url)
        return await response.json()


async def heard(page: Page, *names: str) -> list[dict[str, Any]]:
    """The client's events in a page so far; all, or those of these names."""
    events: list[dict[str, Any]] = await page.evaluate("heard")
    return [event for event in events if not names or event["name"] in names]


async def greeted(page: Page) -> None:
    """Wait until a page's client has heard from the server."""
    await until(lambda: heard(page, "state"))


def prompt_in(page: Page) -> Locator:
    """The prompt, if it is shown."""
    return page.get_by_role("dialog", name="about to be signed out")


def cover_in(page: Page) -> Locator:
    """The cover that says that the session is over, if it is shown."""
    return page.get_by_role("dialog", name="You have been signed out")


def veil_in(page: Page) -> Locator:
    """The cover that is shown while nobody knows whether the session is over."""
    return page.get_by_role("dialog", name="Checking whether you are still signed in…")


async def on_top(page: Page) -> str:
    """The element that is seen and can be clicked all over a page: its name, in small letters."""
    names: list[str] = await page.evaluate(
        """() => [0.05, 0.5, 0.95].flatMap((x) => [0.05, 0.5, 0.95].map((y) =>
          document.elementFromPoint(x * innerWidth, y * innerHeight).localName))"""
    )
    return names[0] if len(set(names)) == 1 else "several"


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    """Start the browser, with more flags than usual if there are any, and end it.

    It is started here, not by Playwright: that would keep every tab visible, and turn off the
    throttling of hidden ones, their freezing and the back/forward cache.
    """
    program = shutil.which("chromium")
    assert program, "the browser tests need Chromium: apt-get install chromium"
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(program, *_FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        try:
            told = Path(profile, "DevToolsActivePort")
            async with async_playwright() as playwright:
                lines = await until(
                    lambda: told.exists() and told.read_text().splitlines(), within=60, every=0.02
                )
                remote = await playwright.chromium.connect_over_cdp(
                    f"ws://127.0.0.1:{lines[0]}{lines[1]}", no_defaults=True
                )
                browser = Browser(remote.contexts[0])
                await browser.context.add_init_script(_LISTEN)
                browser.listen()
                yield browser
                await remote.close()
        finally:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), PATIENCE)
            except TimeoutError:
                process.kill()
                await process.wait()


class Line:
    """A TCP line to a server, which can be cut or fall silent, and can refuse WebSockets."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._ends: set[asyncio.StreamWriter] = set()
        #: Whether it works, and whether WebSockets pass.
        self.works = True
        self.sockets_pass = True
        #: Whether what is sent either way is lost, and nobody told.
        self.silent = False
        #: How many WebSockets are open; how many were asked for.
        self.sockets = 0
        self.asked = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Drop every connection, and refuse new ones."""
        self.works = False
        self._drop()

    def mend(self) -> None:
        """Let it work again. What it was silent about is not known any more."""
        self.works = True
        if self.silent:
            self.silent = False
            self._drop()

    def _drop(self) -> None:
        for end in tuple(self._ends):
            end.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        self._ends.add(writer)
        is_socket = False
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            is_socket = b"\r\nupgrade: websocket" in head.lower()
            self.asked += is_socket
            if not self.works or (is_socket and not self.sockets_pass):
                return
            if self.silent:
                while await reader.read(65_536):
                    pass
                return
            back, forth = await asyncio.open_connection("127.0.0.1", self._to)
            self._ends.add(forth)
            self.sockets += is_socket
            try:
                forth.write(head)
                await asyncio.wait(
                    [
                        asyncio.create_task(self._pump(reader, forth)),
                        asyncio.create_task(self._pump(back, writer)),
                    ]
                )
            finally:
                self.sockets -= is_socket
                self._ends.discard(forth)
                forth.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._ends.discard(writer)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if not self.silent:
                    writer.write(data)
                    await writer.drain()
        if self.silent:
            return
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def line_to(port: int) -> AsyncIterator[Line]:
    """Lay a line to a server, on a port of its own."""
    line = Line(port)
    carriers: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(line.carry(reader, writer))
        carriers.add(task)
        task.add_done_callback(carriers.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        line.cut()
        while carriers:
            await asyncio.wait(carriers)

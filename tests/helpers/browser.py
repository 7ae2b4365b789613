"""A real browser."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import BrowserContext, ConsoleMessage, Page, async_playwright

from tests.helpers.processes import ended_after
from tests.helpers.shown import greeted
from tests.helpers.waiting import until

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

# How long a tab may take to close, in seconds.
_CLOSED_IN = 20.0

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
            # (Now and then one that is on its way somewhere does not tell that it has been closed.)
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSED_IN):
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


@asynccontextmanager
async def chromium(folder: Path, *flags: str) -> AsyncIterator[Browser]:
    """Start the browser, with more flags than usual if there are any, and end it.

    What it writes is in this folder, since it leaves things behind when it is killed; but for a
    socket, whose path may not be long.
    It is started here, not by Playwright: that would keep every tab visible, and turn off the
    throttling of hidden ones, their freezing and the back/forward cache.
    """
    program = shutil.which("chromium")
    assert program, "the browser tests need Chromium: apt-get install chromium"
    with (
        TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as profile,
        TemporaryDirectory(ignore_cleanup_errors=True) as short,
    ):
        process = await asyncio.create_subprocess_exec(
            *(program, *_FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"),
            env={**os.environ, "TMPDIR": short},
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,
        )
        async with ended_after(process):
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

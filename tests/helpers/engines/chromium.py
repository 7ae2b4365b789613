"""Chromium, as in the tests of the client, for which Playwright speaks to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession, Page, Worker
from playwright.async_api import Error as PlaywrightError

from tests.helpers import browser
from tests.helpers.engines.driver import DriverError, Return, Tab, Wish, called, packed
from tests.helpers.waiting import BetweenPages, until

# An extension does what a user does by a tab's menu: the protocol has no words for it.
_MANIFEST = {
    "manifest_version": 3,
    "name": "Tabs",
    "version": "1",
    "permissions": ["sessions"],
    "background": {"service_worker": "worker.js"},
}
_ACTIVE = "const [{ id }] = await chrome.tabs.query({ active: true });"
_BRING_BACK = {
    "duplicated": f"async () => {{ {_ACTIVE} await chrome.tabs.duplicate(id); }}",
    "restored": f"""async () => {{
      {_ACTIVE}
      await chrome.tabs.remove(id);
      await chrome.sessions.restore();
    }}""",
    "discarded": f"""async () => {{
      {_ACTIVE}
      const other = await chrome.tabs.create({{}}); // in front of it
      const discarded = await chrome.tabs.discard(id);
      await chrome.tabs.update(discarded.id, {{ active: true }});
      await chrome.tabs.remove(other.id);
    }}""",
}


class ChromiumTab:
    def __init__(self, page: Page) -> None:
        self.page = page
        self._cdp: CDPSession | None = None

    async def go(self, url: str) -> None:
        await self.page.goto(url)

    async def back(self) -> None:
        await self.page.go_back(wait_until="commit")

    async def evaluate(self, function: str, *arguments: Any) -> Any:
        try:
            return json.loads(await self.page.evaluate(called(function), packed(arguments)))
        except PlaywrightError as error:
            if "context was destroyed" in str(error) or "closed" in str(error):
                raise BetweenPages(str(error)) from None
            raise DriverError(str(error)) from None

    async def click(self, x: float, y: float) -> None:
        await self.page.mouse.click(x, y)

    async def type(self, *keys: str) -> None:
        for key in keys:
            await (self.page.keyboard.type if len(key) == 1 else self.page.keyboard.press)(key)

    async def front(self) -> None:
        await self.page.bring_to_front()

    async def pdf(self) -> bytes:
        return await self.page.pdf()

    async def shrink(self) -> None:
        metrics = {"width": 320, "height": 256, "deviceScaleFactor": 2, "mobile": False}
        await self._ask("Emulation.setDeviceMetricsOverride", **metrics)

    async def picture(self) -> bytes:
        return await self.page.screenshot()

    async def read_out(self) -> str:
        nodes = (await self._ask("Accessibility.getFullAXTree"))["nodes"]
        names = [node.get("name", {}).get("value") for node in nodes if not node["ignored"]]
        return "\n".join(filter(None, names))

    async def close(self) -> None:
        await self.page.close()

    async def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        # (As long as it is there, so is what is emulated.)
        self._cdp = self._cdp or await self.page.context.new_cdp_session(self.page)
        return await self._cdp.send(method, parameters)


class Chromium:
    def __init__(self, chrome: browser.Browser) -> None:
        self._chrome = chrome
        self._wish: Wish | None = None

    async def tab(self) -> ChromiumTab:
        page = await self._chrome.context.new_page()
        if self._wish == "dark":
            await page.emulate_media(color_scheme="dark")
        elif self._wish == "forced colours":
            await page.emulate_media(forced_colors="active")
        return ChromiumTab(page)

    async def hidden_tab(self) -> ChromiumTab:
        tab = await self.tab()
        await self.tab()
        return tab

    async def tabs(self) -> list[Tab]:
        return [ChromiumTab(page) for page in self._chrome.context.pages[1:]]

    async def bring_back(self, tab: Tab, how: Return) -> Tab:
        await tab.front()
        known = set(self._chrome.context.pages)
        worker: Worker = await until(lambda: next(iter(self._chrome.context.service_workers), None))
        await worker.evaluate(_BRING_BACK[how])

        def find() -> Page | None:
            pages = self._chrome.context.pages
            return next((page for page in pages if page not in known and "/" in page.url), None)

        return ChromiumTab(await until(find))

    async def prefer(self, wish: Wish) -> None:
        self._wish = wish

    async def start_over(self) -> None:
        self._wish = None
        await self._chrome.start_over()


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Chromium]:
    """Start the browser, and end it."""
    extension = folder / "extension"
    extension.mkdir()
    (extension / "manifest.json").write_text(json.dumps(_MANIFEST))
    (extension / "worker.js").touch()
    flags = [f"--load-extension={extension}", "--ignore-certificate-errors"]
    async with browser.chromium(folder, *flags) as chrome:
        yield Chromium(chrome)

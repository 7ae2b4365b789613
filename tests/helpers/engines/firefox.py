"""Firefox, by WebDriver BiDi: one WebSocket, which the browser has of itself.

(Not by Playwright: each release of it wants another Firefox. 1.65 sends every new context
`emulation.setMediaFeaturesOverride`, which Debian's 153 does not know.)
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from tests.helpers.engines.bidi import Line
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

# It is to ask nobody on the net, and nobody here.
_PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.server": "",
    "widget.gtk.overlay-scrollbars.enabled": False,
}

# The preferences in which a user's wishes are.
_WISHES: dict[Wish, tuple[str, int]] = {
    "dark": ("layout.css.prefers-color-scheme.content-override", 0),
    "forced colours": ("browser.display.document_color_use", 2),
}

# What is in front: each name of the tree, which is what assistive technology is handed.
_TREE = """(() => {
  const service = Cc["@mozilla.org/accessibilityService;1"].getService(Ci.nsIAccessibilityService);
  const names = [];
  const walk = (accessible) => {
    for (let one = accessible?.firstChild; one; one = one.nextSibling) {
      names.push(one.name);
      walk(one);
    }
  };
  walk(service.getAccessibleFor(gBrowser.selectedBrowser));
  return names.filter(Boolean).join("\\n");
})()"""

# What a user does by a tab's menu, told to the browser's own window.
_BRING_BACK = {
    "duplicated": "gBrowser.selectedTab = gBrowser.duplicateTab(tab)",
    "restored": """new Promise((done) => {
      // (By its id: of 25 it forgets one for each.)
      const latest = () => SessionStore.getClosedTabDataForWindow(window)[0]?.closedId;
      const before = latest();
      const restore = () => {
        // It is known a moment later.
        if (latest() === before) return setTimeout(restore, 50);
        SessionStore.undoCloseTab(window, 0);
        done();
      };
      gBrowser.removeTab(tab);
      restore();
    })""",
    "discarded": """gBrowser.prepareDiscardBrowser(tab).then(() => {
      gBrowser.discardBrowser(tab, true);
      gBrowser.selectedTab = tab;
    })""",
}


class FirefoxTab:
    def __init__(self, line: Line, context: str) -> None:
        self.context = context
        self._line = line

    async def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        return await self._line.send(method, context=self.context, **parameters)

    async def go(self, url: str) -> None:
        await self._send("browsingContext.navigate", url=url, wait="complete")

    async def back(self) -> None:
        await self._send("browsingContext.traverseHistory", delta=-1)

    async def evaluate(self, function: str, *arguments: Any) -> Any:
        try:
            found = await self._line.send(
                "script.callFunction",
                functionDeclaration=called(function),
                arguments=[{"type": "string", "value": packed(arguments)}],
                awaitPromise=True,
                target={"context": self.context},
            )
        except DriverError as error:
            raise BetweenPages(str(error)) from None
        if found["type"] == "exception":
            raise DriverError(found["exceptionDetails"]["text"])
        return json.loads(found["result"]["value"])

    async def click(self, x: float, y: float) -> None:
        await self._send("input.performActions", actions=click_at(x, y))

    async def type(self, *keys: str) -> None:
        await self._send("input.performActions", actions=strokes(keys))

    async def front(self) -> None:
        await self._send("browsingContext.activate")

    async def pdf(self) -> bytes:
        return base64.b64decode((await self._send("browsingContext.print"))["data"])

    async def shrink(self) -> None:
        await self._send(
            "browsingContext.setViewport",
            viewport={"width": 320, "height": 256},
            devicePixelRatio=2,
        )

    async def picture(self) -> bytes:
        return base64.b64decode((await self._send("browsingContext.captureScreenshot"))["data"])

    async def read_out(self) -> str:
        await self.front()
        found: str = await self._line.ask_window(_TREE)
        return found

    async def close(self) -> None:
        await self._send("browsingContext.close")


class Firefox:
    """Each test has a container of its own, with its cookies."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._container: str | None = None
        self._wish: Wish | None = None

    async def tab(self) -> FirefoxTab:
        if self._container is None:
            self._container = (await self._line.send("browser.createUserContext"))["userContext"]
        made = await self._line.send(
            "browsingContext.create", type="tab", userContext=self._container
        )
        return FirefoxTab(self._line, made["context"])

    async def hidden_tab(self) -> FirefoxTab:
        tab = await self.tab()
        await self.tab()
        return tab

    async def tabs(self) -> list[Tab]:
        return [*await self._own()]

    async def _own(self) -> list[FirefoxTab]:
        contexts = (await self._line.send("browsingContext.getTree", maxDepth=0))["contexts"]
        return [
            FirefoxTab(self._line, each["context"])
            for each in contexts
            if each["userContext"] == self._container
        ]

    async def bring_back(self, tab: Tab, how: Return) -> Tab:
        known = {each.context for each in await self._own()}
        await tab.front()
        await self._line.ask_window("window.tab = gBrowser.selectedTab")
        if how == "discarded":
            await self.tab()  # in front of it
        await self._line.ask_window(_BRING_BACK[how])
        if how == "discarded":
            return tab

        async def find() -> Tab | None:
            return next((each for each in await self._own() if each.context not in known), None)

        found: Tab = await until(find)
        return found

    async def prefer(self, wish: Wish) -> None:
        self._wish = wish
        await self._line.ask_window("Services.prefs.setIntPref({!r}, {})".format(*_WISHES[wish]))

    async def start_over(self) -> None:
        if self._wish:
            name, _ = _WISHES[self._wish]
            await self._line.ask_window(f"Services.prefs.clearUserPref({name!r})")
            self._wish = None
        if self._container is not None:
            await self._line.send("browser.removeUserContext", userContext=self._container)
            self._container = None


@asynccontextmanager
async def firefox(folder: Path) -> AsyncIterator[Firefox]:
    """Start the browser, with a profile in this folder, and end it."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    assert program, "these tests need Firefox: apt-get install firefox-esr"
    profile = folder / "profile"
    profile.mkdir()
    lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in _PREFERENCES.items())
    (profile / "user.js").write_text("".join(lines))
    process = await asyncio.create_subprocess_exec(
        *(program, "--headless", "--no-remote", "--remote-debugging-port", "0"),
        "--remote-allow-system-access",  # its own window, which has the menus
        *("--profile", str(profile), "about:blank"),
        # It does not run as one user in the home of another.
        env={
            **os.environ,
            "HOME": str(folder),
            "TMPDIR": str(folder),
        },
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=DEVNULL,
        start_new_session=True,
    )
    async with ended_after(process):
        told = profile / "WebDriverBiDiServer.json"

        def port_told() -> int | None:
            text = told.read_text() if told.exists() else ""
            return int(json.loads(text)["ws_port"]) if text.endswith("}") else None

        port = await until(port_told, within=60)
        url = f"ws://127.0.0.1:{port}/session"
        async with connect(url, max_size=None, ping_interval=None) as socket:
            line = Line(socket)
            hearing = asyncio.create_task(line.hear())
            try:
                await line.send(
                    "session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}}
                )
                yield Firefox(line)
                with suppress(DriverError):
                    await line.send("browser.close")
            finally:
                hearing.cancel()

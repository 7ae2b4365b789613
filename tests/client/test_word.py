"""What a page takes for the server's word, and what not, in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from playwright.async_api import Route

from tests.helpers.browser import Browser
from tests.helpers.line import line_to
from tests.helpers.servers import Serve
from tests.helpers.shown import AWAY, cover_in, heard, is_undisturbed
from tests.helpers.visits import end_by_time, open_letter
from tests.helpers.waiting import until

# What is said in our place: by gateways, authenticating proxies, captive portals.
NOT_OURS: list[dict[str, Any]] = [
    {"status": 503, "json": {"reason": "ServiceUnavailable"}},
    {"status": 502, "body": "<h1>Bad Gateway</h1>", "content_type": "text/html"},
    {"status": 429, "json": {"reason": "idle"}},
    {"status": 401, "json": {"reason": "signed out"}},
    {"status": 401, "headers": {"Quart-Idle": "1"}, "json": {"error": "who are you?"}},
    {"status": 403, "headers": {"Quart-Idle": "1"}, "json": {"reason": "idle"}},
    {"status": 200, "json": {"left": 0, "total": None}},
    {"status": 200, "headers": {"Quart-Idle": "1"}, "json": {"left": None}},
    {"status": 200, "body": "<h1>Welcome to our Wi-Fi</h1>", "content_type": "text/html"},
]


async def test_only_the_server_s_own_401_with_a_reason_ends_a_page(
    serve_pages: Serve, browser: Browser
) -> None:
    browser.provoke(AWAY)
    browser.provoke("status of [45]")
    server = serve_pages({"timeout": 600})
    async with line_to(server.port) as line:
        page = await open_letter(browser, line.url)
        waiting = [*NOT_OURS]

        async def answer(route: Route) -> None:
            await (route.fulfill(**waiting.pop(0)) if waiting else route.continue_())

        await page.route("**/_idle/presence*", answer)
        line.sockets_pass = False
        line.cut()
        line.works = True

        async def tries(met: Callable[[], Any]) -> Any:
            await page.evaluate("dispatchEvent(new Event('online'))")
            return await met() if asyncio.iscoroutinefunction(met) else met()

        await until(lambda: tries(lambda: not waiting), within=30, every=0.2)
        assert await is_undisturbed(page)
        told = len(await heard(page, "state"))

        async def goes_on() -> bool:
            return len(await heard(page, "state")) > told

        await until(lambda: tries(goes_on), every=0.2)
        await end_by_time(browser, server.url)
        await until(lambda: tries(cover_in(page).is_visible), every=0.2)

"""Pages are right about time: hidden, with another clock, at the last second."""

from __future__ import annotations

import asyncio
import re
import time

from playwright.async_api import WebSocket, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import heard, prompt_in
from tests.helpers.visits import open_letter, user_of
from tests.helpers.waiting import until


async def test_a_clock_that_is_set_back_makes_the_page_ask_and_changes_nothing(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 6, "warning": 4})
    sent: list[str] = []

    def note(socket: WebSocket) -> None:
        socket.on("framesent", lambda payload: sent.append(str(payload)))

    browser.context.on("page", lambda page: page.on("websocket", note))
    page = await open_letter(browser, server.url)
    asked = sum('"ask"' in frame for frame in sent)
    await page.evaluate(
        "() => { const now = Date.now; Date.now = () => now() - 3_600_000; Date.now(); }"
    )
    await until(lambda: sum('"ask"' in frame for frame in sent) > asked, within=4)
    prompt = prompt_in(page)
    await expect(prompt).to_be_visible()
    for _ in range(10):
        text = await prompt.locator("[aria-hidden]").text_content()
        assert re.fullmatch(r".* in [1-4] seconds?\.", text or "")
        await asyncio.sleep(0.1)
    await prompt.get_by_role("button", name="Stay signed in").click()
    await expect(prompt).to_be_hidden()
    assert sum('"ask"' in frame for frame in sent) == asked + 1
    idle = [re.search(r'"idle":(\d+),', frame) for frame in sent if '"pong"' in frame]
    assert idle
    assert all(found and int(found[1]) < 10_000 for found in idle)
    assert not await heard(page, "ended")


async def test_staying_at_the_last_second_in_one_tab_is_in_time_for_both(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 3, "warning": 2})
    behind = await open_letter(browser, server.url)
    front = await browser.open(behind.url)
    await expect(prompt_in(behind)).to_be_visible()
    await expect(prompt_in(front)).to_be_visible()
    (warning,) = await heard(front, "warning")
    end = warning["at"] + warning["detail"]["left"] / 1000
    await asyncio.sleep(end - 0.8 - time.time())
    await prompt_in(front).get_by_role("button", name="Stay signed in").click()
    await expect(prompt_in(front)).to_be_hidden(timeout=1500)
    await expect(prompt_in(behind)).to_be_hidden(timeout=1500)
    await asyncio.sleep(end + 0.5 - time.time())
    for page in (behind, front):
        assert not await heard(page, "ended")
    assert await user_of(browser, server.url) == "ada"


async def test_one_can_stay_twelve_times_in_a_row(serve_pages: Serve, browser: Browser) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 8, "warning": 7.5})
    page = await open_letter(browser, server.url)
    search = page.get_by_label("Search")
    stay = prompt_in(page).get_by_role("button", name="Stay signed in")

    async def is_typing() -> bool:
        """Whether no prompt came before the field had the focus, and took it."""
        if await prompt_in(page).is_visible():
            await stay.click()
        await search.fill("unsaved")
        return bool(await search.evaluate("(search) => document.activeElement === search"))

    await until(is_typing)
    await search.evaluate("(search) => { window.back = 0; search.onfocus = () => ++back; }")
    for stayed in range(1, 13):
        await stay.click()
        await until(lambda: page.evaluate(f"back >= {stayed}"))  # noqa: B023  (waited for here)
    assert await page.evaluate("back") == 12
    await expect(search).to_have_value("unsaved")
    assert len(await heard(page, "warning")) >= 12
    assert not await heard(page, "ended")

"""Pages in a real browser while servers and lines fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from playwright.async_api import Page, expect

from tests.helpers.browser import Browser
from tests.helpers.line import line_to
from tests.helpers.redis_servers import redis_server
from tests.helpers.servers import ONE_PROCESS, Serve
from tests.helpers.shown import (
    AWAY,
    OVER,
    cover_in,
    heard,
    is_undisturbed,
    on_top,
    prompt_in,
    veil_in,
)
from tests.helpers.visits import open_letter, sign_in, user_of
from tests.helpers.waiting import until

# Servers and lines that fail


async def test_a_server_that_is_away_is_no_end_and_one_that_lost_the_session_is(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke(AWAY)
    browser.provoke(OVER)
    server = serve({"timeout": 600}, *ONE_PROCESS)
    page = await browser.open(await sign_in(browser, server.url))
    server.process.kill()
    server.process.wait()
    await until(lambda: sum("WebSocket" in text for text in browser.complaints) > 1)
    assert await is_undisturbed(page)
    serve({"timeout": 600}, port=server.port)
    await expect(cover_in(page)).to_be_visible(timeout=60_000)
    await expect(cover_in(page)).to_contain_text("Please sign in again.")
    (ended,) = await heard(page, "ended")
    assert ended["detail"] == {"reason": "unknown"}


async def test_when_time_is_up_and_the_server_away_the_page_waits_covered_and_then_goes_on(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke(AWAY)
    server = serve({"timeout": 5, "warning": 2})
    async with line_to(server.port) as line:
        await sign_in(browser, server.url)  # cookies do not tell ports apart
        page = await browser.open(f"{line.url}/page")
        note = page.get_by_label("Note")
        await note.fill("unsaved")
        line.cut()

        async def be_active() -> None:
            while True:
                await browser.get(server.url)
                await asyncio.sleep(0.3)

        elsewhere = asyncio.create_task(be_active())
        try:
            await expect(veil_in(page)).to_be_visible()
            assert await on_top(page) == "quart-idle"
            await page.keyboard.press("Escape")
            await expect(veil_in(page)).to_be_visible()
            assert not await heard(page, "warning", "ended")
            line.mend()
            await expect(veil_in(page)).to_be_hidden(timeout=60_000)
        finally:
            elsewhere.cancel()
            with suppress(asyncio.CancelledError):
                await elsewhere
        await expect(note).to_have_value("unsaved")
        await expect(note).to_be_focused()
        assert line.sockets == 1
        assert not await heard(page, "warning", "ended")


async def test_staying_while_the_server_is_away_says_so_and_is_done_when_it_is_back(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke(AWAY)
    server = serve({"keepalive": "activity", "timeout": 40, "warning": 38})
    async with line_to(server.port) as line:
        await sign_in(browser, server.url)
        page = await browser.open(f"{line.url}/page")
        prompt = prompt_in(page)
        await expect(prompt).to_be_visible()
        line.cut()
        await page.keyboard.press("Escape")
        await expect(prompt.get_by_role("status")).to_contain_text("could not reach the server")
        await expect(prompt).to_be_visible()
        line.mend()
        await expect(prompt).to_be_hidden(timeout=30_000)
        assert not await heard(page, "ended")


async def test_where_a_policy_blocks_the_socket_the_page_keeps_its_session_alive_over_http(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke("Content Security Policy")
    server = serve({"timeout": 5, "warning": 2})
    async with line_to(server.port) as line:
        await sign_in(browser, server.url)
        page = await browser.open(f"{line.url}/page?csp={line.url}")
        await asyncio.sleep(8)
        assert await is_undisturbed(page)
        assert line.asked == 0
    assert await user_of(browser, server.url) == "ada"


async def test_where_a_proxy_blocks_sockets_pages_are_warned_extended_and_ended_over_http(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke(AWAY)
    browser.provoke(OVER)
    server = serve({"keepalive": "activity", "timeout": 7, "warning": 3})
    async with line_to(server.port) as line:
        line.sockets_pass = False
        await sign_in(browser, server.url)
        page = await browser.open(f"{line.url}/page")
        await prompt_in(page).get_by_role("button", name="Stay signed in").click()
        await expect(prompt_in(page)).to_be_hidden()
        assert not await heard(page, "ended")
        await expect(prompt_in(page)).to_be_visible()
        await expect(cover_in(page)).to_be_visible()
        await expect(cover_in(page)).to_contain_text("because you were not active")
        assert line.asked
        assert not line.sockets


@asynccontextmanager
async def in_use(browser: Browser, url: str) -> AsyncIterator[None]:
    """Requests are made meanwhile, from no page."""

    async def use() -> None:
        while True:
            await browser.get(url)
            await asyncio.sleep(0.3)

    use_it = asyncio.create_task(use())
    try:
        yield
    finally:
        use_it.cancel()
        with suppress(asyncio.CancelledError):
            await use_it


# Right about time


async def test_a_page_whose_line_falls_silent_is_covered_when_its_time_is_up_until_it_hears_more(
    serve_pages: Serve, browser: Browser
) -> None:
    browser.provoke(AWAY)
    server = serve_pages({"timeout": 2, "warning": 0.5})
    async with line_to(server.port) as line, in_use(browser, server.url):
        await browser.post(f"{server.url}/sign-in/ada")
        page = await browser.open(f"{line.url}/letter")
        search = page.get_by_label("Search")
        await search.fill("unsaved")
        line.silent = True
        last = (await heard(page))[-1]
        left = last["at"] + last["detail"]["left"] / 1000 - time.time()
        await expect(veil_in(page)).to_be_visible(timeout=1000 * (left + 2))
        assert await on_top(page) == "quart-idle"
        line.mend()
        await expect(veil_in(page)).to_be_hidden(timeout=30_000)
        await expect(search).to_have_value("unsaved")
        await expect(search).to_be_focused()
        assert await on_top(page) != "quart-idle"
        assert not await heard(page, "warning", "ended")


async def test_fifty_pages_come_back_after_a_restart_and_show_nothing(
    serve_pages: Serve, browser: Browser, tmp_path: Path
) -> None:
    browser.provoke(AWAY)
    with redis_server(tmp_path) as redis:
        settings = {"store": redis.url, "timeout": 600}
        server = serve_pages(settings)
        pages = [await open_letter(browser, server.url)]
        pages += await asyncio.gather(*(browser.open(pages[0].url) for _ in range(49)))

        async def greetings(page: Page) -> int:
            events = await heard(page, "state")
            return [event["detail"]["type"] for event in events].count("state")

        before = await asyncio.gather(*map(greetings, pages))
        await asyncio.to_thread(server.stop)
        serve_pages(settings, port=server.port)
        end = time.monotonic() + 30
        for page, greeted in zip(pages, before, strict=True):

            async def is_back(page: Page = page, greeted: int = greeted) -> bool:
                return await greetings(page) > greeted

            await until(is_back, within=end - time.monotonic())
        assert all(await asyncio.gather(*map(is_undisturbed, pages)))

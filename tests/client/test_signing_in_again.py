"""Signing in again in a window beside the covered page, in a real browser."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from tests.helpers.browser import Browser
from tests.helpers.line import line_to
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in
from tests.helpers.visits import end_by_time, open_letter, sign_in_at
from tests.helpers.waiting import until


async def test_the_page_finds_out_by_itself_though_the_sign_in_page_keeps_its_window_apart(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600, "sign_in_url": "/sign-in?apart"})
    async with line_to(server.port) as line:
        page = await open_letter(browser, line.url)
        await page.get_by_label("Search").fill("unsaved")
        await end_by_time(browser, server.url)
        async with page.expect_popup() as opened:
            await cover_in(page).get_by_role("button", name="Sign in again").click()
        window = await opened.value
        await expect(window.get_by_label("Name")).to_be_visible()
        asked = line.asked
        await until(lambda: line.asked >= asked + 2)  # its own window looks closed by now
        await sign_in_at(window, "ada")
        await expect(cover_in(page)).to_be_hidden(timeout=10_000)
        await expect(page.get_by_label("Search")).to_have_value("unsaved")


async def test_who_closes_the_window_can_open_it_again(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600, "sign_in_url": "/sign-in"})
    page = await open_letter(browser, server.url)
    await end_by_time(browser, server.url)
    again = cover_in(page).get_by_role("button", name="Sign in again")
    for is_last in (False, True):
        async with page.expect_popup() as opened:
            await again.click()
        window = await opened.value
        await expect(window.get_by_label("Name")).to_be_visible()
        if not is_last:
            await window.close()
            await asyncio.sleep(0.3)
            await expect(again).to_be_visible()
    await sign_in_at(window, "ada")
    await until(window.is_closed)
    await expect(cover_in(page)).to_be_hidden()

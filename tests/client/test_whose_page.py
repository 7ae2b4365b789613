"""A page is of the user it was made for, whoever signs in."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from tests.helpers.browser import Browser
from tests.helpers.line import line_to
from tests.helpers.servers import Serve
from tests.helpers.shown import AWAY, OVER, cover_in, heard, on_top, prompt_in
from tests.helpers.visits import end_by_time, open_letter, open_warned, sign_in_at, sign_in_window
from tests.helpers.waiting import until


@pytest.mark.parametrize("sockets_pass", [True, False])
async def test_a_page_does_not_go_on_as_that_of_somebody_else_who_signed_in(
    serve_pages: Serve, browser: Browser, sockets_pass: bool
) -> None:
    browser.provoke(AWAY)
    browser.provoke(OVER)
    server = serve_pages({"timeout": 12, "warning": 1})
    async with line_to(server.port) as line:
        line.sockets_pass = sockets_pass
        page = await open_letter(browser, line.url)
        await page.get_by_label("Search").fill("ada's")
        await sign_in_at(await browser.blank(f"{line.url}/sign-in"), "bob")
        cover = cover_in(page)
        await expect(cover).to_be_visible()
        await expect(cover).to_contain_text("Somebody else signed in, perhaps in another tab.")
        asked, told = line.asked, len(await heard(page))
        await page.bring_to_front()
        await asyncio.sleep(1)
        assert await on_top(page) == "quart-idle"
        assert line.asked == asked
        events = await heard(page)
        assert len(events) == told
        assert events[-1]["detail"] == {"reason": "switched"}
        await cover.get_by_role("button", name="Reload the page").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Signed in as bob")
        await expect(page.get_by_label("Search")).to_have_value("")
        await expect(cover).to_be_hidden()


async def sign_in_again(page: Page, name: str) -> Page:
    """Sign in by the cover's button, in the window that it opens."""
    window = await sign_in_window(page)
    await window.wait_for_url("**/sign-in")
    assert await window.evaluate("innerWidth") < 600
    await sign_in_at(window, name)
    return window


async def test_who_signs_in_again_finds_every_page_as_it_was(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 60, "sign_in_url": "/sign-in", "keepalive": "activity"})
    await browser.post(f"{server.url}/sign-in/ada?timeout=2")
    url = f"{server.url}/letter"
    behind, front = await browser.open(url), await browser.open(url)
    for page in (behind, front):
        await page.get_by_label("Search").fill("unsaved")
    for page in (behind, front):
        await expect(cover_in(page)).to_be_visible()
    # Who closes the window again has not signed in.
    await (await sign_in_window(front)).close()
    window = await sign_in_again(front, "ada")
    await expect(cover_in(front)).to_be_hidden()
    await until(window.is_closed)
    await behind.bring_to_front()
    for page in (behind, front):
        await expect(cover_in(page)).to_be_hidden()
        await expect(page.get_by_label("Search")).to_have_value("unsaved")
        assert await on_top(page) != "quart-idle"
        assert len(await heard(page, "ended")) == 1
        assert await page.evaluate("document.documentElement.quartIdle.state") == "live"
        assert await page.evaluate("document.documentElement.quartIdle.left") > 30_000


async def test_when_somebody_else_signs_in_again_the_page_becomes_theirs(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 60, "sign_in_url": "/sign-in"})
    page = await open_letter(browser, server.url)
    await page.get_by_label("Search").fill("ada's")
    await end_by_time(browser, server.url)
    await sign_in_again(page, "bob")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Signed in as bob")
    await expect(page.get_by_label("Search")).to_have_value("")
    await expect(cover_in(page)).to_be_hidden()


async def test_a_page_of_nobody_s_is_not_uncovered_by_who_signs_in(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 60, "sign_in_url": "/sign-in"})
    await browser.post(f"{server.url}/set?cart=full")
    page = await browser.open(f"{server.url}/letter")
    await end_by_time(browser, server.url)
    await expect(cover_in(page)).to_be_visible()
    await sign_in_at(await browser.blank(f"{server.url}/sign-in"), "ada")
    await page.bring_to_front()
    await asyncio.sleep(1)
    await expect(cover_in(page)).to_be_visible()
    await cover_in(page).get_by_role("button", name="Sign in again").click()
    await page.wait_for_url("**/sign-in")


async def test_a_page_that_is_uncovered_shortly_before_the_next_end_is_warned_of_it(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 6, "warning": 5})
    page = await open_warned(browser, server.url)
    await end_by_time(browser, server.url)
    await expect(cover_in(page)).to_be_visible()
    await browser.blank()
    await browser.post(f"{server.url}/sign-in/ada")
    await asyncio.sleep(1.5)
    await page.bring_to_front()
    await expect(cover_in(page)).to_be_hidden()
    await expect(prompt_in(page)).to_be_visible(timeout=2000)

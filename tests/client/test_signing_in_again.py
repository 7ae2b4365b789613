"""Signing in again in a window beside the covered page, in a real browser."""

from __future__ import annotations

import asyncio

from playwright.async_api import Route, expect

from tests.helpers.browser import Browser
from tests.helpers.line import line_to
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard
from tests.helpers.visits import WARNED_SOON, end_by_time, open_letter, sign_in_at, sign_in_window
from tests.helpers.waiting import until


async def test_the_page_finds_out_by_itself_though_the_sign_in_page_keeps_its_window_apart(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600, "sign_in_url": "/sign-in?apart"})
    async with line_to(server.port) as line:
        page = await open_letter(browser, line.url)
        await page.get_by_label("Search").fill("unsaved")
        await end_by_time(browser, server.url)
        window = await sign_in_window(page)
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


async def test_who_signs_in_again_beside_one_page_finds_the_others_uncovered_unseen(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600, "sign_in_url": "/sign-in"})
    await browser.post(f"{server.url}/sign-in/bob")
    bobs = await browser.open(f"{server.url}/letter")
    await bobs.get_by_label("Search").fill("bob's")
    await end_by_time(browser, server.url)
    await expect(cover_in(bobs)).to_be_visible()
    behind = await open_letter(browser, server.url)
    await behind.get_by_label("Search").fill("unsaved")
    front = await browser.open(f"{server.url}/letter")
    await end_by_time(browser, server.url)
    await expect(cover_in(behind)).to_be_visible()
    await sign_in_at(await sign_in_window(front), "ada")
    await expect(cover_in(front)).to_be_hidden()
    # Nobody has looked at them.
    await expect(cover_in(behind)).to_be_hidden(timeout=3000)
    await expect(behind.get_by_label("Search")).to_have_value("unsaved")
    # Another user's page becomes theirs, and is not uncovered as it was.
    await expect(bobs.get_by_role("heading", level=1)).to_have_text("Signed in as ada")
    await expect(bobs.get_by_label("Search")).to_have_value("")


async def test_where_a_window_is_blocked_the_button_leads_to_the_sign_in_page_and_back(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600, "sign_in_url": "/sign-in?by=password"})
    page = await open_letter(browser, server.url)
    await page.evaluate("history.replaceState(null, '', '?to=bob&as=ada#end')")
    await page.evaluate("window.open = () => null")
    await end_by_time(browser, server.url)
    await cover_in(page).get_by_role("button", name="Sign in again").click()
    await page.wait_for_url("**/sign-in?by=password&next=%2Fletter%3Fto%3Dbob%26as%3Dada")


async def test_where_a_window_is_blocked_a_sign_in_page_of_another_origin_is_told_no_address(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    server = serve_pages({"timeout": 600, "sign_in_url": f"{elsewhere}/sign-in"})
    page = await open_letter(browser, server.url)
    await page.evaluate("window.open = () => null")
    await end_by_time(browser, server.url)
    await cover_in(page).get_by_role("button", name="Sign in again").click()
    await page.wait_for_url(f"{elsewhere}/sign-in")


async def test_the_button_waits_for_what_opens_the_window_and_leads_nowhere_before(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600, "sign_in_url": "/sign-in"})
    page = await open_letter(browser, server.url)
    await page.get_by_label("Search").fill("unsaved")
    held: list[Route] = []
    await page.route("**/signing.js", lambda route: held.append(route))
    await end_by_time(browser, server.url)
    await cover_in(page).get_by_role("button", name="Sign in again").click()
    await until(lambda: held)
    await asyncio.sleep(0.3)
    assert page.url.endswith("/letter")
    async with page.expect_popup() as opened:
        for route in held:
            await route.continue_()
    await sign_in_at(await opened.value, "ada")
    await expect(cover_in(page)).to_be_hidden()
    await expect(page.get_by_label("Search")).to_have_value("unsaved")


async def test_a_sign_in_that_takes_minutes_is_waited_for(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600, "sign_in_url": "/sign-in"})
    page = await open_letter(browser, server.url)
    await end_by_time(browser, server.url)
    window = await sign_in_window(page)
    await page.evaluate(
        """() => {
          const now = performance.now.bind(performance);
          performance.now = () => now() + 8 * 60000;
        }"""
    )
    await window.wait_for_timeout(3000)
    await sign_in_at(window, "ada")
    await expect(cover_in(page)).to_be_hidden(timeout=5000)
    await until(window.is_closed)


async def test_what_is_needed_to_sign_in_again_is_there_before_the_end_if_there_was_a_warning(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({**WARNED_SOON, "sign_in_url": "/sign-in"})
    async with line_to(server.port) as line:
        page = await browser.blank()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await browser.post(f"{line.url}/sign-in/ada")
        await page.goto(f"{line.url}/letter")
        await until(lambda: heard(page, "state"))
        assert not any("signing.js" in url for url in asked)
        await until(lambda: any("signing.js" in url for url in asked))
        assert not await heard(page, "ended")
        await expect(cover_in(page)).to_contain_text("because you were not active")
        await page.evaluate("dispatchEvent(new Event('focus'))")
        assert sum("signing.js" in url for url in asked) == 1


async def test_a_covered_page_is_not_stuck_though_a_part_of_the_client_does_not_come(
    serve_pages: Serve, browser: Browser
) -> None:
    browser.provoke("ERR_FAILED")
    server = serve_pages({"timeout": 600, "sign_in_url": "/sign-in"})
    page = await open_letter(browser, server.url)
    await page.get_by_label("Search").fill("unsaved")
    tried: list[str] = []

    async def fail(route: Route) -> None:
        tried.append(route.request.url)
        await route.abort()

    await page.route("**/signing.js", fail)
    await end_by_time(browser, server.url)
    await until(lambda: tried)
    await expect(cover_in(page)).to_be_visible()
    # One's own sign-in in another tab.
    await browser.post(f"{server.url}/sign-in/ada")
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await expect(cover_in(page)).to_be_hidden()
    await expect(page.get_by_label("Search")).to_have_value("unsaved")
    await end_by_time(browser, server.url)
    await cover_in(page).get_by_role("button", name="Sign in again").click()
    await page.wait_for_url("**/sign-in")
    await sign_in_at(page, "ada")
    await page.goto(f"{server.url}/letter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Signed in as ada")


async def test_without_that_part_a_covered_page_becomes_another_user_s_and_is_not_uncovered(
    serve_pages: Serve, browser: Browser
) -> None:
    browser.provoke("ERR_FAILED")
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    await page.get_by_label("Search").fill("ada's")
    await page.route("**/signing.js", lambda route: route.abort())
    await end_by_time(browser, server.url)
    await expect(cover_in(page)).to_be_visible()
    await browser.post(f"{server.url}/sign-in/bob")
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Signed in as bob")
    await expect(page.get_by_label("Search")).to_have_value("")

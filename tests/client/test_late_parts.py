"""Parts of the client that come late: what they are for holds from then on."""

from __future__ import annotations

import asyncio

from playwright.async_api import Page, Route, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import heard, on_top, prompt_in
from tests.helpers.visits import PLAY, sign_in
from tests.helpers.waiting import until


async def test_what_was_opened_before_the_client_could_see_to_it_is_behind_the_prompt_all_the_same(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 63, "warning": 61})
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/letter")
    held: list[Route] = []
    await page.route("**/signing.js", lambda route: held.append(route))
    await expect(prompt_in(page)).to_be_visible()
    await page.evaluate(
        """() => {
          const dialog = document.createElement("dialog");
          dialog.style = "position: fixed; inset: 0; width: 100%; height: 100%";
          document.body.append(dialog);
          dialog.showModal();
        }"""
    )
    await asyncio.sleep(0.2)
    assert await on_top(page) != "quart-idle"
    for route in held:
        await route.continue_()
    await until(lambda: is_on_top(page))


async def is_on_top(page: Page) -> bool:
    return await on_top(page) == "quart-idle"


# As Turbo does with a page's head: the scripts run.
PUT_TAG = """(tag) => document.head.append(document.createRange().createContextualFragment(tag))"""


async def test_a_page_that_came_back_without_the_tag_is_seen_when_a_swap_brings_it(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/letter")
    tag = await page.evaluate(
        "[...document.head.querySelectorAll('script')].map((script) => script.outerHTML).join('')"
    )
    assert "/back.js" in tag
    await page.goto(f"{server.url}/bare")
    await page.evaluate("addEventListener('unload', () => {})")  # it is not kept as it was
    await page.goto(f"{server.url}/frame")
    await page.evaluate("history.back()")
    await until(lambda: page.url.endswith("/bare"))
    await until(lambda: page.evaluate("window.idle && performance.navigation.type === 2"))
    await page.evaluate("idle.restart()")
    await until(lambda: heard(page, "state"))
    await page.evaluate(PUT_TAG, tag)
    await asyncio.sleep(0.5)
    assert await page.evaluate("getComputedStyle(document.documentElement).opacity") == "1"


async def test_what_a_page_plays_is_paused_though_nothing_can_be_loaded_when_it_is_covered(
    serve_pages: Serve, browser: Browser
) -> None:
    browser.provoke("ERR_FAILED")
    server = serve_pages({"timeout": 600})
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/letter")
    assert await page.evaluate(PLAY) is False
    async with page.expect_response("**/embedded.js"):
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # sooner
    await page.route("**/_idle/**", lambda route: route.abort())
    await browser.post(f"{server.url}/sign-out?reason=idle")
    await until(lambda: is_on_top(page))
    await until(lambda: page.evaluate("audio.paused"))

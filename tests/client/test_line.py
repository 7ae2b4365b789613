"""What a page does on its line to the server, and what it says of it, in a real browser."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from tests.helpers.browser import Browser
from tests.helpers.line import line_to
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard, prompt_in
from tests.helpers.visits import UNTOUCHED, open_letter
from tests.helpers.waiting import until

# Notes what policies forbade, and each title of the cover.
NOTE = """() => {
  window.titles = new Set();
  setInterval(() => {
    const root = document.querySelector("quart-idle")?.shadowRoot;
    const cover = root?.querySelector("[part=cover][open] h2");
    if (cover) titles.add(cover.textContent);
  }, 20);
}"""


async def test_a_page_that_is_told_of_the_end_does_not_say_that_the_server_is_out_of_reach(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(UNTOUCHED)
    async with line_to(server.port) as line:
        page = await open_letter(browser, line.url)
        await page.evaluate(NOTE)
        line.lingers = 0.7  # from the server's goodbye to the end of the connection
        await expect(cover_in(page)).to_be_visible()
        assert await page.evaluate("[...titles]") == ["You have been signed out"]


async def test_a_policy_that_forbids_the_socket_is_violated_once_and_the_page_lives_on_by_requests(
    serve_pages: Serve, browser: Browser
) -> None:
    browser.provoke("Content Security Policy|WebSocket connection to")
    server = serve_pages({"timeout": 4, "warning": 1, "ping_interval": 1})
    await browser.post(f"{server.url}/sign-in/ada")
    page = await browser.blank(f"{server.url}/letter?csp&requests")
    await until(lambda: heard(page, "state"))
    async with page.expect_response("**/_idle/presence*"):
        pass
    await asyncio.sleep(6)
    assert not await heard(page, "warning", "ended")
    policies = [text for text in browser.complaints if "Content Security Policy" in text]
    assert len(policies) == 1


async def test_a_policy_that_forbids_another_socket_takes_none_of_ours(
    serve_pages: Serve, browser: Browser
) -> None:
    browser.provoke("Content Security Policy|ERR_|WebSocket connection to|Failed to load")
    server = serve_pages({"timeout": 600})
    async with line_to(server.port) as line:
        await browser.post(f"{line.url}/sign-in/ada")
        page = await browser.blank(f"{line.url}/letter?csp")
        await until(lambda: heard(page, "state"))
        line.cut()
        await page.evaluate(
            """() => new Promise((done) => {
              addEventListener("securitypolicyviolation", done);
              new WebSocket("ws://chat.test");
            })"""
        )
        async with page.expect_websocket(timeout=20_000):
            line.mend()


async def test_a_prompt_is_not_answered_by_a_pointer_that_brushes_past_but_by_a_key(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(UNTOUCHED | {"timeout": 12, "warning": 10, "ping_interval": 0.5})
    page = await open_letter(browser, server.url)
    await expect(prompt_in(page)).to_be_visible()
    for number in range(6):
        await page.mouse.move(10 + number, 10)
        await page.mouse.wheel(0, 10)
        await asyncio.sleep(0.3)
        assert await prompt_in(page).is_visible()
    await page.keyboard.press("Shift")
    await expect(prompt_in(page)).to_be_hidden(timeout=2000)


# (The browser prerenders nothing while it is driven: the page is told that it is prerendered.)
PRERENDERED = """
window.prerendered = true;
Object.defineProperty(Document.prototype, "prerendering", { get: () => prerendered });
"""


async def test_a_page_that_is_prerendered_is_not_open_until_it_is_seen(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    async with line_to(server.port) as line:
        await browser.post(f"{line.url}/sign-in/ada")
        page = await browser.blank()
        await page.add_init_script(PRERENDERED)
        await page.goto(f"{line.url}/letter")
        await asyncio.sleep(1)
        assert line.asked == 0
        await page.evaluate(
            """() => {
              window.prerendered = false;
              document.dispatchEvent(new Event("prerenderingchange"));
            }"""
        )
        await until(lambda: heard(page, "state"))
        assert line.asked == 1

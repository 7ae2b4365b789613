"""Open pages in a real browser, hidden, closed, frozen and come back to: who is there."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.helpers.browser import Browser
from tests.helpers.line import line_to
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard, is_undisturbed, on_top, veil_in
from tests.helpers.visits import open_letter, sign_in, user_of, why_ended
from tests.helpers.waiting import until

# Presence


async def test_an_open_page_keeps_its_session_alive_beyond_the_timeout(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 3, "warning": 1})
    page = await browser.open(await sign_in(browser, server.url))
    await asyncio.sleep(5)
    assert await is_undisturbed(page)
    assert await user_of(browser, server.url) == "ada"


async def test_a_hidden_page_keeps_its_session_alive_though_its_timers_stand_still(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 3, "warning": 1, "closed_timeout": 2})
    page = await browser.open(await sign_in(browser, server.url))
    await browser.blank()
    await until(lambda: page.evaluate("document.visibilityState === 'hidden'"))
    # As the browser does of its own accord after five minutes, nearly: once a minute.
    await page.evaluate("window.setTimeout = () => 0")
    await asyncio.sleep(5)
    assert await page.evaluate("document.visibilityState") == "hidden"
    assert await is_undisturbed(page)
    assert await user_of(browser, server.url) == "ada"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"timeout": 3, "warning": 1}, "idle"),
        ({"timeout": 600, "closed_timeout": 2}, "closed"),
    ],
)
async def test_a_closed_page_does_not_and_the_next_visit_is_told_why(
    serve: Serve, browser: Browser, settings: dict[str, float], reason: str
) -> None:
    server = serve(settings)
    page = await browser.open(await sign_in(browser, server.url))
    await asyncio.sleep(1)
    await page.close()
    assert await why_ended(browser, server.url) is None
    assert await until(lambda: why_ended(browser, server.url)) == reason
    visit = await browser.blank(server.url)
    assert f'"ended":"{reason}"' in await visit.content()


# Pages that come and go


async def test_a_page_that_is_left_closes_its_socket_and_opens_it_on_the_way_back(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600})
    async with line_to(server.port) as line:
        await sign_in(browser, server.url)
        page = await browser.open(f"{line.url}/page")
        await page.evaluate("window.mark = 'kept'")
        await page.get_by_label("Note").fill("unsaved")
        assert line.sockets == 1
        await page.goto(f"{line.url}/untouched")
        await until(lambda: line.sockets == 0)
        await page.evaluate("history.back()")
        await until(lambda: page.evaluate("window.mark"))
        await until(lambda: line.sockets == 1)
        await expect(veil_in(page)).to_be_hidden()
        await expect(page.get_by_label("Note")).to_have_value("unsaved")
        assert await on_top(page) != "quart-idle"


async def test_back_does_not_show_a_signed_out_persons_page(serve: Serve, browser: Browser) -> None:
    server = serve({"timeout": 600})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate(
        """() => {
          window.mark = "kept";
          addEventListener("pageshow", () => {
            const at = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
            window.atOnce = at.localName;
          }, true);
        }"""
    )
    await page.goto(f"{server.url}/untouched")
    await browser.post(f"{server.url}/sign-out")
    await page.evaluate("history.back()")
    await until(lambda: page.evaluate("window.mark"))
    assert await until(lambda: page.evaluate("window.atOnce")) == "quart-idle"
    # The browser has lost the cookie, so there is nothing left to ask the reason of.
    await expect(cover_in(page)).to_contain_text("Please sign in again.")


async def test_a_frozen_page_closes_its_socket_and_comes_back_when_it_thaws(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600})
    async with line_to(server.port) as line:
        await sign_in(browser, server.url)
        page = await browser.open(f"{line.url}/page")
        cdp = await browser.context.new_cdp_session(page)
        await browser.blank()
        await until(lambda: page.evaluate("document.visibilityState === 'hidden'"))
        await cdp.send("Page.setWebLifecycleState", {"state": "frozen"})
        await until(lambda: line.sockets == 0)
        await page.bring_to_front()
        await cdp.send("Page.setWebLifecycleState", {"state": "active"})
        await until(lambda: line.sockets == 1)
        await expect(veil_in(page)).to_be_hidden()
        assert not await heard(page, "warning", "ended")
        assert await on_top(page) != "quart-idle"


# Right about time


async def test_a_hidden_page_lives_on_though_the_browser_holds_its_timers_back_for_a_minute(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 2, "warning": 0.5, "closed_timeout": 1.5})
    page = await open_letter(browser, server.url)
    await page.evaluate(
        "() => { window.ticks = 0; const tick = () => setTimeout(tick, 20, ++ticks); tick(); }"
    )
    # The first of a chain of timers are not held back.
    await until(lambda: page.evaluate("ticks > 10"))
    await browser.blank()
    await until(lambda: page.evaluate("document.visibilityState === 'hidden'"))

    async def is_held_back() -> bool:
        ticks = await page.evaluate("ticks")
        await asyncio.sleep(3)
        return bool(await page.evaluate("ticks") - ticks <= 1)

    await until(is_held_back, 60)  # a second after it was hidden, or later on a busy machine
    assert await is_undisturbed(page)
    assert await user_of(browser, server.url) == "ada"

"""What becomes of open pages when their session ends, or its token changes."""

from __future__ import annotations

import asyncio
import time

import pytest
from playwright.async_api import Page, Route, expect

from tests.helpers.browser import Browser
from tests.helpers.listings import blocks
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard, is_undisturbed, on_top
from tests.helpers.visits import sign_in
from tests.helpers.waiting import until


async def send(page: Page, path: str) -> None:
    """A POST request by a page."""
    assert await page.evaluate("(path) => fetch(path, { method: 'POST' }).then((r) => r.ok)", path)


async def test_signed_out_in_one_tab_the_others_are_covered_within_a_second(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600})
    url = await sign_in(browser, server.url)
    behind, front = await browser.open(url), await browser.open(url)
    began = time.time()
    await send(front, "/sign-out")
    await expect(cover_in(behind)).to_be_visible()
    (ended,) = await heard(behind, "ended")
    assert ended["at"] - began < 1
    assert ended["detail"] == {"reason": "signed out"}
    await behind.bring_to_front()
    await expect(cover_in(behind)).to_contain_text("You signed out, perhaps in another tab.")
    assert await on_top(behind) == "quart-idle"
    await behind.keyboard.press("Escape")
    await expect(cover_in(behind)).to_be_visible()
    # Where no sign-in page is configured, the page is loaded again.
    await cover_in(behind).get_by_role("button", name="Sign in again").click()
    await expect(behind.get_by_role("heading")).to_have_text("Signed in as None")
    await expect(cover_in(front)).to_be_visible()


async def test_the_cover_leads_to_the_sign_in_page_where_one_is_configured(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600, "sign_in_url": "/?again"})
    page = await browser.open(await sign_in(browser, server.url))
    await browser.post(f"{server.url}/sign-out?reason=a+new+password")
    await expect(cover_in(page)).to_contain_text("The reason: a new password.")
    await expect(cover_in(page).get_by_role("link")).to_have_count(0)
    await cover_in(page).get_by_role("button", name="Sign in again").click()
    await page.wait_for_url("**/?again")


async def test_an_ended_page_goes_to_the_expired_url_and_back_does_not_return(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600, "expired_url": "/?expired"})
    page = await browser.open(await sign_in(browser, server.url))
    length = await page.evaluate("history.length")
    await browser.post(f"{server.url}/sign-out")
    await page.wait_for_url("**/?expired")
    assert await page.evaluate("history.length") == length


@pytest.mark.parametrize("listens", [False, True])
async def test_who_signs_out_by_navigation_gets_where_that_leads(
    serve: Serve, browser: Browser, listens: bool
) -> None:
    server = serve({"timeout": 600, "expired_url": "/?expired"})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate("window.mark = 'kept'")
    if listens:
        await page.evaluate(blocks("js", "examples/pages/README.md")[0])

    async def answer_late(route: Route) -> None:
        response = await route.fetch()
        await asyncio.sleep(1)  # the page hears of the end first
        await route.fulfill(response=response)

    await page.route("**/sign-out", answer_late)
    await page.evaluate(
        """() => {
          const form = document.querySelector("form");
          form.method = "post";
          form.action = "/sign-out";
          form.requestSubmit();
        }"""
    )
    await page.wait_for_url(lambda url: not url.endswith("/page"))
    assert page.url.endswith("/sign-out")
    # Nor is who comes back sent away late.
    await page.evaluate("history.back()")
    await until(lambda: page.evaluate("window.mark"))
    await asyncio.sleep(6)
    assert page.url.endswith("/page")
    assert await on_top(page) == "quart-idle"


async def test_an_ended_page_whose_navigation_came_to_nothing_goes_to_the_expired_url(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600, "expired_url": "/?expired"})
    page = await browser.open(await sign_in(browser, server.url))
    await page.route("**/nothing", lambda route: route.fulfill(status=204))
    async with page.expect_response("**/nothing"):
        await page.evaluate("location.assign('/nothing')")
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible(timeout=3000)
    await page.wait_for_url("**/?expired")


async def test_the_readme_s_listener_takes_an_ended_page_elsewhere_at_once(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke("status of 404 .*/goodbye")
    server = serve({"timeout": 600, "expired_url": "/?expired"})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate(blocks("js", "examples/pages/README.md")[0])
    await browser.post(f"{server.url}/sign-out")
    await page.wait_for_url("**/goodbye?why=signed%20out", timeout=2000)


async def test_a_page_that_asks_before_it_is_left_is_covered_meanwhile(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600, "expired_url": "/?expired"})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate("() => { onbeforeunload = (event) => event.preventDefault(); }")
    await page.get_by_label("Note").click()
    await page.keyboard.type("unsaved")
    async with page.expect_event("dialog") as asked:
        await browser.post(f"{server.url}/sign-out")
    await (await asked.value).dismiss()
    await expect(cover_in(page)).to_be_visible()
    assert await on_top(page) == "quart-idle"
    assert page.url.endswith("/page")


async def test_after_a_new_token_every_tab_comes_back_and_goes_on(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 3, "warning": 1})
    url = await sign_in(browser, server.url)
    tabs = [await browser.open(url), await browser.open(url)]
    before = (await browser.get(f"{server.url}/peek"))["id"]
    told = [len(await heard(tab)) for tab in tabs]
    await send(tabs[1], "/regenerate")
    for tab, events in zip(tabs, told, strict=True):

        async def is_back(tab: Page = tab, events: int = events) -> bool:
            new = (await heard(tab))[events:]
            return any(event["detail"].get("type") == "state" for event in new)

        await until(is_back)
    await asyncio.sleep(5)
    for tab in tabs:
        assert await is_undisturbed(tab)
    facts = await browser.get(f"{server.url}/peek")
    assert facts["user"] == "ada"
    assert facts["id"] != before

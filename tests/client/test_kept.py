"""What prompt and cover say of what was typed: that it is kept, only where it is."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Route, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard, prompt_in
from tests.helpers.typed import DRAFTS, drafts, offer_in
from tests.helpers.visits import end_by_time, sign_in
from tests.helpers.waiting import until

WARNED = {"keepalive": "activity", "timeout": 63, "warning": 61.5, **DRAFTS}
KEPT = "What you typed is kept."


async def test_prompt_and_cover_say_that_what_was_typed_is_kept_once_the_server_has_it(
    serve: Serve, browser: Browser
) -> None:
    server = serve(WARNED)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    answer = asyncio.Event()

    async def hold(route: Route) -> None:
        await answer.wait()
        await route.continue_()

    await page.get_by_label("Text").fill("Dear Bob")
    await page.route("**/drafts?*", hold)
    await expect(prompt_in(page)).to_be_visible()
    said = prompt_in(page).get_by_text(KEPT)
    await expect(said).to_be_hidden()
    button = prompt_in(page).get_by_role("button")
    before = await button.bounding_box()
    answer.set()
    await expect(said).to_be_visible()
    assert await button.bounding_box() == before  # nothing moves
    await expect(prompt_in(page)).to_have_accessible_description(re.compile(KEPT))
    await end_by_time(browser, server.url)
    await expect(cover_in(page).get_by_text(KEPT)).to_be_visible()


@pytest.mark.parametrize("what", ["nothing", "a password, too", "refused", "another's"])
async def test_nothing_is_said_of_what_is_not_kept(
    serve: Serve, browser: Browser, what: str
) -> None:
    server = serve(WARNED)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    if what != "nothing":
        await page.get_by_label("Text").fill("Dear Bob")
    if what == "a password, too":
        await page.get_by_label("Password").fill("secret")
    if what == "refused":
        browser.provoke("status of 503")
        await page.route("**/drafts?*", lambda route: route.fulfill(status=503))
    await until(lambda: heard(page, "warning"))
    await page.wait_for_timeout(300)
    if what == "another's":
        await expect(prompt_in(page).get_by_text(KEPT)).to_be_visible()
        await sign_in(browser, server.url, "bob")
    else:
        await expect(prompt_in(page).get_by_text(KEPT)).to_be_hidden()
        await end_by_time(browser, server.url)
    await expect(cover_in(page)).to_be_visible()
    await expect(cover_in(page).get_by_text(KEPT)).to_be_hidden()


async def test_what_is_typed_on_after_an_offer_was_discarded_is_not_said_to_be_kept(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    await page.get_by_label("Text").fill("Dear Bob")
    await page.goto(f"{server.url}/form")
    await page.get_by_label("Text").fill("Dear Eve")
    await page.evaluate(
        """() => document.body.insertAdjacentHTML("beforeend",
          "<form data-quart-idle-draft='other'><input name='other' aria-label='Other'></form>")"""
    )
    await page.get_by_label("Other").fill("other")
    await offer_in(page).get_by_role("button", name="Discard").click()
    browser.provoke("status of 503")

    async def refuse(route: Route) -> None:
        if '"form":"letter"' in (route.request.post_data or ""):
            await route.fulfill(status=503)
        else:
            await route.continue_()

    await page.route("**/drafts?*", refuse)
    await browser.blank()  # in front of it: both are sent
    await until(lambda: has_other(browser, server.url))
    piece = "document.querySelector('quart-idle').shadowRoot.querySelector('[part=kept]')"
    await page.wait_for_timeout(300)
    await page.evaluate("dispatchEvent(new Event('beforeprint'))")  # for which the client is there
    assert await page.evaluate(f"{piece}.style.visibility") == "hidden"


async def has_other(browser: Browser, url: str) -> bool:
    return any(draft["form"] == "other" for draft in await drafts(browser, url))

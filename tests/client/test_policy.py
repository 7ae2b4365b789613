"""Pages with a strict Content-Security-Policy."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Route, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard, on_top, prompt_in
from tests.helpers.visits import UNTOUCHED, open_letter, sign_in
from tests.helpers.waiting import until

# What a page is given


@pytest.mark.parametrize("nonce", ["", "&nonce=r4nd0m"])
async def test_a_strict_policy_with_trusted_types_has_nothing_to_complain_of(
    serve: Serve, browser: Browser, nonce: str
) -> None:
    server = serve(UNTOUCHED | {"timeout": 7, "warning": 5})
    page = await browser.open(await sign_in(browser, server.url) + f"?csp={nonce}")
    await prompt_in(page).get_by_role("button").click()
    await expect(prompt_in(page)).to_be_hidden()
    # The client's own look, without which the cover would let the page through.
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible()
    assert await on_top(page) == "quart-idle"


# What the page does with it


async def test_the_client_runs_with_its_own_hash_only_and_a_strict_policy_has_no_complaint(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url, "?integrity&csp&own=after")
    for name in ("back.js", "quart-idle.js"):
        script = page.locator(f"script[src$='/{name}'][integrity]")
        await expect(script).to_have_attribute("integrity", re.compile("^sha384-.{64}$"))
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible()
    assert await on_top(page) == "quart-idle"
    assert browser.unexpected() == []

    async def tamper(route: Route) -> None:
        response = await route.fetch()
        await route.fulfill(response=response, body=await response.text() + "//")

    browser.provoke("integrity")
    await browser.post(f"{server.url}/sign-in/ada")
    page = await browser.blank()
    await page.route("**/quart-idle.js*", tamper)
    await page.goto(f"{server.url}/letter?integrity&csp")
    await until(lambda: any("integrity" in text for text in browser.complaints))
    assert await page.evaluate("document.documentElement.quartIdle === undefined")
    assert not await heard(page)

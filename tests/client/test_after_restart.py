"""What a page asked before ``idle.restart()`` says nothing of whose page it is since."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import OVER, cover_in, heard
from tests.helpers.waiting import until


@pytest.mark.parametrize("user", ["bob", "ada"])
async def test_an_answer_that_comes_after_a_restart_does_not_end_the_next_user_s_page(
    serve_pages: Serve, browser: Browser, user: str
) -> None:
    browser.provoke("Content Security Policy")
    browser.provoke(OVER)
    server = serve_pages({"timeout": 600})
    await browser.post(f"{server.url}/sign-in/ada")
    page = await browser.blank()
    held: list[Route] = []

    async def hold_first(route: Route) -> None:
        if held:
            await route.continue_()
        else:
            held.append(route)

    await page.route("**/_idle/presence*", hold_first)
    # Where sockets are forbidden, the page asks by requests.
    await page.goto(f"{server.url}/letter?csp&requests&own=after")
    await until(lambda: held)
    await browser.post(f"{server.url}/sign-out")
    await browser.post(f"{server.url}/sign-in/{user}")
    await page.evaluate("idle.restart()")
    await until(lambda: heard(page, "state"))
    # The way back of the answer to the former session's question was a long one.
    over = {"Quart-Idle": "1", "Content-Type": "application/json"}
    await held[0].fulfill(status=401, headers=over, body='{"reason": "signed out"}')
    await asyncio.sleep(0.5)
    await expect(cover_in(page)).to_be_hidden()
    assert not await heard(page, "ended")
    assert await page.evaluate("idle.state") == "live"

"""What a page hears of the client, and shows instead."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.helpers.browser import Browser
from tests.helpers.line import line_to
from tests.helpers.listings import blocks
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard, on_top, prompt_in
from tests.helpers.visits import UNTOUCHED, WARNED_SOON, open_letter, sign_in, user_of
from tests.helpers.waiting import until

# What a page is given


async def test_a_page_hears_events_and_may_show_something_else(
    serve: Serve, browser: Browser
) -> None:
    server = serve(UNTOUCHED | {"lifetime": 600})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate("refused.push('state', 'warning', 'ended')")
    await until(lambda: heard(page, "ended"))
    events = await heard(page)
    first = events[0]["detail"]
    assert 2500 < first["left"] <= 4000
    assert 590_000 < first["total"] <= 600_000
    assert (first["warning"], first["keepalive"]) == (1500, "activity")
    assert {event["cancelable"] for event in events if event["name"] == "state"} == {False}
    warning, ended = (event for event in events if event["name"] != "state")
    assert warning["name"] == "warning"
    assert warning["cancelable"]
    assert 500 < warning["detail"]["left"] <= 1500
    assert warning["detail"]["extendable"] is True
    assert ended == {
        "name": "ended",
        "detail": {"reason": "idle"},
        "cancelable": True,
        "at": ended["at"],
    }
    await asyncio.sleep(0.5)
    assert await page.locator("quart-idle dialog[open]").count() == 0
    assert await on_top(page) != "quart-idle"


async def test_the_readme_s_own_prompt_takes_the_place_of_the_client_s(
    serve: Serve, browser: Browser
) -> None:
    server = serve(UNTOUCHED | {"timeout": 5, "warning": 3})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate(
        """() => document.body.insertAdjacentHTML("beforeend",
          "<p id=bar hidden>Still there? <button id=stay>Yes</button></p>")"""
    )
    await page.add_script_tag(content=blocks("js", "examples/pages/README.md")[1], type="module")
    bar = page.locator("#bar")
    await expect(bar).to_be_visible()
    assert not await page.locator("quart-idle").count()
    await bar.get_by_role("button", name="Yes").click()
    await expect(bar).to_be_hidden()
    assert await user_of(browser, server.url) == "ada"


async def test_every_event_says_how_much_of_the_lifetime_is_left(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 60, "lifetime": 600, "ping_interval": 1})
    page = await browser.open(await sign_in(browser, server.url))

    async def pinged() -> bool:
        return [event["detail"]["type"] for event in await heard(page)].count("ping") > 2

    await until(pinged)
    events = await heard(page)
    ends = [event["at"] + event["detail"]["total"] / 1000 for event in events]
    assert ends == pytest.approx([ends[0]] * len(ends), abs=0.4)


async def test_without_a_live_session_a_page_is_given_nothing(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600})
    stranger = await browser.blank(f"{server.url}/page")
    assert await stranger.locator("script").count() == 0
    page = await browser.open(await sign_in(browser, server.url))
    assert await page.locator("script").count() == 2  # one of them for the way back
    assert await page.evaluate("document.cookie") == ""
    await browser.post(f"{server.url}/sign-out")
    await page.reload()
    assert await page.locator("script").count() == 0


# What the page does with it


async def test_the_application_s_own_module_drives_the_client_though_it_is_loaded_first(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(WARNED_SOON | {"sign_out_url": "/?out"})
    async with line_to(server.port) as line:
        page = await open_letter(browser, line.url, "?own=before")
        # It need not have heard from the server by then.
        assert await page.evaluate("atFirst") in (["checking", True], ["live", False])
        assert await page.evaluate("idle.state") == "live"
        assert 0 < await page.evaluate("idle.left") <= 3000
        await expect(prompt_in(page)).to_be_visible()
        assert await page.evaluate("idle.state") == "warned"
        assert 0 < await page.evaluate("idle.left") <= 2000
        assert await page.locator("quart-idle").count() == 1
        await page.evaluate("idle.extend()")
        await expect(prompt_in(page)).to_be_hidden()
        assert await page.evaluate("idle.state") == "live"
        assert await page.evaluate("idle.left") > 2000
        await browser.post(f"{server.url}/sign-out")
        await expect(cover_in(page)).to_be_visible()
        assert await page.evaluate("idle.state") == "ended"
        # The module was loaded under two addresses: it ran once, and is one thing.
        same = "import(document.querySelector('script[src^=\"/_idle\"]').src)"
        assert await page.evaluate(f"{same}.then((module) => module.idle === idle)")
        assert line.asked == 1
        # With what the tag says.
        assert await page.locator("quart-idle form[action='/?out']").count() == 1

"""What prompt and cover say of what was typed: that it is kept, only where it is."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard, prompt_in
from tests.helpers.typed import DRAFTS, drafts, offer_in
from tests.helpers.visits import end_by_time, sign_in
from tests.helpers.waiting import until

WARNED = {"keepalive": "activity", "timeout": 63, "warning": 61.5, **DRAFTS}
KEPT = "What you typed is kept."

ADD_OTHER = """() => document.body.insertAdjacentHTML("beforeend",
  "<form data-quart-idle-draft='other'><input name='other' aria-label='Other'></form>")"""


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


@pytest.mark.parametrize(
    "what",
    [
        *("nothing", "a password, too", "refused", "in a form without a mark, too", "another's"),
        "refused, of a form that has gone",
    ],
)
async def test_nothing_is_said_of_what_is_not_kept(
    serve: Serve, browser: Browser, what: str
) -> None:
    server = serve(WARNED)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    if what == "refused, of a form that has gone":
        browser.provoke("status of 503")
        await page.evaluate(ADD_OTHER)
        await page.route("**/drafts?*", refuse_other)
        await page.get_by_label("Other").fill("other")
        await page.evaluate("document.querySelector('[data-quart-idle-draft=other]').remove()")
    if what != "nothing":
        await page.get_by_label("Text").fill("Dear Bob")
    if what == "a password, too":
        await page.get_by_label("Password").fill("secret")
    if what == "in a form without a mark, too":
        await page.evaluate(
            """() => document.body.insertAdjacentHTML("beforeend",
              "<form><textarea aria-label='Unmarked'></textarea></form>")"""
        )
        await page.get_by_label("Unmarked").fill("a long story")
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
        assert KEPT not in await read_out(page)
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
    await page.evaluate(ADD_OTHER)
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


async def test_of_two_answers_the_later_one_says_whether_what_was_typed_is_kept(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"keepalive": "activity", "timeout": 600, **DRAFTS})
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    browser.provoke("status of 503")
    held: list[Route] = []
    refuse = False

    async def hold(route: Route) -> None:
        if route.request.method != "POST":
            await route.continue_()
        elif refuse:
            await route.fulfill(status=503)
        else:
            held.append(route)

    await page.route("**/drafts?*", hold)
    for many, text in enumerate(("one", "one two"), 1):
        await page.get_by_label("Text").fill(text)
        await page.evaluate("dispatchEvent(new Event('beforeunload'))")  # it is sent
        await until(lambda many=many: len(held) == many)  # type: ignore[misc]
    refuse = True
    async with page.expect_response("**/drafts?*"):
        await held[0].continue_()
    await held[1].fulfill(status=503)
    await end_by_time(browser, server.url)
    await expect(cover_in(page)).to_be_visible()
    await expect(cover_in(page).get_by_text(KEPT)).to_be_hidden()


async def refuse_other(route: Route) -> None:
    """Keep no draft of the other form."""
    if '"form":"other"' in (route.request.post_data or ""):
        await route.fulfill(status=503)
    else:
        await route.continue_()


async def read_out(page: Page) -> str:
    """What is said of the dialog that opens, for those who do not see it."""
    cdp = await page.context.new_cdp_session(page)
    tree = await cdp.send("Accessibility.getFullAXTree")
    await cdp.detach()
    return " ".join(
        node.get("description", {}).get("value", "")
        for node in tree["nodes"]
        if node.get("role", {}).get("value") in ("dialog", "alertdialog")
    )


async def has_other(browser: Browser, url: str) -> bool:
    return any(draft["form"] == "other" for draft in await drafts(browser, url))

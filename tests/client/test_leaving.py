"""What was typed and is not kept is not left without a question."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Dialog, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in
from tests.helpers.typed import DRAFTS, typed_and_asked
from tests.helpers.visits import open_letter, sign_in
from tests.helpers.waiting import until


async def test_unsent_work_in_a_marked_form_is_not_left_without_a_question(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    asked: list[str] = []

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.dismiss()

    page.on("dialog", stay)
    # The other form is not marked.
    await page.get_by_label("Search").press_sequentially("kept")
    await page.evaluate("location.assign('/letter?again')")
    await page.wait_for_url("**/letter?again")
    assert asked == []
    letter = page.get_by_label("Your letter")
    await letter.press_sequentially("Dear")
    await page.evaluate("setTimeout(() => location.assign('/untouched'))")
    await until(lambda: asked)
    assert asked == ["beforeunload"]
    assert page.url.endswith("/letter?again")
    await expect(letter).to_have_value("Dear")
    await page.get_by_role("button", name="Send").click()
    await page.wait_for_url("**/letter?letter=Dear")
    assert asked == ["beforeunload"]


@pytest.mark.parametrize("status", [503, 413])
async def test_what_could_not_be_kept_is_not_left_without_asking(
    serve: Serve, browser: Browser, status: int
) -> None:
    browser.provoke(rf"status of {status}")
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    await page.route("**/_idle/drafts*", lambda route: route.fulfill(status=status))
    asked = await typed_and_asked(page)
    await browser.blank()
    await page.wait_for_timeout(300)
    await page.bring_to_front()
    await page.goto(f"{server.url}/page")
    assert asked == ["beforeunload"]


async def test_what_was_typed_before_a_sign_out_elsewhere_is_not_left_without_asking(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke(r"status of 401")
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    asked = await typed_and_asked(page)
    await browser.post(f"{server.url}/sign-out")
    await cover_in(page).get_by_role("button", name="Sign in again").click()
    await page.wait_for_load_state()
    await until(lambda: asked == ["beforeunload"])


async def test_what_is_typed_where_the_client_s_part_for_drafts_cannot_be_had_is_asked_about(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    browser.provoke("ERR_FAILED")
    page = await browser.blank()
    tried: list[str] = []

    async def fail(route: Any) -> None:
        tried.append(route.request.url)
        await route.abort()

    await page.route("**/drafts.js", fail)
    await page.goto(f"{server.url}/form")
    await until(lambda: tried)
    asked = await typed_and_asked(page)
    await page.keyboard.press("Tab")
    await page.goto("about:blank")
    assert asked == ["beforeunload"]
    assert len(tried) <= 3  # not for each key

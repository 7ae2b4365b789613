"""The demo and the minimal example, in a real browser."""

from __future__ import annotations

import asyncio
import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard, is_undisturbed, prompt_in
from tests.helpers.visits import sign_in_at_window, sign_in_window, why_ended
from tests.helpers.waiting import until


async def demo_sign_in(browser: Browser, url: str, keepalive: str) -> Page:
    """The demo, signed in by hand from its first page on."""
    page = await browser.blank(url)
    await page.get_by_role("link", name=f"Try {keepalive}").click()
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Note")
    return page


@pytest.mark.parametrize("keepalive", ["presence", "activity"])
async def test_the_demo_signs_in_keeps_a_note_shows_the_session_and_signs_out(
    serve: Serve, browser: Browser, keepalive: str
) -> None:
    server = serve(target="examples.demo:app")
    page = await demo_sign_in(browser, server.url, keepalive)
    await page.get_by_label("Your note").fill("Two lines,\nof which this is one.")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved at")).to_be_visible()
    await page.get_by_role("link", name="Session").click()
    await expect(page.get_by_role("main")).to_contain_text("Ada")
    await expect(page.get_by_role("main")).to_contain_text(re.compile("[0-9a-f]{64}"))
    await expect(page.locator("#events")).to_contain_text("quart-idle:state")
    await page.get_by_role("link", name="Note", exact=True).click()
    await expect(page.get_by_label("Your note")).to_have_value("Two lines,\nof which this is one.")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("main")).to_contain_text("You signed out.")
    await page.goto(f"{server.url}/{keepalive}/")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert await page.locator("script").count() == 0


async def test_in_the_demo_an_open_page_outlasts_the_timeout_and_a_closed_one_is_told_of(
    serve: Serve, browser: Browser
) -> None:
    server = serve(target="tests.helpers.quick_demo:app")
    page = await demo_sign_in(browser, server.url, "presence")
    await asyncio.sleep(6)
    assert await is_undisturbed(page)
    await page.get_by_label("Your note").fill("late")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved at")).to_be_visible()
    await page.close()
    await until(lambda: why_ended(browser, f"{server.url}/presence"))
    visit = await browser.blank(f"{server.url}/presence/")
    await expect(visit.get_by_role("main")).to_contain_text("after your last page was closed")
    await visit.get_by_label("Name").fill("Ada")
    await visit.get_by_role("button", name="Sign in").click()
    await visit.get_by_role("link", name="Session").click()
    await expect(visit.get_by_role("main")).to_contain_text("after your last page was closed")


async def test_in_the_demo_an_untouched_page_is_warned_and_ended_in_activity_mode(
    serve: Serve, browser: Browser
) -> None:
    server = serve(target="tests.helpers.quick_demo:app")
    page = await demo_sign_in(browser, server.url, "activity")
    await expect(prompt_in(page)).to_be_visible()
    # In the demo's own colours and name, in light and dark.
    look = prompt_in(page).get_by_role("button").first
    await expect(look).to_have_css("background-color", "rgb(66, 70, 209)")
    await expect(prompt_in(page)).to_contain_text("quart-idle demo")
    await expect(cover_in(page)).to_be_visible()
    for scheme in ("dark", "light"):
        await page.emulate_media(color_scheme=scheme)
        found = await Axe().run(page)
        assert not found.response["violations"], found.generate_report()
    window = await sign_in_window(page)
    await expect(window.get_by_role("main")).to_contain_text("because nothing happened")
    await sign_in_at_window(window, "Ada")
    await expect(cover_in(page)).to_be_hidden()
    await expect(prompt_in(page)).to_be_visible()
    await prompt_in(page).get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("main")).to_contain_text("You signed out.")


async def test_the_demo_s_modes_are_found_without_the_slash_too(
    serve: Serve, browser: Browser
) -> None:
    server = serve(target="examples.demo:app")
    for mode in ("presence", "activity"):
        page = await browser.blank(f"{server.url}/{mode}")
        assert page.url == f"{server.url}/{mode}/sign-in"
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


async def test_the_minimal_example_signs_in_and_stays_open(serve: Serve, browser: Browser) -> None:
    server = serve(target="examples.minimal:app")
    page = await browser.blank(server.url)
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading")).to_have_text("Hello Ada")
    await until(lambda: heard(page, "state"))

"""The demo's page of a user's devices, in two profiles of a real browser."""

from __future__ import annotations

import time

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in


async def sign_in(page: Page, url: str) -> None:
    await page.goto(f"{url}/presence/")
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Sign in").click()


async def test_a_device_that_is_signed_out_from_another_is_covered_at_once_and_leaves_the_list(
    serve: Serve, browser: Browser
) -> None:
    server = serve(target="examples.demo:app")
    page = await browser.blank()
    await sign_in(page, server.url)
    await page.get_by_role("link", name="Devices").click()
    rows = page.get_by_role("listitem")
    await expect(rows).to_have_count(1)
    await expect(rows.first).to_contain_text("This device")
    everywhere = page.get_by_role("button", name="Sign out all other devices")
    await expect(everywhere).to_be_hidden()

    assert browser.context.browser is not None
    profile = await browser.context.browser.new_context(user_agent="a phone of Ada's")
    try:
        phone = await profile.new_page()
        await sign_in(phone, server.url)
        await expect(rows).to_have_count(2)  # by itself
        await expect(rows.last).to_contain_text("a phone of Ada's")
        await expect(rows.last).to_contain_text("Active now")
        await expect(everywhere).to_be_visible()
        await page.set_viewport_size({"width": 320, "height": 640})
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320
        for scheme in ("dark", "light"):
            await page.emulate_media(color_scheme=scheme)
            found = await Axe().run(page)
            assert not found.response["violations"], found.generate_report()

        await page.get_by_role("button", name="Sign out: a phone of Ada's").click()
        began = time.monotonic()
        await expect(cover_in(phone)).to_contain_text("You were signed out from another device.")
        assert time.monotonic() - began < 1
        await expect(rows).to_have_count(1)
        await expect(page.get_by_role("status")).to_have_text("Signed out: a phone of Ada's")
        await expect(page.get_by_role("heading", level=1)).to_be_focused()
        await expect(everywhere).to_be_hidden()

        await sign_in(phone, server.url)
        await expect(rows).to_have_count(2)
        await everywhere.click()
        await page.get_by_role("main").get_by_role("button", name="Sign out").click()
        await expect(cover_in(phone)).to_contain_text("You were signed out everywhere.")
        await expect(rows).to_have_count(1)
    finally:
        await profile.close()

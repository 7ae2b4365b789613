"""The demo's page of a user's devices, in two profiles of a real browser."""

from __future__ import annotations

import asyncio
import re
import time

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, Route, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in
from tests.helpers.visits import sign_in_at_window
from tests.helpers.waiting import until

PAST = "2000-01-01T00:00:00+00:00"
# As the server's clock tells it to a page, which may be behind.
FUTURE = "2999-01-01T00:00:00+00:00"


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


async def test_a_device_is_active_now_while_a_page_is_open_there_and_the_list_follows_by_itself(
    serve: Serve, browser: Browser
) -> None:
    server = serve(target="examples.demo:app")
    page = await browser.blank()
    await sign_in(page, server.url)
    await page.get_by_role("link", name="Devices").click()
    phone_row = page.get_by_role("listitem").filter(has_text="a phone of Ada's")
    address = f"{server.url}/presence/devices"

    async def has_pages(many: int) -> bool:
        found = await browser.get(f"{server.url}/presence/_idle/sessions")
        return [it["pages"] for it in found if not it["current"]] == [many]

    assert browser.context.browser is not None
    profile = await browser.context.browser.new_context(user_agent="a phone of Ada's")
    try:
        phone = await profile.new_page()
        await sign_in(phone, server.url)
        another = await profile.new_page()
        await another.goto(f"{server.url}/presence/")
        await until(lambda: has_pages(2))
        await expect(phone_row).to_contain_text("Active now")
        await expect(phone_row).to_have_class(re.compile(r"\bnow\b"))
        text = await (await browser.context.request.get(address)).text()
        assert "Active now" in text
        assert 'class="card device now"' in text

        await phone.close()
        await until(lambda: has_pages(1))
        async with page.expect_response("**/_idle/sessions"):
            pass
        await expect(phone_row).to_contain_text("Active now")

        await another.goto("about:blank")
        await expect(phone_row).to_contain_text("Last active a moment ago")
        await expect(phone_row).not_to_have_class(re.compile(r"\bnow\b"))
        text = await (await browser.context.request.get(address)).text()
        assert "Last active a moment ago" in text
        assert "Active now" not in text
        assert 'class="card device now"' not in text

        await another.goto(f"{server.url}/presence/")
        await expect(phone_row).to_contain_text("Active now")
    finally:
        await profile.close()


async def test_who_is_to_prove_who_they_are_does_so_and_the_device_is_signed_out(
    serve: Serve, browser: Browser
) -> None:
    # (Of the list, too, where it is asked for while the token changes.)
    browser.provoke(r"status of 401 .*/sessions\b")
    server = serve(target="tests.helpers.quick_demo:app")
    page = await browser.blank()
    await sign_in(page, server.url)
    assert browser.context.browser is not None
    profile = await browser.context.browser.new_context(user_agent="a phone of Ada's")
    try:
        phone = await profile.new_page()
        await sign_in(phone, server.url)
        await page.get_by_role("link", name="Devices").click()
        await asyncio.sleep(2.1)  # longer than a sign-in is enough
        await page.get_by_role("button", name="Sign out: a phone of Ada's").click()
        question = page.get_by_role("dialog", name="Please confirm")
        async with page.expect_popup() as opened:
            await question.get_by_role("button", name="Sign in again").click()
        await sign_in_at_window(await opened.value, "Ada")
        await expect(cover_in(phone)).to_contain_text("You were signed out from another device.")
        await expect(page.get_by_role("status")).to_have_text("Signed out: a phone of Ada's")
        await expect(page.get_by_role("listitem")).to_have_count(1)
    finally:
        await profile.close()


async def test_a_long_list_is_shown_whole_with_times_that_can_be_and_never_an_older_one(
    serve: Serve, browser: Browser
) -> None:
    server = serve(target="examples.demo:app")
    page = await browser.blank()
    await sign_in(page, server.url)
    requests = 0

    async def answer(route: Route) -> None:
        nonlocal requests
        if "after=" not in route.request.url:
            requests += 1
        number = requests
        names = ("own", "one") if "after=" not in route.request.url else ("two",)
        since = None if "one" in names else FUTURE
        devices = [
            {
                "id": name,
                "current": name == "own",
                "user_agent": f"{name} {number}",
                "pages": 1 if name == "one" else 0,
                "active_at": PAST if name == "one" else FUTURE,
                "authenticated_at": since,
            }
            for name in names
        ]
        if number == 1:
            await asyncio.sleep(4)  # the next one is asked for, and answered, before
        headers = {"Link": '<?limit=2&after=1.5>; rel="next"'} if "own" in names else {}
        await route.fulfill(json=devices, headers=headers)  # and no Date

    await page.route("**/_idle/sessions*", answer)
    await page.get_by_role("link", name="Devices").click()
    rows = page.get_by_role("listitem")
    await expect(rows).to_have_count(3)
    await expect(rows.nth(1)).to_contain_text("two 2")
    await expect(rows.nth(1)).to_contain_text("Last active a moment ago")
    await expect(rows.nth(1)).to_contain_text("Signed in a moment ago")
    await expect(rows.last).to_contain_text("one 2")
    await expect(rows.last).to_contain_text("Active now")
    await asyncio.sleep(1.5)  # the first one's answer has come
    text = await page.get_by_role("list").inner_text()
    assert "NaN" not in text
    assert "-" not in text
    assert " 1" not in text

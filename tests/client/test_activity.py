"""What counts as input in a page of a real browser, and what comes of none."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard, is_undisturbed, on_top, prompt_in
from tests.helpers.visits import UNTOUCHED, WARNED_SOON, open_letter, sign_in, user_of, why_ended
from tests.helpers.waiting import until

# Activity


async def test_with_keepalive_activity_typing_keeps_the_session_alive(
    serve: Serve, browser: Browser
) -> None:
    server = serve(UNTOUCHED)
    page = await browser.open(await sign_in(browser, server.url))
    note = page.get_by_label("Note")
    await note.focus()
    for _ in range(25):
        await page.keyboard.press("a")
        await asyncio.sleep(0.2)
    assert await is_undisturbed(page)
    assert await user_of(browser, server.url) == "ada"
    await expect(note).to_have_value("a" * 25)


async def test_with_keepalive_activity_an_untouched_page_is_warned_and_ended(
    serve: Serve, browser: Browser
) -> None:
    server = serve(UNTOUCHED)
    page = await browser.open(await sign_in(browser, server.url))
    await expect(prompt_in(page)).to_be_visible()
    assert await user_of(browser, server.url) == "ada"
    await expect(cover_in(page)).to_be_visible()
    await expect(cover_in(page)).to_contain_text("because you were not active")
    await expect(prompt_in(page)).to_be_hidden()
    assert await on_top(page) == "quart-idle"
    assert await why_ended(browser, server.url) == "idle"
    warning, ended = await heard(page, "warning", "ended")
    assert ended["at"] - warning["at"] == pytest.approx(1.5, abs=1)


async def test_events_made_by_scripts_are_no_activity(serve: Serve, browser: Browser) -> None:
    server = serve(UNTOUCHED)
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate(
        """() => setInterval(() => {
          const options = { bubbles: true, movementX: 5, key: "a" };
          document.body.dispatchEvent(new KeyboardEvent("keydown", options));
          document.body.dispatchEvent(new PointerEvent("pointerdown", options));
          document.body.dispatchEvent(new PointerEvent("pointermove", options));
          document.body.dispatchEvent(new WheelEvent("wheel", options));
          document.body.style.minHeight = "300vh";
          scrollTo(0, 200 * Math.random());
        }, 50)"""
    )
    await expect(prompt_in(page)).to_be_visible()
    await expect(cover_in(page)).to_be_visible()
    assert await why_ended(browser, server.url) == "idle"


async def test_requests_and_pages_share_one_deadline(serve: Serve, browser: Browser) -> None:
    server = serve(UNTOUCHED)
    page = await browser.open(await sign_in(browser, server.url))
    for _ in range(10):
        await browser.get(server.url)
        await asyncio.sleep(0.5)
    assert await is_undisturbed(page)
    await expect(prompt_in(page)).to_be_visible()
    await browser.get(server.url)
    await expect(prompt_in(page)).to_be_hidden()
    assert not await heard(page, "ended")


async def test_staying_in_one_tab_is_staying_in_all(serve: Serve, browser: Browser) -> None:
    server = serve(UNTOUCHED | {"timeout": 7, "warning": 5})
    url = await sign_in(browser, server.url)
    behind, front = await browser.open(url), await browser.open(url)
    await expect(prompt_in(behind)).to_be_visible()
    await prompt_in(front).get_by_role("button", name="Stay signed in").click()
    await expect(prompt_in(front)).to_be_hidden()
    await expect(prompt_in(behind)).to_be_hidden()
    assert not await heard(behind, "ended")
    assert not await heard(front, "ended")


# What the page does with it


async def test_input_in_a_frame_counts_once_the_frame_is_watched(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(WARNED_SOON)
    page = await open_letter(browser, server.url, "?own=after")
    # In a shadow root, where it is not found.
    await page.evaluate(
        """() => {
          const root = document.body.appendChild(document.createElement("div"))
            .attachShadow({ mode: "open" });
          root.append(Object.assign(document.createElement("iframe"), { src: "/frame" }));
          window.framed = root.firstChild;
        }"""
    )
    inside = page.frame_locator("iframe").get_by_label("Inside")

    async def type_until_warned() -> bool:
        await inside.press("a")
        return bool(await heard(page, "warning"))

    await until(type_until_warned, within=3, every=0.2)
    await page.evaluate(
        """() => {
          idle.watch(framed.contentWindow);
          idle.extend();
        }"""
    )
    await expect(prompt_in(page)).to_be_hidden()
    for _ in range(9):
        await inside.press("a")
        await asyncio.sleep(0.2)
    assert len(await heard(page, "warning")) == 1
    assert await on_top(page) != "quart-idle"


async def test_input_in_a_frame_of_the_page_s_own_origin_counts_by_itself(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(UNTOUCHED)
    page = await open_letter(browser, server.url, "?framed")
    inside = page.frame_locator("iframe").get_by_label("Inside")
    for _ in range(16):
        await inside.press("a")
        await asyncio.sleep(0.2)
    assert await is_undisturbed(page)
    await until(lambda: heard(page, "warning"))


async def test_turning_the_wheel_is_activity_and_scrolling_by_script_is_not(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(WARNED_SOON)
    page = await open_letter(browser, server.url)
    await page.evaluate("() => { document.body.style.minHeight = '500vh'; }")
    await page.mouse.move(200, 200)
    for _ in range(9):
        await page.mouse.wheel(0, 20)
        await asyncio.sleep(0.2)
    assert await page.evaluate("scrollY") > 0
    assert await is_undisturbed(page)
    await page.evaluate("() => setInterval(() => scrollTo(0, 500 * Math.random()), 50)")
    await expect(prompt_in(page)).to_be_visible(timeout=2500)


async def test_text_that_comes_without_keys_is_activity_and_a_choice_by_script_is_not(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(WARNED_SOON)
    page = await open_letter(browser, server.url)
    await page.get_by_label("Your letter").evaluate("(letter) => letter.focus()")
    for _ in range(9):
        await page.keyboard.insert_text("as dictated ")
        await asyncio.sleep(0.2)
    assert await is_undisturbed(page)
    await page.evaluate(
        """() => {
          const box = document.body.appendChild(document.createElement("input"));
          box.type = "checkbox";
          setInterval(() => box.click(), 50);
        }"""
    )
    await expect(prompt_in(page)).to_be_visible(timeout=2500)

"""Where pages go, how they come and go, and what of them is seen meanwhile, in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.helpers.browser import Browser, chromium
from tests.helpers.line import line_to
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard, on_top, veil_in
from tests.helpers.visits import (
    UNTOUCHED,
    end_by_time,
    open_letter,
    sign_in_at,
    sign_in_window,
    user_of,
)
from tests.helpers.waiting import until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def forgetful(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A browser without a back/forward cache."""
    folder = tmp_path_factory.mktemp("chromium")
    async with chromium(folder, "--disable-back-forward-cache") as browser:
        yield browser


async def state_of(page: Page) -> str:
    state: str = await page.evaluate("document.documentElement.quartIdle.state")
    return state


# Where the client goes


async def test_no_navigation_of_the_client_s_repeats_a_request(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    await page.get_by_role("button", name="Transfer").click()
    await expect(page.get_by_text("Transfers: 1")).to_be_visible()
    await until(lambda: heard(page, "state"))
    # Another user's look at it.
    await browser.post(f"{server.url}/sign-in/bob")
    await cover_in(page).get_by_role("button", name="Reload the page").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Signed in as bob")
    await expect(page.get_by_text("Transfers: 1")).to_be_visible()
    assert page.url == f"{server.url}/transfer?to=eve#form"
    await page.get_by_role("button", name="Transfer").click()
    await expect(page.get_by_text("Transfers: 2")).to_be_visible()
    await until(lambda: heard(page, "state"))
    # Where no sign-in page is configured.
    await end_by_time(browser, server.url)
    await cover_in(page).get_by_role("button", name="Sign in again").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Signed in as None")
    await expect(page.get_by_text("Transfers: 2")).to_be_visible()
    assert page.url == f"{server.url}/transfer?to=eve#form"


async def test_a_page_whose_address_ends_with_a_bare_hash_is_loaded_anew_too(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url, "#")  # as a link to "#" leaves it
    await browser.post(f"{server.url}/sign-in/bob")
    await cover_in(page).get_by_role("button", name="Reload the page").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Signed in as bob")
    assert page.url == f"{server.url}/letter#"


async def test_signing_in_again_does_not_lead_to_the_browser_s_copy_of_the_page_for_ever(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(UNTOUCHED)
    page = await open_letter(browser, server.url, "?cached")
    again = cover_in(page).get_by_role("button", name="Sign in again")
    async with page.expect_navigation():
        await again.click()
    # The cookie is the same, so the browser showed its copy: to click once more helps.
    async with page.expect_navigation():
        await again.click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Signed in as None")


async def test_the_sign_in_window_stays_though_its_page_has_a_session_of_nobody_s(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600, "sign_in_url": "/sign-in?csrf"})
    async with line_to(server.port) as line:
        page = await open_letter(browser, line.url)
        await page.get_by_label("Search").fill("unsaved")
        await end_by_time(browser, server.url)
        window = await sign_in_window(page)
        await expect(window.get_by_label("Name")).to_be_visible()
        asked = line.asked
        await until(lambda: line.asked >= asked + 2)  # it looks whether somebody has signed in
        assert not window.is_closed()
        await sign_in_at(window, "ada")
        await until(window.is_closed)
        await expect(cover_in(page)).to_be_hidden()
        await expect(page.get_by_label("Search")).to_have_value("unsaved")


async def test_signing_out_and_in_without_a_load_begins_anew_and_is_the_next_user_s_page(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url, "?own=after")
    post = "(path) => fetch(path, { method: 'POST' }).then(() => {})"
    await page.evaluate(post, "/sign-out")
    await expect(cover_in(page)).to_be_visible()
    await page.evaluate(post, "/sign-in/bob")
    await page.evaluate("idle.restart()")
    await expect(cover_in(page)).to_be_hidden()
    await until(partial(page.evaluate, "idle.state === 'live'"))
    await browser.post(f"{server.url}/sign-in/eve")
    await expect(cover_in(page)).to_contain_text("Somebody else signed in")
    await page.evaluate("idle.restart()")
    await until(partial(page.evaluate, "idle.state === 'live'"))
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_contain_text("You signed out")


async def test_a_page_without_the_tag_is_told_so_and_can_begin_when_somebody_signs_in(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await browser.blank()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    await page.goto(f"{server.url}/bare")
    await until(lambda: "quart-idle: the page has no tag" in said)
    assert await page.evaluate("[idle.state, idle.left]") == ["checking", float("inf")]
    await page.evaluate("idle.extend()")
    # Nobody is signed in: a stranger's page is not covered.
    browser.provoke("status of 401")
    async with page.expect_response("**/state?tag=") as asked:
        await page.evaluate("idle.restart()")
    assert (await asked.value).status == 401
    await until(partial(page.evaluate, "idle.state === 'ended'"))
    await expect(cover_in(page)).to_be_hidden()
    assert not await heard(page, "ended")
    await browser.post(f"{server.url}/sign-in/ada")
    await page.evaluate("idle.restart()")
    await until(partial(page.evaluate, "idle.state === 'live'"))
    # It is loaded once when it is loaded again.
    await page.reload()
    await page.evaluate("idle.restart()")
    await until(partial(page.evaluate, "idle.state === 'live'"))
    kind = "performance.getEntriesByType('navigation')[0].type"
    assert await page.evaluate(kind) == "reload"
    await browser.post(f"{server.url}/sign-in/bob")
    await expect(cover_in(page)).to_contain_text("Somebody else signed in")


async def test_nobody_is_covered_who_comes_back_to_a_page_without_the_tag_and_is_not_signed_in(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    browser.provoke("status of 401")
    opener = await browser.blank(f"{server.url}/untouched")
    async with opener.expect_popup() as popup:  # which is loaded again on the way back
        await opener.evaluate("() => void open('/bare')")
    page = await popup.value
    await page.wait_for_url("**/bare")  # or there would be nothing to go back to
    await page.goto(f"{server.url}/untouched")
    await page.go_back()
    kind = "performance.getEntriesByType('navigation')[0].type"
    assert await page.evaluate(kind) == "back_forward"
    await until(partial(page.evaluate, "'idle' in window"))
    await page.evaluate("idle.restart()")
    await until(partial(page.evaluate, "idle.state === 'ended'"))
    await expect(cover_in(page)).to_be_hidden()


# Coming and going


async def test_a_page_is_open_from_its_tag_on_though_the_rest_takes_longer_than_the_closed_timeout(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600, "closed_timeout": 2.5})
    page = await open_letter(browser, server.url)
    await page.goto(f"{server.url}/slow", wait_until="commit")
    await expect(page.get_by_role("heading")).to_have_text("Here at last", timeout=30_000)
    assert await user_of(browser, server.url) == "ada"
    assert not await heard(page, "ended")


async def test_a_click_on_a_download_or_a_mail_address_does_not_make_a_later_end_late(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    await page.evaluate(
        """() => {
          window.left = 0;
          addEventListener("beforeunload", () => ++left);
          document.body.insertAdjacentHTML("beforeend",
            "<a href=/file>File</a> <a href='mailto:ada@example.com'>Mail</a>");
        }"""
    )
    await page.get_by_role("link", name="File").click()
    await until(lambda: page.evaluate("left"))
    await asyncio.sleep(5)
    await page.get_by_role("link", name="Mail").click()
    await asyncio.sleep(0.3)
    await browser.post(f"{server.url}/sign-out")
    await until(lambda: heard(page, "ended"), within=3)


async def test_back_reveals_nothing_from_the_browser_s_cache_while_the_server_is_out_of_reach(
    serve_pages: Serve, forgetful: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    async with line_to(server.port) as line:
        page = await open_letter(forgetful, line.url, "?cached")
        await page.goto(f"{line.url}/untouched")
        line.cut()
        await page.evaluate("history.back()")
        await expect(veil_in(page)).to_be_visible()
        assert await page.evaluate("performance.getEntriesByType('navigation')[0].type") == (
            "back_forward"
        )
        assert await on_top(page) == "quart-idle"
        line.mend()
        await expect(veil_in(page)).to_be_hidden(timeout=30_000)
        assert await state_of(page) == "live"


async def test_what_one_user_typed_is_not_put_back_into_the_page_of_the_next(
    serve_pages: Serve, forgetful: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(forgetful, server.url)
    await page.get_by_label("Search").fill("ada's")
    await page.goto(f"{server.url}/untouched")
    await forgetful.post(f"{server.url}/sign-in/bob")
    await page.evaluate("history.back()")
    # Browsers put back what was there, on Back and (Firefox) at a reload: not where one goes anew.
    kind = "performance.getEntriesByType('navigation')[0].type"
    await until(lambda: page.evaluate(f"{kind} === 'navigate'"))
    await expect(page.get_by_role("heading", level=1)).to_have_text("Signed in as bob")
    await expect(page.get_by_label("Search")).to_have_value("")
    # What is one's own is.
    await forgetful.start_over()
    page = await open_letter(forgetful, server.url)
    await page.get_by_label("Search").fill("ada's")
    await page.goto(f"{server.url}/untouched")
    await page.evaluate("history.back()")
    await expect(page.get_by_label("Search")).to_have_value("ada's")


# What is seen


async def test_what_is_covered_is_not_printed(serve_pages: Serve, browser: Browser) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    # The application's own rules, and a framework that has sheets of its own.
    await page.add_style_tag(content="body, main { display: grid !important }")
    await page.emulate_media(media="print")
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_be_visible()
    await end_by_time(browser, server.url)
    await expect(cover_in(page)).to_be_visible()
    await expect(heading).to_be_hidden()
    await page.evaluate("document.adoptedStyleSheets = []")
    await page.evaluate("dispatchEvent(new Event('beforeprint'))")
    await expect(heading).to_be_hidden()
    await browser.post(f"{server.url}/sign-in/ada")
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await expect(cover_in(page)).to_be_hidden()
    await expect(heading).to_be_visible()

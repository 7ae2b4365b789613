"""Who signs out by a request of the page's own is not covered as if somebody else had done it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import OVER, cover_in, greeted, heard, on_top
from tests.helpers.visits import open_letter
from tests.helpers.waiting import until

# A button that signs out by a request, and what it shows then.
BUTTON = """(goodbye) => {
  history.pushState(null, "", "?second");
  const button = document.createElement("button");
  button.append("Leave");
  button.onclick = async () => {
    await fetch("/sign-out?" + new URLSearchParams(location.search), { method: "POST" });
    if (goodbye) document.body.innerHTML = "<h1>Goodbye</h1>";
  };
  document.querySelector("main").append(button);
}"""


async def leave(page: Page, goodbye: bool) -> None:
    """Click the button that signs out."""
    await page.evaluate(BUTTON, goodbye)
    await page.get_by_role("button", name="Leave").click()
    await until(lambda: heard(page, "ended"))


async def test_a_page_that_says_goodbye_in_place_of_all_that_was_there_is_not_covered(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600, "expired_url": "/untouched?expired"})
    page = await open_letter(browser, server.url)
    await leave(page, goodbye=True)
    await asyncio.sleep(1.5)
    assert await on_top(page) != "quart-idle"
    await expect(page.get_by_role("heading")).to_have_text("Goodbye")
    assert page.url.endswith("?second")
    # Back might put the user's page into place.
    await page.evaluate("window.former = true")
    await page.evaluate("history.back()")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Signed in as None")
    assert page.url.endswith("/letter")
    assert await page.evaluate("window.former === undefined")


async def test_a_page_in_which_anything_is_left_is_covered_within_two_seconds(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    await leave(page, goodbye=False)
    await expect(cover_in(page)).to_be_visible(timeout=2000)
    assert await on_top(page) == "quart-idle"


async def test_a_page_that_says_no_goodbye_goes_to_the_expired_url(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600, "expired_url": "/untouched?expired"})
    page = await open_letter(browser, server.url)
    await leave(page, goodbye=False)
    await page.wait_for_url("**/untouched?expired", timeout=3000)


async def test_a_page_that_is_left_before_it_is_covered_is_covered_when_it_comes_back(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    await leave(page, goodbye=False)
    await page.evaluate("location.assign('/untouched')")
    await page.wait_for_url("**/untouched")
    await page.evaluate("history.back()")
    await until(lambda: page.url.endswith("/letter?second"))
    await expect(cover_in(page)).to_be_visible()
    assert await on_top(page) == "quart-idle"


async def test_a_page_that_was_put_in_place_before_an_end_elsewhere_is_covered(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    await page.evaluate(
        """() => {
          document.querySelector("h1").onclick = async () => {
            const response = await fetch("/untouched");
            document.body.innerHTML = "<h1>Another letter of ada's</h1>" + await response.text();
          };
        }"""
    )
    await page.get_by_role("heading", level=1).click()
    await expect(page.get_by_role("heading")).to_have_text("Another letter of ada's")
    await asyncio.sleep(1.2)
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible(timeout=2000)


@pytest.mark.parametrize("asks", ["ahead", "all the time"])
async def test_a_page_whose_requests_tell_nothing_of_a_click_is_covered_by_an_end_elsewhere(
    serve_pages: Serve, browser: Browser, asks: str
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    await page.evaluate(
        """(asks) => {
          const text = async () => (await fetch("/untouched")).text();
          const ahead = text(); // as Turbo does when a pointer is over a link
          if (asks === "all the time") setInterval(text, 500);
          document.querySelector("h1").onclick = async () => {
            document.body.innerHTML = "<h1>Another letter of ada's</h1>" + (await ahead);
          };
        }""",
        asks,
    )
    await page.wait_for_timeout(200)
    await page.get_by_role("heading", level=1).click()
    await expect(page.get_by_role("heading")).to_have_text("Another letter of ada's")
    await asyncio.sleep(3)
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible(timeout=2500)


async def test_who_is_back_within_the_second_is_neither_covered_nor_led_away(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600, "expired_url": "/untouched?expired"})
    page = await open_letter(browser, server.url)
    await page.get_by_role("heading", level=1).click()
    await browser.post(f"{server.url}/sign-out?reason=unknown")
    await until(lambda: heard(page, "ended"))
    states = len(await heard(page, "state"))
    await browser.post(f"{server.url}/sign-in/ada")
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await until(lambda: has_heard_more(page, states))
    await asyncio.sleep(1.5)
    assert page.url.endswith("/letter")
    assert await on_top(page) != "quart-idle"


async def has_heard_more(page: Page, states: int) -> bool:
    return len(await heard(page, "state")) > states


# Notes whether a page is covered once it knows of the end.
NOTE = """document.addEventListener("quart-idle:ended", () => setTimeout(() => {
  window.covered = Boolean(document.querySelector("quart-idle").shadowRoot
    .querySelector("[part=cover][open]"));
}))"""


@pytest.mark.parametrize("elsewhere", ["in another tab", "by the clock"])
async def test_a_page_is_covered_at_once_by_an_end_that_is_not_its_own_though_it_was_clicked_in(
    serve_pages: Serve, browser: Browser, elsewhere: str
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    await page.evaluate(NOTE)
    if elsewhere == "in another tab":
        front = await browser.open(f"{server.url}/letter")
        await page.bring_to_front()
        await page.get_by_role("heading", level=1).click()
        await front.bring_to_front()
        await leave(front, goodbye=True)
    else:
        await page.get_by_role("heading", level=1).click()
        await browser.post(f"{server.url}/sign-out?reason=idle")
    assert await until(lambda: page.evaluate("'covered' in window && [window.covered]")) == [True]


@pytest.mark.npm
@pytest.mark.parametrize("library", ["htmx", "htmx4", "turbo"])
async def test_who_signs_out_by_a_swap_sees_what_is_put_in_place_and_back_shows_nothing(
    serve: Serve, browser: Browser, node_modules: Path, library: str
) -> None:
    browser.provoke(OVER)
    server = serve(
        target="tests.helpers.quick_swapped:app", environment={"NODE_MODULES": str(node_modules)}
    )
    page = await browser.blank(f"{server.url}/{library}/sign-in")
    await page.evaluate("window.mark = 'kept'")
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading")).to_have_text("notes of Ada")
    await greeted(page)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Name")).to_be_visible()
    assert await page.evaluate("window.mark") == "kept"
    await asyncio.sleep(1.5)
    assert await on_top(page) != "quart-idle"
    await page.evaluate("history.back()")
    await until(lambda: page.evaluate("window.mark === undefined"))
    await expect(page.get_by_label("Name")).to_be_visible()
    await expect(page.get_by_text("notes of Ada")).to_have_count(0)

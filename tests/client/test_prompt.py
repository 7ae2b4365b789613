"""The prompt in a real browser: when it comes, how it is answered, and what it is above of."""

from __future__ import annotations

import asyncio
import re
import signal

import pytest
from playwright.async_api import expect

from tests.helpers.browser import Browser
from tests.helpers.servers import ONE_PROCESS, Serve
from tests.helpers.shown import cover_in, heard, on_top, prompt_in
from tests.helpers.visits import UNTOUCHED, WARNED_SOON, open_warned, sign_in, why_ended
from tests.helpers.waiting import until

# The prompt


async def test_the_prompt_comes_in_time_and_counts_down(serve: Serve, browser: Browser) -> None:
    server = serve({"keepalive": "activity", "timeout": 8, "warning": 6})
    page = await browser.open(await sign_in(browser, server.url))
    prompt = prompt_in(page)
    await expect(prompt).to_be_visible()
    (warning,) = await heard(page, "warning")
    assert 5000 <= warning["detail"]["left"] <= 6000
    # Said once to those who do not see it, and not every second.
    await expect(prompt.get_by_role("status")).to_have_text(re.compile(r"in [56] seconds\."))
    await expect(prompt.get_by_role("link")).to_have_count(0)
    end = warning["at"] + warning["detail"]["left"] / 1000
    shown: dict[int, float] = {}
    while len(shown) < 4:
        text, now = await prompt.evaluate(
            "(prompt) => [prompt.querySelector('[aria-hidden]').textContent, Date.now() / 1000]"
        )
        seconds = int(re.search(r"(\d+) seconds?\.", text)[1])  # type: ignore[index]
        assert end - now - 2 < seconds <= end - now + 1
        shown[seconds] = now
        await asyncio.sleep(0.1)
    assert list(shown) == sorted(shown, reverse=True)
    await expect(prompt.get_by_role("status")).to_have_text(re.compile(r"in [56] seconds\."))


async def test_stay_signed_in_closes_the_prompt_only_when_the_server_confirms(
    serve: Serve, browser: Browser
) -> None:
    # A ping could tell of the click too: none comes near.
    settings = {"keepalive": "activity", "timeout": 10, "warning": 8, "ping_interval": 9.9}
    server = serve(settings, *ONE_PROCESS)
    page = await browser.open(await sign_in(browser, server.url))
    note = page.get_by_label("Note")
    await note.fill("unsaved")
    prompt = prompt_in(page)
    stay = prompt.get_by_role("button")
    await expect(stay).to_have_text("Stay signed in")
    await expect(stay).to_be_focused()
    server.process.send_signal(signal.SIGSTOP)
    try:
        await stay.click()
        await expect(stay).to_have_text("Please wait…")
        await asyncio.sleep(1)
        await expect(prompt).to_be_visible()
        await expect(stay).to_have_attribute("aria-disabled", "true")
    finally:
        server.process.send_signal(signal.SIGCONT)
    await expect(prompt).to_be_hidden(timeout=2500)
    await expect(note).to_be_focused()
    await expect(note).to_have_value("unsaved")
    left = (await browser.get(f"{server.url}/_idle/state"))["left"]
    assert left > 8000
    assert not await heard(page, "ended")


async def test_escape_extends_and_does_not_reach_the_page(serve: Serve, browser: Browser) -> None:
    server = serve({"keepalive": "activity", "timeout": 7, "warning": 5, "ping_interval": 6.9})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate("() => { window.keys = []; onkeydown = (event) => keys.push(event.key); }")
    for _ in range(2):
        await expect(prompt_in(page)).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(prompt_in(page)).to_be_hidden(timeout=2500)
        assert (await browser.get(f"{server.url}/_idle/state"))["left"] > 5000
    assert await page.evaluate("keys") == []
    await page.keyboard.press("Escape")
    assert await page.evaluate("keys") == ["Escape"]


@pytest.mark.parametrize("url", ["/sign-out?reason=enough", "/?out"])
async def test_the_prompt_signs_out_by_post_where_the_view_takes_it_and_has_no_link_to_fetch_ahead(
    serve: Serve, browser: Browser, url: str
) -> None:
    server = serve(UNTOUCHED | {"timeout": 8, "warning": 6, "sign_out_url": url})
    page = await browser.open(await sign_in(browser, server.url))
    button = prompt_in(page).get_by_role("button", name="Sign out")
    await expect(button).to_be_visible()
    await expect(prompt_in(page).get_by_role("link")).to_have_count(0)
    async with page.expect_request(lambda request: request.url.endswith(url)) as asked:
        await button.click()
    await until(lambda: page.url.endswith(url))  # where the answer to either is shown
    is_post = url.startswith("/sign-out")
    assert (await asked.value).method == ("POST" if is_post else "GET")
    if is_post:
        assert await why_ended(browser, server.url) in ("enough", "unknown")


async def test_the_end_of_the_lifetime_cannot_be_put_off(serve: Serve, browser: Browser) -> None:
    server = serve({"timeout": 60, "lifetime": 6, "warning": 4})
    page = await browser.open(await sign_in(browser, server.url))
    prompt = prompt_in(page)
    await expect(prompt).to_contain_text("stay longer.")
    await expect(prompt.get_by_role("button")).to_have_text("Continue")
    await page.keyboard.press("Escape")
    await expect(prompt).to_be_hidden()
    await expect(cover_in(page)).to_be_visible()
    await expect(cover_in(page)).to_contain_text("because your time was up")
    assert await why_ended(browser, server.url) == "lifetime"
    warnings = await heard(page, "warning")
    assert [warning["detail"]["extendable"] for warning in warnings] == [False]


async def test_prompt_and_cover_are_above_the_pages_own_dialogs(
    serve: Serve, browser: Browser
) -> None:
    server = serve(UNTOUCHED)
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate(
        """() => {
          const own = document.createElement("dialog");
          own.append("The page's own");
          document.body.append(own);
          own.showModal();
        }"""
    )
    await expect(prompt_in(page)).to_be_visible()
    await expect(prompt_in(page).get_by_role("button")).to_be_focused()
    assert await on_top(page) == "quart-idle"
    # A framework that puts another page into place takes the body away.
    await page.evaluate("document.body.replaceWith(document.createElement('body'))")
    await expect(prompt_in(page)).to_be_visible()
    await expect(cover_in(page)).to_be_visible()
    assert await on_top(page) == "quart-idle"


# Opens a dialog of the page's own, as its framework may at any time.
OPEN_OWN = """() => {
  const own = document.createElement("dialog");
  own.append("The page's own");
  document.body.append(own);
  own.showModal();
}"""


# On top


async def test_prompt_and_cover_stay_on_top_of_later_dialogs_and_when_the_body_is_replaced(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(WARNED_SOON)
    page = await open_warned(browser, server.url)
    await page.evaluate(OPEN_OWN)
    await asyncio.sleep(0.2)
    assert await on_top(page) == "quart-idle"
    stay = prompt_in(page).get_by_role("button", name="Stay signed in")
    await expect(stay).to_be_focused(timeout=1000)
    await stay.click(timeout=1000)
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible()
    await page.evaluate(OPEN_OWN)
    await asyncio.sleep(0.2)
    assert await on_top(page) == "quart-idle"
    await page.evaluate("document.body.replaceWith(document.createElement('body'))")
    await expect(cover_in(page)).to_be_visible()
    assert await on_top(page) == "quart-idle"

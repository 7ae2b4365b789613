"""How a page that is warned says what is left, seen or hidden, in a real browser."""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise

import pytest
from playwright.async_api import expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard, prompt_in
from tests.helpers.visits import open_letter
from tests.helpers.waiting import until

# Notes each text of the prompt's, when it came, and what was left then.
NOTE = """() => {
  window.said = [];
  const clock = document.querySelector("quart-idle").shadowRoot.querySelector("[aria-hidden]");
  const note = () => said.push([
    clock.textContent, performance.now() / 1000, document.documentElement.quartIdle.left / 1000]);
  new MutationObserver(note).observe(clock, { childList: true });
  note();
}"""

# Names of elements hide properties of the document.
NAMED = "document.body.append(Object.assign(document.createElement('form'), { name: 'title' }))"


async def test_each_second_is_shown_once_for_a_second_and_never_more_than_is_left(
    serve_pages: Serve, browser: Browser
) -> None:
    # No ping comes near, by which the page knows better.
    settings = {"keepalive": "activity", "timeout": 7, "warning": 5, "ping_interval": 6.9}
    page = await open_letter(browser, serve_pages(settings).url)
    await expect(prompt_in(page)).to_be_visible()
    await page.evaluate(NOTE)
    await until(lambda: heard(page, "ended"))
    said = await page.evaluate("said")
    shown = [(re.search(r"(\d+) seconds?\.", text), at, left) for text, at, left in said]
    seconds = [(int(found[1]), at, left) for found, at, left in shown if found]
    numbers = [number for number, _, _ in seconds]
    assert numbers == list(range(numbers[0], 0, -1))
    assert numbers[0] >= 3
    for number, _, left in seconds:
        assert number <= left < number + 1
    # The first was there when it was looked at.
    for (_, at, _), (_, after, _) in pairwise(seconds[1:]):
        assert after - at == pytest.approx(1, abs=0.3)
    # There is nothing to read in less than a second.
    assert not any("0 second" in text for text, _, _ in said)


async def test_more_than_a_minute_is_said_in_minutes(serve_pages: Serve, browser: Browser) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 181, "warning": 180})
    page = await open_letter(browser, server.url)
    await expect(prompt_in(page)).to_contain_text("sign you out in 2 minutes.")


async def test_the_title_of_a_hidden_page_says_what_is_left_and_is_the_page_s_own_again(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 181, "warning": 180})
    page = await open_letter(browser, server.url)
    title = partial(page.evaluate, "document.querySelector('title').textContent")
    await page.evaluate(NAMED)
    await browser.blank()
    await until(lambda: page.evaluate("document.hidden"))

    async def says(text: str) -> None:
        async def is_it() -> bool:
            return bool(await title() == text)

        await until(is_it)

    await says("(2 min) Letter")
    await page.evaluate("document.querySelector('title').textContent = 'Three new'")
    await says("(2 min) Three new")
    await page.bring_to_front()
    await says("Three new")
    await expect(prompt_in(page)).to_be_visible()
    await browser.blank()
    await says("(2 min) Three new")
    # Stayed in another tab.
    await browser.get(server.url)
    await says("Three new")


async def test_another_request_to_close_the_prompt_than_escape_stays_too(
    serve_pages: Serve, browser: Browser
) -> None:
    settings = {"keepalive": "activity", "timeout": 7, "warning": 5, "ping_interval": 6.9}
    page = await open_letter(browser, serve_pages(settings).url)
    await expect(prompt_in(page)).to_be_visible()
    # As Android's back does.
    root = "document.querySelector('quart-idle').shadowRoot"
    ask = f"{root}.querySelector('[part=prompt]').requestClose()"
    await page.evaluate(ask)
    await expect(prompt_in(page)).to_be_hidden()
    assert await page.evaluate("document.documentElement.quartIdle.left") > 5000
    await expect(prompt_in(page)).to_be_visible()
    await expect(cover_in(page)).to_be_hidden()


async def test_no_second_is_shown_twice_when_the_deadline_is_corrected_by_little(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 123, "warning": 120})
    page = await open_letter(browser, server.url)
    await expect(prompt_in(page)).to_be_visible()
    said = await page.evaluate(
        """async () => {
          const part = "/" + "dialogs.js";
          const link = document.querySelector(`link[href$="${part}"]`);
          const { prompt } = await import(link.href);
          return [5300, 4999, 5003, 4990, 3999, 4999, 6500].map((left) => {
            prompt.paint({ left, extendable: true });
            return prompt.clock.textContent.match(/[0-9]+/)[0];
          });
        }"""
    )
    # It is none that is not left, either; what is more than that is time that was won.
    assert said == ["5", "4", "4", "4", "3", "3", "6"]

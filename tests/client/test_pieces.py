"""The pieces of prompt and cover: what they are called, and what no page can make of them."""

from __future__ import annotations

from playwright.async_api import expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, prompt_in
from tests.helpers.visits import end_by_time, open_warned

PATIENT = {"keepalive": "activity", "timeout": 120.5, "warning": 120, "site_name": "Bank of Ada"}

# A page that is longer than its window, and gives all pieces room.
OWN_STYLE = """
body { height: 3000px }
quart-idle::part(status), quart-idle::part(link) { display: block; min-height: 100px }
quart-idle::part(status) { position: relative; clip-path: none }
"""

# What is spoken of the prompt's text is not seen beside the clock.
SPOKEN = """() => {
  const { shadowRoot } = document.querySelector("quart-idle");
  const { position, clipPath } = getComputedStyle(shadowRoot.querySelector("#prompt-status"));
  return [position, clipPath];
}"""

# What is seen: whether there is a scrollbar, and the heights of pieces that say nothing.
SEEN = """() => {
  const { shadowRoot } = document.querySelector("quart-idle");
  const { body, documentElement: html } = document;
  const scrollers = [getComputedStyle(html).overflowY, getComputedStyle(body).overflowY];
  const empty = [...shadowRoot.querySelectorAll("dialog[open] > :empty")];
  return [scrollers.includes("hidden"), ...new Set(empty.map((piece) => piece.offsetHeight))];
}"""


async def test_prompt_and_cover_are_called_by_the_service_s_name_and_no_style_opens_empty_pieces(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(PATIENT)
    page = await open_warned(browser, server.url)
    await page.add_style_tag(content=OWN_STYLE)
    names = (
        "Bank of Ada You\u2019re about to be signed out",
        "Bank of Ada You have been signed out",
    )
    await expect(page.get_by_role("dialog", name=names[0], exact=True)).to_be_visible()
    assert await page.evaluate(SEEN) == [True, 0]  # no address to sign out at
    assert await page.evaluate(SPOKEN) == ["absolute", "inset(50%)"]
    # Who prints the page prints that.
    await page.emulate_media(media="print")
    await expect(prompt_in(page)).to_be_hidden()
    await page.emulate_media(media="screen")
    await expect(prompt_in(page)).to_be_visible()
    await end_by_time(browser, server.url)
    await expect(page.get_by_role("dialog", name=names[1], exact=True)).to_be_visible()
    await expect(cover_in(page)).to_contain_text("because you were not active")
    assert await page.evaluate(SEEN) == [True, 0]  # nor a clock

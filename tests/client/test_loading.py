"""When the client looks for drafts, and for the module that keeps them."""

from __future__ import annotations

import asyncio
from functools import partial

from playwright.async_api import Route

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.typed import DRAFTS, drafts
from tests.helpers.visits import open_letter, sign_in
from tests.helpers.waiting import until

# Long waits are short, and noted; the page's own clock is none of them.
HURRY = """() => {
  window.waits = [];
  const { setTimeout } = window;
  window.setTimeout = (act, wait) => {
    if (act.name === "tick" || wait <= 5000) return setTimeout(act, wait);
    waits.push(wait);
    return setTimeout(act, wait / 100);
  };
}"""


async def test_a_page_asks_less_and_less_often_for_a_module_that_is_not_there(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke("ERR_FAILED")
    server = serve(DRAFTS)
    page = await browser.open(await sign_in(browser, server.url))
    tried: list[str] = []

    async def fail(route: Route) -> None:
        tried.append(route.request.url)
        await route.abort()

    await page.route("**/drafts.js", fail)
    await page.evaluate(HURRY)
    await page.evaluate("document.forms[0].setAttribute('data-quart-idle-draft', 'note')")
    note = page.get_by_label("Note")

    async def waits() -> list[int]:
        await note.press("a")
        found: list[int] = await page.evaluate("waits")
        return found if len(found) == 4 else []

    assert await until(waits, every=0.01) == [10_000, 20_000, 40_000, 80_000]
    assert len(tried) == 4
    await page.unroute("**/drafts.js")
    async with page.expect_response("**/drafts.js"):
        await page.wait_for_timeout(900)
        await note.press("b")
    await browser.blank()
    (draft,) = await until(lambda: drafts(browser, server.url))
    assert draft["fields"][0][0] == "note"


async def test_what_was_typed_is_kept_though_the_page_was_hidden_before_that_module_came(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    page = await browser.open(await sign_in(browser, server.url))
    is_hidden = asyncio.Event()

    async def hold(route: Route) -> None:
        await is_hidden.wait()
        await route.continue_()

    await page.route("**/drafts.js", hold)
    await page.evaluate("document.forms[0].setAttribute('data-quart-idle-draft', 'note')")
    await page.get_by_label("Note").press("a")
    await browser.blank()
    is_hidden.set()
    (draft,) = await until(lambda: drafts(browser, server.url))
    assert dict(draft["fields"])["note"] == "a"


# Counts how often the document is searched for passwords, as it is with each look for forms; no
# timer looks any more.
COUNT = """() => {
  for (let timer = setTimeout(() => {}); timer; timer--) clearTimeout(timer);
  window.looks = 0;
  const { querySelectorAll } = Document.prototype;
  Document.prototype.querySelectorAll = function (selector) {
    if (selector === "[type=password]") looks++;
    return querySelectorAll.call(this, selector);
  };
}"""


async def test_the_page_is_not_searched_for_forms_when_what_changes_can_bring_none(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    await page.evaluate(COUNT)
    for change in (
        "heading.textContent = 'Three new'",
        "heading.firstChild.data = 'Four new'",
        "heading.append(document.createComment('new'))",
        "heading.setAttribute('class', 'new')",
        "heading.remove()",
    ):
        await page.evaluate(f"() => {{ const heading = document.querySelector('h1'); {change} }}")
        assert await page.evaluate("looks") == 0
    await page.evaluate("document.body.append(document.createElement('section'))")
    await until(partial(page.evaluate, "looks === 1"))

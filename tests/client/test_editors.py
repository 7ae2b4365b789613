"""A page with CodeMirror and TinyMCE, as the guide has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.helpers.browser import Browser
from tests.helpers.npm import built_editors
from tests.helpers.servers import Serve
from tests.helpers.typed import asked_in, drafts, offer_in
from tests.helpers.waiting import until

pytestmark = pytest.mark.npm

# As if the user's draft had been tampered with.
HARM = """() => fetch("/_idle/drafts", { method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ form: "editors", page: "/", fields: [
    ["code", "<b>x</b>"],
    ["text", "<p>Hello</p><img src=x onerror='top.ran = true'>"] ] }) })"""


@pytest.fixture(scope="module")
def node_modules(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_editors(pytestconfig, tmp_path_factory)


async def ready(page: Page) -> None:
    await page.wait_for_function("'value' in (document.querySelector('#text') ?? {})")


async def shown_in(page: Page) -> tuple[str, str]:
    """What is seen of CodeMirror's text, and of TinyMCE's."""
    rich = page.frame_locator("#text iframe").locator("body")
    return await page.locator("#code .cm-content").inner_text(), await rich.inner_text()


async def test_what_was_typed_into_codemirror_and_tinymce_comes_back_and_its_markup_runs_nothing(
    serve: Serve, browser: Browser, node_modules: Path
) -> None:
    server = serve(
        target="examples.pages.editors:app", environment={"NODE_MODULES": str(node_modules)}
    )
    page = await browser.blank(server.url)
    asked = await asked_in(page)
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Sign in").click()
    await ready(page)
    await page.locator("#code .cm-content").click()
    await page.keyboard.type("one\ntwo")
    await page.frame_locator("#text iframe").locator("body").click()
    await page.keyboard.type("Dear Bob")
    await browser.blank()

    async def kept() -> bool:
        found = await drafts(browser, server.url)
        fields = [["code", "one\ntwo"], ["text", "<p>Dear Bob</p>"]]
        return bool(found) and found[0]["fields"] == fields

    await until(kept)
    await page.bring_to_front()
    await page.reload()
    assert asked == []
    await ready(page)
    assert [text.strip() for text in await shown_in(page)] == ["", ""]
    await offer_in(page).get_by_role("button", name="Restore").click()
    await until(lambda: shows(page, "one\ntwo", "Dear Bob"))

    await page.goto("about:blank")
    other = await browser.blank(server.url)
    await other.evaluate(HARM)
    browser.provoke(r"status of 404 .*/x")
    await other.reload()
    await ready(other)
    await offer_in(other).get_by_role("button", name="Restore").click()
    await until(lambda: shows(other, "<b>x</b>", "Hello"))
    picture = other.frame_locator("#text iframe").locator("img:not([data-mce-bogus])")
    await expect(picture).to_have_count(1)
    assert await picture.get_attribute("onerror") is None
    await until(lambda: picture.evaluate("(image) => image.complete"))
    assert await other.evaluate("window.ran") is None


async def shows(page: Page, code: str, text: str) -> bool:
    shown = await shown_in(page)
    return [part.strip() for part in shown] == [code, text]

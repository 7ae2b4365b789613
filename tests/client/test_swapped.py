"""Pages that htmx and Turbo swap, as the guide has them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, WebSocket, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, greeted, on_top, prompt_in
from tests.helpers.typed import asked_in, drafts, offer_in
from tests.helpers.waiting import until

pytestmark = pytest.mark.npm

# As a link would, from a script, since nobody can click behind the prompt.
VISIT = {
    "htmx": "htmx.ajax('GET', 'notes', { target: 'body', swap: 'innerHTML' })",
    "htmx4": "htmx.ajax('GET', 'notes', { target: 'body', swap: 'innerHTML' })",
    "turbo": "Turbo.visit('notes')",
}


async def go(page: Page, name: str) -> None:
    await page.get_by_role("link", name=name).click()
    await expect(page.get_by_role("heading")).to_have_text(f"{name.lower()} of Ada")


@pytest.mark.parametrize("library", VISIT)
async def test_swapped_pages_have_one_client_and_their_own_drafts_and_are_covered_at_the_end(
    serve: Serve, browser: Browser, node_modules: Path, library: str
) -> None:
    server = serve(
        target="tests.helpers.quick_swapped:app", environment={"NODE_MODULES": str(node_modules)}
    )
    page = await browser.blank(f"{server.url}/{library}/sign-in")
    asked = await asked_in(page)
    sockets: list[WebSocket] = []
    page.on("websocket", lambda socket: sockets.append(socket))
    await page.evaluate("window.mark = 'kept'")
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading")).to_have_text("notes of Ada")
    await greeted(page)
    opened = len(sockets)

    await go(page, "Letter")
    await page.get_by_label("Letter").press_sequentially("Dear Bob")
    await go(page, "Notes")
    # The form has gone, its text is kept, and offered where it was typed.
    await until(lambda: drafts(browser, server.url))
    await go(page, "Letter")
    await expect(page.get_by_label("Letter")).to_have_value("")
    await expect(offer_in(page)).to_be_visible(timeout=2000)
    await offer_in(page).get_by_role("button", name="Restore").click()
    await expect(page.get_by_label("Letter")).to_have_value("Dear Bob")
    await go(page, "Notes")
    await expect(offer_in(page)).to_be_hidden()
    await page.go_back()
    await expect(page.get_by_role("heading")).to_have_text("letter of Ada")
    await page.go_forward()
    await expect(page.get_by_role("heading")).to_have_text("notes of Ada")
    assert await page.evaluate("window.mark") == "kept"
    assert len(sockets) == opened
    assert [socket.is_closed() for socket in sockets].count(False) == 1

    await browser.post(f"{server.url}/hurry")
    await expect(prompt_in(page)).to_be_visible()
    await page.evaluate(VISIT[library])
    assert await on_top(page) == "quart-idle"
    await browser.post(f"{server.url}/end")
    await expect(cover_in(page)).to_be_visible()
    await page.evaluate("document.body.replaceWith(document.body.cloneNode(true))")
    assert await on_top(page) == "quart-idle"
    await page.goto("about:blank")
    assert asked == []


# In how many frames something of Ada's is seen.
WATCH = """() => {
  window.seen = 0;
  const look = () => {
    const heading = document.querySelector("h1");
    const isShown = heading?.checkVisibility({ visibilityProperty: true });
    if (isShown && heading.textContent.endsWith("Ada")) ++seen;
    requestAnimationFrame(look);
  };
  look();
}"""


@pytest.mark.parametrize("library", VISIT)
async def test_back_does_not_bring_a_former_user_s_page_from_the_library_s_own_cache(
    serve: Serve, browser: Browser, node_modules: Path, library: str
) -> None:
    browser.provoke("401")  # for a moment nobody is signed in
    server = serve(
        target="tests.helpers.quick_swapped:app", environment={"NODE_MODULES": str(node_modules)}
    )
    page = await browser.blank(f"{server.url}/{library}/sign-in")
    heading = page.get_by_role("heading")

    async def sign_in(name: str) -> None:
        await page.get_by_label("Name").fill(name)
        await page.get_by_role("button", name="Sign in").click()
        await expect(heading).to_have_text(f"notes of {name}")
        await greeted(page)

    await sign_in("Ada")
    await go(page, "Letter")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Name")).to_be_visible()
    await sign_in("Bob")
    await page.evaluate(WATCH)
    await page.evaluate("history.go(-2)")
    await expect(heading).to_have_text("letter of Bob")
    await page.evaluate("history.go(-1)")
    await expect(heading).to_have_text("notes of Bob")
    assert await page.evaluate("seen") == 0

"""How a page comes by the client's modules, in a real browser."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

import pytest
from playwright.async_api import Page, Route, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, greeted, heard
from tests.helpers.visits import open_letter
from tests.helpers.waiting import until

# What is loaded where a form is marked, and when a page is warned or covered.
FORMS = {"bar.js", "drafts.js", "fields.js", "kept.js"}
LATER = FORMS | {"embedded.js", "fresh.js", "popup.js", "signing.js", "title.js"}


def note_files(page: Page) -> Counter[str]:
    """The client's files that a page asks for, and how often."""
    asked: Counter[str] = Counter()

    def note(url: str) -> None:
        if found := re.search(r"/_idle/[0-9a-f]{12}/(.+)", url):
            asked[found[1]] += 1

    page.on("request", lambda request: note(request.url))
    return asked


async def test_drafts_are_loaded_where_a_form_is_marked_only_and_no_file_is_asked_for_twice(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    await browser.post(f"{server.url}/sign-in/ada")
    page = await browser.blank()
    asked = note_files(page)
    await page.goto(f"{server.url}/page")
    await until(lambda: heard(page, "state"))
    at_once = set(asked)
    assert "quart-idle.js" in at_once
    assert not at_once & LATER
    # What is preloaded is what is imported.
    assert set(asked.values()) == {1}
    await page.goto(f"{server.url}/letter")
    await until(lambda: set(asked) == at_once | FORMS)
    assert {asked[name] for name in FORMS} == {1}


async def test_a_form_that_is_marked_later_is_found_when_it_is_typed_into(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    await browser.post(f"{server.url}/sign-in/ada")
    page = await browser.open(f"{server.url}/page")
    asked = note_files(page)
    await page.evaluate(
        """() => {
          const host = document.body.appendChild(document.createElement("div"));
          host.attachShadow({ mode: "open" }).innerHTML =
            "<form data-quart-idle-draft=note><input aria-label='Late note'></form>";
        }"""
    )
    assert not set(asked) & LATER
    typed = asyncio.Event()

    async def hold(route: Route) -> None:
        await typed.wait()
        await route.continue_()

    # What is typed comes before the module that takes care of it.
    await page.route("**/fields.js", hold)
    await page.get_by_label("Late note").press_sequentially("Dear")
    async with page.expect_response("**/fields.js"):
        typed.set()
    await page.wait_for_timeout(200)
    questions: list[str] = []

    async def stay(dialog: object) -> None:
        questions.append(dialog.type)  # type: ignore[attr-defined]
        await dialog.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", stay)
    await page.evaluate("setTimeout(() => location.assign('/untouched'))")
    await until(lambda: questions == ["beforeunload"])
    assert page.url.endswith("/page")


@pytest.mark.parametrize("name", ["connection.js", "drafts.js"])
async def test_a_part_that_is_another_than_was_hashed_does_not_run(
    serve_pages: Serve, browser: Browser, name: str
) -> None:
    browser.provoke("integrity")
    browser.provoke("Failed to fetch dynamically imported module")
    server = serve_pages({"timeout": 600})
    await browser.post(f"{server.url}/sign-in/ada")
    page = await browser.blank()
    tampered = "window.tampered = true;\n"

    async def tamper(route: Route) -> None:
        response = await route.fetch()
        await route.fulfill(response=response, body=tampered + await response.text())

    await page.route(f"**/{name}", tamper)
    for integrity in (True, False):
        await page.goto(f"{server.url}/letter{'?integrity' if integrity else ''}")
        if integrity:
            await until(lambda: any("integrity" in text for text in browser.complaints))
            await page.get_by_label("Your letter").press_sequentially("Dear")
            assert await page.evaluate("window.tampered === undefined")
            # The client is a whole; what is loaded later is not there, and the rest goes on.
            if name == "drafts.js":
                await greeted(page)
            else:
                assert not await heard(page)
                assert await page.evaluate("document.documentElement.quartIdle.state") == "checking"
            page.on("dialog", lambda dialog: dialog.accept())
        else:
            await until(lambda: page.evaluate("window.tampered === true"))


async def test_a_policy_of_nonces_alone_lets_all_of_the_client_run(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await browser.blank()
    asked = note_files(page)
    await browser.post(f"{server.url}/sign-in/ada")
    await page.goto(f"{server.url}/letter?csp&nonce=n0nce&integrity")
    await until(lambda: heard(page, "state"))
    await until(lambda: set(asked) >= LATER)  # a browser checks what has been preloaded
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_contain_text("You signed out")
    assert browser.unexpected() == []


async def test_a_module_that_comes_before_the_tag_does_not_have_the_client_wait_for_the_page(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    await page.goto(f"{server.url}/slow?own", wait_until="commit")
    await until(lambda: page.evaluate("window.idle?.state === 'live'"))
    assert await page.evaluate("document.readyState") == "loading"
    await expect(page.get_by_role("heading")).to_have_text("Here at last", timeout=30_000)

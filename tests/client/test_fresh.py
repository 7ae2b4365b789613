"""Who is to prove again who they are does so beside the page, in a real browser."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.helpers.browser import Browser
from tests.helpers.npm import LIBRARIES, from_npm
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard, on_top
from tests.helpers.visits import open_letter, sign_in_at
from tests.helpers.waiting import until

STALE = r"status of 401 .*/secret"

ASK = """async () => {
  window.answers = [];
  for (const type of ["stale", "fresh"]) {
    document.addEventListener(`quart-idle:${type}`, (event) => {
      answers.push(type);
      if (window.own) event.preventDefault();
    });
  }
  const { idle } = await import("/_idle/quart-idle.js");
  window.idle = idle;
  window.ask = async () => {
    const answer = await fetch("/secret", { method: "POST" });
    answers.push(answer.status);
    answers.push(await idle.reauthenticate(answer));
  };
}"""


def question_in(page: Page) -> Locator:
    """The dialog that asks for the proof, if it is shown."""
    return page.get_by_role("dialog", name="Please confirm")


async def answers(page: Page) -> list[Any]:
    found: list[Any] = await page.evaluate("answers")
    return found


async def open_asking(serve: Serve, browser: Browser, settings: dict[str, Any]) -> Page:
    """A page that has asked for a secret, of a user who is to prove who they are."""
    browser.provoke(STALE)
    server = serve({"timeout": 600, **settings}, target="tests.helpers.fresh_app:app")
    page = await open_letter(browser, server.url)
    await asyncio.sleep(2.1)  # longer than a sign-in is enough
    await page.evaluate(ASK)
    await page.get_by_label("Search").fill("unsaved")
    await page.evaluate("void ask()")
    return page


async def test_who_proves_it_in_a_window_goes_on_in_the_page_and_nothing_is_asked_twice(
    serve: Serve, browser: Browser
) -> None:
    page = await open_asking(serve, browser, {"sign_in_url": "/sign-in"})
    await expect(question_in(page)).to_be_visible()
    # A token that changes for another reason is no proof.
    states = len(await heard(page, "state"))
    await browser.post(page.url.replace("/letter", "/regenerate"))
    await until(lambda: has_heard_more(page, states))
    async with page.expect_popup() as opened:
        await question_in(page).get_by_role("button", name="Sign in again").click()
    window = await opened.value
    await expect(window.get_by_label("Name")).to_be_visible()
    assert await answers(page) == [401, "stale"]
    await sign_in_at(window, "ada")
    await until(window.is_closed)
    await expect(question_in(page)).to_be_hidden()
    assert await answers(page) == [401, "stale", "fresh", True]
    await expect(page.get_by_label("Search")).to_have_value("unsaved")
    await page.evaluate("ask()")
    assert await answers(page) == [401, "stale", "fresh", True, 200, False]
    assert not await heard(page, "ended")


async def test_who_does_not_prove_it_keeps_the_page_and_the_end_of_the_session_comes_before_it(
    serve: Serve, browser: Browser
) -> None:
    page = await open_asking(serve, browser, {"sign_in_url": "/sign-in"})
    await expect(question_in(page)).to_be_visible()
    assert await on_top(page) == "quart-idle"
    await page.keyboard.press("Escape")
    await expect(question_in(page)).to_be_hidden()
    await until(lambda: page.evaluate("answers.at(-1) === false"))
    # The application asks in its own way.
    await page.evaluate(
        "() => { answers.length = 0; window.own = true; return idle.reauthenticate(); }"
    )
    assert await answers(page) == ["stale"]
    await expect(question_in(page)).to_be_hidden()
    await page.evaluate(
        "() => { window.own = false; idle.reauthenticate().then((it) => answers.push(it)); }"
    )
    await expect(question_in(page)).to_be_visible()
    await browser.post(page.url.replace("/letter", "/sign-out"))
    await expect(cover_in(page)).to_be_visible()
    await expect(question_in(page)).to_be_hidden()
    assert await answers(page) == ["stale", "stale", False]


async def has_heard_more(page: Page, states: int) -> bool:
    return len(await heard(page, "state")) > states


@pytest.fixture(scope="session")
def node_modules(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return from_npm(LIBRARIES, pytestconfig, tmp_path_factory)


@pytest.mark.npm
@pytest.mark.parametrize("library", ["htmx", "htmx4", "turbo"])
async def test_who_asks_by_a_swap_is_asked_beside_the_page_and_what_they_typed_stays(
    serve: Serve, browser: Browser, node_modules: Path, library: str
) -> None:
    browser.provoke(r"status of 401 .*/vault")
    browser.provoke("Response Status Error Code 401")  # htmx's own word
    server = serve(
        target="tests.helpers.quick_swapped:app", environment={"NODE_MODULES": str(node_modules)}
    )
    await browser.blank(f"{server.url}/{library}/vault")
    page = await browser.open(f"{server.url}/{library}/vault")
    async with page.expect_request("**/fresh.js"):
        await page.reload()
    await page.get_by_label("Text").fill("unsaved")
    await page.get_by_role("button", name="Open").click()
    await expect(question_in(page)).to_be_visible()
    await question_in(page).get_by_role("button", name="Cancel").click()
    await expect(page.get_by_label("Text")).to_have_value("unsaved")

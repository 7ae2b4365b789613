"""Who is to prove again who they are does so beside the page, in a real browser."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard
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


# A dialog of the page's own, before which nothing is seen; and which dialog is before all.
OPEN_OWN = """() => {
  const dialog = document.createElement("dialog");
  dialog.style = "position: fixed; inset: 0; width: 100%; height: 100%";
  document.body.append(dialog);
  dialog.showModal();
}"""
IN_FRONT = """() => {
  const root = document.querySelector("quart-idle")?.shadowRoot;
  const found = root?.elementFromPoint(innerWidth / 2, innerHeight / 2)?.closest("dialog");
  return found?.matches(":modal") && found.getAttribute("part");
}"""

# As Turbo does; whether that is kept from showing the answer.
HAND_OVER = """async (url) => {
  const response = await fetch(url, { method: "POST", headers: { Accept: "text/html" } });
  const init = { cancelable: true, detail: { fetchResponse: { response } } };
  return !document.dispatchEvent(new CustomEvent("turbo:before-fetch-response", init));
}"""


async def is_in_front(page: Page, part: str) -> bool:
    return bool(await page.evaluate(IN_FRONT) == part)


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
    await page.evaluate(OPEN_OWN)
    await until(lambda: is_in_front(page, "confirm"))
    await page.evaluate("document.documentElement.replaceChildren(document.head, document.body)")
    await until(lambda: is_in_front(page, "confirm"))
    assert await answers(page) == [401, "stale"]
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
    # An answer that was under way does not take what was typed: the cover asks who they are.
    assert await page.evaluate(HAND_OVER, "/secret")
    assert await answers(page) == ["stale", "stale", False]


async def test_the_warning_comes_before_the_question_also_where_it_came_first(
    serve: Serve, browser: Browser
) -> None:
    settings = {"keepalive": "activity", "timeout": 60, "warning": 58.5, "sign_in_url": "/sign-in"}
    server = serve(settings, target="tests.helpers.fresh_app:app")
    page = await open_letter(browser, server.url)
    await page.evaluate(ASK)
    await until(lambda: is_in_front(page, "prompt"))
    await page.evaluate("void idle.reauthenticate()")
    await expect(question_in(page)).to_be_visible()
    assert await is_in_front(page, "prompt")
    await page.keyboard.press("Escape")
    await until(lambda: is_in_front(page, "confirm"))


async def test_an_answer_is_left_to_the_page_s_library_where_nobody_asks_or_no_view_gave_it(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke(r"status of 401 .*/other")
    page = await open_asking(serve, browser, {})
    await until(lambda: page.evaluate("answers.at(-1) === false"))
    assert not await page.evaluate(HAND_OVER, "/secret")
    await page.evaluate("() => { window.own = true; answers.length = 0; }")
    assert await page.evaluate(HAND_OVER, "/secret")
    assert await answers(page) == ["stale"]
    headers = {
        "Quart-Idle": "1",
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "Quart-Idle",
    }
    bodies = ["", '{"reason": "idle"}', '{"reason": "stale"}']

    async def answer(route: Route) -> None:
        body = bodies[int(route.request.url[-1])]
        await route.fulfill(status=401, headers=headers, body=body)

    await page.route("**/other?*", answer)
    ask = "async (url) => void idle.reauthenticate(await fetch(url))"
    for url in ("http://elsewhere.example/other?", "/_idle/other?"):
        for number in range(3):
            assert not await page.evaluate(HAND_OVER, url + str(number))
            if (url[0], number) != ("/", 2):
                await page.evaluate(ask, url + str(number))
                await asyncio.sleep(0.1)
    assert await answers(page) == ["stale"]
    # A view of the application's before the client's own routes says so in the body.
    await page.evaluate(ask, "/_idle/other?2")
    await until(lambda: page.evaluate("answers.length === 2"))


async def test_where_a_window_is_blocked_the_page_leads_to_the_sign_in_page_and_back(
    serve: Serve, browser: Browser
) -> None:
    page = await open_asking(serve, browser, {"sign_in_url": "/sign-in"})
    await page.evaluate("window.open = () => null")
    await question_in(page).get_by_role("button", name="Sign in again").click()
    await page.wait_for_url("**/sign-in?next=%2Fletter")


async def test_who_signs_in_in_a_page_that_was_nobody_s_has_proved_it_and_nobody_else_has(
    serve: Serve, browser: Browser
) -> None:
    settings = {"timeout": 600, "sign_in_url": "/sign-in"}
    server = serve(settings, target="tests.helpers.fresh_app:app")
    page = await browser.open(f"{server.url}/visitor")
    await page.evaluate(ASK)
    await page.evaluate("void idle.reauthenticate().then((it) => answers.push(it))")
    await expect(question_in(page)).to_be_visible()
    async with page.expect_response("**/_idle/state?*"):
        await page.evaluate("dispatchEvent(new Event('focus'))")
    await asyncio.sleep(0.2)
    assert await answers(page) == ["stale"]
    await browser.post(f"{server.url}/sign-in/ada")
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await until(lambda: page.evaluate("answers.at(-1) === true"))
    await expect(question_in(page)).to_be_hidden()


async def has_heard_more(page: Page, states: int) -> bool:
    return len(await heard(page, "state")) > states


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

"""Pages within each other that have the same session, in a real browser."""

from __future__ import annotations

import asyncio
from functools import partial

from playwright.async_api import Frame, Page, Route, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, prompt_in
from tests.helpers.visits import PLAY, end_by_time, open_letter
from tests.helpers.waiting import until

UNTOUCHED = {"keepalive": "activity", "timeout": 9, "warning": 7}

EMBED = """(path) => new Promise((resolve) => {
  const frame = document.createElement("iframe");
  Object.assign(frame, { src: path, title: "Inner", onload: resolve });
  frame.style.cssText = "display: block; width: 90%; height: 12em";
  document.body.append(frame);
})"""

IS_OPEN = "(part) => document.querySelector('quart-idle')?.shadowRoot.querySelector(part).open"

# As a page of another application of the same origin would.
ASK_FOR_ANOTHER = """() => {
  const session = JSON.stringify([location.origin + "/other/", null]);
  const init = { cancelable: true, detail: { session } };
  return document.dispatchEvent(new CustomEvent("quart-idle:framed", init));
}"""


async def embed(page: Page, path: str) -> Frame:
    """Put a page into a frame of another one."""
    await page.evaluate(EMBED, path)
    return page.frames[-1]


async def fetch_ahead(route: Route) -> None:
    """As browsers fetch what may be wanted soon."""
    await route.continue_(headers={**route.request.headers, "Sec-Purpose": "prefetch"})


async def is_in(frame: Frame, state: str) -> bool:
    """Whether a frame's session is in this state."""
    return bool(await frame.evaluate("document.documentElement.quartIdle.state") == state)


async def show(page: Page, part: str, *shown: bool) -> bool:
    """Whether these of a page's frames show a dialog, from the outermost on."""
    return (
        tuple([bool(await one.evaluate(IS_OPEN, f"[part={part}]")) for one in page.frames]) == shown
    )


async def test_of_pages_within_each_other_the_outermost_shows_the_prompt_for_all(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(UNTOUCHED)
    page = await open_letter(browser, server.url)
    inner = await embed(page, "/letter")
    await until(lambda: is_in(inner, "warned"))
    await expect(prompt_in(page)).to_be_visible()
    await asyncio.sleep(1.5)  # longer than the one within waits
    assert await show(page, "prompt", True, False)
    # Nor does a page that is loaded into the frame by then, by a request that does not count.
    await page.route("**/letter", fetch_ahead)
    held: list[Route] = []
    await page.route("**/embedded.js", lambda route: held.append(route))
    await inner.goto(inner.url)
    await until(lambda: show(page, "prompt", True, True))
    for route in held:
        await route.continue_()
    await until(lambda: show(page, "prompt", True, False))
    await until(lambda: page.evaluate("document.activeElement.localName === 'quart-idle'"))
    # Of a session of its own it is asked in a page of its own.
    assert await page.evaluate(ASK_FOR_ANOTHER)
    await prompt_in(page).get_by_role("button", name="Stay").click()
    await until(lambda: is_in(inner, "live"))
    assert await show(page, "prompt", False, False)


async def test_a_frame_leaves_the_prompt_to_a_page_of_its_own_around_another_origin_s(
    serve_pages: Serve, serve: Serve, browser: Browser
) -> None:
    server = serve_pages(UNTOUCHED)
    between = serve()  # the same site, so that the frame has the cookie
    page = await open_letter(browser, server.url)
    frame = await embed(page, f"{between.url}/untouched")
    await frame.evaluate(EMBED, f"{server.url}/letter")
    (inner,) = frame.child_frames
    await until(lambda: is_in(inner, "warned"))
    await expect(prompt_in(page)).to_be_visible()
    await asyncio.sleep(1.5)  # longer than the one within waits
    assert not await inner.evaluate(IS_OPEN, "[part=prompt]")
    await prompt_in(page).get_by_role("button", name="Stay").click()
    await until(lambda: is_in(inner, "live"))


async def test_a_frame_shows_its_own_prompt_until_a_page_around_it_has_a_client(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 60, "warning": 58})
    await browser.post(f"{server.url}/sign-in/ada")
    page = await browser.blank(f"{server.url}/bare")
    inner = await embed(page, "/letter")
    await until(lambda: show(page, "prompt", False, True))
    clock = inner.locator("quart-idle [part=prompt] [part=clock]")
    await expect(clock).not_to_have_text(await clock.inner_text(), timeout=2500)
    await page.evaluate("idle.restart()")
    await until(lambda: show(page, "prompt", True, False))


async def test_a_frame_is_covered_by_itself_and_behind_the_cover_of_the_page_around_it(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    inner = await embed(page, "/letter")
    await until(lambda: is_in(inner, "live"))
    await inner.get_by_label("Search").fill("private")
    # A page that says the end in its own way, as some do, leaves what is private in the frame.
    await page.evaluate("refused.push('ended')")
    for is_behind in (False, True):
        await end_by_time(browser, server.url)
        await until(partial(show, page, "cover", is_behind, True))
        await expect(inner.get_by_label("Search")).to_be_hidden()
        if is_behind:
            await expect(cover_in(page)).to_be_visible()
            assert await page.evaluate("document.activeElement.localName") == "quart-idle"
        await browser.post(f"{server.url}/sign-in/ada")
        await page.evaluate(
            "for (const one of [window, frames[0]]) one.dispatchEvent(new Event('focus'))"
        )
        await until(lambda: show(page, "cover", False, False))
        await expect(inner.get_by_label("Search")).to_have_value("private")
        await page.evaluate("refused.pop()")


async def test_what_frames_play_is_paused_behind_the_cover_also_what_is_loaded_into_them_then(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    await embed(page, "/frame?1")
    inner = await embed(page, "/frame?2")
    assert await inner.evaluate(PLAY) is False
    # As one that is being written anew.
    await page.evaluate("frames[0].document.documentElement.remove()")
    await end_by_time(browser, server.url)
    await expect(cover_in(page)).to_be_visible()
    await until(lambda: inner.evaluate("audio.paused"))
    await inner.goto(f"{server.url}/frame?3")
    assert await inner.evaluate(PLAY) is False
    await until(lambda: inner.evaluate("audio.paused"))

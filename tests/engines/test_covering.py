"""What prompt and cover take from a page and give back, in three engines."""

from __future__ import annotations

from functools import partial

import pytest

from tests.helpers.engines.acts import (
    COVER,
    PROMPT,
    desk_at,
    open_page,
    post,
    shown,
    sign_in,
    uncovered,
)
from tests.helpers.engines.driver import Engine, Tab
from tests.helpers.engines.scenarios import scenario
from tests.helpers.servers import Serve
from tests.helpers.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

# Where it is scrolled to, what has the focus, what can be seen, where the main part is.
STATE = """() => {
  const main = document.querySelector("main");
  return [scrollY, document.activeElement.name, document.activeElement.value,
    getComputedStyle(main).visibility, main.getBoundingClientRect().left];
}"""

# What a search in the page finds, what is selected with all of it, what its text is.
FOUND = """() => {
  const selection = getSelection();
  const isFound = find("Signed in as", false, false, true);
  selection.selectAllChildren(document.body);
  const selected = String(selection).trim();
  selection.removeAllRanges();
  return [isFound, selected, document.body.innerText];
}"""


async def is_read_out(page: Tab, *texts: str) -> bool:
    read_out = await page.read_out()
    return all(text in read_out for text in texts)


async def is_silent_on(page: Tab, *texts: str) -> bool:
    read_out = await page.read_out()
    return not any(text in read_out for text in texts)


@scenario("nothing of a covered page is in the accessibility tree, for screen readers")
@scenario("a covered page is hidden altogether, and as it was when its user is back")
async def test_a_page_that_is_uncovered_is_as_it_was(serve_pages: Serve, engine: Engine) -> None:
    server = serve_pages({"timeout": 600})
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/letter")
    is_found, *texts = await page.evaluate(FOUND)
    assert is_found
    assert all("Signed in as" in text for text in texts)
    # (Browsers make it once somebody asks.)
    await until(partial(is_read_out, page, "Signed in as ada", "Search", "Transfer"))
    await page.evaluate(
        """() => {
          document.body.style.minHeight = "300vh";
          const field = document.querySelector("[name=search]");
          field.value = "unsaved";
          field.focus();
          scrollTo(0, 120);
        }"""
    )
    before = await page.evaluate(STATE)
    assert before[:4] == [120, "search", "unsaved", "visible"]
    await post(desk, "/sign-out?reason=idle")
    assert (await shown(page, COVER))["focus"] == COVER
    assert await page.evaluate(FOUND) == [False, "", ""]
    await until(partial(is_read_out, page, COVER, "Sign in again"))
    await until(partial(is_silent_on, page, "Signed in as", "Search", "unsaved"))
    during = await page.evaluate(STATE)
    assert (during[0], during[3:]) == (120, ["hidden", before[4]])
    await sign_in(desk, "ada")
    await page.front()
    await page.evaluate("() => { dispatchEvent(new Event('focus')); }")
    await uncovered(page)
    assert await page.evaluate(STATE) == before


# A second of silence, over and over.
PLAY = """async () => {
  const bytes = new Uint8Array(8044).fill(128);
  const view = new DataView(bytes.buffer);
  const write = (at, text) => [...text].forEach((it, i) => { bytes[at + i] = it.charCodeAt(); });
  write(0, "RIFF");
  view.setUint32(4, 8036, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, 8000, true);
  view.setUint32(28, 8000, true);
  view.setUint16(32, 1, true);
  view.setUint16(34, 8, true);
  write(36, "data");
  view.setUint32(40, 8000, true);
  const src = URL.createObjectURL(new Blob([bytes], { type: "audio/wav" }));
  window.audios = [document, document.querySelector("iframe").contentDocument].map((place) => {
    const audio = place.createElement("audio");
    place.body.append(Object.assign(audio, { src, loop: true, muted: true }));
    return audio;
  });
  await Promise.all(audios.map((audio) => audio.play()));
  return audios.some(({ paused }) => paused);
}"""


@scenario("what a page plays is paused when it is covered, and stays so")
async def test_what_a_page_plays_is_paused_while_it_is_covered(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 600})
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/letter?framed")
    assert await page.evaluate(PLAY) is False
    await post(desk, "/sign-out?reason=idle")
    await shown(page, COVER)
    are_paused = "() => audios.every(({ paused }) => paused)"
    await until(partial(page.evaluate, are_paused))
    await page.evaluate("() => audios.forEach((audio) => audio.play().catch(() => {}))")
    await until(partial(page.evaluate, are_paused))


@scenario("who types on does not dismiss a warning that cannot be put off")
async def test_who_types_on_does_not_dismiss_the_final_warning_unseen(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 600, "lifetime": 100.5, "warning": 100})
    await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/letter")
    assert (await shown(page, PROMPT))["focus"] == PROMPT
    await page.type(*"and so on", "Enter")
    prompt = await shown(page, PROMPT)
    assert "stay longer" in prompt["text"]

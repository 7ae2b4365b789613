"""What is seen, heard and printed, under which policy, in three engines."""

from __future__ import annotations

import asyncio
import re
import zlib
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest

from tests.helpers.colors import contrast
from tests.helpers.engines.acts import (
    COVER,
    PROMPT,
    desk_at,
    dialog_in,
    get,
    go,
    is_covered,
    is_within_reach,
    open_page,
    post,
    shown,
    sign_in,
    state_of,
    uncovered,
    write,
)
from tests.helpers.engines.driver import Engine, Tab
from tests.helpers.engines.scenarios import scenario
from tests.helpers.servers import Serve
from tests.helpers.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

# They are warned after half a second, and have two minutes.
PATIENT = {"keepalive": "activity", "timeout": 120.5, "warning": 120, "sign_out_url": "/?out"}

# Which way it is written, and on which side of the dialog its button is.
LAYOUT = """() => {
  const root = document.querySelector("quart-idle").shadowRoot;
  const dialog = root.querySelector("dialog[open]");
  const box = dialog.getBoundingClientRect();
  const button = dialog.querySelector("button").getBoundingClientRect();
  const isLeft = button.left - box.left < box.right - button.right;
  return [getComputedStyle(dialog).direction, isLeft];
}"""

# Of the button that has the focus: the colour of what says so, and what it is on.
RING = """() => {
  const { activeElement } = document.querySelector("quart-idle").shadowRoot;
  const { outlineColor } = getComputedStyle(activeElement);
  return [outlineColor, getComputedStyle(activeElement.closest("dialog")).backgroundColor];
}"""

IS_DARK = "() => matchMedia('(prefers-color-scheme: dark)').matches"

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


@scenario("a strict content security policy, with a nonce and Trusted Types, is not broken")
async def test_a_strict_policy_is_not_broken_and_all_is_seen_as_it_should_be(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages(PATIENT)
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/strict")
    await shown(page, PROMPT)
    width = """() => document.querySelector("quart-idle").shadowRoot
      .querySelector("dialog[open]").offsetWidth"""
    assert 300 < await page.evaluate(width) < 700
    await post(desk, "/sign-out")
    await shown(page, COVER)
    assert await is_covered(page)
    assert await get(desk, "/reports") == []
    # And a violation would have been told.
    await page.evaluate("() => { new Image().src = 'http://127.0.0.2/'; }")
    await until(lambda: _is_told(desk))


async def _is_told(desk: Tab) -> bool:
    return len(await get(desk, "/reports")) == 1


@scenario("a policy that forbids sockets is violated once, not at each retry; the page lives on")
async def test_a_policy_that_forbids_the_socket_is_violated_once(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 4, "warning": 1})
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/watched?requests")
    await asyncio.sleep(5.5)
    assert await dialog_in(page) is None
    assert await state_of(page) == "live"
    (report,) = await get(desk, "/reports")
    assert "connect-src" in str(report)


@scenario("prompt and cover speak the page's language, from right to left where that is so")
async def test_the_page_s_language_is_spoken_from_right_to_left_where_it_is_written_so(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages(PATIENT)
    await desk_at(engine, server.url, "ada")
    for language, title, direction, words in (
        ("de", "Sie werden gleich abgemeldet", "ltr", "Minute"),
        ("ar", "سيتم تسجيل خروجك قريبًا", "rtl", "دقيق"),
    ):
        page = await open_page(engine, f"{server.url}/language/{language}")
        assert words in (await shown(page, title))["text"]
        assert await page.evaluate(LAYOUT) == [direction, direction == "ltr"]


async def findings(tab: Tab) -> Any:
    """What axe has against what is seen."""
    await tab.evaluate("(source) => { window.axe ?? (0, eval)(source); }", AXE)
    found = await tab.evaluate(
        """async () => {
          const { violations, passes } = await axe.run();
          // (In the dark, it has something against browsers' own buttons.)
          const isOurs = ({ target }) => JSON.stringify(target).includes("quart-idle");
          const ours = (rules) => rules.flatMap(({ id, nodes }) =>
            nodes.filter(isOurs).map(({ html }) => [id, html]));
          return [ours(violations), ours(passes).length > 0];
        }"""
    )
    violations, has_looked = found
    assert has_looked
    return violations


@scenario("axe has nothing against the last warning; prompt, cover, bar of drafts, light and dark")
async def test_axe_finds_nothing_in_what_the_client_shows(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 600, "lifetime": 120.5, "warning": 120})
    await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/letter")
    await shown(page, PROMPT)
    assert await findings(page) == []
    server = serve_pages({**PATIENT, "timeout": 600, "drafts": True})
    for is_dark in (False, True):
        await engine.start_over()
        if is_dark:
            await engine.prefer("dark")
        desk = await desk_at(engine, server.url, "ada")
        page = await open_page(engine, f"{server.url}/letter")
        assert await page.evaluate(IS_DARK) == is_dark
        await write(page, "Your letter", "Dear Bob")
        await go(page, f"{server.url}/letter")
        await until(partial(is_within_reach, page, "Restore"))
        assert await findings(page) == []
        await post(desk, "/hurry?seconds=121")
        await shown(page, PROMPT)
        assert await findings(page) == []
        assert contrast(*await page.evaluate(RING)) >= 3
        await post(desk, "/sign-out?reason=idle")
        await shown(page, COVER)
        assert await findings(page) == []


def pages_of(pdf: bytes) -> int:
    """How many pages a PDF has."""
    parts = [pdf]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        with suppress(zlib.error):
            parts.append(zlib.decompress(stream))
    return sum(len(re.findall(rb"/Type\s*/Page\b", part)) for part in parts)


@scenario("of a covered page nothing is printed", "print")
async def test_of_a_covered_page_nothing_is_printed(serve_pages: Serve, engine: Engine) -> None:
    server = serve_pages({"timeout": 600})
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/letter")
    await page.evaluate(
        "() => { document.body.append(...Array(500).fill('word\\n').map("
        "(text) => Object.assign(document.createElement('p'), { textContent: text }))); }"
    )
    assert pages_of(await page.pdf()) > 3
    await post(desk, "/sign-out?reason=idle")
    await shown(page, COVER)
    assert pages_of(await page.pdf()) == 1
    await sign_in(desk, "ada")
    await page.evaluate("() => { dispatchEvent(new Event('focus')); }")
    await uncovered(page)
    assert pages_of(await page.pdf()) > 3

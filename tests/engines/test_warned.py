"""Pages that are warned: with frames, hidden, on small screens and in the user's colours."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from functools import partial

import pytest

from tests.helpers.engines.acts import (
    COVER,
    PROMPT,
    desk_at,
    go,
    is_within_reach,
    open_page,
    post,
    shown,
    uncovered,
    write,
)
from tests.helpers.engines.driver import Engine, Tab
from tests.helpers.engines.scenarios import scenario
from tests.helpers.servers import Serve
from tests.helpers.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

# Nobody is warned until a test has the session be short.
HELD = {"keepalive": "activity", "timeout": 600, "warning": 150, "sign_out_url": "/?out"}
WARN = "/hurry?seconds=151"
CALM = "/hurry?seconds=600"

TITLE = "() => document.title"

EMBED = """(path) => new Promise((resolve) => {
  const frame = document.createElement("iframe");
  document.body.append(Object.assign(frame, { src: path, title: "Inner", onload: resolve }));
})"""

# How long ago the last input was, as the client reports it.
IDLE_FOR = """async () => {
  const { href } = document.querySelector('link[href$="/browser.js"]');
  return (await import(href)).idleFor();
}"""

# Where the field of the first frame is.
IN_FRAME = """() => {
  const frame = document.querySelector("iframe");
  frame.scrollIntoView();
  const outer = frame.getBoundingClientRect();
  const inner = frame.contentDocument.querySelector("input").getBoundingClientRect();
  return [outer.left + inner.left + inner.width / 2, outer.top + inner.top + inner.height / 2];
}"""

INNER = """() => {
  const { documentElement } = frames[1].document;
  const host = documentElement.querySelector("quart-idle");
  const isOpen = host?.shadowRoot.querySelector("dialog[open]") !== null;
  return [documentElement.quartIdle?.state, Boolean(host && isOpen)];
}"""


@scenario("the title of a hidden tab says what is left, in minutes, and is the page's own again")
@scenario("of pages within each other the outermost shows the prompt; input in frames counts")
async def test_frames_leave_the_prompt_to_the_page_around_them_and_hidden_tabs_say_it_in_the_title(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages(HELD)
    desk = await desk_at(engine, server.url, "ada")
    hidden = await engine.hidden_tab()
    await go(hidden, f"{server.url}/letter")
    page = await open_page(engine, f"{server.url}/letter?framed")

    async def was_idle() -> bool:
        return bool(await page.evaluate(IDLE_FOR) > 1000)

    await until(was_idle)
    before = await page.evaluate("() => performance.now()") - await page.evaluate(IDLE_FOR)
    await page.click(*await page.evaluate(IN_FRAME))

    async def counted() -> bool:
        idle_for = await page.evaluate(IDLE_FOR)
        return bool(await page.evaluate("() => performance.now()") - idle_for > before + 500)

    await until(counted)

    await page.evaluate(EMBED, "/letter")
    await until(partial(inner_is, page, "live"))
    await post(desk, WARN)
    await shown(page, PROMPT)
    await until(partial(inner_is, page, "warned"))
    await until(partial(title_is, hidden, "(2 min) Letter"))
    assert await hidden.evaluate("() => document.visibilityState") == "hidden"
    await asyncio.sleep(1.2)  # longer than the one within waits for the one around it

    async def stands_back() -> bool:
        return bool(await page.evaluate(INNER) == ["warned", False])

    await until(stands_back)
    await post(desk, CALM)
    await uncovered(page)
    await until(partial(title_is, hidden, "Letter"))


async def inner_is(page: Tab, state: str) -> bool:
    return bool((await page.evaluate(INNER))[0] == state)


async def title_is(page: Tab, title: str) -> bool:
    return bool(await page.evaluate(TITLE) == title)


NARROW = """() => {
  const dialog = document.querySelector("quart-idle")?.shadowRoot.querySelector("dialog[open]");
  const boxes = [dialog, document.documentElement].filter(Boolean);
  return [innerWidth, innerHeight, ...boxes.map((box) => box.scrollWidth <= box.clientWidth)];
}"""


@scenario("at 200% and more, in 320 by 256 pixels, every button can be reached")
async def test_zoomed_on_a_small_screen_every_button_is_reached(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({**HELD, "drafts": True, "sign_in_url": "/sign-in"})
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/letter")
    await write(page, "Your letter", "Dear Bob")
    await go(page, f"{server.url}/letter")
    await page.shrink()

    async def fits() -> bool:
        width, height, *fit = await page.evaluate(NARROW)
        return abs(width - 320) < 3 and abs(height - 256) < 3 and all(fit)

    async def reached(*names: str) -> None:
        for name in names:
            await until(partial(is_within_reach, page, name))
        await until(fits)

    await reached("Restore", "Discard", "Later")
    await post(desk, WARN)
    await shown(page, PROMPT)
    await reached("Stay signed in", "Sign out")
    await post(desk, "/sign-out?reason=idle")
    await shown(page, COVER)
    await reached("Sign in again")


# Of a picture: the colours at the left and right edges, half way down.
EDGES = """async (image) => {
  const bitmap = await createImageBitmap(await (await fetch(image)).blob());
  const canvas = Object.assign(document.createElement("canvas"), bitmap);
  Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  return [1, bitmap.width - 2].map((x) =>
    [...context.getImageData(x, bitmap.height / 2, 1, 1).data.slice(0, 3)]);
}"""


async def edges_of(page: Tab, desk: Tab) -> list[list[int]]:
    image = b64encode(await page.picture()).decode()
    found: list[list[int]] = await desk.evaluate(EDGES, f"data:image/png;base64,{image}")
    return found


@scenario("no bright strip is left beside prompt and cover where the scrollbar was")
async def test_no_bright_strip_is_left_where_the_scrollbar_was(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages(HELD)
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/letter")
    await page.evaluate("() => { document.body.style.minHeight = '300vh'; }")
    assert await page.evaluate("() => innerWidth > document.documentElement.clientWidth")
    white = [255, 255, 255]
    left, _ = await edges_of(page, desk)
    # (Firefox leaves scrollbars out of pictures, and their places white.)
    assert left == white
    await post(desk, WARN)
    await shown(page, PROMPT)
    left, right = await edges_of(page, desk)
    assert max(left) < 100
    assert right == left
    await post(desk, "/sign-out?reason=idle")
    await shown(page, COVER)
    assert await edges_of(page, desk) == [white, white]


# Whether they are forced, the button has those of buttons, and its border is seen.
COLORS = """() => {
  const root = document.querySelector("quart-idle").shadowRoot;
  const colors = (element) => {
    const { color, backgroundColor, borderTopColor, borderTopWidth } = getComputedStyle(element);
    return { text: color, ground: backgroundColor, border: borderTopColor, is: borderTopWidth };
  };
  const button = colors(root.querySelector("dialog[open] button"));
  const usual = root.appendChild(document.createElement("button"));
  usual.style = "color: ButtonText; background: ButtonFace";
  const { text, ground } = colors(usual);
  usual.remove();
  return [matchMedia("(forced-colors: active)").matches,
    button.text === text && button.ground === ground,
    button.border !== button.ground && parseFloat(button.is) > 0];
}"""


@scenario("in forced colours, buttons are as the user's others", "forced colours")
async def test_in_forced_colours_buttons_are_the_user_s(serve_pages: Serve, engine: Engine) -> None:
    await engine.prefer("forced colours")
    server = serve_pages(HELD)
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/letter")
    await post(desk, WARN)
    await shown(page, PROMPT)
    assert await page.evaluate(COLORS) == [True, True, True]
    await post(desk, "/sign-out?reason=idle")
    await shown(page, COVER)
    assert await page.evaluate(COLORS) == [True, True, True]

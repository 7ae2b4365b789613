"""Pages that are open, warned, left alone and signed out, in three engines."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.helpers.engines.acts import (
    COVER,
    PROMPT,
    click,
    desk_at,
    dialog_in,
    get,
    go,
    is_covered,
    open_page,
    post,
    shown,
    state_of,
    uncovered,
)
from tests.helpers.engines.driver import Engine
from tests.helpers.engines.scenarios import scenario
from tests.helpers.servers import Serve
from tests.helpers.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")


@scenario("an open page keeps its session alive, beyond the timeout")
async def test_an_open_page_keeps_its_session_alive_though_nobody_touches_it(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 2, "warning": 0.5})
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/letter")
    await asyncio.sleep(4)
    assert await dialog_in(page) is None
    assert await state_of(page) == "live"
    assert (await get(desk, "/peek"))["user"] == "ada"


@scenario("a page in a hidden tab does so, too")
async def test_a_page_in_a_hidden_tab_keeps_its_session_alive(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 3, "warning": 0.5, "closed_timeout": 3})
    desk = await desk_at(engine, server.url, "ada")
    page = await engine.hidden_tab()
    await go(page, f"{server.url}/letter")
    await asyncio.sleep(5)
    assert await page.evaluate("() => document.visibilityState") == "hidden"
    assert await dialog_in(page) is None
    assert await state_of(page) == "live"
    assert (await get(desk, "/peek"))["user"] == "ada"


@scenario("the warning comes in time, one click stays; the cover says why and lets nothing through")
async def test_who_is_warned_can_stay_and_who_does_not_is_covered(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 5, "warning": 3.5})
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/letter")
    prompt = await shown(page, PROMPT)
    assert 0 < await page.evaluate("() => document.documentElement.quartIdle.left") <= 3500
    assert "we will sign you out in" in prompt["text"]
    assert prompt["focus"] == "Stay signed in"
    await click(page, "Stay signed in")
    await uncovered(page)
    assert (await get(desk, "/_idle/state"))["left"] > 3500
    assert (await shown(page, PROMPT))["focus"] == "Stay signed in"
    await shown(page, COVER, "because you were not active")
    assert await is_covered(page)
    for _ in range(6):
        await page.type("Tab")
        focused = await page.evaluate("() => document.activeElement?.localName")
        assert focused in ("quart-idle", "body", None)
    await page.type("Escape", *"behind")  # (no space, which would press the button)
    assert await page.evaluate("() => document.querySelector('textarea').value") == ""
    assert await is_covered(page)


@scenario("who signs out in one tab covers the others within a second")
async def test_signed_out_in_one_tab_the_other_is_covered_within_a_second(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 600})
    await desk_at(engine, server.url, "ada")
    behind = await open_page(engine, f"{server.url}/letter")
    front = await open_page(engine, f"{server.url}/letter")
    await behind.evaluate(
        "() => document.addEventListener('quart-idle:ended', () => { window.ended = Date.now(); })"
    )
    began = time.time()
    await post(front, "/sign-out")
    ended = await until(lambda: behind.evaluate("() => window.ended"))
    assert ended / 1000 - began < 1
    await behind.front()
    for page in (behind, front):
        await shown(page, COVER, "You signed out, perhaps in another tab.")
        assert await is_covered(page)

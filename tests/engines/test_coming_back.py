"""Who comes back: users, to a page, and pages, to a server, in three engines."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.helpers.engines.acts import (
    COVER,
    FRAMES,
    VEIL,
    click,
    desk_at,
    dialog_in,
    get,
    heading_of,
    is_covered,
    open_page,
    post,
    shown,
    sign_in,
    state_of,
    tab_at,
    title_in,
    uncovered,
    value_of,
    write,
)
from tests.helpers.engines.driver import Engine
from tests.helpers.engines.scenarios import scenario
from tests.helpers.line import line_to
from tests.helpers.redis_servers import redis_server
from tests.helpers.servers import Serve
from tests.helpers.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

SEARCH = "[name=search]"

PROVE = """() => {
  document.documentElement.quartIdle.reauthenticate().then((it) => { window.hasProved = it; });
}"""


@scenario("who signs in again, in a small window, finds the page and what they typed")
async def test_who_signs_in_again_in_a_small_window_finds_what_they_typed(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 600, "sign_in_url": "/sign-in"})
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/letter")
    await write(page, "Search", "unsaved")
    await post(desk, "/sign-out?reason=idle")
    await shown(page, COVER, "because you were not active")
    await click(page, "Sign in again")
    window = await tab_at(engine, "/sign-in")
    assert await window.evaluate("() => innerWidth < 600")
    await write(window, "Name", "ada")
    await click(window, "Sign in")
    await uncovered(page)
    assert await value_of(page, SEARCH) == "unsaved"
    assert await state_of(page) == "live"


@scenario("who is to prove again who they are does so beside the page, which stays as it is")
async def test_who_is_to_prove_again_who_they_are_finds_the_page_as_it_was(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 600, "sign_in_url": "/sign-in"})
    await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/letter")
    await write(page, "Search", "unsaved")
    await page.evaluate(PROVE)
    question = await shown(page, "Please confirm that it\u2019s you")
    assert question["focus"] == question["title"]
    await click(page, "Sign in again")
    window = await tab_at(engine, "/sign-in")
    await write(window, "Name", "ada")
    await click(window, "Sign in")
    await until(partial(page.evaluate, "() => window.hasProved"))
    await uncovered(page)
    assert await value_of(page, SEARCH) == "unsaved"
    assert await state_of(page) == "live"


@scenario("after a sign-out, Back and Forward show nothing of the page, not for one frame")
async def test_back_and_forward_after_a_sign_out_show_nothing_of_the_page(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 600})
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/watched")
    await page.go(f"{server.url}/frame")
    await post(desk, "/sign-out")
    await page.back()

    async def is_back() -> bool:
        if await heading_of(page) == "Signed in as None":
            return True
        return await title_in(page) == COVER and await is_covered(page)

    await until(is_back)
    assert await page.evaluate("() => seen") == 0

    await sign_in(desk, "ada")
    await page.go(f"{server.url}/frame?before")
    await page.go(f"{server.url}/watched?after")
    await until(lambda: state_of(page))
    await page.back()
    await until(partial(page.evaluate, "() => location.search === '?before'"))
    await post(desk, "/sign-out")
    await page.evaluate("() => { history.forward(); }")
    await until(partial(page.evaluate, "() => location.search === '?after'"))
    await until(is_back)
    assert await page.evaluate("() => seen") == 0


@scenario("Back shows a page while no server answers: covered, and before that not for one frame")
async def test_back_covers_a_page_before_it_is_seen_while_the_server_is_out_of_reach(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 600})
    async with line_to(server.port) as line:
        await desk_at(engine, server.url, "ada")
        # As it was, and as text in the HTTP cache. (Firefox keeps no page that has a socket,
        # Chromium none that listens to `unload`, and WebKit two pages.)
        for query, was_kept, further in (("requests", True, 1), ("unload", False, 3)):
            page = await open_page(engine, f"{line.url}/watched?{query}")
            for number in range(further):
                await page.go(f"{server.url}/frame?{number}")
            line.cut()
            await page.evaluate("(further) => { history.go(-further); }", further)
            await shown(page, VEIL)
            assert await is_covered(page)
            await page.evaluate(FRAMES, 10)
            assert await page.evaluate("() => [isKept, seen]") == [was_kept, 0]
            line.mend()
            await page.evaluate("() => { dispatchEvent(new Event('online')); }")
            await uncovered(page)
            # And that it is seen would have been noted.
            await page.evaluate(FRAMES, 2)
            assert await page.evaluate("() => seen") > 0


@scenario("a server that was killed comes back, and so do pages; nobody is signed out")
async def test_pages_come_back_to_a_server_that_was_killed_and_nobody_is_signed_out(
    serve_pages: Serve, engine: Engine, tmp_path: Path
) -> None:
    with redis_server(tmp_path) as redis:
        settings = {"store": redis.url, "timeout": 600}
        server = serve_pages(settings)
        await desk_at(engine, server.url, "ada")
        pages = [await open_page(engine, f"{server.url}/letter") for _ in range(2)]
        for page in pages:
            await page.evaluate(
                """() => {
                  window.greetings = 0;
                  document.addEventListener("quart-idle:state", () => { ++greetings; });
                }"""
            )
        server.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(server.process.wait)
        await asyncio.sleep(0.5)
        serve_pages(settings, port=server.port)
        for page in pages:
            await until(partial(page.evaluate, "() => greetings"), within=30)
            assert await dialog_in(page) is None
            assert await state_of(page) == "live"


@scenario("a network that goes is waited for; the page is covered only when its time is up")
async def test_offline_the_page_waits_and_is_covered_only_when_its_time_is_up(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 3, "warning": 0.5})
    async with line_to(server.port) as line:
        desk = await desk_at(engine, server.url, "ada")
        page = await open_page(engine, f"{line.url}/letter")
        await write(page, "Search", "unsaved")
        line.cut()
        await asyncio.sleep(1)
        assert await dialog_in(page) is None

        async def is_veiled() -> bool:
            await get(desk, "/")  # somebody is there
            return await title_in(page) == VEIL

        await until(is_veiled)
        assert await is_covered(page)
        line.mend()
        await page.evaluate("() => { dispatchEvent(new Event('online')); }")

        async def is_uncovered() -> bool:
            await get(desk, "/")
            return await title_in(page) is None

        await until(is_uncovered)
        assert await value_of(page, SEARCH) == "unsaved"


@scenario("another user signs in in another tab: the page is covered, then theirs, fields empty")
async def test_the_page_of_one_user_becomes_that_of_the_next_with_empty_fields(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 600})
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/letter")
    await write(page, "Search", "hers")
    await sign_in(desk, "bob")
    await shown(page, COVER, "Somebody else signed in, perhaps in another tab.")
    await click(page, "Reload the page")

    async def is_bobs() -> bool:
        return await heading_of(page) == "Signed in as bob"

    await until(is_bobs)
    await uncovered(page)
    assert await value_of(page, SEARCH) == ""


@scenario("another user signs in, and reloads the page: nothing is in fields and history state")
async def test_a_reload_leaves_the_next_user_nothing_in_fields_and_history_state(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 600})
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/watched")
    await write(page, "Search", "hers")
    await page.evaluate("() => { history.replaceState({ search: 'hers' }, ''); }")
    await sign_in(desk, "bob")
    await shown(page, COVER)
    await page.evaluate("() => { setTimeout(() => location.reload()); }")

    async def is_bobs() -> bool:
        return await heading_of(page) == "Signed in as bob" and await state_of(page) == "live"

    await until(is_bobs)
    await uncovered(page)
    await page.evaluate(FRAMES, 10)
    found = "() => [document.querySelector('[name=search]').value, history.state, filled]"
    assert await page.evaluate(found) == ["", None, 0]


@scenario("where WebSockets are blocked, pages ask by requests: they live on, and end")
async def test_where_sockets_are_blocked_pages_live_on_and_end_all_the_same(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"timeout": 4, "warning": 1})
    async with line_to(server.port) as line:
        line.sockets_pass = False
        desk = await desk_at(engine, server.url, "ada")
        page = await open_page(engine, f"{line.url}/letter")
        await asyncio.sleep(5)
        assert await dialog_in(page) is None
        assert (await get(desk, "/peek"))["user"] == "ada"
        await post(desk, "/sign-out")
        await shown(page, COVER)
        assert line.sockets == 0

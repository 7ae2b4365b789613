"""Pages behind middleware, and those that read slowly or not at all; hours that pass at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end
from tests.helpers.site import MakeSite
from tests.helpers.sockets import open_page


class Wrapping:
    """Middleware as it is common: it passes on what is sent within a time, and waits meanwhile."""

    def __init__(self, app: Any, waits: bool) -> None:
        self._app = app
        self._waits = waits

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def within(message: Any) -> None:
            async with asyncio.timeout(5):
                if self._waits:
                    await asyncio.sleep(0.01)
                await send(message)

        await self._app(scope, receive, within)


@pytest.mark.parametrize("waits", [False, True])
async def test_pages_live_on_behind_middleware_that_wraps_send(
    site: MakeSite, clock: Clock, waits: bool
) -> None:
    here = site(timeout=5 * MINUTE)
    browser = await here.signed_in(a=1)
    async with open_page(browser, app=Wrapping(here.app, waits)) as page:
        await clock.advance(HOUR)
        assert page.kinds() == ["state"]
        assert page.pings >= HOUR / 25 - 1
        await browser.visit(end())
        await clock.advance(1)
        assert page.code == 4401


async def test_frames_come_in_order_however_slow_the_way(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=10 * MINUTE, warning=MINUTE, keepalive="activity")
    browser = await here.signed_in(a=1)
    began = clock.monotonic()
    async with open_page(browser, app=Wrapping(here.app, True)) as page:
        page.idle = lambda: clock.monotonic() - began
        await clock.advance(9 * MINUTE + 10)
        async with open_page(browser, app=Wrapping(here.app, True)) as second:
            second.idle = page.idle
            await clock.advance(1)
            assert page.kinds() == second.kinds() == ["state", "warn"]


@pytest.mark.parametrize(("version", "seconds"), [("1.1", 5), ("2", 60)])
async def test_a_page_that_never_answers_the_close_frame_is_gone_after_a_time(
    site: MakeSite, clock: Clock, version: str, seconds: float
) -> None:
    """(A shared connection is not given back by that, and a late answer would have it cut.)"""
    browser = await site().signed_in(a=1)
    async with open_page(browser, http_version=version) as page:
        assert page.socket.running
        page.socket.answers_close = False
        await browser.visit(end())
        await clock.advance(seconds - 1)
        assert (page.code, page.socket.running.done()) == (4401, False)
        await clock.advance(2)
        assert page.socket.running.done()


async def test_what_a_page_does_not_read_is_not_piled_up(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=HOUR, ping_interval=25)
    browser = await here.signed_in(a=1)
    reads = asyncio.Event()
    sent = 0

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        async def slowly(message: Any) -> None:
            nonlocal sent
            if message["type"] != "websocket.accept":
                await reads.wait()
                sent += 1
            await send(message)

        await here.app(scope, receive, slowly)

    async with open_page(browser, app=behind) as page:
        for _ in range(90):
            await page.socket.send({"type": "ask"})
            await clock.advance(0.2)
        reads.set()
        await clock.advance(0.1)
        assert sent == 16
        await browser.visit(end())
        await clock.advance(1)
        assert page.code == 4401


async def test_a_page_that_did_not_read_for_a_while_hears_of_the_end_all_the_same(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR, ping_interval=25)
    browser = await here.signed_in(a=1)
    reads = asyncio.Event()

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        async def slowly(message: Any) -> None:
            if message["type"] != "websocket.accept":
                await reads.wait()
            await send(message)

        await here.app(scope, receive, slowly)

    async with open_page(browser, app=behind) as page:
        for _ in range(90):
            await page.socket.send({"type": "ask"})
            await clock.advance(0.2)
        await browser.visit(end())
        await clock.advance(1)
        reads.set()
        await clock.advance(1)
        assert page.code == 4401
        assert len(page.told) == 1, "what was said before is of no account any more"

"""Open pages over hours that pass at once: what they cost, and what a failing store does."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end, look, regenerate
from tests.helpers.site import Browser, MakeSite
from tests.helpers.sockets import open_page


async def test_what_was_held_back_is_settled_when_the_page_closes(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    async with open_page(browser) as page:
        await clock.advance(5 * MINUTE)  # less than an eighth: nothing was written since it opened
        assert page.pings
        assert here.store.calls.count("renew") == 1
    await clock.advance(HOUR - MINUTE)  # past the deadline that the store knew
    assert (await browser.visit(look, "/passive/above")).value == {"a": 1}


async def test_what_was_held_back_is_settled_before_the_end(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=HOUR, keepalive="activity")
    browser = await here.signed_in(a=1)
    began = clock.monotonic()
    async with open_page(browser) as page:
        # Input for five minutes, and none after.
        page.idle = lambda: max(0.0, clock.monotonic() - began - 5 * MINUTE)
        await clock.advance(HOUR + 2 * MINUTE)
        assert page.kinds() == ["state"]
        await clock.advance(2 * MINUTE)
        assert page.kinds() == ["state", "warn"]
        await clock.advance(2 * MINUTE)
        assert page.code == 4401


async def test_a_closed_timeout_shorter_than_the_warning_warns_no_open_page(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site(timeout=HOUR, closed_timeout=MINUTE).signed_in(a=1)
    async with open_page(browser) as page:
        await clock.advance(HOUR)
        assert page.kinds() == ["state"]
        assert page.told[0]["left"] <= MINUTE * 1000


async def test_pings_come_once_an_interval_whoever_joins_and_leaves(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR, ping_interval=20)
    browsers = [await here.signed_in(f"user {number}") for number in range(12)]
    async with AsyncExitStack() as stack:
        pages = []
        for browser in browsers:
            pages.append(await stack.enter_async_context(open_page(browser)))
            await clock.advance(3.3)
            if len(pages) % 3 == 0:
                async with open_page(browser):
                    await clock.advance(1.7)
        before = [page.pings for page in pages]
        await clock.advance(10 * 20)
        for page, pings in zip(pages, before, strict=True):
            assert page.pings - pings in (9, 10)


@pytest.mark.parametrize(("act", "code"), [(end(), 4401), (regenerate, 4409)])
async def test_a_page_that_opens_while_its_session_ends_hears_of_it(
    site: MakeSite, act: Any, code: int
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    other = browser.copy()
    held = here.store.hold("load", after=True)
    opening = asyncio.get_running_loop().create_task(_code_of(browser))
    await held.reached.wait()
    await other.visit(act)
    held.open()
    assert await opening == code


async def _code_of(browser: Browser) -> int | None:
    async with open_page(browser) as page:
        await asyncio.sleep(0.1)
        return page.code


async def test_what_is_left_is_told_with_what_is_held_back(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    async with open_page(browser) as page:
        await clock.advance(5 * MINUTE)
        assert here.store.calls.count("renew") == 1
        await page.socket.send({"type": "ask"})
        await clock.advance(1)
        assert page.told[-1]["left"] > (HOUR - 27) * 1000
        state = await browser.client.get("/_idle/state")
        assert (await state.get_json())["left"] > (HOUR - 27) * 1000
        assert here.store.calls.count("renew") == 1


async def test_a_request_whose_renewal_is_under_way_is_no_reason_to_warn(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=40, warning=20, keepalive="activity")
    browser = await here.signed_in(a=1)
    began = clock.monotonic()
    async with open_page(browser) as page:
        page.idle = lambda: clock.monotonic() - began
        await clock.advance(18.7)
        held = here.store.hold("renew")
        await browser.visit(look)
        await held.reached.wait()
        await clock.advance(2)  # the deadline that the store knows is nearer than the warning
        held.open()
        await clock.advance(10)
        assert page.kinds() == ["state"]


async def test_a_page_that_does_not_answer_is_closed_however_short_the_timeout(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=60, ping_interval=50)
    browser = await here.signed_in(a=1)
    async with open_page(browser) as page:
        page.answers = False
        for _ in range(30):
            # No divisor of the ping interval: not each ping is to fall into the moment in which a
            # request's renewal is still held back, and the end that the store knows seems near.
            await clock.advance(9.7)
            await browser.visit(look)
        assert page.code == 1001


async def test_sessions_that_another_part_of_the_store_has_do_not_wait_for_it(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=10 * MINUTE, keepalive="activity")
    browser, lost = await here.signed_in("ada"), await here.signed_in("bob")
    here.store.lost = {(await lost.visit(lambda session: session.id)).value}
    began = clock.monotonic()
    async with open_page(browser) as page, open_page(lost) as waiting:
        page.idle = waiting.idle = lambda: clock.monotonic() - began
        await clock.advance(9 * MINUTE)
        assert page.kinds() == ["state", "warn"]
        await clock.advance(2 * MINUTE)
        assert page.code == 4401


async def test_the_retry_window_grows_with_the_pages(site: MakeSite) -> None:
    here = site(timeout=HOUR, ping_interval=10)
    browser = await here.signed_in(a=1)
    async with open_page(browser) as page:
        assert page.told[0]["retry"] == 1000
    async with AsyncExitStack() as many:
        browsers = [await here.signed_in(f"user {number}") for number in range(5)]
        for number in range(499):
            await many.enter_async_context(open_page(browsers[number % 5]))
        async with open_page(browser) as last:
            assert last.told[0]["retry"] == 2000


async def test_pages_have_no_tasks_of_their_own_beside_their_connection(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    async with open_page(browser), open_page(browser):
        before = asyncio.all_tasks()
        await clock.advance(60)
        assert asyncio.all_tasks() == before


async def test_what_was_held_back_is_settled_when_the_worker_stops(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    async with here.app.test_app(), open_page(browser):
        await clock.advance(5 * MINUTE)
        here.store.calls.clear()
        await here.app.shutdown()
        assert here.store.calls == ["renew", "close"]


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

"""Open pages over hours that pass at once: who is here, and what a page costs."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end, look, regenerate
from tests.helpers.site import Browser, MakeSite
from tests.helpers.sockets import open_page


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

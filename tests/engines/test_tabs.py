"""Tabs that a browser brings back, of sessions that may be over by then, in two engines."""

from __future__ import annotations

import httpx
import pytest

from tests.helpers.engines.acts import (
    COVER,
    FRAMES,
    VEIL,
    desk_at,
    heading_of,
    is_covered,
    open_page,
    shown,
    uncovered,
)
from tests.helpers.engines.driver import Engine, Return
from tests.helpers.engines.scenarios import scenario
from tests.helpers.line import line_to
from tests.helpers.servers import Serve

pytestmark = pytest.mark.asyncio(loop_scope="package")

RETURNS: tuple[Return, ...] = ("duplicated", "restored", "discarded")


@scenario(
    "a tab is duplicated, restored, or was discarded: covered, not seen for one frame", "return"
)
@pytest.mark.parametrize("how", RETURNS)
async def test_a_tab_that_is_brought_back_is_covered_before_it_is_seen(
    serve_pages: Serve, engine: Engine, how: Return
) -> None:
    server = serve_pages({"timeout": 600})
    async with line_to(server.port) as line:
        await desk_at(engine, server.url, "ada")
        # While no server answers.
        page = await open_page(engine, f"{line.url}/watched")
        line.cut()
        page = await engine.bring_back(page, how)
        await shown(page, VEIL)
        assert await is_covered(page)
        await page.evaluate(FRAMES, 10)
        assert await page.evaluate("() => seen") == 0
        line.mend()
        await page.evaluate("() => { dispatchEvent(new Event('online')); }")
        await uncovered(page)
        # And that it is seen would have been noted.
        await page.evaluate(FRAMES, 2)
        assert await page.evaluate("() => seen") > 0
        await page.close()
        # Once the session is over: by then the browser has the cookie, and so its copy of the page.
        page = await open_page(engine, f"{server.url}/watched")
        async with httpx.AsyncClient() as other:
            await other.post(f"{server.url}/sign-out-everywhere/ada")
        page = await engine.bring_back(page, how)
        await shown(page, COVER)
        assert await is_covered(page)
        assert await heading_of(page) == "Signed in as ada"
        await page.evaluate(FRAMES, 10)
        assert await page.evaluate("() => seen") == 0

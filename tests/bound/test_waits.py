"""A task of one's own is told that the session is over."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.helpers.bound_site import MakeBoundSite
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end, regenerate, why


async def test_ended_wait_tells_a_task_of_one_s_own_why_the_session_is_over(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    waits: list[asyncio.Task[str]] = []

    async def wait(session: Any) -> None:
        waits.append(asyncio.get_running_loop().create_task(session.ended_wait()))

    await ada.visit(wait)
    await clock.advance(1)
    await ada.visit(regenerate)
    await clock.advance(30 * MINUTE)
    await ada.visit()
    await clock.advance(50 * MINUTE)
    await ada.visit(wait)
    assert not waits[0].done()
    await ada.copy().visit(end("by hand"))
    async with asyncio.timeout(1):
        assert await asyncio.gather(*waits) == ["by hand", "by hand"]
    assert (await ada.visit(lambda session: session.ended_wait())).value == "by hand"
    stranger = here.site.browser()
    assert (await stranger.visit(lambda session: session.ended_wait())).value == "unknown"


async def test_ended_wait_does_not_wait_for_an_end_that_is_to_be_saved_after_it(
    bound_site: MakeBoundSite,
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()

    async def leave(session: Any) -> str:
        session.end("by hand")
        async with asyncio.timeout(10):
            return str(await session.ended_wait())

    assert (await ada.visit(leave)).value == "by hand"


async def test_ended_wait_outlasts_faults_of_the_store_and_may_be_given_up(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    waits: list[asyncio.Task[str]] = []

    async def wait(session: Any) -> None:
        loop = asyncio.get_running_loop()
        waits.extend(loop.create_task(session.ended_wait()) for _ in range(2))
        here.site.store.fault = OSError()

    await ada.visit(wait)
    await clock.advance(60)
    assert not any(it.done() for it in waits)
    waits[1].cancel()
    here.site.store.fault = None
    await clock.advance(2)
    await ada.visit(end("by hand"))
    assert await waits[0] == "by hand"
    assert waits[1].cancelled()
    assert (await ada.visit(why)).value is None

"""Ends that come when the client leaves anyway, while a view tidies up, or to one that stays."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Response, websocket

from tests.helpers.bound_site import MakeBoundSite, bound, goodbye
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.streams import opened


@pytest.mark.parametrize("leaves_first", [True, False])
@pytest.mark.parametrize("kind", ["socket", "stream"])
async def test_a_client_that_leaves_in_the_moment_of_the_end_leaves_nothing_behind(
    bound_site: MakeBoundSite,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    leaves_first: bool,
) -> None:
    here = bound_site(timeout=HOUR)
    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    tasks = len(asyncio.all_tasks())
    for turns in range(8):
        ada = await here.site.signed_in()
        id = (await ada.visit(lambda session: session.id)).value
        there: Any = bound(ada) if kind == "socket" else opened(ada)
        async with there as client:
            await clock.advance(0.1)
            leave = client.disconnect if kind == "socket" else client.leave
            if leaves_first:
                leave()
            else:
                await here.site.store.end(id, "in that moment")
            for _ in range(turns):
                await asyncio.sleep(0)
            if leaves_first:
                await here.site.store.end(id, "in that moment")
            else:
                leave()
            await asyncio.wait([client.running], timeout=1)
            assert client.running.done()
    await clock.advance(1)
    assert here.done.count("ended") == 8
    here.site.store.calls.clear()
    await clock.advance(2 * HOUR)
    assert here.site.store.calls == []
    assert len(asyncio.all_tasks()) == tasks
    assert faults == []
    assert [it for it in caplog.records if it.levelno >= logging.WARNING or it.exc_info] == []


@pytest.mark.parametrize("by_itself", [True, False])
async def test_a_stream_that_is_cut_tidies_up_undisturbed_also_where_it_ends_its_own_session(
    bound_site: MakeBoundSite, by_itself: bool
) -> None:
    here = bound_site(timeout=MINUTE)
    done: list[object] = []
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value

    @here.site.app.get("/tidy")
    @here.site.idle.bound
    async def tidy() -> Response:
        async def body() -> AsyncIterator[bytes]:
            try:
                yield b"bit "
                if by_itself:
                    done.append(await here.site.idle.sessions.end(id))
                else:
                    await asyncio.sleep(HOUR)
                yield b"more"
            finally:
                await asyncio.sleep(5)
                done.append("tidied up")

        return Response(body())

    async with opened(ada, "/tidy") as stream:
        assert stream.running is not None
        await asyncio.wait([stream.running], timeout=70)
        assert stream.running.done()
        assert (stream.body, stream.whole) == (b"bit ", False)
    assert done == ([True] if by_itself else []) + ["tidied up"]


async def test_the_client_of_a_view_that_takes_no_notice_is_told_all_the_same(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site()
    over = asyncio.Event()
    cancelled: list[str] = []

    @here.site.app.websocket("/stubborn")
    @here.site.idle.bound
    async def stubborn() -> None:
        await websocket.accept()
        while not over.is_set():
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                cancelled.append("once")

    ada = await here.site.signed_in()
    async with bound(ada, "/stubborn") as socket:
        await clock.advance(2)
        await here.site.idle.sessions.end_all("ada")
        assert await goodbye(socket) == (4401, "signed out everywhere")
        await clock.advance(10)
        assert cancelled == ["once"]
        over.set()

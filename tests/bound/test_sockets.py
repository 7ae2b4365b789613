"""The application's own sockets end with the session: in process, where time passes at once."""

from __future__ import annotations

import asyncio
from typing import Any

from quart import websocket

from tests.helpers.bound_site import MakeBoundSite, bound, goodbye
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end, look


async def test_an_end_closes_the_socket_at_once_with_its_reason(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()
    async with bound(ada) as one, bound(ada) as other:
        await clock.advance(0.01)
        began = clock.monotonic()
        await ada.copy().visit(end("é" * 100))
        assert await goodbye(one) == (4401, "é" * 61)
        assert await goodbye(other) == (4401, "é" * 61)
        assert clock.monotonic() - began < 1
    assert here.done == ["began", "began", "ended", "ended"]


async def test_an_end_by_time_closes_the_socket_which_holds_no_session_open(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    async with bound(ada) as socket:
        for _ in range(50):
            await clock.advance(MINUTE)
            await socket.send({})  # which is no activity here
        await ada.visit()  # this is
        began = clock.monotonic()
        assert await goodbye(socket) == (4401, "idle")
        assert HOUR - 1 < clock.monotonic() - began < HOUR + 1
    assert here.site.store.calls.count("renew") <= 3


async def test_what_comes_on_the_socket_is_activity_where_that_is_asked_for(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    async with bound(ada, "/active") as socket:
        for _ in range(150):
            await socket.send({})
            await clock.advance(MINUTE)
        # Most is held back: an eighth of the timeout may pass.
        assert here.site.store.calls.count("renew") < 30
        assert (await ada.visit(look, "/passive/above")).value == {}
        for _ in range(100):
            await socket.send({})
        began = clock.monotonic()
        assert await goodbye(socket) == (4401, "idle")
        assert HOUR - 1 < clock.monotonic() - began < HOUR + 1


async def test_where_no_session_is_the_view_is_not_called(bound_site: MakeBoundSite) -> None:
    here = bound_site()
    async with bound(here.site.browser("A" * 43)) as socket:
        assert await goodbye(socket) == (4401, "unknown")
    ada = await here.site.signed_in()
    late = ada.copy()
    await ada.visit(end("by hand"))
    async with bound(late) as socket:
        assert await goodbye(socket) == (4401, "by hand")
    assert here.done == []


async def test_a_socket_that_is_not_accepted_yet_is_accepted_and_told(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()
    async with bound(ada, "/late", subprotocols=["chat.v2", "chat.v1"]) as socket:
        await clock.advance(1)
        assert socket.accepted is None
        await ada.copy().visit(end("by hand"))
        assert await goodbye(socket) == (4401, "by hand")
        # A browser that asked for one, and got none, would not tell its page the code.
        assert socket.accepted is not None
        assert socket.accepted["subprotocol"] == "chat.v2"


async def test_a_socket_that_the_client_leaves_or_the_view_closes_is_closed_once(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()
    async with bound(ada) as left:
        await clock.advance(1)
        left.disconnect()
        await ada.copy().visit(end())  # the same moment
        assert left.running is not None
        await left.running
    assert left._from_app.qsize() <= 1
    assert here.done == ["began", "ended"]

    async def close(_: Any) -> None:
        await websocket.close(4000, "by the view")

    here.do = close
    ada = await here.site.signed_in()
    async with bound(ada) as closed:
        assert await goodbye(closed) == (4000, "by the view")
        await ada.copy().visit(end())
        await clock.advance(10)
        assert closed._from_app.empty()


async def test_a_view_that_ends_the_session_itself_is_closed_like_the_others(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site()

    async def sign_out(session: Any) -> None:
        if not here.site.store.calls.count("end"):
            session.end("by socket")
            await session.save()

    ada = await here.site.signed_in()
    async with bound(ada) as other:
        await clock.advance(1)
        here.do = sign_out
        async with bound(ada) as own:
            assert await goodbye(own) == (4401, "by socket")
            assert await goodbye(other) == (4401, "by socket")


async def test_what_a_view_says_after_the_end_does_not_go_out(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()

    async def go_on(_: Any) -> None:
        """Take no notice of being cancelled."""
        while True:
            try:
                await websocket.send("{}")
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                here.done.append("swallowed")

    here.do = go_on
    async with bound(ada) as socket:
        await clock.advance(2.5)
        await ada.copy().visit(end("by hand"))
        for _ in range(3):
            assert await socket.receive() == {}
        assert await goodbye(socket) == (4401, "by hand")
        await clock.advance(10)
        assert socket._from_app.empty()
        assert socket.running is not None
        assert socket.running.done()
    assert here.done[:2] == ["began", "swallowed"]


async def test_a_view_that_hangs_as_it_ends_keeps_no_socket_open(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()

    async def hang(_: Any) -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            await asyncio.sleep(20)
            here.done.append("tidied up")

    here.do = hang
    async with bound(ada) as socket:
        await clock.advance(3)
        began = clock.monotonic()
        await ada.copy().visit(end("by hand"))
        assert await goodbye(socket) == (4401, "by hand")
        assert clock.monotonic() - began < 1
        # That the client leaves then does not cut short what the view does.
        await clock.advance(25)
    assert here.done == ["began", "tidied up", "ended"]


async def test_a_client_that_does_not_answer_is_waited_for_five_seconds(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()
    async with bound(ada) as socket:
        socket.answers_close = False
        await clock.advance(1)
        await ada.copy().visit(end())
        assert (await goodbye(socket))[0] == 4401
        for _ in range(1000):  # what comes is read, and of no account
            await socket.send({})
        await clock.advance(1)
        assert socket._to_app.empty()
        assert here.done == ["began", "ended"]
        assert socket.running is not None
        assert not socket.running.done()
        await clock.advance(5)
        assert socket.running.done()

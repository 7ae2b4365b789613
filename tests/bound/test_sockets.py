"""The application's own sockets end with the session: in process, where time passes at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from quart import websocket

from quart_idle.stores.base import Change
from tests.helpers.bound_site import MakeBoundSite
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end, look, put, regenerate, sign_in, why
from tests.helpers.site import Browser
from tests.helpers.sockets import Closed, Socket, open_socket


def bound(browser: Browser, path: str = "/bound", **options: Any) -> Any:
    return open_socket(browser, path=path, **options)


async def goodbye(socket: Socket) -> tuple[int, str]:
    with pytest.raises(Closed) as closed:
        await socket.receive()
    return closed.value.code, closed.value.reason


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


async def test_a_changed_token_goes_on_and_an_end_after_it_is_heard(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    async with bound(ada) as socket:
        for _ in range(2):
            await clock.advance(1)
            await ada.visit(regenerate)
        await clock.advance(50 * MINUTE)
        await ada.visit(regenerate)
        await clock.advance(20 * MINUTE)  # the deadline is the new session's
        assert here.done == ["began"]
        await ada.visit(end("by hand"))
        assert await goodbye(socket) == (4401, "by hand")


async def test_a_change_of_token_is_no_activity_of_the_socket_s(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value
    async with bound(ada) as socket:
        await clock.advance(30 * MINUTE)
        await here.site.store.regenerate(id, id[:2] + "new", Change({}, {}))
        began = clock.monotonic()
        assert await goodbye(socket) == (4401, "idle")
        assert clock.monotonic() - began < 31 * MINUTE


async def test_what_was_held_back_follows_the_session_to_its_new_token(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value
    async with bound(ada, "/active") as socket:
        await clock.advance(7 * MINUTE)
        await socket.send({})  # held back
        await clock.advance(1)
        await here.site.store.regenerate(id, id[:2] + "new", Change({}, {}))
        began = clock.monotonic()
        assert await goodbye(socket) == (4401, "idle")
        assert clock.monotonic() - began > 59 * MINUTE


@pytest.mark.parametrize("user", ["grace", "ada"])
async def test_another_user_ends_it_and_so_does_a_new_sign_in(
    bound_site: MakeBoundSite, clock: Clock, user: str
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()

    def again(session: Any) -> None:
        session.clear()
        session.user_id = user

    async with bound(ada) as socket:
        await clock.advance(1)
        await ada.copy().visit(again)
        assert await goodbye(socket) == (4409, "regenerated")
    assert here.done == ["began", "ended"]


async def test_signing_in_ends_the_socket_of_nobody(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site()
    ada = here.site.browser()
    await ada.visit(put(a=1))
    async with bound(ada) as socket:
        await clock.advance(1)
        await ada.copy().visit(sign_in("ada"))
        assert await goodbye(socket) == (4409, "regenerated")


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


async def test_a_socket_with_the_former_token_is_to_come_back_with_the_new_one(
    bound_site: MakeBoundSite,
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()
    late = ada.copy()
    await ada.visit(regenerate)
    async with bound(late) as socket:
        assert await goodbye(socket) == (4409, "regenerated")


async def test_while_the_store_is_down_the_socket_is_to_try_again(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(store_timeout=1)
    ada = await here.site.signed_in()
    here.site.store.fault = OSError()
    async with bound(ada) as socket:
        assert (await goodbye(socket))[0] == 1013
    here.site.store.fault = None
    gate = here.site.store.hold("load")
    async with bound(ada) as socket:
        await gate.reached.wait()
        gate.open()
        gate = here.site.store.hold("load")  # the second time: the session is joined
        await clock.advance(5)
        assert (await goodbye(socket))[0] == 1013
    assert here.done == []


async def test_an_end_while_the_socket_is_bound_is_heard(bound_site: MakeBoundSite) -> None:
    here = bound_site()
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value
    first = here.site.store.hold("load")
    async with bound(ada) as socket:
        await first.reached.wait()
        second = here.site.store.hold("load", after=True)
        first.open()
        await second.reached.wait()
        await here.site.store.end(id, "in between")
        second.open()
        assert await goodbye(socket) == (4401, "in between")
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


async def test_faults_of_the_store_end_nothing_and_the_new_token_is_found_after_them(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value
    new = id[:2] + "new"
    async with bound(ada) as socket:
        await clock.advance(1)
        gate = here.site.store.hold("save")
        await here.site.store.regenerate(id, new, Change({}, {}))
        await gate.reached.wait()
        here.site.store.fault = OSError()
        gate.open()
        await clock.advance(60)
        assert here.done == ["began"]
        here.site.store.fault = None
        await clock.advance(30)
        assert here.done == ["began"]
        await here.site.store.end(new, "by hand")
        assert await goodbye(socket) == (4401, "by hand")


async def test_an_end_between_a_new_token_and_its_being_followed_is_heard(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value
    async with bound(ada) as socket:
        await clock.advance(1)
        gate = here.site.store.hold("save", after=True)
        await here.site.store.regenerate(id, id[:2] + "new", Change({}, {}))
        await gate.reached.wait()
        await here.site.store.end(id, "in between")
        gate.open()
        assert await goodbye(socket) == (4401, "in between")


@pytest.mark.parametrize("lost", ["an end", "a new token, then an end", "another user"])
async def test_what_was_not_told_is_heard_at_the_next_ping(
    bound_site: MakeBoundSite, clock: Clock, lost: str
) -> None:
    here = bound_site(timeout=HOUR, ping_interval=25)
    store = here.site.store
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value
    new = id[:2] + "new"
    code = 4401
    async with bound(ada) as socket:
        await clock.advance(1)
        store.deaf = True
        if lost == "an end":
            await store.end(id, "by hand")
        elif lost == "another user":
            code = 4409
            await store.regenerate(id, new, Change({}, {"user_id": "grace"}))
        else:
            await store.regenerate(id, new, Change({}, {}))
            await clock.advance(60)
            assert here.done == ["began"]
            await store.end(new, "by hand")
        began = clock.monotonic()
        assert (await goodbye(socket))[0] == code
        assert clock.monotonic() - began <= 51


async def test_while_all_is_heard_the_store_is_asked_nothing(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR, ping_interval=25)
    ada = await here.site.signed_in()
    async with bound(ada):
        await clock.advance(1)
        here.site.store.calls.clear()
        await clock.advance(50 * MINUTE)
        assert here.site.store.calls == []


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
        await clock.advance(3)
        await ada.copy().visit(end("by hand"))
        for _ in range(4):
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

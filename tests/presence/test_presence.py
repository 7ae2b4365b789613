"""Open pages, from outside: a real hypercorn, real sockets, timeouts of seconds."""

from __future__ import annotations

import asyncio
import time

import httpx

from tests.helpers.servers import NewClient, Serve, signed_in
from tests.helpers.wire import frame, goodbye, hold, presence


async def test_an_open_page_keeps_its_session_alive_without_a_warning(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 1.2, "warning": 0.5})
    user = await signed_in(server, client)
    async with presence(server, user) as page:
        others = await hold(page, 4)
    assert [message["type"] for message in others] == ["state"]
    facts = (await user.get("/peek")).json()
    assert facts["user"] == "ada"


async def test_a_session_ends_as_idle_when_its_page_is_closed(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 1.2, "warning": 0.5})
    user = await signed_in(server, client)
    async with presence(server, user) as page:
        await hold(page, 2)
    await asyncio.sleep(1.5)
    facts = (await user.get("/peek")).json()
    assert (facts["user"], facts["ended"]) == (None, "idle")


async def test_the_closed_timeout_counts_from_the_last_page(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 60, "closed_timeout": 1.2, "ping_interval": 0.3, "warning": 20})
    user = await signed_in(server, client)
    await asyncio.sleep(1.5)  # no page was open yet: this clock does not run
    async with presence(server, user) as page:
        await hold(page, 2)
    await asyncio.sleep(0.6)
    state = await user.get("/_idle/state")
    assert state.status_code == 200
    assert 0 < state.json()["left"] < 1200
    await asyncio.sleep(1)
    state = await user.get("/_idle/state")
    assert (state.status_code, state.json()) == (401, {"reason": "closed"})


async def test_state_tells_what_the_page_needs(serve: Serve, client: NewClient) -> None:
    server = serve({"timeout": 30, "warning": 20, "lifetime": 50, "keepalive": "activity"})
    user = await signed_in(server, client)
    async with presence(server, user) as page:
        state = await frame(page)
    assert list(state) == ["type", "left", "total", "warning", "keepalive", "retry"]
    assert 29_000 < state["left"] <= 30_000
    assert 49_000 < state["total"] <= 50_000
    assert (state["warning"], state["keepalive"]) == (20_000, "activity")
    assert state["retry"] >= 1000


async def test_pages_without_user_input_are_warned_and_ended_in_activity_mode(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 2, "warning": 1, "keepalive": "activity"})
    before = time.monotonic()
    user = await signed_in(server, client)
    began = time.monotonic()  # or a little earlier, on a busy machine
    async with presence(server, user) as page:
        idle = '{"type": "pong", "idle": 60000, "visible": true}'
        while True:
            message = await frame(page)
            if message["type"] == "ping":
                await page.send(idle)
            elif message["type"] == "warn":
                break
        assert time.monotonic() - before > 0.9
        assert time.monotonic() - began < 1.5
        assert message["extendable"] is True
        assert 500 < message["left"] <= 1000
        assert await goodbye(page) == (4401, "idle")
        assert time.monotonic() - before > 1.9
        assert time.monotonic() - began < 2.6


async def test_user_input_is_activity(serve: Serve, client: NewClient) -> None:
    server = serve({"timeout": 1.2, "warning": 0.5, "keepalive": "activity"})
    user = await signed_in(server, client)
    async with presence(server, user) as page:
        others = await hold(page, 3)
    assert [message["type"] for message in others] == ["state"]


async def test_extending_renews_and_is_confirmed_on_every_page(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 2, "warning": 1, "keepalive": "activity", "ping_interval": 1})
    user = await signed_in(server, client)
    async with presence(server, user) as one, presence(server, user) as other:
        for page in (one, other):
            while (await frame(page))["type"] != "warn":
                pass
        await one.send('{"type": "extend"}')
        for page in (one, other):
            while (state := await frame(page))["type"] != "state":
                pass
            assert state["left"] > state["warning"]


async def test_a_warned_session_that_a_request_renews_says_so(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 2, "warning": 1, "keepalive": "activity", "ping_interval": 1})
    user = await signed_in(server, client)
    async with presence(server, user) as page:
        while (await frame(page))["type"] != "warn":
            pass
        await user.get("/untouched")
        while (state := await frame(page))["type"] != "state":
            pass
        assert state["left"] > state["warning"]


async def test_asking_renews_nothing(serve: Serve, client: NewClient) -> None:
    server = serve({"timeout": 60, "warning": 20})
    user = await signed_in(server, client)
    async with presence(server, user) as page:
        first = await frame(page)
        await asyncio.sleep(0.5)
        await page.send('{"type": "ask"}')
        while (second := await frame(page))["type"] != "state":
            pass
    assert second["left"] <= first["left"] - 450
    await asyncio.sleep(0.2)
    assert (await user.get("/_idle/state")).json()["left"] < second["left"]


async def test_the_lifetime_ends_a_session_and_cannot_be_extended(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 60, "warning": 1, "lifetime": 3})
    before = time.monotonic()
    user = await signed_in(server, client)
    began = time.monotonic()  # or a little earlier, on a busy machine
    async with presence(server, user) as page:
        warning = await frame(page, "warn")
        assert warning["extendable"] is False
        await page.send('{"type": "extend"}')
        state = await frame(page, "state")
        assert state["left"] <= 1000
        assert state["left"] == state["total"]
        assert await goodbye(page) == (4401, "lifetime")
    assert time.monotonic() - before > 2.9
    assert time.monotonic() - began < 3.6
    assert (await user.get("/peek")).json()["ended"] == "lifetime"


async def test_a_session_s_own_timeout_counts_for_its_pages(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 60, "warning": 20, "keepalive": "activity", "ping_interval": 1})
    user = await signed_in(server, client, timeout="1.5")
    async with presence(server, user) as page:
        assert (await frame(page))["warning"] == 750
        assert await goodbye(page) == (4401, "idle")


async def test_a_page_with_a_token_that_was_just_changed_is_told_to_reconnect(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 60})
    user = await signed_in(server, client)
    late = client(server)
    late.cookies = httpx.Cookies(user.cookies)
    await user.post("/regenerate")
    async with presence(server, late) as page:
        assert await goodbye(page) == (4409, "regenerated")


async def test_a_server_that_stops_sends_its_pages_to_try_again(
    serve: Serve, client: NewClient
) -> None:
    server = serve({})
    user = await signed_in(server, client)
    async with presence(server, user) as page:
        await frame(page, "state")
        server.stop()
        assert (await goodbye(page))[0] in (1001, 1006, 1011, 1012)

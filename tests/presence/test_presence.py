"""Open pages, from outside: a real hypercorn, real sockets, timeouts of seconds."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import httpx
import pytest
import websockets

from tests.helpers.servers import NewClient, Serve, signed_in
from tests.helpers.wire import PONG, frame, goodbye, hold, presence


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
    user = await signed_in(server, client)
    began = time.monotonic()
    async with presence(server, user) as page:
        idle = '{"type": "pong", "idle": 60000, "visible": true}'
        while True:
            message = await frame(page)
            if message["type"] == "ping":
                await page.send(idle)
            elif message["type"] == "warn":
                break
        assert 0.9 < time.monotonic() - began < 1.5
        assert message["extendable"] is True
        assert 500 < message["left"] <= 1000
        assert await goodbye(page) == (4401, "idle")
        assert 1.9 < time.monotonic() - began < 2.6


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
    server = serve({"timeout": 2, "warning": 1, "lifetime": 3})
    user = await signed_in(server, client)
    began = time.monotonic()
    async with presence(server, user) as page:
        warning = await frame(page, "warn")
        assert warning["extendable"] is False
        await page.send('{"type": "extend"}')
        state = await frame(page, "state")
        assert state["left"] <= 1000
        assert state["left"] == state["total"]
        assert await goodbye(page) == (4401, "lifetime")
    assert 2.9 < time.monotonic() - began < 3.6
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


@pytest.mark.parametrize("cookie", [None, "", "x", "A" * 43, "A" * 5000, "é" * 43])
async def test_a_page_without_a_session_is_accepted_and_told(
    serve: Serve, client: NewClient, cookie: str | None
) -> None:
    server = serve({})
    user = client(server)
    if cookie is not None:
        user.cookies.set("session", cookie)
    async with presence(server, user) as page:
        assert await goodbye(page) == (4401, "unknown")


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.example",
        "https://{host}",
        "http://{host}.evil.example",
        "http://{host}/",
        "http://evil.example/{host}",
        "http://evil@{host}",
        "http://127.0.0.1",
        "http://localhost:{port}",
    ],
)
async def test_a_socket_from_another_origin_is_refused(
    serve: Serve, client: NewClient, origin: str | None
) -> None:
    server = serve({"allowed_origins": ["https://good.example"]})
    user = await signed_in(server, client)
    host = f"127.0.0.1:{server.port}"
    if origin is not None:
        origin = origin.format(host=host, port=server.port)
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with presence(server, user, origin=origin):
            pass
    assert refusal.value.response.status_code == 403
    headers = {} if origin is None else {"Origin": origin}
    async with httpx.AsyncClient(base_url=server.url, cookies=user.cookies) as stranger:
        for route in ("/_idle/extend", "/_idle/presence"):
            # (Without a body, which a busy server may refuse before it is sent.)
            assert (await stranger.post(route, headers=headers)).status_code == 403


async def test_an_allowed_origin_is_let_in(serve: Serve, client: NewClient) -> None:
    server = serve({"allowed_origins": ["https://good.example"]})
    user = await signed_in(server, client)
    async with presence(server, user, origin="https://good.example:443") as page:
        assert (await frame(page))["type"] == "state"


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("", 1008),
        ("not json", 1008),
        ("[]", 1008),
        ('"pong"', 1008),
        ("null", 1008),
        ("{}", 1008),
        ('{"type": "state"}', 1008),
        ('{"type": ["pong"]}', 1008),
        ('{"type": "pong"}', 1008),
        ('{"type": "pong", "idle": 0}', 1008),
        ('{"type": "pong", "idle": "0", "visible": true}', 1008),
        ('{"type": "pong", "idle": true, "visible": true}', 1008),
        ('{"type": "pong", "idle": -1, "visible": true}', 1008),
        ('{"type": "pong", "idle": NaN, "visible": true}', 1008),
        ('{"type": "pong", "idle": 1e999, "visible": true}', 1008),
        ('{"type": "pong", "idle": ' + "9" * 400 + ', "visible": true}', 1008),
        ('{"type": "pong", "idle": 0, "visible": 1}', 1008),
        ("[" * 500, 1008),
        (b"", 1008),
        (PONG.encode(), 1008),
        (b"\xff" * 513, 1009),
        ('{"type": "ask", "pad": "' + "x" * 500 + '"}', 1009),
        ("é" * 300, 1009),
        ("x" * 1_000_000, 1009),
    ],
)
async def test_a_frame_that_breaks_the_protocol_sends_its_page_away_and_no_other(
    serve: Serve, client: NewClient, bad: str | bytes, code: int
) -> None:
    server = serve({"timeout": 60})
    user = await signed_in(server, client)
    async with presence(server, user) as page, presence(server, user) as other:
        await page.send(bad)
        assert (await goodbye(page))[0] == code
        await other.send('{"type": "ask"}')
        for _ in range(2):
            assert (await frame(other, "state"))["left"] > 0
    assert (await user.get("/peek")).json()["user"] == "ada"


async def test_a_page_that_does_not_read_delays_no_other(serve: Serve, client: NewClient) -> None:
    server = serve({"timeout": 4, "warning": 1, "ping_interval": 0.2})
    user = await signed_in(server, client)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    cookie = f"session={user.cookies['session']}"
    writer.write(
        f"GET /_idle/presence HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nOrigin: {server.url}\r\n"
        f"Cookie: {cookie}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    ask = bytes((0x81, 0x80 | 15, 0, 0, 0, 0)) + b'{"type": "ask"}'
    async with presence(server, user) as page:
        # It asks and asks and reads nothing: its answers fill all buffers on the way.
        for _ in range(60):
            writer.write(ask * 90)
            await asyncio.sleep(0.05)
            began = time.monotonic()
            await page.send('{"type": "ask"}')
            await frame(page, "state")
            assert time.monotonic() - began < 1
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    assert reader is not None


async def test_extend_and_state_and_presence_work_over_http(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 60, "warning": 20, "keepalive": "activity"})
    user = await signed_in(server, client)
    await asyncio.sleep(0.6)
    state = await user.get("/_idle/state")
    assert state.headers["Cache-Control"] == "no-store"
    assert state.json()["total"] is None
    assert state.json()["left"] < 59_500
    idle = '{"type": "pong", "idle": 30000, "visible": true}'
    untouched = (await user.post("/_idle/presence", content=idle)).json()
    assert untouched["left"] < 59_500
    assert (await user.post("/_idle/presence", content=PONG)).json()["left"] > 59_900
    await asyncio.sleep(0.3)
    assert (await user.post("/_idle/extend")).json()["left"] > 59_900
    headers = {"Origin": "", "Sec-Fetch-Site": "same-origin"}
    del user.headers["Origin"]
    assert (await user.post("/_idle/extend", headers={"Sec-Fetch-Site": "cross-site"})).is_error
    headers.pop("Origin")
    assert (await user.post("/_idle/extend", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [("", 400), ("[]", 400), ('{"type": "ask"}', 400), (b"\xff", 400), ("x" * 100_000, 413)],
)
async def test_a_bad_answer_over_http_is_an_error_that_says_why(
    serve: Serve, client: NewClient, body: str | bytes, status: int
) -> None:
    server = serve({})
    user = await signed_in(server, client)
    answer = await user.post("/_idle/presence", content=body)
    assert answer.status_code == status
    assert answer.json()["error"]


async def test_without_a_session_the_routes_say_401_and_why(
    serve: Serve, client: NewClient
) -> None:
    server = serve({})
    user = await signed_in(server, client)
    cookies = httpx.Cookies(user.cookies)
    await user.post("/sign-out")
    late = client(server)
    late.cookies = cookies
    for answer in (
        await late.get("/_idle/state"),
        await late.post("/_idle/extend"),
        await late.post("/_idle/presence", content=PONG),
    ):
        assert (answer.status_code, answer.json()) == (401, {"reason": "signed out"})
    assert (await client(server).get("/_idle/state")).json() == {"reason": "unknown"}


async def test_the_client_is_kept_for_good_under_its_version_only(
    serve: Serve, client: NewClient
) -> None:
    server = serve({})
    user = await signed_in(server, client)
    page = (await user.get("/page", params={"nonce": "abc"})).text
    assert 'nonce="abc"' in page
    path = page.partition('src="')[2].partition('"')[0]
    current = await user.get(path)
    assert "immutable" in current.headers["Cache-Control"]
    assert current.headers["Content-Type"].startswith("text/javascript")
    other = await user.get(path[:-1])
    assert other.headers["Cache-Control"] == "no-cache"
    assert other.content == current.content


async def test_a_server_that_stops_sends_its_pages_to_try_again(
    serve: Serve, client: NewClient
) -> None:
    server = serve({})
    user = await signed_in(server, client)
    async with presence(server, user) as page:
        await frame(page, "state")
        server.stop()
        assert (await goodbye(page))[0] in (1001, 1006, 1011, 1012)

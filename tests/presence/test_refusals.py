"""Who is refused or sent away, and that nobody else notices: a real hypercorn, real sockets."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import httpx
import pytest
import websockets

from tests.helpers.servers import NewClient, Serve, signed_in
from tests.helpers.wire import PONG, frame, goodbye, presence


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

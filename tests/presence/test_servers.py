"""What servers do that ASGI has no word for, and what becomes of open pages when they stop."""

from __future__ import annotations

import asyncio
import signal
import struct
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from quart_idle.servers import _DECLINE, decline_compression, stopping
from tests.helpers.redis_servers import RedisServer, redis_server
from tests.helpers.servers import NewClient, Serve, Server
from tests.helpers.waiting import until
from tests.helpers.wire import frame, presence

SERVERS = {
    "hypercorn": ("hypercorn", ()),
    "uvicorn, websockets without I/O": ("uvicorn", ("--ws", "websockets-sansio")),
    "uvicorn, websockets": ("uvicorn", ("--ws", "websockets")),
    "uvicorn, wsproto": ("uvicorn", ("--ws", "wsproto")),
}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@asynccontextmanager
async def open_pages(
    server: Server, client: httpx.AsyncClient, count: int
) -> AsyncIterator[list[ClientConnection]]:
    """Pages that have been greeted, and are closed afterwards."""
    async with AsyncExitStack() as stack:
        pages = [
            await stack.enter_async_context(presence(server, client, ping_interval=None))
            for _ in range(count)
        ]
        for page in pages:
            await frame(page, "state")
        yield pages


async def answer(page: ClientConnection) -> int:
    """Answer pings until the socket is closed; the close code."""
    try:
        while True:
            await frame(page, "none of them")
    except websockets.ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


@pytest.mark.parametrize("server", SERVERS)
async def test_a_page_s_socket_is_not_compressed(
    serve: Serve, client: NewClient, server: str
) -> None:
    name, options = SERVERS[server]
    running = serve({"ping_interval": 0.2, "timeout": 10}, *options, server=name)
    ada = client(running)
    await ada.post("/sign-in/ada")
    async with presence(running, ada, compression="deflate") as page:
        assert page.response is not None
        assert "Sec-WebSocket-Extensions" not in page.response.headers
        for _ in range(3):
            await frame(page, "ping")
            await page.send('{"type": "pong", "idle": 0, "visible": true}')
        await page.send('{"type": "ask"}')
        assert (await frame(page, "state"))["left"] > 9000
        await ada.post("/sign-out")
        assert await answer(page) == 4401
    # What the application's own sockets do is its own affair.
    async with websockets.connect(f"ws://127.0.0.1:{running.port}/echo") as socket:
        assert socket.response is not None
        assert "permessage-deflate" in socket.response.headers["Sec-WebSocket-Extensions"]


@pytest.mark.parametrize("server", SERVERS)
async def test_a_page_that_does_not_answer_two_pings_is_gone(
    serve: Serve, client: NewClient, server: str
) -> None:
    name, options = SERVERS[server]
    running = serve({"ping_interval": 0.4, "timeout": 60, "warning": 20}, *options, server=name)
    ada = client(running)
    await ada.post("/sign-in/ada")
    began = time.monotonic()
    async with presence(running, ada) as page:
        with suppress(websockets.ConnectionClosed):
            while True:
                await page.recv()
        assert page.close_code == 1001
    assert 0.8 < time.monotonic() - began < 3


def insides(module: str, **attributes: Any) -> Any:
    """A server's `send`, with whatever is behind it."""

    class Behind:
        async def send(self, message: Any) -> None:
            raise AssertionError(message)

    Behind.__module__ = module
    behind = Behind()
    vars(behind).update(attributes)
    return behind.send


async def test_insides_that_have_changed_do_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "quart_idle")
    for module in _DECLINE:
        caplog.clear()
        decline_compression(insides(module))
        assert "compression could not be declined" in caplog.text
    # Agreed to, as far as the page is told: then it is compressed.
    headers = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    for conn in (SimpleNamespace(), SimpleNamespace(extensions=("deflate",))):
        module = "uvicorn.protocols.websockets.websockets_sansio_impl"
        kept = dict(headers)
        decline_compression(insides(module, response=SimpleNamespace(headers=kept), conn=conn))
        assert bool(getattr(conn, "extensions", True)) == bool(kept)

    async def send(message: Any) -> None:
        raise AssertionError(message)

    decline_compression(send)
    fails = SimpleNamespace(is_set=lambda: 1 / 0)
    for terminated in (None, SimpleNamespace(), fails, SimpleNamespace(is_set=lambda: object())):
        context = SimpleNamespace(terminated=terminated)
        stops = stopping(insides("hypercorn.protocol.ws_stream", context=context))
        assert (stops is None) == (terminated is None)
        assert stops is None or not stops()
    assert stopping(send) is None


@pytest.mark.parametrize(("workers", "loop"), [("0", "asyncio"), ("1", "asyncio"), ("0", "uvloop")])
async def test_pages_leave_before_hypercorn_cuts_them(
    serve: Serve, client: NewClient, workers: str, loop: str
) -> None:
    server = serve({}, "--workers", workers, "-k", loop, "--graceful-timeout", "15")
    ada = client(server)
    await ada.post("/sign-in/ada")
    async with open_pages(server, ada, 20) as pages:
        codes = asyncio.gather(*(answer(page) for page in pages))
        begun = time.monotonic()
        status = await asyncio.to_thread(server.stop)
        assert time.monotonic() - begun < 10
        assert await codes == [1001] * len(pages)
    assert status == 0
    assert "Traceback" not in server.text()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("name", ["hypercorn", "uvicorn"])
async def test_what_is_held_back_is_settled_before_the_process_ends(
    serve: Serve, client: NewClient, redis: RedisServer, name: str, loop: str
) -> None:
    settings = {"store": redis.url, "timeout": 60, "ping_interval": 0.2}
    server = serve(settings, "-k" if name == "hypercorn" else "--loop", loop, server=name)
    ada = client(server)
    await ada.post("/sign-in/ada")
    async with open_pages(server, ada, 5) as pages:
        codes = asyncio.gather(*(answer(page) for page in pages))

        # Less than an eighth of the timeout: once Redis is subscribed to, nothing is written.
        def now_if_held_back() -> float | None:
            active, now = last_activity(redis)
            return now if now - active > 2 else None

        now = await until(now_if_held_back)
        status = await asyncio.to_thread(server.stop)
        assert set(await codes) <= {1001, 1011, 1012}
    assert status == (0 if name == "hypercorn" else -signal.SIGTERM)
    assert last_activity(redis)[0] > now - 0.5
    assert "Traceback" not in server.text()


async def test_a_worker_that_is_killed_takes_no_more_with_it_than_an_eighth_of_the_timeout(
    serve: Serve, client: NewClient, redis: RedisServer
) -> None:
    settings = {"store": redis.url, "timeout": 8, "ping_interval": 0.2}
    server = serve(settings, "--workers", "0")
    ada = client(server)
    await ada.post("/sign-in/ada")
    lost = 0.0
    async with open_pages(server, ada, 1) as (page,):
        code = asyncio.create_task(answer(page))
        for _ in range(60):
            await asyncio.sleep(0.05)
            active, now = last_activity(redis)
            lost = max(lost, now - active)
        server.process.kill()
        server.process.wait()
        assert await code == 1006
    # An eighth, what passes until the next ping, and half a second of gathering.
    assert 0.5 < lost < 8 / 8 + 0.2 + 0.5 + 0.5


def last_activity(redis: RedisServer) -> tuple[float, float]:
    """That of the only session, as Redis knows it, and what time it is there."""
    with redis.client as client:
        (key,) = (key for key in client.keys("quart-idle:{*") if client.type(key) == b"hash")
        _, active = struct.unpack_from("<dd", client.hget(key, b"\xff"))
        now, micro = client.time()
    return active, now + micro / 1e6

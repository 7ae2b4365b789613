"""The application's own sockets and streams end with the session, on every worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.helpers.redis_servers import Cluster, RedisServer, cluster, redis_server
from tests.helpers.servers import NewClient, Serve, Server, signed_in
from tests.helpers.waiting import until
from tests.helpers.wire import goodbye

TARGET = "tests.helpers.bound_app:app"


@pytest.fixture(params=["alone", "cluster"])
def redis(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RedisServer | Cluster]:
    begin = redis_server if request.param == "alone" else cluster
    with begin(tmp_path) as servers:
        yield servers


def own(
    server: Server, user: httpx.AsyncClient, path: str = "/bound", **options: Any
) -> websockets.connect:
    """The application's own socket, with the user's cookie."""
    cookies = {"Cookie": f"session={user.cookies['session']}"}
    return websockets.connect(
        f"ws://127.0.0.1:{server.port}{path}", additional_headers=cookies, **options
    )


async def echoes(socket: ClientConnection) -> bool:
    await socket.send("hello")
    return await socket.recv() == "hello"


async def events(server: Server, user: httpx.AsyncClient, began: asyncio.Event) -> str:
    """Read a stream until it ends; how."""
    token = user.cookies["session"]
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
        client.cookies.set("session", token)
        try:
            async with client.stream("GET", "/events") as response:
                async for _ in response.aiter_bytes():
                    began.set()
        except httpx.RemoteProtocolError:
            return "cut"
    return "whole"


async def test_an_end_on_one_worker_closes_sockets_and_streams_of_others_within_a_second(
    serve: Serve, client: NewClient, redis: RedisServer | Cluster
) -> None:
    settings = {"store": redis.url, "timeout": 60}
    here, there = (serve(settings, target=TARGET) for _ in range(2))
    ada = await signed_in(here, client)
    began = asyncio.Event()
    async with own(here, ada) as one, own(there, ada) as other:
        assert await echoes(one)
        assert await echoes(other)
        stream = asyncio.create_task(events(there, ada, began))
        await began.wait()
        elsewhere = client(here)
        elsewhere.cookies.set("session", ada.cookies["session"])
        # A mere change of token goes on.
        for _ in range(2):
            (await elsewhere.post("/regenerate")).raise_for_status()
            await asyncio.sleep(0.3)
            assert await echoes(one)
            assert await echoes(other)
            assert not stream.done()
        (await elsewhere.post("/sign-out?reason=by+hand")).raise_for_status()
        async with asyncio.timeout(1):
            assert await goodbye(other) == (4401, "by hand")
            assert await goodbye(one) == (4401, "by hand")
            assert await stream == "cut"


async def test_another_user_is_never_under_a_live_socket(
    serve: Serve, client: NewClient, redis: RedisServer | Cluster
) -> None:
    settings = {"store": redis.url, "timeout": 60}
    here, there = (serve(settings, target=TARGET) for _ in range(2))
    ada = await signed_in(here, client)
    began = asyncio.Event()
    async with own(there, ada) as socket:
        assert await echoes(socket)
        stream = asyncio.create_task(events(there, ada, began))
        await began.wait()
        (await ada.post("/sign-in/grace")).raise_for_status()
        async with asyncio.timeout(1):
            assert await goodbye(socket) == (4409, "regenerated")
            assert await stream == "cut"
    async with own(there, ada) as socket:
        assert await echoes(socket)


@pytest.mark.parametrize("server", ["hypercorn", "uvicorn"])
async def test_a_flood_and_a_view_that_takes_no_notice_keep_no_socket_open(
    serve: Serve, client: NewClient, server: str
) -> None:
    running = serve({"timeout": 60}, target=TARGET, server=server)
    ada = await signed_in(running, client)
    try:
        async with own(running, ada) as flooding, own(running, ada, "/hangs") as hanging:
            assert await hanging.recv() == "begun"

            async def flood() -> None:
                while True:
                    await flooding.send("x" * 1000)
                    await asyncio.sleep(0)

            async def read() -> None:
                async for _ in flooding:
                    pass

            tasks = [asyncio.create_task(flood()), asyncio.create_task(read())]
            await asyncio.sleep(0.5)
            (await ada.post("/sign-out")).raise_for_status()
            ended = time.monotonic()
            assert await goodbye(hanging, 2) == (4401, "signed out")
            async with asyncio.timeout(10):
                await asyncio.gather(*tasks, return_exceptions=True)
            assert (flooding.close_code, flooding.close_reason) == (4401, "signed out")
            # The lowest release of uvicorn waits for what is on its way, for its time-out.
            assert time.monotonic() - ended < {"hypercorn": 3, "uvicorn": 8}[server]
    finally:
        # The view that hangs would hold up the server's end.
        running.process.kill()


@pytest.mark.parametrize("path", ["/flood", "/torrent"])
async def test_a_client_that_does_not_read_is_cut(
    serve: Serve, client: NewClient, path: str
) -> None:
    server = serve({"timeout": 60}, target=TARGET)
    ada = await signed_in(server, client)
    upgrade = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    head = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Cookie: session={ada.cookies['session']}\r\n"
    )
    writer.write(f"{head}{upgrade if path == '/flood' else ''}\r\n".encode())

    async def floods() -> int:
        found: int = (await ada.get("/tasks")).json()["floods"]
        return found

    await until(floods)
    (await ada.post("/sign-out")).raise_for_status()

    async def is_over() -> bool:
        return not await floods()

    await until(is_over, 5)
    writer.transport.abort()
    reader.feed_eof()


async def test_a_server_that_stops_sends_its_bound_sockets_away_to_come_back(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 60}, target=TARGET)
    ada = await signed_in(server, client)
    async with own(server, ada) as socket:
        assert await echoes(socket)
        code = asyncio.create_task(goodbye(socket))
        await asyncio.to_thread(server.stop)
        assert await code == (1001, "the server stops")
    assert "Traceback" not in server.text()


async def test_a_bound_socket_has_no_more_tasks_than_another(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 60}, target=TARGET)
    ada = await signed_in(server, client)

    async def tasks_with(path: str) -> int:
        sockets = [await own(server, ada, path) for _ in range(20)]
        assert all([await echoes(socket) for socket in sockets])
        found: int = (await ada.get("/tasks")).json()["tasks"]
        for socket in sockets:
            await socket.close()
        return found

    assert await tasks_with("/bound") <= await tasks_with("/free") + 2

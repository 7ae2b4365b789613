"""Open pages over real sockets."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import ClientConnection

from tests.helpers.servers import Server

PONG = '{"type": "pong", "idle": 0, "visible": true}'


def presence(server: Server, client: httpx.AsyncClient, **options: Any) -> websockets.connect:
    """A page's socket, with the client's cookies."""
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    options.setdefault("origin", server.url)
    return websockets.connect(
        f"ws://127.0.0.1:{server.port}/_idle/presence",
        additional_headers={"Cookie": cookies} if cookies else {},
        **options,
    )


def own_socket(server: Server, user: httpx.AsyncClient) -> websockets.connect:
    """The application's own socket, with the user's cookie."""
    cookies = {"Cookie": f"session={user.cookies['session']}"}
    return websockets.connect(f"ws://127.0.0.1:{server.port}/echo", additional_headers=cookies)


async def frame(page: ClientConnection, kind: str | None = None) -> dict[str, Any]:
    """The next frame, of a kind if one is named; pings on the way are answered."""
    while True:
        message: dict[str, Any] = json.loads(await page.recv())
        if kind is None or message["type"] == kind:
            return message
        if message["type"] == "ping":
            await page.send('{"type": "pong", "idle": 0, "visible": true}')


async def hold(page: ClientConnection, seconds: float, pong: str = PONG) -> list[dict[str, Any]]:
    """Be an open page for some seconds; what came beside pings."""
    others = []
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                message = json.loads(await page.recv())
                if message["type"] == "ping":
                    await page.send(pong)
                else:
                    others.append(message)
    return others


async def goodbye(page: ClientConnection, within: float = 10.0) -> tuple[int, str]:
    """The close code and reason that a page is sent away with."""
    with suppress(websockets.ConnectionClosed):
        async with asyncio.timeout(within):
            while True:
                await page.recv()
    return page.close_code or 0, page.close_reason or ""

"""An application whose own sockets and streams end with the session, under hypercorn."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any, cast

import quart
from quart import Quart, Response, request, websocket

from quart_idle import QuartIdle, Session

session = cast(Session, quart.session)
app = Quart(__name__)
app.config["RESPONSE_TIMEOUT"] = None
idle = QuartIdle(app, **json.loads(os.environ.get("QUART_IDLE_TEST", "{}")))


#: Those that are not over.
floods: set[object] = set()


@app.post("/sign-in/<user>")
async def sign_in(user: str) -> dict[str, Any]:
    session.clear()
    session.user_id = user
    return {}


@app.post("/regenerate")
async def regenerate() -> dict[str, Any]:
    session.regenerate()
    return {}


@app.post("/sign-out")
async def sign_out() -> dict[str, Any]:
    session.end(request.args.get("reason", "signed out"))
    return {}


@app.get("/tasks")
async def tasks() -> dict[str, int]:
    """How many tasks there are, and how many that flood are not over."""
    return {"tasks": len(asyncio.all_tasks()), "floods": len(floods)}


async def _echo() -> None:
    while True:
        await websocket.send(await websocket.receive())


app.websocket("/free", endpoint="free")(_echo)
app.websocket("/bound", endpoint="bound")(idle.bound(_echo))


@app.websocket("/flood")
@idle.bound
async def flood() -> None:
    """Sends without an end."""
    floods.add(own := object())
    try:
        while True:
            await websocket.send("x" * 65_536)
    finally:
        floods.discard(own)


@app.websocket("/hangs")
@idle.bound
async def hangs() -> None:
    """Takes no notice of being cancelled, and never ends."""
    await websocket.send("begun")
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if "stop" in websocket.args:
                raise


@app.get("/slow")
async def slow() -> str:
    """What somebody waits for."""
    await asyncio.sleep(1.5)
    return "whole"


@app.get("/events")
@idle.bound
async def events() -> Response:
    async def body() -> AsyncIterator[bytes]:
        number = 0
        while True:
            yield f"data: {number}\n\n".encode()
            number += 1
            await asyncio.sleep(0.05)

    return Response(body(), mimetype="text/event-stream")


@app.get("/torrent")
@idle.bound
async def torrent() -> Response:
    async def body() -> AsyncIterator[bytes]:
        floods.add(own := object())
        try:
            while True:
                yield b"x" * 65_536
        finally:
            floods.discard(own)

    return Response(body())

"""What an application's own sockets cost where they end with the session (`@idle.bound`)."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable

from quart import Quart, websocket

from quart_idle.stores.memory import MemoryStore

from .clients import Clients, allow_files, clients
from .contenders import Contender, application
from .echo import STAYING
from .serving import PATIENCE, Server, serve

_SOCKETS = 10_000


def own_sockets() -> Quart:
    """An application with sockets of its own, on sessions in memory."""
    app = application(MemoryStore())

    async def wait() -> None:
        await websocket.send("hello")
        while True:
            await websocket.receive()

    app.websocket("/free", endpoint="free")(wait)
    app.websocket("/bound", endpoint="bound")(app.extensions["quart_idle"].bound(wait))

    @app.get("/tasks")
    async def tasks() -> str:
        return str(len(asyncio.all_tasks()))

    return app


_OWN = Contender("the application's own", own_sockets)


def _measure(path: str, fleet: Clients) -> None:
    with serve(_OWN, interval=25) as server:
        tokens = server.get(f"/sessions/{_SOCKETS + STAYING}").split()
        fleet.open(server.port, path, tokens[:STAYING])
        time.sleep(1)
        before, tasks = server.memory(), int(server.get("/tasks"))
        fleet.open(server.port, path, tokens[STAYING:])
        each = (server.memory() - before) / _SOCKETS
        more = (int(server.get("/tasks")) - tasks) / _SOCKETS
        used = -server.cpu()
        time.sleep(10)
        used += server.cpu()
        print(f"{path}: {each:.1f} KB and {more:.2f} tasks a socket; CPU in 10 s: {used:.2f} s")
        if path == "/bound":
            ended = _until_closed(fleet, _SOCKETS, lambda: server.get("/end"))
            print(f"all sessions ended: the last close frame after {ended:.1f} s")
        fleet.leave()


def _stop(fleet: Clients) -> None:
    with serve(_OWN, interval=25) as server:
        tokens = server.get(f"/sessions/{_SOCKETS}").split()
        fleet.open(server.port, "/bound", tokens)
        stopped = _until_closed(fleet, _SOCKETS, lambda: _terminate(server))
        print(f"the server stops: the last close frame after {stopped:.1f} s")
        fleet.leave()


def _terminate(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)


def _until_closed(fleet: Clients, count: int, act: Callable[[], object]) -> float:
    """How long it takes until so many sockets have their close frame, in seconds."""
    since = time.monotonic()
    act()
    while len(fleet.figures().closes) < count:
        if time.monotonic() - since > PATIENCE:
            raise SystemExit(f"{len(fleet.figures().closes)} of {count} close frames only")
        time.sleep(0.1)
    return fleet.figures().closes[-1] - since


def main() -> None:
    """Print what was measured: sockets that are free, and those that are bound."""
    allow_files(_SOCKETS)
    with clients() as fleet:
        for path in ("/free", "/bound"):
            _measure(path, fleet)
        _stop(fleet)

"""A site with views that end with the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from quart import Response, websocket

from tests.helpers.handlers import Do, session
from tests.helpers.site import Browser, MakeSite, Site
from tests.helpers.sockets import Closed, Socket, open_socket


@dataclass
class BoundSite:
    """The site, and what its views do and have done."""

    site: Site
    done: list[str] = field(default_factory=list)
    #: What the socket's view does when it has been accepted.
    do: Do | None = None


MakeBoundSite = Callable[..., BoundSite]


def bound_site_maker(site: MakeSite) -> MakeBoundSite:
    """Makes such sites, with settings."""

    def make(**options: Any) -> BoundSite:
        here = BoundSite(site(**options))
        app, idle, done = here.site.app, here.site.idle, here.done
        app.config["RESPONSE_TIMEOUT"] = None  # as for streams that go on

        async def read() -> None:
            done.append("began")
            try:
                await websocket.accept()
                if here.do is not None:
                    await here.do(session)
                while True:
                    done.append(str(await websocket.receive()))
            finally:
                done.append("ended")

        app.websocket("/bound", endpoint="bound")(idle.bound(read))
        app.websocket("/active", endpoint="active")(idle.bound(activity=True)(read))

        @app.websocket("/late")
        @idle.bound
        async def late() -> None:
            await asyncio.sleep(1e6)

        @app.get("/stream")
        @idle.bound
        async def stream() -> Response:
            async def body() -> AsyncIterator[bytes]:
                try:
                    for _ in range(20):
                        yield b"bit "
                        await asyncio.sleep(10)
                finally:
                    done.append("ended")

            if here.do is not None:
                await here.do(session)
            return Response(body(), mimetype="text/event-stream")

        @app.get("/whole")
        @idle.bound
        async def whole() -> str:
            return "whole"

        return here

    return make


def bound(browser: Browser, path: str = "/bound", **options: Any) -> Any:
    """A bound socket of a browser's."""
    return open_socket(browser, path=path, **options)


async def goodbye(socket: Socket) -> tuple[int, str]:
    """The code and reason that it is closed with, as the next that comes."""
    with pytest.raises(Closed) as closed:
        await socket.receive()
    return closed.value.code, closed.value.reason

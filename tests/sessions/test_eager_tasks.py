"""Tasks that begin, and may end, where they are made: asyncio.eager_task_factory.

With ``--eager-tasks`` all tests run like that; these do in any case.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from quart_idle.stores.redis.connection import Connection
from quart_idle.stores.redis.trips import Trips
from tests.helpers.clock import HOUR, Clock
from tests.helpers.eager_tasks import make_tasks_eager
from tests.helpers.handlers import look
from tests.helpers.servers import NewClient, Serve, Server, signed_in
from tests.helpers.site import MakeSite
from tests.helpers.sockets import open_page
from tests.helpers.wire import presence

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio has no eager tasks")


async def test_with_eager_tasks_active_users_stay_signed_in(site: MakeSite, clock: Clock) -> None:
    make_tasks_eager(asyncio.get_running_loop())
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    for _ in range(8):
        await clock.advance(HOUR / 2)
        assert (await browser.visit(look)).value == {"a": 1}


async def test_with_eager_tasks_a_page_is_answered_each_time_it_asks(
    site: MakeSite, clock: Clock
) -> None:
    make_tasks_eager(asyncio.get_running_loop())
    browser = await site(timeout=HOUR).signed_in(a=1)
    async with open_page(browser) as page:
        for asked in range(3):
            await page.socket.send({"type": "ask"})
            await clock.advance(1)
            assert page.kinds() == ["state"] * (2 + asked)


async def test_with_eager_tasks_a_server_keeps_a_session_alive_by_requests_and_by_a_page(
    serve: Serve, client: NewClient
) -> None:
    # (With such tasks hypercorn 0.18 answers only once on a connection, and uvloop 0.23 fails on
    # Python 3.13.)
    settings = {"timeout": 2, "ping_interval": 0.4, "warning": 0.5}
    server: Server = serve(
        settings, "--loop", "asyncio", target="tests.helpers.eager_app:app", server="uvicorn"
    )
    user = await signed_in(server, client)
    for _ in range(5):
        await asyncio.sleep(0.8)
        assert (await user.get("/untouched")).status_code == 200
    async with presence(server, user) as page:
        for _ in range(12):
            message = await asyncio.wait_for(page.recv(), 5)
            if '"ping"' in str(message):
                await page.send('{"type": "pong", "idle": 0, "visible": true}')
    assert (await user.get("/")).json()["user"] == "ada"


class _Counting(Connection):
    """A connection that counts its trips."""

    def __init__(self) -> None:
        super().__init__(lambda: None)
        self.trips = 0

    async def trip(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        self.trips += 1
        await asyncio.sleep(0)
        return [[b"0", b"0"], *([] for _ in commands[1:])]


async def test_with_eager_tasks_what_is_asked_for_in_one_turn_goes_to_redis_together() -> None:
    make_tasks_eager(asyncio.get_running_loop())
    connection = _Counting()
    trips = Trips(lambda: connection, 10)
    await asyncio.gather(*(trips.load(b"key") for _ in range(10)))
    await trips.close()
    assert connection.trips == 1

"""A worker that is killed with a user's page: what the others know of it, and tell."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

import quart_idle.extension
from quart_idle import Counts, QuartIdle, signals
from quart_idle.cookies import id_of, new_token
from tests.helpers.present_worker import TIMES
from tests.helpers.processes import ended_after
from tests.helpers.redis_servers import redis_server
from tests.helpers.site import Browser
from tests.helpers.sockets import open_page
from tests.helpers.waiting import until
from tests.store_contract import change

NOBODY = Counts(0, 0, 0)


@pytest.fixture(params=["redis", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/sessions.db"
    else:
        with redis_server(tmp_path) as server:
            yield server.url


@pytest.fixture
def told() -> Iterator[list[str]]:
    """Who was told of in this process."""
    told: list[str] = []

    async def online(_: Any, user_id: str, **_more: Any) -> None:
        told.append(f"{user_id} is online")

    async def offline(_: Any, user_id: str, **_more: Any) -> None:
        told.append(f"{user_id} is offline")

    signals.user_online.connect(online)
    signals.user_offline.connect(offline)
    yield told
    signals.user_online.disconnect(online)
    signals.user_offline.disconnect(offline)


class Here:
    """A worker in this process; a token of a session of ada's."""

    def __init__(self, url: str) -> None:
        self.app = Quart("tests")
        self.idle = QuartIdle(self.app, store=url, timeout=600, store_timeout=20)
        self.token = new_token()

    async def sign_in(self) -> None:
        store = self.idle.sessions._store
        await store.create(id_of(self.token), change({"a": b"1"}, user_id="ada"))


@pytest.fixture
async def here(
    url: str,
    told: list[str],  # noqa: ARG001  (receivers are there before the application starts)
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Here]:
    monkeypatch.setattr(quart_idle.extension, "TIMES", TIMES)
    here = Here(url)
    async with here.app.test_app():
        await here.sign_in()
        yield here


@asynccontextmanager
async def another(url: str, token: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker that has a page of the session open."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.helpers.present_worker", url, token),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    async with ended_after(process):
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"open\n"
        yield process


async def test_a_user_whose_last_page_a_killed_worker_had_goes_offline_once(
    url: str, here: Here, told: list[str]
) -> None:
    async with another(url, here.token) as process:
        assert await here.idle.presence.count() == Counts(1, 1, 1)
        (info,) = await here.idle.sessions.of("ada")
        assert info.pages == 1
        process.kill()
        await process.wait()
        assert await here.idle.presence.online(["ada"]) == {"ada"}
        await until(lambda: told, TIMES.lease + TIMES.grace + 30)
        assert await here.idle.presence.count() == NOBODY
        assert await here.idle.presence.online(["ada"]) == set()
        await asyncio.sleep(2 * TIMES.renewal)
        assert told == ["ada is offline"]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_user_who_has_a_page_elsewhere_stays_online(
    url: str, here: Here, told: list[str], when: str
) -> None:
    if when == "before":
        async with open_page(Browser(here.app, here.token)):
            await until(lambda: told)  # or the other worker would tell of it
            async with another(url, here.token) as process:
                process.kill()
                await asyncio.sleep(TIMES.lease + TIMES.grace + 3)
                assert await here.idle.presence.count() == Counts(1, 1, 1)
        assert told == ["ada is online"]
    else:
        async with another(url, here.token) as process:
            process.kill()
            await process.wait()
            async with open_page(Browser(here.app, here.token)):
                await asyncio.sleep(TIMES.lease + TIMES.grace + 3)
                assert await here.idle.presence.count() == Counts(1, 1, 1)
        assert told == []

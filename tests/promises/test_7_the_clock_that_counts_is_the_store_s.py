"""Promise 7: neither workers' clocks nor what a client sends prolongs or shortens a session."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from quart_idle import Session
from tests.helpers.clock import DAY, HOUR, MINUTE, Clock
from tests.helpers.redis_servers import StandingTime, redis_server
from tests.helpers.servers import NewClient, Serve, signed_in
from tests.helpers.site import MakeSite
from tests.helpers.sockets import open_page
from tests.helpers.wire import frame, presence


async def test_moments_are_told_by_the_store_s_clock(site: MakeSite, clock: Clock) -> None:
    def moments(session: Session) -> tuple[datetime | None, datetime | None, timedelta | None]:
        return session.created_at, session.expires_at, session.remaining

    here = site(timeout=HOUR)
    assert (await here.browser().visit(moments)).value == (None, None, None)
    browser = await here.signed_in()
    created = datetime.fromtimestamp(clock(), UTC)
    await clock.advance(10 * MINUTE)
    second, hour = timedelta(seconds=1), timedelta(hours=1)
    for path, active in (("/passive/above", 0 * second), ("/", 600 * second)):
        was_created, expires, remaining = (await browser.visit(moments, path)).value
        assert abs(was_created - created) < second
        assert abs(expires - (created + active + hour)) < second
        assert abs(remaining - (expires - datetime.fromtimestamp(clock(), UTC))) < second


@pytest.fixture
def shared(kind: str, tmp_path: Path) -> Iterator[str]:
    """A store that workers share."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path}/sessions.db"
    else:
        with redis_server(tmp_path) as redis:
            yield redis.url


@pytest.mark.parametrize("wrong", [-DAY, DAY])
async def test_a_worker_whose_clock_is_wrong_neither_prolongs_nor_shortens_a_session(
    serve: Serve, client: NewClient, shared: str, tmp_path: Path, wrong: float
) -> None:
    settings = {"store": shared, "timeout": 60, "warning": 20, "lifetime": 300}
    standing = StandingTime(tmp_path)
    standing.set(time.time() + wrong)
    right, false = serve(settings), serve(settings, environment=standing.environment)
    for here, there in ((right, false), (false, right)):
        user = await signed_in(here, client)
        elsewhere = client(there)
        elsewhere.cookies.update(user.cookies)
        for worker, site in ((elsewhere, there), (user, here)):
            async with presence(site, user) as page:
                told = await frame(page, "state")
            left = (await worker.get("/_idle/state")).json()
            for said in (told, left):
                assert 55_000 < said["left"] <= 60_000
                assert 290_000 < said["total"] <= 300_000
            assert (await worker.get("/peek")).json()["user"] == "ada"


@pytest.mark.parametrize("said", [-HOUR * 1000, 1e300, float("inf"), float("nan"), None, "0"])
async def test_no_time_that_a_page_makes_up_moves_a_deadline(
    site: MakeSite, clock: Clock, said: Any
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    async with open_page(browser) as page:
        await clock.advance(10 * MINUTE)
        page.answers = False
        await page.socket.send({"type": "pong", "idle": said, "visible": True})
        await page.socket.send({"type": "extend", "left": 10 * HOUR, "timeout": 10 * HOUR})
        await clock.advance(1)
        assert page.code == 1008
    left = (await browser.visit(lambda session: session.remaining, "/passive/above")).value
    assert 50 * MINUTE <= left.total_seconds() <= HOUR


async def test_a_page_that_was_never_touched_neither_shortens_nor_prolongs(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR, keepalive="activity")
    browser = await here.signed_in(a=1)
    async with open_page(browser) as page:
        page.idle = lambda: 10 * DAY
        await clock.advance(10 * MINUTE)
        left = (await browser.visit(lambda session: session.remaining, "/passive/above")).value
    assert abs(left.total_seconds() - 50 * MINUTE) < 1

"""`user_online` and `user_offline`: once a change, over all workers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quart import current_app

from quart_idle import MemoryStore, signals
from quart_idle.quarts import current
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end, put
from tests.helpers.site import MakeSite
from tests.helpers.sockets import open_page
from tests.helpers.tampered_store import Tampered

Told = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def told() -> Iterator[Told]:
    """What receivers were told, in order."""
    told: Told = []

    async def online(app: Any, **about: Any) -> None:
        assert app is current(current_app)
        told.append(("online", about))

    async def offline(_: Any, **about: Any) -> None:
        told.append(("offline", about))

    signals.user_online.connect(online)
    signals.user_offline.connect(offline)
    yield told
    signals.user_online.disconnect(online)
    signals.user_offline.disconnect(offline)


def names(told: Told) -> list[tuple[str, str]]:
    return [(name, about["user_id"]) for name, about in told]


async def test_a_user_is_told_of_with_the_first_page_and_a_grace_after_the_last_on_any_worker(
    site: MakeSite, clock: Clock, told: Told
) -> None:
    here = site(timeout=HOUR)
    there = site(timeout=HOUR, store=here.store)
    ada = await here.signed_in("ada")
    start = datetime.fromtimestamp(clock(), UTC)
    async with open_page(ada):
        await clock.advance(2)
        assert names(told) == [("online", "ada")]
        async with open_page(there.browser(ada.token)):
            await clock.advance(HOUR / 2)
    await clock.advance(44)
    assert names(told) == [("online", "ada")]
    await clock.advance(4)
    assert names(told) == [("online", "ada"), ("offline", "ada")]
    assert len({about["event_id"] for _, about in told}) == 2
    (_, online), (_, offline) = told
    assert online.keys() == offline.keys() == {"user_id", "at", "event_id"}
    assert online["at"] - start < timedelta(seconds=3)
    assert abs(offline["at"] - start - timedelta(minutes=30)) < timedelta(seconds=5)
    await clock.advance(HOUR)
    assert len(told) == 2


async def test_going_from_page_to_page_is_no_change(
    site: MakeSite, clock: Clock, told: Told
) -> None:
    browser = await site(timeout=HOUR).signed_in("ada")
    for pause in (0.5, 2.0, 5.0, 40.0):
        async with open_page(browser):
            await clock.advance(20)
        await clock.advance(pause)
    assert names(told) == [("online", "ada")]


async def test_who_comes_back_after_the_grace_is_told_of_again(
    site: MakeSite, clock: Clock, told: Told
) -> None:
    browser = await site(timeout=HOUR).signed_in("ada")
    for _ in range(2):
        async with open_page(browser):
            await clock.advance(5)
        await clock.advance(50)
    assert names(told) == 2 * [("online", "ada"), ("offline", "ada")]


async def test_who_signs_out_is_offline_a_grace_later(
    site: MakeSite, clock: Clock, told: Told
) -> None:
    browser = await site(timeout=HOUR).signed_in("ada")
    async with open_page(browser):
        await clock.advance(5)
        await browser.visit(end())
        await clock.advance(48)
        assert names(told) == [("online", "ada"), ("offline", "ada")]


async def test_a_page_of_nobody_s_is_told_of_to_nobody(
    site: MakeSite, clock: Clock, told: Told
) -> None:
    browser = site(timeout=HOUR).browser()
    await browser.visit(put(a=1))
    async with open_page(browser):
        await clock.advance(5)
    await clock.advance(50)
    assert told == []


async def test_a_worker_without_pages_tells_of_those_of_one_that_is_gone(
    site: MakeSite, clock: Clock, told: Told
) -> None:
    shared = MemoryStore(clock)
    here, there = (site(timeout=HOUR, store=Tampered(shared)) for _ in range(2))
    await there.app.startup()
    browser = await here.signed_in("ada")
    async with open_page(browser):
        await clock.advance(5)
        here.store.fault = OSError("as if this worker were gone")
        await clock.advance(30 + 45 - 12)
        assert names(told) == [("online", "ada")]
        await clock.advance(15)
        assert names(told) == [("online", "ada"), ("offline", "ada")]
    await there.app.shutdown()


async def test_where_nothing_is_connected_a_worker_without_pages_reports_nothing(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    await here.app.startup()
    await clock.advance(HOUR)
    assert here.store.page_calls == []
    await here.app.shutdown()
    assert here.store.page_calls == []


async def test_a_page_is_told_of_with_the_pages_that_its_session_has_on_all_workers(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    there = site(timeout=HOUR, store=here.store)
    browser = await here.signed_in("ada")
    counts: list[int] = []

    async def receiver(_: Any, **about: Any) -> None:
        counts.append(about["session"].pages)

    signals.page_opened.connect(receiver)
    signals.page_closed.connect(receiver)
    try:
        async with open_page(browser):
            await clock.advance(MINUTE / 10)
            async with open_page(there.browser(browser.token)):
                await clock.advance(3)
            await clock.advance(3)
        await clock.advance(3)
    finally:
        signals.page_opened.disconnect(receiver)
        signals.page_closed.disconnect(receiver)
    assert counts == [1, 2, 1, 0]


@pytest.mark.parametrize("away", [60, 74, 80, 300])
async def test_a_store_that_is_away_for_long_tells_nobody_offline_whose_page_is_open(
    site: MakeSite, clock: Clock, told: Told, away: float
) -> None:
    here = site(timeout=HOUR, ping_interval=20)
    ada, bob = await here.signed_in("ada"), await here.signed_in("bob")
    async with open_page(ada) as page:
        async with open_page(bob):
            await clock.advance(2)
            here.store.fault = OSError("away")
            await clock.advance(away)
            here.store.fault = None
            await clock.advance(2)
        await clock.advance(43)
        assert sorted(names(told)) == [("online", "ada"), ("online", "bob")]
        assert await here.idle.presence.online(["ada", "bob"]) == {"ada", "bob"}
        await clock.advance(5)
        assert names(told)[2:] == [("offline", "bob")]
        assert page.code is None


async def test_a_page_that_opens_is_counted_for_nobody_where_only_its_end_is_told(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in("ada")
    counts: list[int] = []

    async def receiver(_: Any, **about: Any) -> None:
        counts.append(about["session"].pages)

    signals.page_closed.connect(receiver)
    try:
        async with open_page(browser):
            await clock.advance(3)
            assert here.store.page_calls == ["report_pages"]
        await clock.advance(3)
    finally:
        signals.page_closed.disconnect(receiver)
    assert counts == [0]

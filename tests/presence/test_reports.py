"""Who has a page open, on all workers: what a worker reports, and what is known by it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from quart_idle import ConfigError, Counts, MemoryStore, QuartIdle, StoreUnavailable, signals
from quart_idle.stores.attendance import MOST_TAKEN_OFF
from quart_idle.stores.base import Report, Reported
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end, put, regenerate, sign_in
from tests.helpers.site import MakeSite, Site
from tests.helpers.sockets import open_page
from tests.helpers.tampered_store import Tampered


class Plain(Tampered):
    """A store that knows nothing of pages."""

    count_pages: Any = None


class Slow(Tampered):
    """A store that takes its time for a report."""

    takes = 0.0

    async def report_pages(self, report: Report) -> Reported | None:
        await asyncio.sleep(self.takes)
        return await super().report_pages(report)


# What gathers the changes of a second, and a little more.
GATHERED = 1.5


def reports(here: Site) -> int:
    return here.store.page_calls.count("report_pages")


async def id_of(browser: Any) -> str:
    return str((await browser.visit(lambda s: s.id)).value)


async def test_pages_are_counted_over_the_workers_that_share_a_store(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    there = site(timeout=HOUR, store=here.store)
    ada, bob, nobody = await here.signed_in("ada"), await here.signed_in("bob"), here.browser()
    await nobody.visit(put(a=1))
    elsewhere = there.browser(ada.token)
    async with (
        open_page(ada),
        open_page(elsewhere),
        open_page(elsewhere),
        open_page(bob),
        open_page(nobody),
    ):
        await clock.advance(GATHERED)
        for one in (here, there):
            assert await one.idle.presence.online(["ada", "bob", "eve"]) == {"ada", "bob"}
            assert await one.idle.presence.count() == Counts(users=2, sessions=3, pages=5)
            (info,) = await one.idle.sessions.of("ada")
            assert info.pages == 3
            found = await one.idle.sessions.get(await id_of(nobody))
            assert found is not None
            assert found.pages == 1
    await clock.advance(GATHERED)
    assert await here.idle.presence.count() == Counts(users=2, sessions=0, pages=0)
    await clock.advance(46)
    assert await there.idle.presence.count() == Counts(users=0, sessions=0, pages=0)
    assert await there.idle.presence.online(["ada"]) == set()


async def test_what_is_open_here_is_known_here_at_once(site: MakeSite) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in("ada")
    async with open_page(browser):
        (info,) = await here.idle.sessions.of("ada")
        assert info.pages == 1
        assert await here.idle.presence.online(["ada"]) == {"ada"}
        assert await here.idle.presence.count() == Counts(1, 1, 1)


@pytest.mark.parametrize("keepalive", ["presence", "activity"])
async def test_a_page_that_stays_open_costs_a_report_of_its_worker_s_every_ten_seconds(
    site: MakeSite, clock: Clock, keepalive: Any
) -> None:
    here = site(timeout=HOUR, keepalive=keepalive, ping_interval=1)
    browsers = [await here.signed_in(f"user {number}") for number in range(20)]
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(open_page(one)) for one in browsers]
        await clock.advance(GATHERED)
        assert reports(here) == 1, "all that came within a second"
        await clock.advance(10 * MINUTE)
        assert reports(here) == 61
        assert all(page.pings > 500 for page in pages)
        assert await here.idle.presence.count() == Counts(20, 20, 20)
    await clock.advance(GATHERED)
    assert reports(here) == 62
    await clock.advance(HOUR / 2)
    assert reports(here) == 62, "a worker without pages costs nothing"


async def test_a_page_that_comes_and_goes_within_a_second_costs_nothing(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in("ada")
    for _ in range(3):
        async with open_page(browser):
            pass
        await clock.advance(5)
    assert reports(here) == 0


@pytest.mark.parametrize("takes", [0.005, 0.05, 1.5])
async def test_pages_that_come_all_the_time_are_reported_once_a_second_and_whoever_asks_is_answered(
    site: MakeSite, clock: Clock, takes: float
) -> None:
    store = Slow(MemoryStore(clock))
    here = site(timeout=HOUR, store=store)
    pages = here.idle.sessions._reports
    store.takes = takes

    async def come() -> None:
        for number in range(100_000):
            pages.opened(f"{number:064x}", f"user {number}")
            await asyncio.sleep(0.01)

    coming = asyncio.ensure_future(come())
    await clock.advance(10)
    assert 3 <= reports(here) <= 10
    start = clock.monotonic()
    found = await here.idle.presence.count()
    assert clock.monotonic() - start <= 2 * takes + 0.01
    assert found.pages >= 1000
    coming.cancel()


async def test_what_changes_back_within_a_second_is_not_reported(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in("ada")
    async with open_page(browser):
        await clock.advance(GATHERED)
        for _ in range(5):
            async with open_page(browser):
                pass
            await clock.advance(GATHERED)
        assert reports(here) == 1


@pytest.mark.parametrize(
    ("act", "user"),
    [(end(), None), (sign_in("bob"), "bob"), (regenerate, "ada")],
    ids=["signed out", "another user", "another token"],
)
async def test_a_page_is_of_the_user_whom_its_session_has_now(
    site: MakeSite, clock: Clock, act: Any, user: str | None
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in("ada")
    async with open_page(browser) as page:
        await clock.advance(GATHERED)
        await browser.visit(act)
        await clock.advance(GATHERED)
        assert page.code in (4401, 4409)
        assert await here.idle.presence.count() == Counts(users=1, sessions=0, pages=0)
        if user is None:
            return
        async with open_page(browser):
            await clock.advance(MINUTE)
            assert await here.idle.presence.online(["ada", "bob"]) == {user}
            (info,) = await here.idle.sessions.of(user)
            assert info.pages == 1


async def test_a_store_that_was_away_is_told_again_when_it_is_back(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR, ping_interval=20)
    ada, bob = await here.signed_in("ada"), await here.signed_in("bob")
    there = site(timeout=HOUR, store=here.store)
    async with open_page(ada):
        await clock.advance(GATHERED)
        async with open_page(bob):
            here.store.fault = OSError("away")
            await clock.advance(MINUTE)
            with pytest.raises(StoreUnavailable):
                await here.idle.presence.count()
            with pytest.raises(StoreUnavailable):
                await there.idle.presence.online(["ada"])
            here.store.fault = None
            await clock.advance(3)
            assert await there.idle.presence.count() == Counts(2, 2, 2)


async def test_a_report_whose_answer_was_lost_is_sent_again_and_counts_once(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR, store_timeout=2)
    browser = await here.signed_in("ada")
    gate = here.store.hold("report_pages", after=True)
    async with open_page(browser):
        await gate.reached.wait()
        async with open_page(browser):
            await clock.advance(10)
            assert await here.idle.presence.count() == Counts(1, 1, 2)
    await clock.advance(GATHERED)
    assert (await here.idle.presence.count()).pages == 0


async def test_a_worker_that_stood_still_for_longer_than_its_lease_puts_its_pages_back(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR, ping_interval=20)
    there = site(timeout=HOUR, store=here.store)
    browser = await here.signed_in("ada")
    async with open_page(browser):
        await clock.advance(GATHERED)
        gate = here.store.hold("report_pages")
        await gate.reached.wait()
        await clock.advance(25)
        assert await there.idle.presence.count() == Counts(1, 0, 0)
        gate.open()
        await clock.advance(3)
        assert await there.idle.presence.count() == Counts(1, 1, 1)


async def test_whoever_asks_and_leaves_takes_no_report_along(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in("ada")
    async with open_page(browser):
        gate = here.store.hold("report_pages")
        asking = asyncio.ensure_future(here.idle.presence.count())
        await gate.reached.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        gate.open()
        await clock.advance(GATHERED)
        assert reports(here) == 1
        assert await here.idle.presence.count() == Counts(1, 1, 1)


async def test_a_worker_that_stops_takes_its_pages_with_it(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=HOUR)
    there = site(timeout=HOUR, store=here.store)
    browser = await here.signed_in("ada")
    await here.app.startup()
    async with open_page(browser):
        await clock.advance(GATHERED)
        assert await there.idle.presence.count() == Counts(1, 1, 1)
        await here.app.shutdown()
        assert await there.idle.presence.count() == Counts(1, 0, 0)
        before = reports(here)
        await clock.advance(MINUTE)
    assert reports(here) == before


async def test_a_page_that_answers_no_ping_is_not_open(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=HOUR, ping_interval=5)
    browser = await here.signed_in("ada")
    async with open_page(browser) as page:
        page.answers = False
        await clock.advance(20)
        assert (await here.idle.presence.count()).pages == 0


@pytest.mark.parametrize(
    ("users", "error"),
    [("ada", TypeError), ([""], TypeError), ([None], TypeError), ([1], TypeError), (1, TypeError)],
)
async def test_what_is_no_list_of_users_is_refused(
    site: MakeSite, users: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await site().idle.presence.online(users)


async def test_of_no_users_none_is_online_and_nothing_is_asked(site: MakeSite) -> None:
    here = site()
    assert await here.idle.presence.online([]) == set()
    assert await here.idle.presence.online(user for user in ("ada", "ada")) == set()
    assert here.store.page_calls == ["online"]


async def test_a_store_that_knows_no_pages_says_so_and_lists_those_of_this_worker(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR, store=Plain(MemoryStore(clock)))
    browser = await here.signed_in("ada")
    with pytest.raises(ConfigError, match="Plain, does not know the pages"):
        await here.idle.presence.count()
    async with open_page(browser):
        (info,) = await here.idle.sessions.of("ada")
        assert info.pages == 1
    assert here.store.page_calls == []


async def test_a_store_that_knows_no_pages_is_named_in_the_log_where_users_are_to_be_told_of(
    site: MakeSite, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async def receiver(_: Any, **_about: Any) -> None:
        raise AssertionError

    signals.user_offline.connect(receiver)
    try:
        for store in (MemoryStore(clock), Plain(MemoryStore(clock))):
            assert not caplog.messages
            here = site(timeout=HOUR, store=store)
            await here.app.startup()
            await here.app.shutdown()
    finally:
        signals.user_offline.disconnect(receiver)
    (said,) = caplog.messages
    assert said.startswith("user_online or user_offline is connected, and the store does not know")


def test_it_is_of_an_application() -> None:
    with pytest.raises(RuntimeError, match=r"idle\.presence is of one application"):
        QuartIdle().presence  # noqa: B018


async def test_more_sessions_than_a_report_can_hold_are_reported_in_several(
    site: MakeSite, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quart_idle.reports.MOST_REPORTED", 3)
    here = site(timeout=HOUR)
    browsers = [await here.signed_in(f"user {number}") for number in range(10)]
    async with AsyncExitStack() as stack:
        for one in browsers:
            await stack.enter_async_context(open_page(one))
        await clock.advance(GATHERED)
        assert reports(here) == 4
        assert await here.idle.presence.count() == Counts(10, 10, 10)


async def test_a_worker_that_stops_takes_all_of_its_pages_with_it_however_many(
    site: MakeSite,
) -> None:
    here = site(timeout=HOUR)
    there = site(timeout=HOUR, store=here.store)
    await here.app.startup()
    many = 3 * MOST_TAKEN_OFF
    for number in range(many):
        here.idle.sessions._reports.opened(f"{number:064x}", f"user {number}")
    assert await here.idle.presence.count() == Counts(many, many, many)
    await here.app.shutdown()
    assert await there.idle.presence.count() == Counts(many, 0, 0)

"""Signs of life that are not written yet: they count for all that is told, and are never stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from quart_idle import StoreUnavailable
from quart_idle.policy import Clocks, SignOfLife
from quart_idle.renewals import Renewals
from quart_idle.session import Session
from quart_idle.stores.base import Ended, Live
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import look
from tests.helpers.site import MakeSite
from tests.helpers.sockets import open_page

HERE = SignOfLife(0.0, 0.0, True)


@pytest.mark.parametrize("state", ["held", "ready", "being written"])
async def test_wherever_a_sign_waits_it_is_in_the_clocks_that_are_told(
    clock: Clock, state: str
) -> None:
    writing, written = asyncio.Event(), asyncio.Event()

    async def write(signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        writing.set()
        await written.wait()
        return dict.fromkeys(signs)

    renewals = Renewals(write, lambda *_: None)
    renewals.note("id", HERE, left=HOUR, hold=state == "held")
    if state == "being written":
        await writing.wait()
    await clock.advance(0.1)
    now, before = clock(), Clocks(clock() - 60, clock() - 60, clock() - 60)
    told = renewals.renewed("id", before, now)
    assert told.active == pytest.approx(now, abs=1)
    assert told.seen == pytest.approx(now, abs=1)
    assert told.paged
    assert renewals.waits("id") is (state != "held")
    written.set()
    await clock.advance(1)
    assert renewals.waits("id") is False


async def test_what_is_left_counts_activity_that_the_store_could_not_take_yet(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=100)
    browser = await here.signed_in()
    await clock.advance(50)
    here.store.lost = {(await browser.visit(lambda session: session.id, "/passive/above")).value}
    await browser.visit(look)
    await clock.advance(5)
    left = (await browser.visit(lambda session: session.remaining, "/passive/above")).value
    assert left.total_seconds() > 90


async def test_what_is_left_counts_what_is_written_while_the_view_runs(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=800)
    browser = await here.signed_in()
    await clock.advance(10)
    await browser.visit(look)  # which is not written yet when the next comes

    async def look_later(session: Session) -> timedelta | None:
        await clock.advance(2)
        return session.remaining

    left = (await browser.visit(look_later, "/passive/above")).value
    assert left.total_seconds() == pytest.approx(798, abs=0.5)


async def test_a_request_that_comes_while_the_end_is_looked_for_is_no_reason_to_warn(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=10 * MINUTE, warning=MINUTE, keepalive="activity")
    browser = await here.signed_in()
    began = clock.monotonic()
    async with open_page(browser) as page:
        page.idle = lambda: clock.monotonic() - began
        await clock.advance(9 * MINUTE - 5)
        looked = here.store.hold("load")
        await looked.reached.wait()
        renewed = here.store.hold("renew")
        await browser.visit(look)
        await renewed.reached.wait()
        looked.open()
        await clock.advance(0.1)
        renewed.open()
        await clock.advance(5)
        assert page.kinds() == ["state"]


async def test_a_long_outage_of_a_slow_store_piles_nothing_up(clock: Clock) -> None:
    async def write(_: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        await clock.advance(1)
        raise StoreUnavailable

    renewals = Renewals(write, lambda *_: None)
    tasks = asyncio.all_tasks()
    for second in range(300):
        renewals.note(f"id {second}", HERE, left=HOUR)
        await clock.advance(0.7)
    assert len(asyncio.all_tasks() - tasks) <= 1


async def test_a_request_that_comes_while_a_slow_store_is_written_to_is_written_next(
    clock: Clock,
) -> None:
    written: list[str] = []

    async def write(signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        await clock.advance(3)
        written.extend(signs)
        return dict.fromkeys(signs)

    renewals = Renewals(write, lambda *_: None)
    renewals.note("first", HERE, left=HOUR)
    await clock.advance(1)
    renewals.note_arrival("second", lambda: True, HOUR)
    await clock.advance(10)
    assert written == ["first", "second"]


def test_a_loop_that_is_abandoned_in_the_middle_of_a_write_holds_up_no_later_one() -> None:
    written: list[str] = []
    abandoned = asyncio.new_event_loop()

    async def write(signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        if asyncio.get_running_loop() is abandoned:
            abandoned.stop()
            await asyncio.sleep(HOUR)
        written.extend(signs)
        return dict.fromkeys(signs)

    renewals = Renewals(write, lambda *_: None)

    async def note() -> None:
        renewals.note("id", HERE, left=0.0)
        await asyncio.sleep(0.05)

    task = abandoned.create_task(note())
    abandoned.run_forever()
    asyncio.run(note())
    assert written == ["id"]
    del task
    abandoned.run_until_complete(_cancel_all())
    abandoned.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_while_a_session_cannot_be_renewed_its_active_user_is_not_warned(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=10 * MINUTE, warning=MINUTE, keepalive="activity")
    browser = await here.signed_in()
    began = clock.monotonic()
    async with open_page(browser) as page:
        page.idle = lambda: clock.monotonic() - began  # nobody types
        await clock.advance(5 * MINUTE)
        here.store.lost = {(await browser.visit(lambda session: session.id)).value}
        await clock.advance(4.8 * MINUTE)
        assert page.kinds() == ["state"]
        here.store.lost = set()
        await clock.advance(4 * MINUTE)
        assert page.kinds() == ["state"]
        await clock.advance(MINUTE)
        assert page.kinds() == ["state", "warn"]


async def test_what_is_left_is_told_with_what_is_not_written_yet(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=100)
    browser = await here.signed_in(a=1)
    await clock.advance(50)
    held = here.store.hold("renew")
    await browser.visit(look)
    await held.reached.wait()
    left = (await browser.visit(lambda session: session.remaining, "/passive/above")).value
    assert left.total_seconds() > 95
    held.open()

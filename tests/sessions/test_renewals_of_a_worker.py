"""What a worker has noted: written when it stops, and kept no longer than needed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from weakref import ref

import pytest
from quart import request

from quart_idle.quarts import current
from tests.helpers.clock import HOUR, Clock
from tests.helpers.handlers import look, why
from tests.helpers.renewing import PAGE, Writer
from tests.helpers.site import Site


@pytest.fixture
def writer(clock: Clock) -> Writer:
    return Writer(clock)


async def test_requests_that_are_done_are_kept_no_longer_than_they_would_be_without_a_session(
    site: Callable[..., Site], clock: Clock
) -> None:
    here = site()
    browser = await here.signed_in()
    kept = [(await browser.visit(lambda _: ref(current(request)))).value for _ in range(10)]
    await asyncio.sleep(0)
    gc.collect()
    assert sum(request() is not None for request in kept) <= 1
    assert here.store.calls.count("renew") == 0
    await clock.advance(1)
    assert here.store.calls.count("renew") == 1


async def test_what_was_noted_is_written_when_the_worker_stops(
    site: Callable[..., Site],
) -> None:
    here = site()
    async with here.app.test_app():
        browser = await here.signed_in()
        await browser.visit(look)
    assert here.store.calls == ["load", "renew", "close"]


async def test_a_store_that_is_down_when_the_worker_stops_is_closed_all_the_same(
    site: Callable[..., Site],
) -> None:
    here = site()
    async with here.app.test_app():
        browser = await here.signed_in()
        await browser.visit(look)
        here.store.fault = OSError()
    assert here.store.calls[-1] == "close"


async def test_requests_that_a_failing_store_could_not_be_told_of_still_count(
    site: Callable[..., Site], clock: Clock
) -> None:
    here = site(timeout=60)
    browser = await here.signed_in()
    await clock.advance(20)
    await browser.visit(look)
    here.store.fault = OSError()
    await clock.advance(35)
    here.store.fault = None
    await clock.advance(20)
    assert (await browser.visit(why)).value is None


async def test_what_is_over_is_not_written(writer: Writer, clock: Clock) -> None:
    writer.renewals.note("held", PAGE, left=HOUR, hold=True)
    writer.renewals.note("ready", PAGE, left=HOUR)
    writer.renewals.note("alive", PAGE, left=HOUR)
    for id in ("held", "ready", "unknown"):
        writer.renewals.forget(id)
    for id in ("held", "ready", "alive"):
        writer.renewals.release(id)
    await clock.advance(2)
    assert [set(batch) for batch in writer.batches] == [{"alive"}]

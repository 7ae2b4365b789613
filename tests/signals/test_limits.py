"""What receivers can rely on when much happens at once, and when the application stops."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest

from quart_idle import events, signals
from tests.helpers.clock import HOUR, Clock
from tests.helpers.handlers import end
from tests.helpers.site import MakeSite
from tests.helpers.sockets import open_page


@pytest.mark.parametrize("most_waiting", [100, 4])
async def test_what_happens_while_receivers_are_busy_waits_its_turn_and_beyond_a_limit_is_dropped(
    site: MakeSite,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    most_waiting: int,
) -> None:
    monkeypatch.setattr(events, "_MOST", 3)
    monkeypatch.setattr(events, "_MOST_WAITING", most_waiting)
    told: Counter[str] = Counter()
    at_a_time = [0, 0]

    async def receiver(_: Any, **about: Any) -> None:
        at_a_time[0] += 1
        at_a_time[1] = max(at_a_time)
        await asyncio.sleep(1)
        at_a_time[0] -= 1
        told["closed" if "reason" in about else "opened"] += 1

    browser = await site(timeout=HOUR).signed_in("ada")
    signals.page_opened.connect(receiver)
    signals.page_closed.connect(receiver)
    async with AsyncExitStack() as pages:
        for _ in range(10):
            await pages.enter_async_context(open_page(browser))
    await clock.advance(30)
    assert at_a_time == [0, 3]
    dropped = [text for text in caplog.messages if "telling what happens" in text]
    if most_waiting == 100:
        assert told == {"opened": 10, "closed": 10}
        assert dropped == []
    else:
        assert 7 <= told.total() < 20
        assert len(dropped) <= 2
        assert "4 events wait" in dropped[0]


async def test_what_waits_when_the_application_stops_has_a_little_time_and_is_then_dropped(
    site: MakeSite, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_MOST", 1)
    here = site(timeout=HOUR)
    began: list[float] = []

    async def receiver(_: Any, **_about: Any) -> None:
        began.append(clock())
        await asyncio.sleep(0.7)

    signals.session_created.connect(receiver)
    await here.app.startup()
    for _ in range(10):
        await here.signed_in("ada")
    since = clock()
    await here.app.shutdown()
    assert clock() - since < 3
    await clock.advance(10)
    assert 2 <= len(began) <= 4


async def test_once_the_application_has_stopped_the_store_is_asked_for_nothing_more(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)

    async def receiver(_: Any, **_about: Any) -> None:
        await asyncio.sleep(2.5)

    signals.session_ended.connect(receiver)
    await here.app.startup()
    first, second = [await here.signed_in("ada") for _ in range(2)]
    await first.visit(end())
    await clock.advance(1.2)  # the first is being told
    await second.visit(end())
    gate = here.store.hold("take_ends", after=True)
    await gate.reached.wait()
    stopping = asyncio.ensure_future(here.app.shutdown())
    await clock.advance(0.1)
    gate.open()  # its answer comes now
    await stopping
    calls = len(here.store.calls)
    await clock.advance(10)
    assert here.store.calls[calls:] == []

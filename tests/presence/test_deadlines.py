"""When pages are warned and when sessions end, to the second, whatever the order of events."""

from __future__ import annotations

import pytest
from quart import render_template_string

from quart_idle.cookies import id_of
from quart_idle.stores.base import Record
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end, look, put, regenerate
from tests.helpers.site import MakeSite, Site, tag
from tests.helpers.sockets import open_page


async def stored(here: Site, token: str | None) -> Record:
    """A session as the store has it."""
    found = await here.store._inner.load(id_of(token or ""))
    assert isinstance(found, Record)
    return found


@pytest.mark.parametrize("part", [0.1, 0.3, 0.7, 0.9])
async def test_user_input_just_before_the_warning_is_no_reason_to_warn(
    site: MakeSite, clock: Clock, monkeypatch: pytest.MonkeyPatch, part: float
) -> None:
    """(Whenever in the interval the page is pinged: none of these is in the two seconds.)"""
    monkeypatch.setattr("random.choice", lambda slots: slots[int(len(slots) * part)])
    here = site(timeout=10 * MINUTE, warning=MINUTE, keepalive="activity", ping_interval=25)
    browser = await here.signed_in(a=1)
    began, last = clock.monotonic(), 9 * MINUTE - 2
    async with open_page(browser) as page:

        def idle() -> float:
            now = clock.monotonic() - began
            return now - last if now >= last else now

        page.idle = idle
        await clock.advance(12 * MINUTE)
        assert page.kinds() == ["state"]
        await clock.advance(6 * MINUTE)
        assert page.kinds() == ["state", "warn"]


async def test_input_that_is_held_back_counts_in_full_though_the_page_asks_and_there_is_no_more(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR, keepalive="activity")
    browser = await here.signed_in(a=1)
    began = clock.monotonic()
    async with open_page(browser) as page:
        page.idle = lambda: max(0.0, clock.monotonic() - began - MINUTE)
        await clock.advance(MINUTE + 26)
        assert clock() - (await stored(here, browser.token)).clocks.active > MINUTE  # held back
        await page.socket.send({"type": "ask"})
        await clock.advance(0.1)
        assert page.told[-1]["left"] > (HOUR - 27) * 1000
        await clock.advance(HOUR - 30)
        assert page.code is None
        await clock.advance(10)
        assert page.code == 4401


async def test_staying_right_behind_a_question_that_is_not_answered_yet_is_staying(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR, keepalive="activity")
    browser = await here.signed_in(a=1)
    began = clock.monotonic()
    for order in (["extend"], ["extend", "ask"], ["ask", "extend", "ask"]):
        async with open_page(browser) as page:
            page.idle = lambda: clock.monotonic() - began
            await clock.advance(HOUR / 2)
            held = here.store.hold("load")
            await page.socket.send({"type": "ask"})
            await held.reached.wait()
            for kind in order:
                await page.socket.send({"type": kind})
            await clock.advance(0.1)
            held.open()
            await clock.advance(0.1)
            assert page.told[-1]["left"] > (HOUR - 1) * 1000
        assert clock() - (await stored(here, browser.token)).clocks.active < 1


@pytest.mark.parametrize(("seconds", "code"), [(9, 4409), (11, 4401)])
async def test_the_old_cookie_is_a_stranger_s_ten_seconds_after_a_change_of_token(
    site: MakeSite, clock: Clock, seconds: float, code: int
) -> None:
    browser = await site().signed_in(a=1)
    late = browser.copy()
    await browser.visit(regenerate)
    await clock.advance(seconds)
    async with open_page(late) as page:
        assert page.code == code


async def test_a_page_that_opens_after_the_warning_is_warned_too(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=10 * MINUTE, warning=2 * MINUTE, keepalive="activity")
    browser = await here.signed_in(a=1)
    began = clock.monotonic()
    async with open_page(browser) as page:
        page.idle = lambda: clock.monotonic() - began
        await clock.advance(9 * MINUTE)
        assert page.kinds() == ["state", "warn"]
        async with open_page(browser) as second:
            second.idle = page.idle
            assert second.kinds() == ["state", "warn"]
            assert 59_000 < second.told[-1]["left"] <= 60_000
            await second.socket.send({"type": "extend"})
            await clock.advance(1)
            assert page.kinds() == second.kinds() == ["state", "warn", "state"]


async def test_with_a_closed_timeout_what_is_stored_is_never_older_than_an_eighth_of_it(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR, closed_timeout=120, ping_interval=5)
    browser = await here.signed_in(a=1)
    async with open_page(browser):
        here.store.calls.clear()
        oldest = 0.0
        for _ in range(600):
            await clock.advance(1)
            oldest = max(oldest, clock() - (await stored(here, browser.token)).clocks.seen)
        # An eighth, what passes until the next ping, and half a second of gathering.
        assert 5 < oldest <= 120 / 8 + 5 + 1
        assert here.store.calls.count("renew") < 600 / 14


@pytest.mark.parametrize("answers", [True, False])
async def test_a_page_that_vanished_with_pings_unanswered_does_not_prolong_the_closed_timeout(
    site: MakeSite, clock: Clock, answers: bool
) -> None:
    here = site(timeout=HOUR, closed_timeout=MINUTE, ping_interval=20)
    browser = await here.signed_in(a=1)
    async with open_page(browser) as page:
        await clock.advance(5 * MINUTE)
        page.answers = answers
        await clock.advance(39)  # one or two pings
    await clock.advance(MINUTE - 5)
    alive = (await browser.visit(look, "/passive/above")).value == {"a": 1}
    assert alive is answers


async def test_the_client_is_not_put_into_a_page_for_a_token_that_was_superseded(
    site: MakeSite,
) -> None:
    browser = site().browser()
    await browser.visit(put(a=1))
    late = browser.copy()
    await browser.visit(regenerate)

    async def said(session: object) -> str:
        put(a=2)(session)  # type: ignore[arg-type]
        return await render_template_string("{{ quart_idle() }}")

    assert (await late.copy().visit(said)).value == ""
    assert "<script" in (await browser.visit(said)).value
    await browser.visit(end())
    assert await tag(browser) == {}

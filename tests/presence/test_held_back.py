"""Signs of life that are held back: when they are settled, and that they count."""

from __future__ import annotations

from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import look
from tests.helpers.site import MakeSite
from tests.helpers.sockets import open_page


async def test_what_was_held_back_is_settled_when_the_page_closes(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    async with open_page(browser) as page:
        await clock.advance(5 * MINUTE)  # less than an eighth: nothing was written since it opened
        assert page.pings
        assert here.store.calls.count("renew") == 1
    await clock.advance(HOUR - MINUTE)  # past the deadline that the store knew
    assert (await browser.visit(look, "/passive/above")).value == {"a": 1}


async def test_what_was_held_back_is_settled_before_the_end(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=HOUR, keepalive="activity")
    browser = await here.signed_in(a=1)
    began = clock.monotonic()
    async with open_page(browser) as page:
        # Input for five minutes, and none after.
        page.idle = lambda: max(0.0, clock.monotonic() - began - 5 * MINUTE)
        await clock.advance(HOUR + 2 * MINUTE)
        assert page.kinds() == ["state"]
        await clock.advance(2 * MINUTE)
        assert page.kinds() == ["state", "warn"]
        await clock.advance(2 * MINUTE)
        assert page.code == 4401


async def test_what_is_left_is_told_with_what_is_held_back(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    async with open_page(browser) as page:
        await clock.advance(5 * MINUTE)
        assert here.store.calls.count("renew") == 1
        await page.socket.send({"type": "ask"})
        await clock.advance(1)
        assert page.told[-1]["left"] > (HOUR - 27) * 1000
        state = await browser.client.get("/_idle/state")
        assert (await state.get_json())["left"] > (HOUR - 27) * 1000
        assert here.store.calls.count("renew") == 1


async def test_a_request_whose_renewal_is_under_way_is_no_reason_to_warn(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=40, warning=20, keepalive="activity")
    browser = await here.signed_in(a=1)
    began = clock.monotonic()
    async with open_page(browser) as page:
        page.idle = lambda: clock.monotonic() - began
        await clock.advance(18.7)
        held = here.store.hold("renew")
        await browser.visit(look)
        await held.reached.wait()
        await clock.advance(2)  # the deadline that the store knows is nearer than the warning
        held.open()
        await clock.advance(10)
        assert page.kinds() == ["state"]


async def test_what_was_held_back_is_settled_when_the_worker_stops(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    async with here.app.test_app(), open_page(browser):
        await clock.advance(5 * MINUTE)
        here.store.calls.clear()
        await here.app.shutdown()
        assert here.store.calls == ["renew", "close"]

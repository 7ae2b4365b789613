"""The application's own sockets where the store fails, or what it tells is lost."""

from __future__ import annotations

import pytest

from quart_idle.stores.base import Change
from tests.helpers.bound_site import MakeBoundSite, bound, goodbye
from tests.helpers.clock import HOUR, MINUTE, Clock


async def test_while_the_store_is_down_the_socket_is_to_try_again(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(store_timeout=1)
    ada = await here.site.signed_in()
    here.site.store.fault = OSError()
    async with bound(ada) as socket:
        assert (await goodbye(socket))[0] == 1013
    here.site.store.fault = None
    gate = here.site.store.hold("load")
    async with bound(ada) as socket:
        await gate.reached.wait()
        gate.open()
        gate = here.site.store.hold("load")  # the second time: the session is joined
        await clock.advance(5)
        assert (await goodbye(socket))[0] == 1013
    assert here.done == []


async def test_an_end_while_the_socket_is_bound_is_heard(bound_site: MakeBoundSite) -> None:
    here = bound_site()
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value
    first = here.site.store.hold("load")
    async with bound(ada) as socket:
        await first.reached.wait()
        second = here.site.store.hold("load", after=True)
        first.open()
        await second.reached.wait()
        await here.site.store.end(id, "in between")
        second.open()
        assert await goodbye(socket) == (4401, "in between")
    assert here.done == []


async def test_faults_of_the_store_end_nothing_and_the_new_token_is_found_after_them(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value
    new = id[:2] + "new"
    async with bound(ada) as socket:
        await clock.advance(1)
        here.site.store.fault = OSError()
        await here.site.store._inner.regenerate(id, new, Change({}, {}))
        await clock.advance(60)
        assert here.done == ["began"]
        here.site.store.fault = None
        await clock.advance(30)
        assert here.done == ["began"]
        await here.site.store.end(new, "by hand")
        assert await goodbye(socket) == (4401, "by hand")


@pytest.mark.parametrize("lost", ["an end", "a new token, then an end", "another user"])
async def test_what_was_not_told_is_heard_at_the_next_ping(
    bound_site: MakeBoundSite, clock: Clock, lost: str
) -> None:
    here = bound_site(timeout=HOUR, ping_interval=25)
    store = here.site.store
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value
    new = id[:2] + "new"
    code = 4401
    async with bound(ada) as socket:
        await clock.advance(1)
        store.deaf = True
        if lost == "an end":
            await store.end(id, "by hand")
        elif lost == "another user":
            code = 4409
            await store.regenerate(id, new, Change({}, {"user_id": "grace"}))
        else:
            await store.regenerate(id, new, Change({}, {}))
            await clock.advance(60)
            assert here.done == ["began"]
            await store.end(new, "by hand")
        began = clock.monotonic()
        assert (await goodbye(socket))[0] == code
        assert clock.monotonic() - began <= 51


async def test_while_all_is_heard_the_store_is_asked_nothing(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR, ping_interval=25)
    ada = await here.site.signed_in()
    async with bound(ada):
        await clock.advance(1)
        here.site.store.calls.clear()
        await clock.advance(50 * MINUTE)
        assert here.site.store.calls == []


async def test_an_end_before_the_socket_is_bound_is_heard(bound_site: MakeBoundSite) -> None:
    here = bound_site()
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value
    read = here.site.store.hold("load", after=True)
    async with bound(ada) as socket:
        await read.reached.wait()
        await here.site.store.end(id, "in between")
        read.open()
        assert await goodbye(socket) == (4401, "in between")
    assert here.done == []


async def test_a_store_that_is_down_as_the_session_ends_is_asked_again_soon(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR, ping_interval=25)
    ada = await here.site.signed_in()
    async with bound(ada) as socket:
        await clock.advance(HOUR - 10)
        here.site.store.fault = OSError()
        here.site.store.deaf = True
        await clock.advance(12)
        assert here.done == ["began"]
        here.site.store.fault = None
        began = clock.monotonic()
        assert await goodbye(socket) == (4401, "idle")
        assert clock.monotonic() - began < 3

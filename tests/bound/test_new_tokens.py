"""The application's own sockets go on through a change of token, and end with one of user."""

from __future__ import annotations

from typing import Any

import pytest

from quart_idle.stores.base import Change
from tests.helpers.bound_site import MakeBoundSite, bound, goodbye
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end, put, regenerate, sign_in


async def test_a_changed_token_goes_on_and_an_end_after_it_is_heard(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    async with bound(ada) as socket:
        for _ in range(2):
            await clock.advance(1)
            await ada.visit(regenerate)
        await clock.advance(50 * MINUTE)
        await ada.visit(regenerate)
        await clock.advance(20 * MINUTE)  # the deadline is the new session's
        assert here.done == ["began"]
        await ada.visit(end("by hand"))
        assert await goodbye(socket) == (4401, "by hand")


async def test_a_change_of_token_is_no_activity_of_the_socket_s(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value
    async with bound(ada) as socket:
        await clock.advance(30 * MINUTE)
        await here.site.store.regenerate(id, id[:2] + "new", Change({}, {}))
        began = clock.monotonic()
        assert await goodbye(socket) == (4401, "idle")
        assert clock.monotonic() - began < 31 * MINUTE


async def test_what_was_held_back_follows_the_session_to_its_new_token(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value
    async with bound(ada, "/active") as socket:
        await clock.advance(7 * MINUTE)
        await socket.send({})  # held back
        await clock.advance(1)
        await here.site.store.regenerate(id, id[:2] + "new", Change({}, {}))
        began = clock.monotonic()
        assert await goodbye(socket) == (4401, "idle")
        assert clock.monotonic() - began > 59 * MINUTE


@pytest.mark.parametrize("user", ["grace", "ada"])
async def test_another_user_ends_it_and_so_does_a_new_sign_in(
    bound_site: MakeBoundSite, clock: Clock, user: str
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()

    def again(session: Any) -> None:
        session.clear()
        session.user_id = user

    async with bound(ada) as socket:
        await clock.advance(1)
        await ada.copy().visit(again)
        assert await goodbye(socket) == (4409, "regenerated")
    assert here.done == ["began", "ended"]


async def test_signing_in_ends_the_socket_of_nobody(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site()
    ada = here.site.browser()
    await ada.visit(put(a=1))
    async with bound(ada) as socket:
        await clock.advance(1)
        await ada.copy().visit(sign_in("ada"))
        assert await goodbye(socket) == (4409, "regenerated")


async def test_a_socket_with_the_former_token_is_to_come_back_with_the_new_one(
    bound_site: MakeBoundSite,
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()
    late = ada.copy()
    await ada.visit(regenerate)
    async with bound(late) as socket:
        assert await goodbye(socket) == (4409, "regenerated")


async def test_an_end_between_a_new_token_and_its_being_followed_is_heard(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    id = (await ada.visit(lambda session: session.id)).value
    async with bound(ada) as socket:
        await clock.advance(1)
        gate = here.site.store.hold("save", after=True)
        await here.site.store.regenerate(id, id[:2] + "new", Change({}, {}))
        await gate.reached.wait()
        await here.site.store.end(id, "in between")
        gate.open()
        began = clock.monotonic()
        assert await goodbye(socket) == (4401, "in between")
        assert clock.monotonic() - began < 1

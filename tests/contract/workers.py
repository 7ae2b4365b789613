"""What workers that share a store tell each other, by real servers and open pages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.helpers.servers import NewClient, Server, signed_in
from tests.helpers.wire import frame, goodbye, presence

#: Two workers that share a store, with these settings.
Two = Callable[..., tuple[Server, Server]]


class WorkersContract:
    """Inherit, and give the fixture ``two``."""

    #: Within what a page hears, in seconds.
    within = 1.0

    async def test_an_end_or_a_new_token_reaches_pages_of_another_worker_in_time(
        self, two: Two, client: NewClient
    ) -> None:
        here, there = two(timeout=60)
        for act, farewell in {
            "/sign-out": (4401, "signed out"),
            "/sign-out?reason=banned": (4401, "banned"),
            "/regenerate": (4409, "regenerated"),
            "/sign-in/grace": (4409, "regenerated"),
        }.items():
            user = await signed_in(here, client)
            async with presence(there, user) as page, presence(here, user) as own:
                await frame(page, "state")
                await frame(own, "state")
                (await user.post(act)).raise_for_status()
                assert await goodbye(page, self.within) == farewell
                assert await goodbye(own, self.within) == farewell

    async def test_the_end_of_all_reaches_a_user_s_pages_on_every_worker_in_time(
        self, two: Two, client: NewClient
    ) -> None:
        here, there = two(timeout=60)
        phone, laptop, own = [await signed_in(host, client) for host in (there, here, here)]
        async with (
            presence(there, phone) as one,
            presence(there, laptop) as two_,
            presence(here, laptop) as three,
            presence(there, own) as kept,
        ):
            for page in (one, two_, three, kept):
                await frame(page, "state")
            await asyncio.sleep(1.2)  # that they came is written: they would hear by that
            response = await own.post("/sign-out-everywhere/ada")
            assert response.json() == {"ended": 2}
            for page in (one, two_, three):
                assert await goodbye(page, self.within) == (4401, "signed out everywhere")
            assert (await own.get("/")).json()["user"] == "ada"
            await kept.send('{"type": "ask"}')
            await frame(kept, "state")

    @pytest.mark.parametrize("way", ["page", "request"])
    async def test_pages_of_another_worker_hear_that_a_warned_session_goes_on(
        self, two: Two, client: NewClient, way: str
    ) -> None:
        here, there = two(timeout=6, warning=4.5, keepalive="activity", ping_interval=5)
        user = await signed_in(here, client)
        async with presence(here, user) as own, presence(there, user) as page:
            for one in (own, page):  # which answer no ping: that would be activity
                while (await frame(one))["type"] != "warn":
                    pass
            if way == "page":
                await own.send('{"type": "extend"}')
            else:
                await user.get("/untouched")
            async with asyncio.timeout(self.within + 0.3):  # its renewal is gathered first
                while (state := await frame(page))["type"] != "state":
                    pass
            assert state["left"] > state["warning"]

"""Promise 5: open pages hear of an end within a second, or at the next ping."""

from __future__ import annotations

from typing import Any

import pytest

from quart_idle.stores.base import Change
from tests.helpers.clock import HOUR, Clock
from tests.helpers.servers import NewClient, Serve, signed_in
from tests.helpers.site import MakeSite
from tests.helpers.sockets import open_page
from tests.helpers.wire import frame, goodbye, presence


@pytest.mark.parametrize(
    ("act", "code", "reason"),
    [
        ("/sign-out", 4401, "signed out"),
        ("/sign-out?reason=banned", 4401, "banned"),
        (f"/sign-out?reason={'é' * 100}", 4401, "é" * 61),
        ("/regenerate", 4409, "regenerated"),
        ("/sign-in/grace", 4409, "regenerated"),
    ],
)
async def test_an_end_or_a_new_token_reaches_every_page_within_a_second(
    serve: Serve, client: NewClient, act: str, code: int, reason: str
) -> None:
    server = serve({"timeout": 60})
    user = await signed_in(server, client)
    async with presence(server, user) as one, presence(server, user) as other:
        await frame(one, "state")
        await frame(other, "state")
        await user.post(act)
        assert await goodbye(one, 1) == (code, reason)
        assert await goodbye(other, 1) == (code, reason)
    if code == 4409:
        async with presence(server, user) as page:
            assert (await frame(page))["type"] == "state"


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda store, id: store.end(id, "signed out"), 4401),
        (lambda store, id: store.regenerate(id, "new", Change({}, {})), 4409),
    ],
    ids=["end", "regenerate"],
)
async def test_a_page_that_was_not_told_hears_at_its_next_ping(
    site: MakeSite, clock: Clock, act: Any, code: int
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    id = (await browser.visit(lambda session: session.id)).value
    async with open_page(browser) as page:
        await clock.advance(1)
        here.store.deaf = True
        await act(here.store, id)
        page.answers = False
        await clock.advance(12)  # later than a new token is news at the door
        page.answers = True
        pings = page.pings
        while page.code is None and page.pings < pings + 3:
            await clock.advance(1)
        assert page.code == code
        assert page.pings <= pings + 1

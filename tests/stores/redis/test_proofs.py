"""A proof of who the user is, beside other requests, and where its answer is lost: over Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

import pytest

from quart_idle.stores.redis import RedisStore
from tests.helpers.handlers import Do, look
from tests.helpers.proofs import (
    DURING,
    HELD,
    prove,
    proved,
    proves_after_a_change_of_token,
    proves_while,
    proves_while_another_signs_in,
    proves_while_it_ends,
)
from tests.helpers.redis_servers import RedisServer
from tests.helpers.site import MakeSite, Site, make_site
from tests.helpers.tampered_store import Tampered
from tests.helpers.waiting import until


@pytest.fixture
async def redis_site(server: RedisServer) -> AsyncIterator[MakeSite]:
    """Applications of the test's own, in process, over Redis."""
    made: list[Site] = []

    def make(**options: Any) -> Site:
        store = Tampered(RedisStore(server.url))
        made.append(make_site(cast(Any, time.time), store=store, **options))
        return made[-1]

    yield make
    for here in made:
        await here.store.close()


async def test_a_copy_of_the_cookie_gains_no_proof_by_a_change_of_the_token(
    redis_site: MakeSite,
) -> None:
    await proves_after_a_change_of_token(redis_site, lambda: asyncio.sleep(0.01))


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("during", DURING.values(), ids=DURING)
async def test_a_proof_loses_nothing_and_makes_no_second_session(
    redis_site: MakeSite, during: Do, held: str
) -> None:
    await proves_while(redis_site, during, held, first=True)


@pytest.mark.parametrize(("during", "held"), [("save", "save"), ("token", "regenerate")])
async def test_a_proof_meanwhile_loses_nothing_and_makes_no_second_session(
    redis_site: MakeSite, during: str, held: str
) -> None:
    await proves_while(redis_site, DURING[during], held, first=False)


@pytest.mark.parametrize("held", ["view", "load after", "regenerate"])
async def test_a_proof_brings_no_session_back(redis_site: MakeSite, held: str) -> None:
    await proves_while_it_ends(redis_site, held)


@pytest.mark.parametrize("held", ["view", "regenerate"])
async def test_a_proof_is_none_of_another_user_who_signed_in_meanwhile(
    redis_site: MakeSite, held: str
) -> None:
    await proves_while_another_signs_in(redis_site, held)


@pytest.mark.parametrize("after", [False, True])
async def test_a_proof_whose_answer_is_lost_is_none_of_the_old_token(
    redis_site: MakeSite, after: bool
) -> None:
    here = redis_site(store_timeout=0.3)
    browser = await here.signed_in(a=1)
    await asyncio.sleep(0.1)

    def do(session: Any) -> None:
        prove(session)
        here.store.hold("regenerate", after=after)

    answer = await browser.visit(do)
    assert (answer.status, answer.cookie) == (503, None)
    await until(partial(_is_back, here, browser.token))
    assert (await browser.visit(proved)).value[1] < 0.1
    assert (await browser.visit(look)).value == {"a": 1}


async def _is_back(here: Site, token: str | None) -> bool:
    return bool((await here.browser(token).visit(lambda s: s.user_id)).value)

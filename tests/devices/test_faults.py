"""Lists and ends while the store is away, and ends that cross."""

from __future__ import annotations

import asyncio

import pytest

from tests.helpers.clock import Clock
from tests.helpers.devices import (
    METHODS,
    alive,
    delete,
    devices,
    id_of,
    listed,
    said,
)
from tests.helpers.handlers import end, regenerate, sign_in, why
from tests.helpers.redis_servers import RedisServer
from tests.helpers.site import MakeSite, Site
from tests.helpers.tampered_store import Gate
from tests.helpers.waiting import until


async def test_while_the_store_is_away_nothing_is_told_and_nothing_half(here: Site) -> None:
    own, other = await devices(here, 2)
    id = await id_of(other)
    here.store.fault = ConnectionError("down")
    for method, which in (*METHODS, ("DELETE", f"/{id}")):
        answer = await said(own, method, which)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert "Set-Cookie" not in answer.headers
    here.store.fault = None
    assert len(await listed(own)) == 2


@pytest.mark.parametrize(
    ("method", "which", "call"),
    [
        ("GET", "", "sessions_of"),
        ("DELETE", "/other", "end"),
        ("DELETE", "/own", "end"),
        ("DELETE", "?others", "end_some"),
    ],
)
async def test_a_store_that_does_not_answer_is_a_503_and_no_sign_out(
    site: MakeSite, clock: Clock, method: str, which: str, call: str
) -> None:
    here = site()
    own, other = await devices(here, 2)
    named = {"/own": f"/{await id_of(own)}", "/other": f"/{await id_of(other)}"}
    which = named.get(which, which)
    here.store.hold(call)
    began = clock.monotonic()
    answer = await said(own, method, which)
    assert answer.status_code == 503
    assert "Set-Cookie" not in answer.headers
    assert clock.monotonic() - began < 32
    assert await alive(own, other) == [True, True]


async def test_who_is_signed_out_meanwhile_ends_no_others_and_is_told_why(here: Site) -> None:
    own, other = await devices(here, 2)
    id = await id_of(own)
    gates: list[Gate] = []

    @here.app.before_request
    async def hold() -> None:  # (The request has read its session.)
        if not gates:
            gates.append(here.store.hold("load"))

    answer = asyncio.ensure_future(delete(own.copy(), "?others"))
    await until(lambda: bool(gates))
    await asyncio.wait_for(gates[0].reached.wait(), 5)
    await here.idle.sessions.end(id, "locked")
    gates[0].open()
    said = await answer
    assert (said.status_code, await said.get_json()) == (401, {"reason": "locked"})
    assert await alive(own, other) == [False, True]


async def test_a_browser_in_which_another_user_signs_in_meanwhile_goes_on(here: Site) -> None:
    own, other = await devices(here, 2)
    gate = here.store.hold("end")
    answer = asyncio.ensure_future(delete(own.copy(), f"/{await id_of(other)}"))
    await gate.reached.wait()
    await other.visit(sign_in("bob"))
    gate.open()
    assert (await answer).status_code == 404
    assert await alive(own, other) == [True, True]


async def test_a_full_redis_ends_sessions_still(
    redis_site: MakeSite, devices_redis: RedisServer
) -> None:
    here = redis_site()
    own, one, *others = await devices(here, 4)
    more = await devices(here, 2, "bob")
    id = await id_of(one)
    with devices_redis.client as redis:
        redis.config_set("maxmemory", "1mb")
        try:
            answers = [await delete(own, f"/{id}"), await delete(own, "?others")]
            ending = await more[0].visit(lambda s: s.end_others())
            answers.append(await delete(own, f"/{await id_of(own)}"))
        finally:
            redis.config_set("maxmemory", 0)
    assert [answer.status_code for answer in answers] == [204, 200, 204]
    assert (await answers[1].get_json(), ending.value) == ({"ended": 2}, 1)
    assert await alive(own, one, *others, *more) == [False] * 4 + [True, False]


async def test_a_session_that_ends_meanwhile_is_answered_as_none(here: Site) -> None:
    own, other = await devices(here, 2)
    gate = here.store.hold("end")
    answer = asyncio.ensure_future(delete(own.copy(), f"/{await id_of(other)}"))
    await gate.reached.wait()
    await other.visit(end())
    gate.open()
    assert (await answer).status_code == 404
    assert (await other.copy().visit(why)).value is None


async def test_a_token_that_is_changed_while_its_session_signs_itself_out_saves_nobody(
    here: Site,
) -> None:
    own = await here.signed_in()
    id = await id_of(own)
    gate = here.store.hold("end")
    answer = asyncio.ensure_future(delete(own.copy(), f"/{id}"))
    await gate.reached.wait()
    await own.visit(regenerate)
    gate.open()
    assert (await answer).status_code == 204
    assert await alive(own) == [False]

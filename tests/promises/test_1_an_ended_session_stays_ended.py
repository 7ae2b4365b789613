"""Promise 1: no request, stream or socket that was under way brings an ended session back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from quart_idle import Session, SessionEnded
from tests.helpers.clock import MINUTE, Clock
from tests.helpers.handlers import (
    WRITES,
    Do,
    change_a_list,
    end,
    look,
    put,
    regenerate,
    sign_in,
    why,
)
from tests.helpers.overlapping import cross, late
from tests.helpers.servers import NewClient, Serve
from tests.helpers.site import MakeSite
from tests.helpers.wire import own_socket

ENDS = [Session.clear, end("again")]


@pytest.mark.parametrize("held", ["load after", "view"])
@pytest.mark.parametrize("write", WRITES + ENDS)
async def test_no_request_under_way_brings_an_ended_session_back(
    site: MakeSite, clock: Clock, write: Do, held: str
) -> None:
    here = site()
    browser = await here.signed_in(a=1, cart=[])
    old = browser.copy()
    late, _ = await cross(here, browser, write, end("over"), held=held)
    assert late.status == 200
    assert late.cookie is None
    await clock.advance(5)  # the renewals that were noted
    answer = await old.visit(lambda session: (dict(session), session.ended))
    assert answer.value == ({}, "over")


@pytest.mark.parametrize(
    ("held", "write"),
    [
        ("save", put(a=2)),
        ("save", change_a_list),
        ("regenerate", regenerate),
        ("regenerate", sign_in("bob")),
    ],
)
async def test_no_slow_write_brings_an_ended_session_back(
    site: MakeSite, held: str, write: Do
) -> None:
    here = site()
    browser = await here.signed_in(a=1, cart=[])
    old = browser.copy()
    late, _ = await cross(here, browser, write, end("over"), held=held)
    assert late.cookie is None
    assert (await old.visit(why)).value == "over"


async def test_no_renewal_brings_an_ended_session_back(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=MINUTE)
    browser = await here.signed_in(a=1)
    old = browser.copy()
    gate = here.store.hold("renew")
    await browser.visit(look)
    advanced = asyncio.create_task(clock.advance(0.6))
    await gate.reached.wait()
    await browser.visit(end("over"))
    gate.open()
    await advanced
    assert (await old.visit(why)).value == "over"


async def test_no_request_under_way_outlives_the_session_s_clock(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site(timeout=MINUTE, lifetime=2 * MINUTE).signed_in(a=1)

    async def slow(session: Session) -> None:
        await clock.advance(3 * MINUTE)
        session["a"] = 2
        with pytest.raises(SessionEnded):
            await session.save()

    await browser.visit(slow)
    assert (await browser.visit(lambda s: (dict(s), s.ended))).value == ({}, "idle")


@pytest.mark.parametrize("held", ["load after", "view", "end"])
@pytest.mark.parametrize("how", ENDS)
async def test_an_end_follows_a_session_whose_token_changes_meanwhile(
    site: MakeSite, how: Do, held: str
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    late, _ = await cross(here, browser, how, regenerate, held=held)
    assert (late.status, late.cookie) == (200, None)
    answer = await browser.visit(lambda session: (dict(session), session.ended))
    assert answer.value == ({}, "again" if how is not Session.clear else "signed out")


async def test_two_ends_at_once_end_it_once(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    old = browser.copy()
    late, first = await cross(here, browser, end("late"), end("first"), held="end")
    assert first.cookie is not None
    assert late.cookie is None
    assert (await old.visit(why)).value == "first"


@pytest.mark.parametrize("do", [end(), Session.clear])
@pytest.mark.parametrize("after", [False, True])
async def test_a_session_that_is_ended_before_it_was_made_is_not_there(
    site: MakeSite, do: Do, after: bool
) -> None:
    here = site()
    browser = here.browser()
    made: list[str] = []

    async def view(session: Any) -> None:
        sign_in("ada", a=1)(session)
        gate = here.store.hold("create", after=after)
        task = asyncio.create_task(session._get_current_object().save())
        await gate.reached.wait()
        do(session)
        gate.open()
        await task
        made.append(session.id)

    answer = await browser.visit(view)
    assert answer.cookie is None
    assert made == [None]
    assert here.store.calls == ["create", "end"]


@pytest.mark.parametrize("during", [[end()], [regenerate, end()]])
async def test_a_late_write_brings_nothing_back(site: MakeSite, during: list[Do]) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    answer = await late(browser, put(b=2), *during)
    assert (answer.status, answer.cookie) == (200, None)
    assert (await browser.visit(look)).value == {}


async def test_saving_what_is_over_is_an_error_and_brings_nothing_back(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Session) -> None:
        await browser.copy().visit(end())
        session["a"] = 2
        for _ in range(3):
            with pytest.raises(SessionEnded):
                await session.save()

    answer = await browser.visit(do)
    assert answer.status == 200
    assert answer.cookie is None
    assert here.store.calls.count("save") == 1, "the store is asked once, also for the response"
    assert (await browser.visit(look)).value == {}


# Under a real server.


async def test_an_ended_session_stays_ended_whatever_was_under_way(
    serve: Serve, client: NewClient
) -> None:
    server = serve()
    user = client(server)
    await user.post("/sign-in/ada")
    cookies = dict(user.cookies)
    late = client(server)
    late.cookies.update(cookies)
    slow = asyncio.create_task(late.post("/set?wait=1&name=x"))
    async with own_socket(server, user) as socket:
        await asyncio.sleep(0.3)
        await user.post("/sign-out")
        await socket.send("a=1")
        assert await socket.recv() == "SessionEnded"
        await socket.send("reload")
        assert json.loads(await socket.recv()) == {"data": {}, "ended": "signed out"}
    answer = await slow
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert (await late.get("/peek")).json() == {
        **dict.fromkeys(("id", "user", "left")),
        "ended": "signed out",
        "new": True,
        "data": {},
    }

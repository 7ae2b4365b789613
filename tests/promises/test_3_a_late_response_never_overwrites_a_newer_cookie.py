"""Promise 3: a late response never overwrites a newer cookie."""

from __future__ import annotations

import asyncio

import pytest

from quart_idle import Session
from tests.helpers.clock import Clock
from tests.helpers.handlers import WRITES, Do, end, look, put, regenerate, sign_in
from tests.helpers.overlapping import cross
from tests.helpers.servers import NewClient, Serve
from tests.helpers.site import MakeSite


@pytest.mark.parametrize("held", ["load after", "view"])
@pytest.mark.parametrize("write", WRITES)
async def test_a_request_whose_token_changed_while_it_ran_sends_no_cookie(
    site: MakeSite, write: Do, held: str
) -> None:
    here = site()
    browser = await here.signed_in(a=1, cart=[])
    late, _ = await cross(here, browser, write, regenerate, held=held)
    assert late.cookie is None
    assert (await browser.visit(lambda session: session.user_id)).value == "ada"


@pytest.mark.parametrize("token", [put(b=1), regenerate, sign_in("bob")])
@pytest.mark.parametrize("signed_in", [True, False])
async def test_a_token_that_is_over_before_its_response_goes_out_is_not_sent(
    site: MakeSite, token: Do, signed_in: bool
) -> None:
    here = site()
    browser = await here.signed_in(a=1) if signed_in else here.browser()

    async def do(session: Session) -> None:
        session["a"] = 2
        token(session)
        await session.save()
        assert session.id is not None
        assert await here.store.end(session.id, "over")
        session["a"] = 3

    answer = await browser.visit(do)
    assert answer.status == 200
    assert answer.cookie is None


@pytest.mark.parametrize("held", ["regenerate", "regenerate after"])
async def test_of_two_that_change_the_token_at_once_one_sends_a_cookie(
    site: MakeSite, held: str
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    tokens = [
        answer.cookie for answer in await cross(here, browser, regenerate, regenerate, held=held)
    ]
    (cookie,) = (cookie for cookie in tokens if cookie is not None)
    assert (await here.browser(cookie["value"]).visit(look)).value == {"a": 1}


async def test_a_changed_token_is_for_ten_seconds_an_empty_session_that_only_a_sign_in_replaces(
    site: MakeSite, clock: Clock
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    old = browser.copy()
    await browser.visit(regenerate)
    await clock.advance(9.9)
    here.store.calls.clear()
    for do in (look, put(a=2), sign_in(None, a=2), Session.clear, regenerate, end()):
        answer = await old.visit(do)
        assert answer.status == 200
        assert answer.cookie is None
    assert set(here.store.calls) == {"load"}
    assert (await old.visit(look)).value == {}
    assert (await old.visit(sign_in("bob", c=3))).cookie is not None
    assert (await old.visit(lambda s: (s.user_id, dict(s)))).value == ("bob", {"c": 3})
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", {"a": 1})


async def test_ten_seconds_after_it_changed_a_token_is_a_stranger_s(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site().signed_in(a=1)
    old = browser.copy()
    await browser.visit(regenerate)
    await clock.advance(10)
    assert (await old.visit(put(a=2))).cookie is not None
    assert (await old.visit(look)).value == {"a": 2}
    assert (await browser.visit(look)).value == {"a": 1}


@pytest.mark.parametrize("do", [put(a=2), sign_in("bob", a=2)])
async def test_an_ended_token_is_a_stranger_s_at_once(site: MakeSite, do: Do) -> None:
    browser = await site().signed_in(a=1)
    old = browser.copy()
    await browser.visit(end())
    assert (await old.visit(do)).cookie is not None
    assert (await old.visit(look)).value == {"a": 2}


def end_and_sign_in(session: Session) -> None:
    session.end()
    session.user_id = "bob"


def end_and_say_so(session: Session) -> None:
    session.end()
    session["message"] = "Bye"


async def test_a_late_sign_out_does_not_replace_the_cookie_of_who_signed_in_meanwhile(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in()
    late, _ = await cross(here, browser, end_and_say_so, end_and_sign_in)
    assert late.cookie is None


# Under a real server.


async def test_a_late_response_never_overwrites_a_newer_cookie(
    serve: Serve, client: NewClient
) -> None:
    server = serve()
    user = client(server)
    await user.post("/sign-in/ada")
    late = client(server)
    late.cookies.update(dict(user.cookies))
    slow = asyncio.create_task(late.post("/set?wait=0.6&name=x"))
    await asyncio.sleep(0.2)
    assert "Set-Cookie" in (await user.post("/regenerate")).headers
    assert "Set-Cookie" not in (await slow).headers
    # With the old token, in the seconds after: empty, and only a sign-in gets a cookie.
    assert "Set-Cookie" not in (await late.post("/set?name=x")).headers
    assert (await late.get("/peek")).json()["ended"] == "regenerated"
    assert "Set-Cookie" in (await late.post("/sign-in/ada")).headers
    assert (await user.get("/peek")).json()["user"] == "ada"


async def test_signing_in_again_works_at_once_with_an_ended_token(
    serve: Serve, client: NewClient
) -> None:
    server = serve()
    user = client(server)
    await user.post("/sign-in/ada")
    cookies = dict(user.cookies)
    await user.post("/sign-out")
    user.cookies.update(cookies)
    assert "Set-Cookie" in (await user.post("/set?name=x")).headers

"""Streamed responses end with the session: in process, where time passes at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from quart import Response

from tests.helpers.bound_site import BoundSite, MakeBoundSite
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end, regenerate, sign_in
from tests.helpers.streams import Stream, opened


async def is_cut(stream: Stream, within: float = 1.0) -> bool:
    assert stream.running is not None
    await asyncio.wait([stream.running], timeout=within)
    return stream.running.done() and not stream.whole


async def test_an_end_cuts_the_stream_so_that_no_client_takes_it_for_whole(
    bound_site: MakeBoundSite,
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()
    async with opened(ada) as stream:
        assert (stream.status, stream.body) == (200, b"bit ")
        assert stream.headers["vary"] == "Cookie"
        await ada.copy().visit(end())
        assert await is_cut(stream)
    assert here.done == ["ended"]


async def test_an_end_by_time_cuts_the_stream_which_holds_no_session_open(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=MINUTE)
    ada = await here.site.signed_in()
    async with opened(ada) as stream:
        await clock.advance(57)
        assert stream.running is not None
        assert not stream.running.done()
        assert await is_cut(stream, 3)


async def test_over_a_shared_connection_the_stream_ends(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()
    async with opened(ada, http_version="2") as stream:
        await ada.copy().visit(end())
        await clock.advance(0.1)
        assert stream.whole
        assert stream.running is not None
        assert stream.running.done()


async def test_a_changed_token_goes_on_and_another_user_cuts_it(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    async with opened(ada) as stream:
        await ada.visit(regenerate)
        await clock.advance(20)
        assert stream.body == b"bit bit bit "
        await ada.visit(sign_in("grace"))
        assert await is_cut(stream)


async def test_a_stream_that_is_done_is_whole_and_is_not_watched_any_more(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    async with opened(ada) as stream:
        await clock.advance(210)
        assert stream.whole
        assert stream.body == b"bit " * 20
        here.site.store.calls.clear()
        await clock.advance(2 * HOUR)
        assert here.site.store.calls == []


async def test_a_client_that_leaves_is_not_watched_any_more(
    bound_site: MakeBoundSite, clock: Clock
) -> None:
    here = bound_site(timeout=HOUR)
    ada = await here.site.signed_in()
    async with opened(ada) as stream:
        stream.leave()
        await clock.advance(1)
        assert here.done == ["ended"]
        here.site.store.calls.clear()
        await clock.advance(2 * HOUR)
        assert here.site.store.calls == []


async def test_where_no_session_is_the_stream_is_answered_401_with_the_reason(
    bound_site: MakeBoundSite,
) -> None:
    here = bound_site()
    async with opened(here.site.browser("A" * 43)) as stream:
        assert stream.status == 401
        assert stream.whole
        assert json.loads(stream.body) == {"reason": "unknown"}
        assert stream.headers["quart-idle"] == "1"
        assert stream.running is not None
        assert stream.running.done()


async def test_who_may_read_the_stream_may_read_why_it_is_refused(
    bound_site: MakeBoundSite,
) -> None:
    here = bound_site()

    @here.site.app.after_request
    async def allow(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "https://pages.example.org"
        response.headers["Access-Control-Expose-Headers"] = "Quart-Idle"
        response.headers["X-Of-The-Stream"] = "it"
        return response

    async with opened(here.site.browser("A" * 43)) as stream:
        assert stream.status == 401
        assert stream.headers["access-control-allow-origin"] == "https://pages.example.org"
        assert stream.headers["access-control-expose-headers"] == "Quart-Idle"
        assert stream.headers["vary"] == "Cookie"
        assert "x-of-the-stream" not in stream.headers


async def test_a_session_that_ends_before_the_stream_begins_is_answered_401(
    bound_site: MakeBoundSite,
) -> None:
    here = bound_site()
    ada = await here.site.signed_in()

    async def sign_out(session: Any) -> None:
        session.end("by the view")

    here.do = sign_out
    async with opened(ada) as stream:
        assert (stream.status, json.loads(stream.body)) == (401, {"reason": "by the view"})
        assert "Max-Age=0" in stream.headers["set-cookie"]


async def test_a_session_that_the_view_makes_is_bound_too(
    bound_site: MakeBoundSite,
) -> None:
    here = bound_site(timeout=MINUTE)

    async def make(session: Any) -> None:
        session.user_id = "ada"

    here.do = make
    async with opened(here.site.browser("A" * 43)) as stream:
        assert stream.status == 200
        assert "set-cookie" in stream.headers
        assert await is_cut(stream, 61)


@pytest.mark.parametrize("number", [1, 2])
async def test_while_the_store_is_down_the_stream_is_to_be_asked_for_again(
    bound_site: MakeBoundSite, number: int
) -> None:
    here = bound_site(store_timeout=1)
    ada = await here.site.signed_in()

    async def lose_store(_: Any) -> None:
        here.site.store.fault = OSError()

    if number == 1:
        here.site.store.fault = OSError()
    else:
        here.do = lose_store
    async with opened(ada) as stream:
        assert stream.status == 503
        assert stream.headers["retry-after"] == "2"


async def test_what_does_not_stream_is_as_ever(bound_site: MakeBoundSite) -> None:
    here: BoundSite = bound_site()
    for browser in (await here.site.signed_in(), here.site.browser("A" * 43)):
        here.site.store.calls.clear()
        async with opened(browser, "/whole") as response:
            assert (response.status, response.body) == (200, b"whole")
        assert here.site.store.calls.count("load") == 1

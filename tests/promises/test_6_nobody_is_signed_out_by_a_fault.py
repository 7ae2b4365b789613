"""Promise 6: while the store fails, requests are answered by 503 and pages wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from quart_idle import Session, StoreUnavailable
from tests.helpers.clock import MINUTE, Clock
from tests.helpers.handlers import Do, end, look, put, regenerate, session, sign_in, why
from tests.helpers.site import MakeSite, Site
from tests.helpers.sockets import open_page
from tests.helpers.tampered_store import Gate

FAULTS = [OSError("no route"), StoreUnavailable(), TimeoutError(), RuntimeError("broken"), None]


def fail(site: Site, fault: Exception | None, name: str) -> Gate | None:
    """Make the store fail; None: it does not answer."""
    site.store.fault = fault
    return site.store.hold(name) if fault is None else None


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
@pytest.mark.parametrize(
    "do", [look, len, why, lambda s: s.new, put(a=2), end(), regenerate, sign_in("bob")]
)
async def test_a_request_that_touches_the_session_while_the_store_fails_gets_a_503(
    worded: Site, do: Do, fault: Exception | None
) -> None:
    browser = await worded.signed_in(a=1)
    fail(worded, fault, "load")
    answer = await browser.visit(do)
    assert answer.status == 503
    assert await answer.response.get_json() == {"error": "come back later"}
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.cookie is None
    worded.store.fault = None
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", {"a": 1})


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
@pytest.mark.parametrize(
    ("name", "do"),
    [
        ("save", put(a=2)),
        ("regenerate", regenerate),
        ("regenerate", sign_in("bob")),
        ("end", end()),
        ("end", Session.clear),
    ],
)
async def test_a_save_that_fails_gives_the_same(
    worded: Site, name: str, do: Do, fault: Exception | None
) -> None:
    browser = await worded.signed_in(a=1)

    def break_down(session: Session) -> None:
        do(session)
        fail(worded, fault, name)

    answer = await browser.visit(break_down)
    assert answer.status == 503
    assert await answer.response.get_json() == {"error": "come back later"}
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Vary"] == "Cookie"
    assert answer.cookie is None
    worded.store.fault = None
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", {"a": 1})


async def test_a_session_that_cannot_be_made_gives_the_same(worded: Site) -> None:
    worded.store.fault = OSError()
    browser = worded.browser()
    answer = await browser.visit(put(a=1))
    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert answer.cookie is None
    worded.store.fault = None
    assert (await browser.visit(why)).value is None


@pytest.mark.parametrize("do", [look, put(a=2)])
async def test_without_words_of_the_application_s_own_it_is_a_plain_503(
    site: MakeSite, do: Do
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    here.store.fault = OSError()
    answer = await browser.visit(do)
    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert "session store" in (await answer.response.get_data(as_text=True))


async def test_a_handler_that_touches_the_session_while_the_store_fails_does_no_harm(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    @here.app.errorhandler(503)
    async def handler(_: Any) -> Any:
        with suppress(StoreUnavailable):
            session["a"] = 3
        return "sorry", 503

    here.store.fault = OSError()
    assert (await browser.visit(look)).status == 503
    here.store.fault = None
    assert (await browser.visit(look)).value == {"a": 1}


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
async def test_a_request_that_does_not_touch_the_session_is_served_while_the_store_fails(
    site: MakeSite, fault: Exception | None
) -> None:
    here = site(store_timeout=1)
    browser = await here.signed_in(a=1)
    fail(here, fault, "load")
    assert (await browser.visit()).status == 200
    assert (await here.browser().visit(look)).value == {}, "and one without a cookie"


async def test_a_socket_s_handler_hears_that_the_store_fails_and_may_try_again(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    heard: list[Any] = []
    done = asyncio.Event()

    async def do(session: Session) -> None:
        with pytest.raises(StoreUnavailable):
            len(session)
        with pytest.raises(StoreUnavailable):
            await session.reload()
        here.store.fault = None
        await session.reload()
        heard.append(dict(session))
        session["a"] = 2
        await session.save()
        done.set()

    here.store.fault = OSError()
    async with browser.client.websocket("/socket", scope_base={"do": do}):
        await done.wait()
    assert heard == [{"a": 1}]
    assert (await browser.visit(look)).value == {"a": 2}


async def test_an_end_that_failed_can_be_tried_again(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Session) -> None:
        session.end()
        here.store.fault = OSError()
        with pytest.raises(StoreUnavailable):
            await session.save()
        here.store.fault = None

    old = browser.copy()
    answer = await browser.visit(do)
    assert answer.status == 200
    assert answer.cookie is not None
    assert (await old.visit(why)).value == "signed out"


# Open pages.


async def test_a_page_that_opens_while_the_store_fails_is_told_to_try_again(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    here.store.fault = ConnectionError("down")
    async with open_page(browser) as page:
        assert page.code == 1013
    here.store.fault = None
    async with open_page(browser) as page:
        assert page.kinds() == ["state"]


async def test_an_open_page_outlives_a_failing_store_and_its_renewals_are_kept(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=8 * MINUTE)
    browser = await here.signed_in(a=1)
    async with open_page(browser) as page:
        await clock.advance(5 * MINUTE)
        here.store.fault = ConnectionError("down")
        await clock.advance(6 * MINUTE)
        assert (page.code, page.kinds()) == (None, ["state"])
        here.store.fault = None
        await clock.advance(MINUTE)
        assert (page.code, page.kinds()) == (None, ["state"])
    assert (await browser.visit(look)).value == {"a": 1}


async def test_the_end_waits_for_the_store_to_say_so(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=10 * MINUTE, keepalive="activity")
    browser = await here.signed_in(a=1)
    began = clock.monotonic()
    async with open_page(browser) as page:
        page.idle = lambda: clock.monotonic() - began
        await clock.advance(9 * MINUTE)
        here.store.fault, here.store.deaf = ConnectionError("down"), True
        await clock.advance(5 * MINUTE)
        assert page.code is None
        here.store.fault, here.store.deaf = None, False
        await clock.advance(5)
        assert page.code == 4401

"""When a session ends, and what is told of that."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from quart_idle import Session
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import Do, look, put, regenerate, sign_in, why
from tests.helpers.site import PASSIVE, Browser, MakeSite


async def is_open(browser: Browser) -> None:
    """A page of this browser answers a ping."""
    response = await browser.client.post(
        "/_idle/presence",
        data=json.dumps({"type": "pong", "idle": 0, "visible": True}),
        headers={"Origin": "http://localhost"},
    )
    assert response.status_code == 200


async def test_a_session_ends_when_its_timeout_has_passed_without_activity(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site(timeout=MINUTE).signed_in(a=1)
    await clock.advance(MINUTE - 0.1)
    assert (await browser.visit(look, PASSIVE)).value == {"a": 1}
    await clock.advance(0.1)
    assert (await browser.visit(why)).value == "idle"
    assert (await browser.visit(look)).value == {}


@pytest.mark.parametrize("path", ["/", "/blueprint/active"])
async def test_a_request_restarts_the_idle_clock_whether_or_not_it_touches_the_session(
    site: MakeSite, clock: Clock, path: str
) -> None:
    browser = await site(timeout=MINUTE).signed_in(a=1)
    for _ in range(5):
        await clock.advance(MINUTE - 1)
        await browser.visit(path=path)
    assert (await browser.visit(look, PASSIVE)).value == {"a": 1}


@pytest.mark.parametrize(
    "path",
    ["/passive/above", "/passive/below", "/blueprint/passive", "/no such page", "/_idle/state"],
)
async def test_a_request_to_a_passive_view_or_to_none_is_no_activity(
    site: MakeSite, clock: Clock, path: str
) -> None:
    browser = await site(timeout=MINUTE).signed_in()
    await clock.advance(MINUTE - 1)
    await browser.visit(path=path)
    await clock.advance(1)
    assert (await browser.visit(why)).value == "idle"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Sec-Purpose": "prefetch;anonymous-client-ip"},
        {"Purpose": "prefetch"},
        {"X-Sec-Purpose": "prefetch"},
    ],
)
async def test_what_a_browser_fetches_ahead_is_no_activity(
    site: MakeSite, clock: Clock, headers: dict[str, str]
) -> None:
    browser = await site(timeout=MINUTE).signed_in(a=1)
    await clock.advance(MINUTE - 1)
    assert (await browser.visit(look, headers=headers)).value == {"a": 1}
    await clock.advance(1)
    assert (await browser.visit(why)).value == "idle"


async def test_no_activity_outlives_the_lifetime(site: MakeSite, clock: Clock) -> None:
    browser = await site(timeout=MINUTE, lifetime=2 * MINUTE).signed_in(a=1)
    for _ in range(3):
        await clock.advance(MINUTE / 2)
        assert (await browser.visit(look)).value == {"a": 1}
    await clock.advance(MINUTE / 2)
    assert (await browser.visit(why)).value == "lifetime"


async def test_a_session_ends_when_its_last_page_has_been_closed_for_the_closed_timeout(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site(timeout=HOUR, closed_timeout=MINUTE).signed_in(a=1)
    await is_open(browser)
    await clock.advance(MINUTE - 1)
    await browser.visit(path=PASSIVE)  # it is seen, though not active
    await clock.advance(MINUTE - 1)
    assert (await browser.visit(look, PASSIVE)).value == {"a": 1}
    await clock.advance(MINUTE)
    assert (await browser.visit(why)).value == "closed"


async def test_the_closed_timeout_does_not_count_while_no_page_was_ever_open(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site(timeout=HOUR, closed_timeout=MINUTE).signed_in(a=1)
    await clock.advance(HOUR - 1)
    assert (await browser.visit(look, PASSIVE)).value == {"a": 1}


@pytest.mark.parametrize("own", [10 * MINUTE, 2 * HOUR])
async def test_a_session_s_own_timeout_replaces_the_application_s(
    site: MakeSite, clock: Clock, own: float
) -> None:
    browser = await site(timeout=HOUR).signed_in(a=1)

    def set_timeout(session: Session) -> timedelta:
        session.timeout = timedelta(seconds=own)
        return session.timeout

    assert (await browser.visit(set_timeout)).value == timedelta(seconds=own)
    await browser.visit(regenerate)
    await clock.advance(own - 1)
    assert (await browser.visit(look, PASSIVE)).value == {"a": 1}
    await clock.advance(1)
    assert (await browser.visit(why)).value == "idle"


@pytest.mark.parametrize("how", [lambda s: setattr(s, "timeout", None), Session.clear])
async def test_the_own_timeout_can_be_taken_back(site: MakeSite, how: Do) -> None:
    browser = await site(timeout=HOUR).signed_in()
    await browser.visit(lambda session: setattr(session, "timeout", 5))

    def take_back(session: Session) -> None:
        how(session)
        session["a"] = 1

    await browser.visit(take_back)
    assert (await browser.visit(lambda session: session.timeout)).value == timedelta(hours=1)


@pytest.mark.parametrize(
    "wrong", [0, -1, float("nan"), float("inf"), 1e999, 10**400, True, "60", timedelta(0), [60]]
)
async def test_a_timeout_that_is_no_duration_is_refused(site: MakeSite, wrong: Any) -> None:
    browser = await site(timeout=HOUR).signed_in()

    def set_timeout(session: Session) -> timedelta:
        with pytest.raises(ValueError, match=r"session\.timeout is .*; allowed: a timedelta"):
            session.timeout = wrong
        return session.timeout

    assert (await browser.visit(set_timeout)).value == timedelta(hours=1)


async def test_remaining_is_never_less_than_nothing(site: MakeSite, clock: Clock) -> None:
    browser = await site(timeout=MINUTE).signed_in()

    async def linger(session: Session) -> timedelta | None:
        await clock.advance(HOUR)
        return session.remaining

    assert (await browser.visit(linger)).value == timedelta(0)


async def test_a_slow_view_is_within_the_time_that_its_request_renewed(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site(timeout=MINUTE, store_timeout=1).signed_in()
    await clock.advance(MINUTE - 1)

    async def slow(session: Session) -> None:
        await clock.advance(MINUTE - 1)
        session["a"] = 1

    await browser.visit(slow)
    await clock.advance(MINUTE - 1)
    assert (await browser.visit(look)).value == {"a": 1}


async def test_the_lifetime_counts_from_the_sign_in(site: MakeSite, clock: Any) -> None:
    here = site(lifetime=1000, timeout=10_000, warning=20)
    browser = here.browser()
    await browser.visit(put(csrf="token"))
    await clock.advance(900)
    await browser.visit(sign_in())
    await clock.advance(900)
    assert (await browser.visit(lambda s: (s.user_id, s.remaining))).value == (
        "ada",
        timedelta(seconds=100),
    )
    await browser.visit(regenerate)
    await clock.advance(101)
    assert (await browser.visit(why)).value == "lifetime"


@pytest.mark.parametrize("change", [regenerate, sign_in("grace")], ids=["token", "user"])
async def test_a_request_that_changes_the_token_is_activity_like_any_other(
    site: MakeSite, clock: Clock, change: Do
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    await clock.advance(50 * MINUTE)
    await browser.visit(change)
    await clock.advance(50 * MINUTE)
    assert (await browser.visit(look, "/passive/above")).value == {"a": 1}

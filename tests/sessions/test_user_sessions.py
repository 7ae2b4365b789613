"""A user's sessions, as `idle.sessions` and `session.end_others` have them."""

from __future__ import annotations

import asyncio
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quart import Quart

from quart_idle import (
    ConfigError,
    MemoryStore,
    QuartIdle,
    Session,
    SessionEnded,
    SessionInfo,
    StoreUnavailable,
)
from quart_idle.stores.base import Device
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.devices import alive, devices, id_of
from tests.helpers.handlers import Do, end, look, put, regenerate, sign_in, why
from tests.helpers.overlapping import Slow
from tests.helpers.site import MakeSite
from tests.helpers.sockets import Closed, open_page, open_socket

UNKNOWN_ID = "0" * 64
NO_IDS: list[Any] = ["", "id", "A" * 64, "é" * 64, "\ud800", "0" * 63, "0" * 64 + "\n", 7, None]
NO_USERS: list[Any] = ["", None, 7, b"ada", ["ada"]]


async def test_a_user_s_sessions_are_listed_the_latest_activity_first(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    start = datetime.fromtimestamp(clock(), UTC)
    ids = []
    for browser in await devices(here, 3):
        ids.append(await id_of(browser))
        await clock.advance(MINUTE)
    await here.signed_in("bob")
    found = await here.idle.sessions.of("ada")
    assert [one.id for one in found] == ids[::-1]
    oldest = found[-1]
    moments = [
        (moment - start) / timedelta(seconds=1)
        for moment in (
            oldest.created_at,
            oldest.authenticated_at or start,
            oldest.active_at,
            oldest.expires_at,
        )
    ]
    assert moments == pytest.approx([0, 0, 0, HOUR], abs=2)
    assert {one.user_id for one in found} == {"ada"}
    assert await here.idle.sessions.of("eve") == []


async def test_a_request_moves_a_session_to_the_front_before_the_store_is_told(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    first, second = await devices(here, 2)
    await clock.advance(MINUTE)
    here.store.hold("renew")
    await first.visit(look)
    found = await here.idle.sessions.of("ada")
    assert [one.id for one in found] == [await id_of(first), await id_of(second)]
    assert found[0].active_at - found[1].active_at > timedelta(seconds=MINUTE / 2)


@pytest.mark.parametrize("clears", [False, True])
async def test_a_user_s_session_tells_from_where_they_signed_in(
    site: MakeSite, clears: bool
) -> None:
    here = site(timeout=HOUR)
    browser = here.browser()

    def sign_in_on(device: Device) -> Do:
        def do(session: Session) -> None:
            session._device = lambda: device
            if clears:
                session.clear()
            session.user_id = "ada"

        return do

    await browser.visit(put(a=1))
    await browser.visit(sign_in_on(Device("192.0.2.7", "a phone")))
    await browser.visit(regenerate)
    (one,) = await here.idle.sessions.of("ada")
    assert await here.idle.sessions.get(one.id) == one
    assert (one.address, one.user_agent) == ("192.0.2.7", "a phone")
    await browser.visit(sign_in_on(Device()))
    found = await here.idle.sessions.get(await id_of(browser))
    assert found is not None
    # Whose session it is already does not sign in, unless all was cleared.
    assert found.address == (None if clears else "192.0.2.7")


async def test_a_session_is_found_by_its_id_with_its_user_s_signing_in_and_without_data(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    browser = here.browser()
    await browser.visit(put(a="secret"))
    found = await here.idle.sessions.get(await id_of(browser))
    assert found is not None
    assert (found.user_id, found.authenticated_at) == (None, None)
    await clock.advance(MINUTE)
    await browser.visit(sign_in())
    found = await here.idle.sessions.get(await id_of(browser))
    assert found is not None
    assert found.user_id == "ada"
    assert found.authenticated_at is not None
    assert found.authenticated_at - found.created_at == pytest.approx(
        timedelta(seconds=MINUTE), abs=timedelta(seconds=2)
    )
    await browser.visit(regenerate)
    await browser.visit(put(a="more"))
    again = await here.idle.sessions.get(await id_of(browser))
    assert again is not None
    assert again.authenticated_at == found.authenticated_at
    assert "secret" not in repr(found)
    assert str(browser.token) not in repr(found)
    with pytest.raises(FrozenInstanceError):
        found.user_id = "eve"  # type: ignore[misc]


async def test_pages_of_a_list_have_each_session_once_though_some_come_and_go(
    site: MakeSite,
) -> None:
    here = site()
    browsers = await devices(here, 5)
    ids = [await id_of(browser) for browser in browsers]
    first = await here.idle.sessions.of("ada", limit=2)
    assert [one.id for one in first] == ids[:2]
    await browsers[1].visit(end())
    await browsers[2].visit(regenerate)
    await browsers[3].visit(end())
    new = await id_of(await here.signed_in())
    rest = await here.idle.sessions.of("ada", limit=10, after=first[-1])
    assert [one.id for one in rest] == [await id_of(browsers[2]), ids[4], new]
    assert await here.idle.sessions.of("ada", limit=10, after=rest[-1]) == []


async def test_a_session_is_ended_from_elsewhere_with_its_pages(site: MakeSite) -> None:
    here = site()
    phone, laptop = await devices(here, 2)
    async with open_socket(phone.copy()) as socket, open_page(laptop.copy()) as other:
        assert (await socket.receive())["type"] == "state"
        assert await here.idle.sessions.end(await id_of(phone))
        with pytest.raises(Closed) as closed:
            await socket.receive()
        assert other.code is None
    assert (closed.value.code, closed.value.reason) == (4401, "ended from elsewhere")
    assert (await phone.copy().visit(why)).value == "ended from elsewhere"
    assert await alive(phone, laptop) == [False, True]
    assert not await here.idle.sessions.end(UNKNOWN_ID)


async def test_a_user_s_session_is_ended_whatever_its_token_is_by_now(site: MakeSite) -> None:
    here = site()
    phone, laptop = await devices(here, 2)
    id = await id_of(phone)
    await phone.visit(regenerate)
    assert not await here.idle.sessions.end_of("bob", id)
    assert await alive(phone) == [True]
    assert await here.idle.sessions.end_of("ada", id, "stolen")
    assert (await phone.copy().visit(why)).value == "stolen"
    assert await alive(phone, laptop) == [False, True]
    for gone in (id, UNKNOWN_ID):
        assert not await here.idle.sessions.end_of("ada", gone)


async def test_an_end_of_a_user_s_session_spares_who_signs_in_there_meanwhile(
    site: MakeSite,
) -> None:
    here = site()
    (browser,) = await devices(here, 1)
    id = await id_of(browser)
    gate = here.store.hold("end")
    ending = asyncio.create_task(here.idle.sessions.end_of("ada", id))
    await gate.reached.wait()
    await browser.visit(sign_in("bob"))
    gate.open()
    assert await ending is False
    assert await alive(browser) == [True]


async def test_all_of_a_user_are_ended_but_for_one_to_keep(site: MakeSite) -> None:
    here = site()
    browsers = await devices(here, 3)
    other = await here.signed_in("bob")
    assert await here.idle.sessions.end_all("ada", keep=await id_of(browsers[1])) == 2
    assert await alive(*browsers, other) == [False, True, False, True]
    assert (await browsers[0].copy().visit(why)).value == "signed out everywhere"
    assert await here.idle.sessions.end_all("ada", reason="banned") == 1
    assert (await browsers[1].visit(why)).value == "banned"
    assert await here.idle.sessions.end_all("ada") == 0


@pytest.mark.parametrize("held", ["create", "regenerate"])
async def test_a_sign_in_under_way_is_ended_too_or_began_after(site: MakeSite, held: str) -> None:
    here = site()
    browser = here.browser()
    if held == "regenerate":
        await browser.visit(put(a=1))
    for after in (False, True):
        gate = here.store.hold(held, after=after)
        signing_in = browser.copy().start(sign_in())
        await gate.reached.wait()
        ended = await here.idle.sessions.end_all("ada")
        assert ended == int(after)
        gate.open()
        await signing_in
        # What is listed is what lives: it began after, or is over.
        assert len(await here.idle.sessions.of("ada")) == 1 - ended
        if not after:
            await here.idle.sessions.end_all("ada")
            browser = here.browser()
            if held == "regenerate":
                await browser.visit(put(a=1))


# A session's own others.


async def test_a_session_ends_the_others_of_its_user_and_goes_on(site: MakeSite) -> None:
    here = site()
    phone, laptop = await devices(here, 2)
    other = await here.signed_in("bob")
    assert (await phone.visit(lambda s: s.end_others(reason="new password"))).value == 1
    assert await alive(phone, laptop, other) == [True, False, True]
    assert (await laptop.visit(why)).value == "new password"


async def test_who_signs_in_can_end_the_others_at_once(site: MakeSite) -> None:
    here = site()
    (old,) = await devices(here, 1)
    browser = here.browser()

    async def sign_in_alone(session: Session) -> int:
        session.clear()
        session.user_id = "ada"
        return await session.end_others()

    assert (await browser.visit(sign_in_alone)).value == 1
    assert await alive(old, browser) == [False, True]


async def test_a_session_whose_token_changes_meanwhile_ends_the_others_and_goes_on(
    site: MakeSite,
) -> None:
    here = site()
    phone, laptop = await devices(here, 2)
    slow = Slow(then=None)

    async def late(session: Session) -> int:
        await slow.gate.passed()
        return await session.end_others()

    ending = phone.copy().start(late)
    await slow.gate.reached.wait()
    await phone.visit(regenerate)
    slow.gate.open()
    assert (await ending).value == 1
    assert await alive(phone, laptop) == [True, False]


@pytest.mark.parametrize("became", [end("stolen"), sign_in("bob"), sign_in(None)])
async def test_a_session_that_is_over_or_another_s_by_now_ends_nobody_s(
    site: MakeSite, became: Any
) -> None:
    here = site()
    thief, owner = await devices(here, 2)
    slow = Slow(then=None)

    async def late(session: Session) -> None:
        await slow.gate.passed()
        with pytest.raises(SessionEnded):
            await session.end_others()

    ending = thief.copy().start(late)
    await slow.gate.reached.wait()
    await thief.visit(became)
    slow.gate.open()
    assert (await ending).status == 200
    assert await alive(owner) == [True]


async def test_nobody_s_session_has_no_others(site: MakeSite) -> None:
    here = site()
    (owner,) = await devices(here, 1)

    async def nobody(session: Session) -> None:
        with pytest.raises(RuntimeError, match="nobody is signed in"):
            await session.end_others()

    for browser in (here.browser(), here.browser()):
        await browser.visit(nobody)
        await browser.visit(put(a=1))
    assert await alive(owner) == [True]


# Bad input, and faults.


@pytest.mark.parametrize("id", NO_IDS)
async def test_what_is_no_id_is_nobody_s_and_costs_no_trip(site: MakeSite, id: Any) -> None:
    here = site()
    await here.signed_in()
    sessions = here.idle.sessions
    assert await sessions.get(id) is None
    assert await sessions.end(id) is False
    assert await sessions.end_of("ada", id) is False
    if id is not None:
        with pytest.raises(ValueError, match="allowed: an id, None"):
            await sessions.end_all("ada", keep=id)
    assert here.store.calls == []
    assert len(await sessions.of("ada")) == 1


@pytest.mark.parametrize("user", NO_USERS)
async def test_what_is_no_user_is_an_error(site: MakeSite, user: Any) -> None:
    sessions = site().idle.sessions
    with pytest.raises(TypeError, match="the user is"):
        await sessions.of(user)
    with pytest.raises(TypeError, match="the user is"):
        await sessions.end_all(user)
    with pytest.raises(TypeError, match="the user is"):
        await sessions.end_of(user, UNKNOWN_ID)


@pytest.mark.parametrize("user", ["a" * 10_000, "\ud800", "a:{b}", "{}", "\x00", " "])
async def test_a_user_can_be_called_anything(site: MakeSite, user: str) -> None:
    here = site()
    browser = await here.signed_in(user)
    assert [one.user_id for one in await here.idle.sessions.of(user)] == [user]
    assert await here.idle.sessions.end_all(user) == 1
    assert await alive(browser) == [False]


@pytest.mark.parametrize("reason", ["", None, 7])
async def test_a_reason_is_a_text(site: MakeSite, reason: Any) -> None:
    here = site()
    (browser,) = await devices(here, 1)
    id = await id_of(browser)

    async def others(session: Session) -> None:
        with pytest.raises(TypeError, match="the reason is"):
            await session.end_others(reason)

    await browser.visit(others)
    for call in (
        here.idle.sessions.end(id, reason),
        here.idle.sessions.end_of("ada", id, reason),
        here.idle.sessions.end_all("ada", reason=reason),
    ):
        with pytest.raises(TypeError, match="the reason is"):
            await call
    assert await alive(browser) == [True]


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_limit_is_one_or_more(site: MakeSite, limit: int) -> None:
    with pytest.raises(ValueError, match="allowed: 1 or more"):
        await site().idle.sessions.of("ada", limit=limit)


async def test_a_page_goes_on_after_what_a_list_gave(site: MakeSite) -> None:
    here = site()
    (browser,) = await devices(here, 1)
    alone = await here.idle.sessions.get(await id_of(browser))
    assert isinstance(alone, SessionInfo)
    with pytest.raises(ValueError, match="what `of` gave"):
        await here.idle.sessions.of("ada", after=alone)


async def test_while_the_store_is_away_a_view_that_asks_is_a_503_and_nothing_is_half(
    site: MakeSite,
) -> None:
    here = site()
    (browser,) = await devices(here, 1)
    id = await id_of(browser)
    here.store.fault = OSError("away")
    sessions = here.idle.sessions
    for call in (
        *(sessions.of("ada"), sessions.get(id)),
        *(sessions.end(id), sessions.end_of("ada", id), sessions.end_all("ada")),
    ):
        with pytest.raises(StoreUnavailable):
            await call

    async def ask(_: Session) -> Any:
        return await sessions.of("ada")

    assert (await here.browser().visit(ask)).status == 503
    here.store.fault = None
    assert [one.id for one in await sessions.of("ada")] == [id]


async def test_a_list_that_fails_in_the_middle_is_no_shorter_list(site: MakeSite) -> None:
    here = site()
    await devices(here, 501)
    gate = here.store.hold("sessions_of", after=True)
    listing = asyncio.create_task(here.idle.sessions.of("ada"))
    await gate.reached.wait()
    here.store.fault = OSError("away")
    gate.open()
    with pytest.raises(StoreUnavailable):
        await listing


async def test_a_store_that_keeps_no_lists_is_told_of(clock: Clock) -> None:
    class Plain(MemoryStore):
        sessions_of = end_some = None  # type: ignore[assignment]

    idle = QuartIdle(Quart("tests"), store=Plain(clock))
    with pytest.raises(ConfigError, match="Plain, does not list"):
        await idle.sessions.of("ada")


async def test_sessions_are_those_of_the_current_application() -> None:
    idle = QuartIdle()
    with pytest.raises(RuntimeError, match="of one application"):
        idle.sessions  # noqa: B018
    one, other = Quart("one"), Quart("other")
    idle.init_app(one)
    alone = idle.sessions
    idle.init_app(other)
    with pytest.raises(RuntimeError, match="app_context"):
        idle.sessions  # noqa: B018
    async with one.app_context():
        assert idle.sessions is alone
    async with other.app_context():
        assert idle.sessions is not alone


async def test_reading_and_writing_cost_what_they_did(site: MakeSite) -> None:
    here = site()
    (browser,) = await devices(here, 1)
    await browser.visit(look)
    await browser.visit(put(a=1))
    await browser.visit(sign_in("bob"))
    await browser.visit(end())
    assert [call for call in here.store.calls if call != "renew"] == [
        *("load", "load", "save", "load", "regenerate", "load", "end")
    ]


@pytest.mark.parametrize("wrong", [{"limit": 1.5}, {"limit": True}, {"after": "x"}])
async def test_a_page_of_a_list_that_is_asked_for_wrongly_is_a_type_error(
    site: MakeSite, wrong: Any
) -> None:
    here = site()
    with pytest.raises(TypeError, match="allowed"):
        await here.idle.sessions.of("ada", **wrong)

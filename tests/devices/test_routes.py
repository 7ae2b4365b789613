"""The routes by which a page lists and ends its user's sessions."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime

import pytest

from quart_idle.stores.base import Change
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.devices import (
    PATH,
    UNKNOWN_ID,
    alive,
    delete,
    devices,
    id_of,
    ids,
    listed,
)
from tests.helpers.handlers import end, look, put, regenerate, sign_in, why
from tests.helpers.site import MakeSite, Site
from tests.helpers.sockets import Closed, open_socket

NO_IDS = ["id", "A" * 64, "é" * 64, "%ED%A0%80", "0" * 63, "0" * 65, "%00", "a/b"]


# Listing.


async def test_a_user_sees_their_sessions_their_own_first_and_which_it_is(here: Site) -> None:
    first, second, third = [await here.signed_in() for _ in range(3)]
    await here.signed_in("bob")
    found = await listed(second)
    assert {one["id"] for one in found} == {await id_of(it) for it in (second, third, first)}
    assert found[0]["id"] == await id_of(second)
    assert [one["current"] for one in found] == [True, False, False]


async def test_the_others_are_listed_by_their_latest_activity(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=HOUR)
    first, second, third = await devices(here, 3)
    await clock.advance(20 * MINUTE)
    await second.visit(look)
    assert await ids(third) == [await id_of(it) for it in (third, second, first)]


async def test_of_each_session_its_moments_are_told_with_their_time_zone(here: Site) -> None:
    browser = await here.signed_in()
    info = (await here.idle.sessions.of("ada"))[0]
    told = (await listed(browser))[0]
    for name in ("created_at", "authenticated_at", "expires_at"):
        assert datetime.fromisoformat(told[name]) == getattr(info, name)
    assert datetime.fromisoformat(told["active_at"]).utcoffset() is not None


async def test_no_token_and_no_data_is_told(here: Site) -> None:
    browser = await here.signed_in(note="what is held")
    answer = await browser.client.get(PATH)
    text = await answer.get_data(as_text=True)
    assert str(browser.token) not in text
    assert "what is held" not in text
    assert "ada" not in text


async def test_a_long_list_comes_in_parts_that_have_each_session_once(here: Site) -> None:
    *_, browser = await devices(here, 7)
    whole = await ids(browser)
    found: list[list[str]] = []
    query = "?limit=3"
    while query and len(found) < 4:
        answer = await browser.client.get(PATH + query)
        found.append([one["id"] for one in await answer.get_json()])
        link = re.fullmatch(r'<(\?.+)>; rel="next"', answer.headers.get("Link", ""))
        query = link[1] if link else ""
    assert [len(part) for part in found] == [3, 3, 1]
    assert sorted(id for part in found for id in part) == sorted(whole)
    assert found[-1] == [await id_of(browser)]


async def test_a_list_has_two_hundred_at_most_and_is_read_in_one_trip(site: MakeSite) -> None:
    here = site()
    for number in range(1, 202):
        await here.store.create(f"{number:064x}", Change({}, {"user_id": "ada"}))
    browser = await here.signed_in()
    here.store.calls.clear()
    answer = await browser.client.get(PATH)
    assert len(await answer.get_json()) == 200
    assert here.store.calls == ["load", "sessions_of"]
    rest = await listed(browser, re.sub("<(.*)>.*", r"\1", answer.headers["Link"]))
    assert [one["current"] for one in rest] == [True, False]


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=-1", "limit=201", "limit=", "limit=all", "limit=1.5", "limit=%D9%A3"),
        *("after=", "after=-1", "after=inf", "after=nan", "after=1e9", "after=x"),
        *(f"limit={'9' * 5000}", f"after={'9' * 5000}", "limit=%ED%A0%80"),
    ],
)
async def test_a_part_that_is_none_is_refused(site: MakeSite, query: str) -> None:
    browser = await site().signed_in()
    answer = await browser.client.get(f"{PATH}?{query}")
    assert answer.status_code == 400
    assert (await answer.get_json())["error"]


# Ending.


async def test_another_of_the_user_s_sessions_is_ended_at_once_with_its_pages(here: Site) -> None:
    own, other = await devices(here, 2)
    async with open_socket(other) as page:
        assert (await page.receive())["type"] == "state"
        answer = await delete(own, f"/{await id_of(other)}")
        assert (answer.status_code, await answer.get_data()) == (204, b"")
        with pytest.raises(Closed) as closed:
            await asyncio.wait_for(page.receive(), 1)
    assert (closed.value.code, closed.value.reason) == (4401, "ended from elsewhere")
    assert (await other.copy().visit(why)).value == "ended from elsewhere"
    assert await alive(own, other) == [True, False]
    assert await ids(own) == [await id_of(own)]
    assert "Set-Cookie" not in answer.headers


async def test_one_s_own_session_is_signed_out_and_its_cookie_is_deleted(here: Site) -> None:
    own, other = await devices(here, 2)
    late = own.copy()
    answer = await delete(own, f"/{await id_of(own)}")
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert own.token is None
    assert (await late.visit(why)).value == "signed out"
    assert await alive(other) == [True]


async def test_all_others_are_ended_and_nobody_else_s(here: Site) -> None:
    own, *others = await devices(here, 4)
    stranger = await here.signed_in("bob")
    answer = await delete(own, "?others")
    assert (answer.status_code, await answer.get_json()) == (200, {"ended": 3})
    assert await alive(own, stranger, *others) == [True, True, False, False, False]
    assert (await others[0].copy().visit(why)).value == "signed out everywhere"
    assert await (await delete(own, "?others")).get_json() == {"ended": 0}


async def test_a_session_whose_token_was_changed_since_it_was_listed_is_ended(here: Site) -> None:
    own, other = await devices(here, 2)
    id = await id_of(other)
    await other.visit(regenerate)
    assert (await delete(own, f"/{id}")).status_code == 204
    assert await alive(own, other) == [True, False]


async def test_one_s_own_former_id_is_one_s_own(here: Site) -> None:
    own = await here.signed_in()
    id = await id_of(own)
    await own.visit(regenerate)
    answer = await delete(own, f"/{id}")
    assert (answer.status_code, own.token) == (204, None)


async def test_a_session_in_which_another_user_signed_in_since_it_was_listed_goes_on(
    here: Site,
) -> None:
    own, other = await devices(here, 2)
    former = [await id_of(other)]
    await other.visit(regenerate)
    former.append(await id_of(other))
    await other.visit(sign_in("bob"))
    await other.visit(regenerate)
    for id in former:
        assert (await delete(own, f"/{id}")).status_code == 404
    assert await alive(own, other) == [True, True]


async def test_what_is_not_the_user_s_is_answered_as_what_is_nobody_s_in_as_many_trips(
    here: Site,
) -> None:
    own, ended = await devices(here, 2)
    stranger, moved = await devices(here, 2, "bob")
    visitor = here.browser()
    await visitor.visit(put(a=1))
    strange_ids = [await id_of(it) for it in (stranger, visitor, moved, ended)]
    await moved.visit(regenerate)
    await ended.visit(end())
    answers = set()
    for id in [*strange_ids, UNKNOWN_ID, *NO_IDS]:
        here.store.calls.clear()
        answer = await delete(own, f"/{id}")
        headers = tuple(sorted((n, v) for n, v in answer.headers.items() if n != "Date"))
        # (Renewals are gathered, and written whenever that is due.)
        trips = tuple(name for name in here.store.calls if name != "renew")
        answers.add((answer.status_code, await answer.get_data(), headers, trips))
    assert len(answers) == 1, answers
    ((status, body, _, trips),) = answers
    assert (status, trips) == (404, ("load", "end"))
    assert body == b'{"error": "you have no such session"}'
    assert await alive(own, stranger, moved) == [True, True, True]
    assert (await visitor.visit(look)).value == {"a": 1}


async def test_what_is_to_be_ended_has_to_be_named(here: Site) -> None:
    own, other = await devices(here, 2)
    for which in ("", "?all", "?other"):
        answer = await delete(own, which)
        assert (answer.status_code, "error" in await answer.get_json()) == (400, True)
    assert await alive(own, other) == [True, True]

"""The routes by which a page lists and ends its user's sessions."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from typing import Any

import pytest
from quart import Quart, Response, request

from quart_idle import MemoryStore, QuartIdle
from quart_idle.stores.base import Change
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.devices import PATH, alive, delete, devices, id_of, ids, listed
from tests.helpers.handlers import end, look, put, regenerate, session, why
from tests.helpers.site import OWN, Browser, MakeSite, Site, ask
from tests.helpers.sockets import Closed, open_socket

UNKNOWN_ID = "0" * 64
NO_IDS = ["id", "A" * 64, "é" * 64, "%ED%A0%80", "0" * 63, "0" * 65, "%00", "a/b"]

METHODS = [("GET", ""), ("HEAD", ""), ("DELETE", f"/{UNKNOWN_ID}"), ("DELETE", "?others")]


async def said(browser: Browser, method: str, which: str) -> Response:
    return await ask(browser, method, f"sessions{which}", headers=OWN)


async def every_answer(browser: Browser) -> list[Response]:
    """What is said to whatever can be asked."""
    return [await said(browser, *what) for what in METHODS]


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
        trips = tuple(here.store.calls)
        answers.add((answer.status_code, await answer.get_data(), headers, trips))
    assert len(answers) == 1, answers
    ((status, body, _, trips),) = answers
    assert (status, trips) == (404, ("load", "save", "load"))
    assert body == b'{"error": "you have no such session"}'
    assert await alive(own, stranger, moved) == [True, True, True]
    assert (await visitor.visit(look)).value == {"a": 1}


async def test_what_is_to_be_ended_has_to_be_named(here: Site) -> None:
    own, other = await devices(here, 2)
    for which in ("", "?all", "?other"):
        answer = await delete(own, which)
        assert (answer.status_code, "error" in await answer.get_json()) == (400, True)
    assert await alive(own, other) == [True, True]


# Who may.


async def test_where_no_session_is_the_reason_is_told(here: Site) -> None:
    browser = await here.signed_in()
    late = browser.copy()
    await browser.visit(end("password changed"))
    for who, reason in ((late, "password changed"), (here.browser(), "unknown")):
        for (method, _), answer in zip(METHODS, await every_answer(who), strict=True):
            assert (answer.status_code, answer.headers["Quart-Idle"]) == (401, "1")
            if method != "HEAD":
                assert await answer.get_json() == {"reason": reason}


async def test_a_session_without_a_user_has_no_others(here: Site) -> None:
    browser = here.browser()
    await browser.visit(put(a=1))
    for answer in await every_answer(browser):
        assert answer.status_code == 403
    assert (await browser.visit(look)).value == {"a": 1}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
async def test_a_page_of_another_origin_ends_nothing(here: Site, headers: dict[str, str]) -> None:
    own, other = await devices(here, 2)
    for which in (f"/{await id_of(other)}", f"/{await id_of(own)}", "?others"):
        answer = await own.client.delete(PATH + which, headers=headers)
        assert (answer.status_code, answer.headers["Quart-Idle"]) == (403, "1")
    assert await alive(own, other) == [True, True]


async def test_a_page_that_was_made_for_another_user_sees_and_ends_nothing(here: Site) -> None:
    own, other = await devices(here, 2)
    for method, which in (("GET", "?user=x"), ("DELETE", "?others&user=x")):
        answer = await said(own, method, which)
        assert (answer.status_code, await answer.get_json()) == (401, {"reason": "switched"})
    assert await alive(own, other) == [True, True]


async def test_a_page_of_an_allowed_origin_lists_ends_and_may_ask_first(site: MakeSite) -> None:
    here = site(allowed_origins=["https://good.example"])
    own, other = await devices(here, 2)
    origin = {"Origin": "https://good.example"}
    for which in ("", f"/{UNKNOWN_ID}"):
        headers = {**origin, "Access-Control-Request-Method": "DELETE"}
        answer = await ask(here.browser(), "OPTIONS", f"sessions{which}", headers=headers)
        assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
    answer = await own.client.get(f"{PATH}?limit=1", headers=origin)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://good.example"
    assert "Link" in answer.headers["Access-Control-Expose-Headers"]
    answer = await own.client.delete(f"{PATH}/{await id_of(other)}", headers=origin)
    assert answer.status_code == 204


async def test_the_methods_are_get_for_the_list_and_delete(here: Site) -> None:
    browser = await here.signed_in()
    for method in ("POST", "PUT", "PATCH"):
        answer = await said(browser, method, "")
        assert answer.status_code == 405
        assert {*answer.headers["Allow"].split(", ")} == {"GET", "HEAD", "DELETE"}
    for method in ("GET", "HEAD", "POST"):
        answer = await said(browser, method, f"/{UNKNOWN_ID}")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "DELETE")
    assert (await browser.client.head(PATH)).status_code == 200


async def test_nothing_of_it_is_kept_on_the_way(here: Site) -> None:
    for browser in (await here.signed_in(), here.browser()):
        for answer in await every_answer(browser):
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Quart-Idle"] == "1"


async def test_nothing_of_it_is_activity(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=10 * MINUTE)
    browser = await here.signed_in()
    for _ in range(9):
        await clock.advance(MINUTE)
        await every_answer(browser)
    await clock.advance(MINUTE + 1)
    assert (await browser.copy().visit(why)).value == "idle"


async def test_the_application_s_hooks_have_their_say(here: Site) -> None:
    own, other = await devices(here, 2)

    @here.app.before_request
    async def second_factor() -> tuple[str, int] | None:
        if request.endpoint == "quart_idle_sessions" and request.method == "DELETE":
            return "Your password, please", 403
        return None

    for which in (f"/{await id_of(other)}", "?others"):
        answer = await delete(own, which)
        assert (answer.status_code, "Quart-Idle" in answer.headers) == (403, False)
    assert len(await listed(own)) == 2


@pytest.mark.parametrize(
    ("options", "host", "place"),
    [
        ({"host_matching": True, "static_host": "a.test"}, "b.test", {"host": "b.test"}),
        ({"subdomain_matching": True}, "sub.a.test", {"subdomain": "sub"}),
        ({"subdomain_matching": True}, "a.test", {}),
    ],
)
async def test_they_are_there_on_each_host_of_an_application(
    options: dict[str, Any], host: str, place: dict[str, str]
) -> None:
    app = Quart("tests", **options)
    app.config.update(SERVER_NAME=None if "static_host" in options else "a.test")
    QuartIdle(app)

    @app.get("/", **place)
    async def index() -> str:
        session.user_id = "ada"
        return ""

    client, headers = app.test_client(), {"Host": host, "Origin": f"http://{host}"}
    await client.get("/", headers=headers)
    (found,) = await (await client.get(PATH, headers=headers)).get_json()
    answer = await client.delete(f"{PATH}/{found['id']}", headers=headers)
    assert answer.status_code == 204


async def test_a_store_that_lists_no_sessions_has_no_such_routes(clock: Clock) -> None:
    class Plain(MemoryStore):
        sessions_of = end_some = None  # type: ignore[assignment]

    app = Quart("tests")
    QuartIdle(app, store=Plain(clock))
    for method in ("GET", "DELETE", "OPTIONS"):
        answer = await said(Browser(app), method, "")
        assert answer.status_code == 404


# Faults and crossings.


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
        ("DELETE", "/other", "save"),
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
    gate = here.store.hold("save")
    answer = asyncio.ensure_future(delete(own.copy(), "?others"))
    await gate.reached.wait()
    await here.idle.sessions.end(await id_of(own), "locked")
    gate.open()
    said = await answer
    assert (said.status_code, await said.get_json()) == (401, {"reason": "locked"})
    assert await alive(own, other) == [False, True]


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

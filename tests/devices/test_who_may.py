"""Who may list and end a user's sessions, and by which requests."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart, request

from quart_idle import MemoryStore, QuartIdle
from tests.helpers.clock import MINUTE, Clock
from tests.helpers.devices import (
    METHODS,
    PATH,
    UNKNOWN_ID,
    alive,
    delete,
    devices,
    every_answer,
    id_of,
    listed,
    said,
)
from tests.helpers.handlers import end, look, put, session, why
from tests.helpers.site import Browser, MakeSite, Site, ask


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

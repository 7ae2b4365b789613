"""Drafts go through the application's own hooks."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from quart import Quart, request

from quart_idle import QuartIdle, StoreUnavailable
from tests.helpers.handlers import session
from tests.helpers.kept_drafts import FIELDS, PATH, every_answer, forms, keep, listed
from tests.helpers.site import KEY, OWN, Site
from tests.helpers.sockets import open_socket


async def test_what_the_application_refuses_is_refused_for_drafts_too_and_not_for_presence(
    here: Site,
) -> None:
    browser = await here.signed_in()
    await keep(browser)

    @here.app.before_request
    async def second_factor() -> tuple[str, int] | None:
        return None if session.get("factor") == 2 else ("Your second factor, please", 403)

    for answer in await every_answer(browser):
        assert (answer.status_code, "Quart-Idle" in answer.headers) == (403, False)
    assert (await browser.client.get("/_idle/state")).status_code == 200
    assert (await browser.client.post("/_idle/extend", headers=OWN)).status_code == 200
    assert (await browser.client.get("/_idle/quart-idle.js")).status_code == 200
    async with open_socket(browser) as socket:
        assert (await socket.receive())["type"] == "state"
    here.app.before_request_funcs.clear()
    assert await forms(browser) == ["note"]


async def test_a_hook_that_clears_the_session_has_signed_the_user_out(here: Site) -> None:
    browser = await here.signed_in()
    await keep(browser)
    old = browser.copy()

    @here.app.before_request
    async def sign_out() -> None:
        session.clear()

    for answer in await every_answer(old):
        assert answer.status_code == 401
    here.app.before_request_funcs.clear()
    assert await forms(await here.signed_in()) == ["note"]


async def test_a_hook_that_demands_a_token_can_let_drafts_pass_by_their_endpoint(
    here: Site,
) -> None:
    browser = await here.signed_in()

    @here.app.before_request
    async def csrf() -> tuple[str, int] | None:
        if request.method == "GET" or request.endpoint == "quart_idle_drafts":
            return None
        return "no token", 400

    assert await keep(browser) == 204
    assert await forms(browser) == ["note"]


@pytest.mark.parametrize(
    ("options", "host", "place"),
    [
        ({"host_matching": True, "static_host": "a.test"}, "b.test", {"host": "b.test"}),
        ({"subdomain_matching": True}, "sub.a.test", {"subdomain": "sub"}),
        ({"subdomain_matching": True}, "a.test", {}),
    ],
)
async def test_drafts_are_there_on_each_host_of_an_application(
    options: dict[str, Any], host: str, place: dict[str, str]
) -> None:
    app = Quart("tests", **options)
    app.config.update(KEY, SERVER_NAME=None if "static_host" in options else "a.test")
    QuartIdle(app, drafts=True)

    @app.get("/", **place)
    async def index() -> str:
        session.user_id = "ada"
        return ""

    client, headers = app.test_client(), {"Host": host}
    await client.get("/", headers=headers)
    answer = await client.get(PATH, headers=headers)
    assert await answer.get_json() == {"drafts": []}


async def test_a_hook_that_has_read_the_body_leaves_the_draft_whole(here: Site) -> None:
    browser = await here.signed_in()

    @here.app.before_request
    async def read() -> None:
        await request.get_data()
        await request.form

    assert await keep(browser) == 204
    assert [draft["fields"] for draft in await listed(browser)] == [FIELDS]


async def test_the_application_s_own_words_are_said_where_the_store_is_down(here: Site) -> None:
    browser = await here.signed_in()

    @here.app.errorhandler(503)
    async def unavailable(_: Exception) -> tuple[str, int]:
        return "come back later", 503

    @here.app.before_request
    async def swallow() -> None:
        with suppress(StoreUnavailable):
            session.get("a")

    here.store.fault = ConnectionError("down")
    for answer in await every_answer(browser):
        assert answer.status_code == 503
        assert await answer.get_data() == b"come back later"


async def test_a_draft_costs_no_more_trips_than_any_other_request(here: Site) -> None:
    browser = await here.signed_in()
    here.store.calls.clear()
    post, *others = await every_answer(browser)
    assert {post.status_code, *(answer.status_code for answer in others)} == {200, 204}
    *kept, _, _, _, _ = here.store.calls
    assert here.store.calls[len(kept) :] == ["load", "drafts", "load", "drop_draft"]
    # One more where the body came after the headers: the session may be over by then.
    assert kept in (["load", "keep_draft"], ["load", "load", "keep_draft"])

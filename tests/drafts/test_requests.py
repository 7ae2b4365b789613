"""Drafts over HTTP: what is refused, and when a store is down."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.helpers.clock import MINUTE, Clock
from tests.helpers.kept_drafts import METHODS, PATH, every_answer, forms, keep, listed
from tests.helpers.site import KEY, OWN, MakeSite, Site


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff", b"[]", b"null", b'"note"', b"{}", b"[" * 60_000, b"9" * 60_000),
        *(
            json.dumps({"form": "note", "page": "/notes", "fields": [], **change}).encode()
            for change in (
                *({"form": None}, {"form": 1}, {"page": ["/"]}, {"page": None}),
                *({"fields": None}, {"fields": "ab"}, {"fields": {"a": "b"}}, {"fields": ["ab"]}),
                *({"fields": [["a"]]}, {"fields": [["a", "b", "c"]]}, {"fields": [["a", 1]]}),
                *({"fields": [[None, "b"]]}, {"fields": [{"a": "b"}]}, {"fields": [["a", "b"], 1]}),
            )
        ),
        b'{"page": "/notes", "fields": []}',
        b'{"form": "note", "fields": []}',
        b'{"form": "note", "page": "/notes"}',
    ],
    ids=lambda body: repr(body)[:60],
)
async def test_what_is_no_draft_is_refused(here: Site, body: bytes) -> None:
    browser = await here.signed_in()
    answer = await browser.client.post(PATH, data=body, headers=OWN)
    assert answer.status_code == 400
    assert (await answer.get_json())["error"]
    assert await listed(browser) == []


@pytest.mark.parametrize(("size", "status"), [(65_536, 204), (65_537, 413), (200_000, 413)])
async def test_a_draft_has_at_most_64_kib(here: Site, size: int, status: int) -> None:
    browser = await here.signed_in()
    body = json.dumps({"form": "note", "page": "/", "fields": [["text", ""]]})
    body = body.replace('""', f'"{"x" * (size - len(body))}"')
    answer = await browser.client.post(PATH, data=body, headers=OWN)
    assert (len(body), answer.status_code) == (size, status)
    assert len(await listed(browser)) == (status == 204)


async def test_a_draft_that_does_not_come_is_given_up(here: Site) -> None:
    browser = await here.signed_in()
    async with browser.client.request(PATH, method="POST", headers=OWN) as connection:
        await connection.send(b'{"form":')
        await asyncio.sleep(MINUTE)
    answer = await connection.as_response()
    assert answer.status_code == 408


async def test_nothing_of_it_is_activity(site: MakeSite, clock: Clock) -> None:
    here = site(config=KEY, drafts=True, timeout=10 * MINUTE)
    browser = await here.signed_in()
    await clock.advance(1)
    here.store.calls.clear()
    for _ in range(9):
        await clock.advance(MINUTE)
        for answer in await every_answer(browser):
            assert answer.status_code in (200, 204)
    assert "save" not in here.store.calls
    await clock.advance(MINUTE)
    for answer in await every_answer(browser):
        assert await answer.get_json() == {"reason": "idle"}


async def test_nothing_of_it_is_kept_on_the_way(here: Site) -> None:
    for browser in (await here.signed_in(), here.browser()):
        for answer in await every_answer(browser):
            assert answer.headers["Cache-Control"] == "no-store"
            assert "Set-Cookie" not in answer.headers


async def test_the_methods_are_get_post_and_delete(here: Site) -> None:
    browser = await here.signed_in()
    for method in ("PUT", "PATCH"):
        answer = await browser.client.open(PATH, method=method, headers=OWN, json={})
        assert answer.status_code == 405
        assert {*answer.headers["Allow"].split(", ")} == {"GET", "HEAD", "POST", "DELETE"}
    assert (await browser.client.head(PATH)).status_code == 200


@pytest.mark.parametrize("options", [{}, {"drafts": False}])
async def test_where_drafts_are_off_there_are_no_such_routes(
    site: MakeSite, options: dict[str, Any]
) -> None:
    browser = await site(config=KEY, **options).signed_in()
    assert [answer.status_code for answer in await every_answer(browser)] == [404] * 3


async def test_a_store_that_is_down_is_told_as_such(here: Site) -> None:
    browser = await here.signed_in()
    await keep(browser)
    here.store.fault = ConnectionError("down")
    for answer in await every_answer(browser):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "2"
    here.store.fault = None
    assert await forms(browser) == ["note"]


@pytest.mark.parametrize(
    ("method", "call"), [("POST", "keep_draft"), ("GET", "drafts"), ("DELETE", "drop_draft")]
)
async def test_a_store_that_is_slow_is_not_waited_for(
    here: Site, clock: Clock, method: str, call: str
) -> None:
    browser = await here.signed_in()
    here.store.hold(call)
    began = clock.monotonic()
    answer = await browser.client.open(PATH, method=method, headers=OWN, **METHODS[method])
    assert answer.status_code == 503
    assert 29 < clock.monotonic() - began < 32
    assert answer.headers["Retry-After"] == "2"

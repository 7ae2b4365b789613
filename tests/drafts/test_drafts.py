"""What was typed is kept, listed and forgotten, and whose it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from werkzeug.datastructures import Headers

from quart_idle.stores.base import DRAFT_KEPT, MOST_DRAFTS
from tests.helpers.clock import DAY, HOUR, MINUTE, Clock
from tests.helpers.handlers import end, regenerate
from tests.helpers.kept_drafts import FIELDS, METHODS, PATH, drop, every_answer, forms, keep, listed
from tests.helpers.site import OWN, Browser, Site

# Keeping, listing, forgetting.


async def test_what_was_typed_comes_back_with_its_age(here: Site, clock: Clock) -> None:
    browser = await here.signed_in()
    assert await listed(browser) == []
    assert await keep(browser) == 204
    await clock.advance(90)
    [draft] = await listed(browser)
    assert 90_000 <= draft.pop("age") < 91_000
    assert draft == {"form": "note", "page": "/notes", "fields": FIELDS}


async def test_a_page_is_told_its_own_drafts_the_newest_first(here: Site, clock: Clock) -> None:
    browser = await here.signed_in()
    kept = [("b", "/1"), ("a", "/1"), ("c", "/2?x=1&y=ä+ö"), ("d", "/1")]
    for form, page in kept:
        assert await keep(browser, form, page) == 204
        await clock.advance(1)
    assert await forms(browser, page="/1") == ["d", "a", "b"]
    assert await forms(browser, page="/2?x=1&y=ä+ö") == ["c"]
    assert await forms(browser, page="/") == await forms(browser, page="") == []
    assert await forms(browser) == ["d", "c", "a", "b"]


async def test_a_draft_takes_the_place_of_the_same_form_s_former_one(
    here: Site, clock: Clock
) -> None:
    browser = await here.signed_in()
    await keep(browser)
    await keep(browser, page="/other")
    await clock.advance(60)
    await keep(browser, fields=[["title", "Bye"]])
    [draft] = await listed(browser, page="/notes")
    assert draft["fields"] == [["title", "Bye"]]
    assert draft["age"] < 1000
    assert len(await listed(browser)) == 2


async def test_a_draft_that_is_deleted_is_gone_and_no_other(here: Site) -> None:
    browser = await here.signed_in()
    for form, page in (("note", "/notes"), ("note", "/other"), ("other", "/notes")):
        await keep(browser, form, page)
    for _ in range(2):
        assert await drop(browser, page="/notes", form="note") == 204
    assert await forms(browser, page="/notes") == ["other"]
    assert await forms(browser, page="/other") == ["note"]


@pytest.mark.parametrize("query", [{}, {"page": "/notes"}, {"form": "note"}])
async def test_a_deletion_names_page_and_form(here: Site, query: dict[str, str]) -> None:
    browser = await here.signed_in()
    await keep(browser)
    assert await drop(browser, **query) == 400
    assert await forms(browser) == ["note"]


async def test_of_more_than_twenty_drafts_the_oldest_is_dropped(here: Site, clock: Clock) -> None:
    browser, other = await here.signed_in(), await here.signed_in("bob")
    await keep(other)
    for number in range(MOST_DRAFTS + 1):
        assert await keep(browser, str(number)) == 204
        await clock.advance(1)
    assert await forms(browser) == [str(number) for number in range(MOST_DRAFTS, 0, -1)]
    assert MOST_DRAFTS == 20
    assert await forms(other) == ["note"]


async def test_a_draft_is_kept_for_a_day(here: Site, clock: Clock) -> None:
    browser = await here.signed_in()
    await keep(browser, "one")
    await clock.advance(HOUR)
    await keep(browser, "two")
    await clock.advance(DRAFT_KEPT - HOUR - MINUTE)
    assert await forms(browser) == ["two", "one"]
    await clock.advance(MINUTE)
    assert await forms(browser) == ["two"]
    await clock.advance(HOUR)
    assert await forms(browser) == []


# Whose they are.


async def test_a_draft_is_the_user_s_in_every_session_and_nobody_else_s(here: Site) -> None:
    browser, other = await here.signed_in("ada"), await here.signed_in("bob")
    await keep(browser)
    await browser.visit(end())
    assert await forms(await here.signed_in("ada")) == ["note"]
    assert await forms(other) == []
    assert await drop(other, page="/notes", form="note") == 204
    await keep(other, fields=[["title", "Bob's"]])
    [draft] = await listed(await here.signed_in("ada"))
    assert draft["fields"] == FIELDS


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        (lambda browser, _: browser.visit(end("signed out")), "signed out"),
        (lambda browser, _: browser.visit(regenerate), "regenerated"),
        (lambda _, clock: clock.advance(2 * DAY), "idle"),
    ],
    ids=["end", "regenerate", "idle"],
)
async def test_a_session_that_ended_neither_keeps_nor_reads_a_draft(
    here: Site,
    clock: Clock,
    over: Callable[[Browser, Clock], Awaitable[Any]],
    reason: str,
) -> None:
    browser = await here.signed_in()
    late = browser.copy()
    await over(browser, clock)
    other = await here.signed_in()
    await keep(other, "other")
    here.store.calls.clear()
    for answer in await every_answer(late):
        assert answer.status_code == 401
        assert await answer.get_json() == {"reason": reason}
    assert here.store.calls == ["load"] * 3
    assert await forms(other) == ["other"]


async def test_a_session_that_ends_while_a_draft_comes_does_not_keep_it(here: Site) -> None:
    browser = await here.signed_in()
    other = await here.signed_in()
    async with browser.client.request(PATH, method="POST", headers=OWN) as connection:
        body = str(METHODS["POST"]["data"]).encode()
        await connection.send(body[:10])
        await browser.copy().visit(end())
        await connection.send(body[10:])
        await connection.send_complete()
    answer = await connection.as_response()
    assert (answer.status_code, await answer.get_json()) == (401, {"reason": "signed out"})
    assert await forms(other) == []


async def test_without_a_session_there_are_no_drafts(here: Site) -> None:
    for browser in (here.browser(), here.browser("x" * 43)):
        for answer in await every_answer(browser):
            assert answer.status_code == 401
            assert await answer.get_json() == {"reason": "unknown"}


async def test_a_session_that_is_no_user_s_has_no_drafts(here: Site) -> None:
    browser = here.browser()
    await browser.visit(lambda session: session.update(a=1))
    here.store.calls.clear()
    for answer in await every_answer(browser):
        assert answer.status_code == 403
        assert (await answer.get_json())["error"]
    assert here.store.calls == ["load"] * 3


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}],
)
async def test_another_origin_s_page_keeps_and_deletes_nothing(
    here: Site, clock: Clock, headers: dict[str, str]
) -> None:
    browser = await here.signed_in()
    await keep(browser)
    await clock.advance(MINUTE)
    for method in ("POST", "DELETE"):
        answer = await browser.client.open(PATH, method=method, headers=headers, **METHODS[method])
        assert answer.status_code == 403
    [draft] = await listed(browser)
    assert draft["age"] >= MINUTE * 1000


@pytest.mark.parametrize("origins", [("http://localhost", "https://evil.example"), ("", "null")])
async def test_a_request_of_two_origins_is_of_another_origin_s_page(
    here: Site, origins: tuple[str, str]
) -> None:
    browser = await here.signed_in()
    await keep(browser)
    headers = Headers([("Origin", origin) for origin in origins])
    headers["Sec-Fetch-Site"] = "same-origin"
    query = {"page": "/notes", "form": "note"}
    answer = await browser.client.delete(PATH, query_string=query, headers=headers)
    assert answer.status_code == 403
    assert await forms(browser) == ["note"]


async def test_a_browser_s_word_is_enough_where_it_sends_no_origin(here: Site) -> None:
    browser = await here.signed_in()
    headers = {"Sec-Fetch-Site": "same-origin"}
    for method in ("POST", "DELETE"):
        answer = await browser.client.open(PATH, method=method, headers=headers, **METHODS[method])
        assert answer.status_code == 204

"""Drafts: what was typed comes back to the user who typed it, and to nobody else."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import example, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st
from quart import Quart, Response, request
from werkzeug.datastructures import Headers

from quart_idle import MemoryStore, QuartIdle, StoreUnavailable
from quart_idle.drafts import Draft, Drafts, _Seal
from quart_idle.policy import Limits
from quart_idle.stores.base import DRAFT_KEPT, MOST_DRAFTS
from tests.helpers.clock import DAY, HOUR, MINUTE, Clock
from tests.helpers.handlers import end, regenerate, session
from tests.helpers.redis_servers import RedisServer, redis_server
from tests.helpers.servers import NewClient, Serve, signed_in
from tests.helpers.site import KEY, OWN, Browser, MakeSite, Site
from tests.helpers.sockets import open_socket

PATH = "/_idle/drafts"
FIELDS = [["title", "Hello"], ["text", "One\ntwo ☃"], ["text", ""]]
# What anything answers to, as somebody types it.
METHODS: dict[str, dict[str, Any]] = {
    "POST": {"data": json.dumps({"form": "note", "page": "/notes", "fields": FIELDS})},
    "GET": {"query_string": {"page": "/notes"}},
    "DELETE": {"query_string": {"page": "/notes", "form": "note"}},
}


@pytest.fixture
def here(site: MakeSite) -> Site:
    return site(config=KEY, drafts=True, timeout=2 * DAY)


async def keep(
    browser: Browser, form: str = "note", page: str = "/notes", fields: Any = FIELDS
) -> int:
    """Keep a draft; the status."""
    body = {"form": form, "page": page, "fields": fields}
    answer = await browser.client.post(PATH, json=body, headers=OWN)
    assert answer.status_code != 204 or await answer.get_data() == b""
    return answer.status_code


async def listed(browser: Browser, **query: str) -> list[dict[str, Any]]:
    """The drafts that a browser is told of."""
    answer = await browser.client.get(PATH, query_string=query)
    assert answer.status_code == 200
    found: dict[str, list[dict[str, Any]]] = await answer.get_json()
    assert list(found) == ["drafts"]
    return found["drafts"]


async def forms(browser: Browser, **query: str) -> list[str]:
    return [draft["form"] for draft in await listed(browser, **query)]


async def drop(browser: Browser, **query: str) -> int:
    answer = await browser.client.delete(PATH, query_string=query, headers=OWN)
    return answer.status_code


async def every_answer(browser: Browser) -> list[Response]:
    """What is said to each of the methods."""
    return [
        await browser.client.open(PATH, method=method, headers=OWN, **options)
        for method, options in METHODS.items()
    ]


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


# Over HTTP.


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


# With the application's hooks.


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


# What the store learns.


class Watching(MemoryStore):
    """A store that shows what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.bind(Limits(HOUR), lambda *_: None)
        self.given: list[tuple[str, str, bytes]] = []

    async def keep_draft(self, box: str, name: str, draft: bytes) -> None:
        self.given.append((box, name, draft))
        await super().keep_draft(box, name, draft)


TEXTS = ["ada", "/notes", "note", "title", "Hello"]


async def fields_of(drafts: Drafts, user: str = "ada", page: str | None = None) -> list[Any]:
    return [draft.fields for draft, _ in await drafts.of(user, page)]


async def test_the_store_learns_neither_what_was_typed_nor_who_or_where() -> None:
    store = Watching()
    drafts = Drafts(store, ["secret"])
    for user in ("ada", "bob"):
        for _ in range(2):
            await drafts.keep(user, "/notes", "note", FIELDS)
    for box, name, draft in store.given:
        int(box, 16), int(name, 16)
        for text in TEXTS:
            for told in (box.encode(), name.encode(), draft):
                assert text.encode() not in told
    boxes, names, sealed = zip(*store.given, strict=True)
    # The same user and form are found again; other users are not known by the same form, and the
    # same text is never sealed alike.
    assert [len(set(what)) for what in (boxes, names, sealed)] == [2, 2, 4]


@pytest.mark.parametrize(
    "move", ["to another user", "to another form", "to another page", "changed", "cut", "empty"]
)
async def test_what_was_moved_or_changed_in_the_store_does_not_open(
    move: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "quart_idle")
    store = Watching()
    drafts = Drafts(store, ["secret"])
    others = {
        "to another user": ("bob", "/notes", "note"),
        "to another form": ("ada", "/notes", "other"),
        "to another page": ("ada", "/other", "note"),
    }
    user, page, form = others.get(move, ("ada", "/notes", "note"))
    await drafts.keep("ada", "/notes", "note", FIELDS)
    await drafts.keep(user, page, form, [["title", "Bye"]])
    await drafts.keep("ada", "/notes", "good", [])
    (_, _, draft), (box, name, _), _ = store.given
    draft = {"changed": draft[:-1] + bytes([draft[-1] ^ 1]), "cut": draft[:20], "empty": b""}.get(
        move, draft
    )
    await store.keep_draft(box, name, draft)
    assert not [
        found.form for found, _ in await drafts.of(user) if (found.page, found.form) == (page, form)
    ]
    assert [] in await fields_of(drafts)  # the good one
    assert [record.levelname for record in caplog.records] == ["DEBUG"] * len(caplog.records)
    assert caplog.records
    for text in TEXTS:
        assert text not in caplog.text


def test_each_box_is_sealed_by_a_key_of_its_own() -> None:
    seal = _Seal("secret")
    sealed = seal.seal("ada's", "name", Draft("/", "form", []))
    with pytest.raises(InvalidTag):
        seal._cipher("bob's").decrypt(sealed[:12], sealed[12:], b"ada'sname")


async def test_another_secret_opens_nothing() -> None:
    store = MemoryStore()
    store.bind(Limits(HOUR), lambda *_: None)
    await Drafts(store, ["secret"]).keep("ada", "/notes", "note", FIELDS)
    assert await fields_of(Drafts(store, ["other"])) == []
    assert await fields_of(Drafts(store, [b"secret"])) == [FIELDS]


async def test_a_former_secret_s_drafts_are_read_replaced_and_dropped() -> None:
    store = MemoryStore()
    store.bind(Limits(HOUR), lambda *_: None)
    before, after = Drafts(store, ["old"]), Drafts(store, ["new", "old"])
    for form in ("one", "two", "three"):
        await before.keep("ada", "/", form, [["by", "old"]])
    assert await fields_of(after) == [[["by", "old"]]] * 3
    await after.keep("ada", "/", "one", [["by", "new"]])
    await after.drop("ada", "/", "two")
    assert {draft.form: draft.fields for draft, _ in await after.of("ada")} == {
        "one": [["by", "new"]],
        "three": [["by", "old"]],
    }
    assert [draft.form for draft, _ in await before.of("ada")] == ["three"]
    assert [draft.form for draft, _ in await Drafts(store, ["new"]).of("ada")] == ["one"]


async def test_of_one_form_under_two_secrets_the_newest_is_told(clock: Clock) -> None:
    store = MemoryStore(clock)
    store.bind(Limits(HOUR), lambda *_: None)
    await Drafts(store, ["new", "old"]).keep("ada", "/", "one", [["by", "new"]])
    await clock.advance(1)
    await Drafts(store, ["old"]).keep("ada", "/", "one", [["by", "old"]])  # a worker of before
    [(draft, age)] = await Drafts(store, ["new", "old"]).of("ada")
    assert draft == Draft("/", "one", [["by", "old"]])
    assert age == 0


async def test_the_application_s_secrets_are_those_that_count(
    site: MakeSite,
) -> None:
    before = site(config={"SECRET_KEY": "old"}, drafts=True)
    browser = await before.signed_in()
    await keep(browser)
    for config, found in (
        ({"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["old"]}, ["note"]),
        ({"SECRET_KEY": "new"}, []),
    ):
        app = Quart("tests")
        app.config.update(config)
        QuartIdle(app, store=before.store, drafts=True, store_timeout=30)
        assert await forms(Browser(app, browser.token)) == found


ANY = st.text(st.characters(codec=None))


@with_settings(max_examples=50)
@example("\ud83d", "\ud83d\ude00", "\U0001f600", [["\ud83d\ude00", "\U0001f600"]])
@given(user=ANY, page=ANY, form=ANY, fields=st.lists(st.lists(ANY, min_size=2, max_size=2)))
def test_any_text_comes_back_as_it_was(
    user: str, page: str, form: str, fields: list[list[str]]
) -> None:
    async def there_and_back() -> list[Draft]:
        store = Watching()
        drafts = Drafts(store, ["secret"])
        await drafts.keep(user, page, form, fields)
        return [draft for draft, _ in await drafts.of(user, page)]

    assert asyncio.run(there_and_back()) == [(page, form, fields)]


# Over Redis, and from outside.


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@asynccontextmanager
async def worker(redis: RedisServer) -> AsyncIterator[Browser]:
    """A worker of an application's, and a browser that talks to it."""
    app = Quart("tests")
    app.config.update(KEY)
    QuartIdle(app, store=redis.url, drafts=True)

    @app.post("/sign-in/<user>")
    async def sign_in(user: str) -> str:
        session.user_id = user
        return ""

    async with app.test_app():
        yield Browser(app)


async def test_drafts_are_kept_for_all_workers_and_sealed_in_redis(redis: RedisServer) -> None:
    async with worker(redis) as one, worker(redis) as other:
        for browser in (one, other):
            await browser.client.post("/sign-in/ada")
        assert await keep(one) == 204
        [draft] = await listed(other, page="/notes")
        assert (draft["form"], draft["fields"]) == ("note", FIELDS)
        assert 0 <= draft["age"] < 20_000
        with redis.client as client:
            [key] = client.scan_iter("*:draft:*")
            for told in (key, *client.hgetall(key).values()):
                for text in TEXTS:
                    assert text.encode() not in told
            assert 0 < client.pttl(key) <= DRAFT_KEPT * 1000
            # Into another user's box, under the name that it would have there.
            await other.client.post("/sign-in/bob")
            assert await keep(other) == 204
            [place] = set(client.scan_iter("*:draft:*")) - {key}
            client.hset(place, "draft", client.hget(key, "draft"))
        assert await listed(other) == []
        assert await forms(one) == ["note"]
        assert await drop(one, page="/notes", form="note") == 204
        assert await listed(one) == []


async def test_drafts_work_under_a_real_server(serve: Serve, client: NewClient) -> None:
    server = serve({"drafts": True})
    user = await signed_in(server, client)
    draft = {"form": "note", "page": "/notes", "fields": FIELDS}
    kept = await user.post(PATH, json=draft)
    assert (kept.status_code, kept.content) == (204, b"")
    assert "Content-Length" not in kept.headers
    [found] = (await user.get(PATH, params={"page": "/notes"})).json()["drafts"]
    assert found.pop("age") >= 0
    assert found == draft
    large = await user.post(PATH, content=b"x" * 1_000_000)
    assert large.status_code == 413
    assert (await user.delete(PATH, params={"page": "/notes", "form": "note"})).status_code == 204
    assert (await user.get(PATH)).json() == {"drafts": []}

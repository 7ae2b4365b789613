"""The device of a sign-in: its address and its browser."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypercorn.middleware import ProxyFixMiddleware
from quart import copy_current_request_context

from quart_idle import Session, browsers
from quart_idle.devices import device_of
from tests.helpers.devices import id_of, listed
from tests.helpers.handlers import Do, end, look, put, regenerate, sign_in
from tests.helpers.redis_servers import RedisServer
from tests.helpers.site import Browser, MakeSite, Site

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.4 Safari/605.1.15"
)
DESK = ("192.0.2.7", FIREFOX)
PHONE = ("2001:db8::1", IPHONE)


async def visit(browser: Browser, do: Do, at: tuple[str | None, str]) -> None:
    """A request from an address, by a browser that says what it is."""
    address, agent = at
    scope = {"do": do, "client": None if address is None else (address, 50_000)}
    await browser.client.get("/", scope_base=scope, headers={"User-Agent": agent})


async def signed_in_at(here: Site, at: tuple[str | None, str] = DESK) -> Browser:
    browser = here.browser()
    await visit(browser, sign_in(), at)
    return browser


async def told(here: Site, user: str = "ada") -> list[tuple[str | None, str | None]]:
    return [(one.address, one.user_agent) for one in await here.idle.sessions.of(user)]


async def test_address_and_browser_of_the_sign_in_are_told_with_each_session(here: Site) -> None:
    desk, phone = await signed_in_at(here), await signed_in_at(here, PHONE)
    assert sorted(await told(here)) == sorted([DESK, PHONE])
    of_phone = await here.idle.sessions.get(await id_of(phone))
    assert of_phone is not None
    assert (of_phone.address, of_phone.user_agent) == PHONE
    own = (await listed(desk))[0]
    assert (own["address"], own["user_agent"], own["browser"]) == (*DESK, "Firefox on Windows")


async def test_they_are_those_of_the_sign_in_and_not_of_a_later_request(here: Site) -> None:
    browser = here.browser()
    await visit(browser, put(a=1), PHONE)
    await visit(browser, sign_in(), DESK)
    for do in (look, put(a=2), regenerate):
        await visit(browser, do, PHONE)
    assert await told(here) == [DESK]
    await visit(browser, sign_in("bob"), PHONE)
    assert (await told(here), await told(here, "bob")) == ([], [PHONE])


async def test_nobody_s_device_is_kept_where_nobody_is_signed_in(here: Site) -> None:
    browser = here.browser()
    await visit(browser, put(a=1), DESK)
    found = await here.idle.sessions.get(await id_of(browser))
    assert found is not None
    assert (found.address, found.user_agent, found.browser) == (None, None, None)
    await visit(browser, sign_in(), DESK)
    await visit(browser, sign_in(None), PHONE)
    found = await here.idle.sessions.get(await id_of(browser))
    assert found is not None
    assert (found.address, found.user_agent) == (None, None)


async def test_they_go_with_the_session(redis_site: MakeSite, devices_redis: RedisServer) -> None:
    browser = await signed_in_at(redis_site())

    def keys_with_the_address() -> int:
        with devices_redis.client as client:
            return sum(DESK[0].encode() in (client.dump(key) or b"") for key in client.scan_iter())

    assert keys_with_the_address() == 1
    await browser.visit(end())
    assert keys_with_the_address() == 0


async def test_where_devices_are_off_they_are_neither_stored_nor_told(any_site: MakeSite) -> None:
    here = any_site(devices=False)
    browser = await signed_in_at(here)
    assert await told(here) == [(None, None)]
    own = (await listed(browser))[0]
    assert (own["address"], own["user_agent"], own["browser"]) == (None, None, None)
    stored = await here.store.load(await id_of(browser))
    assert DESK[0] not in repr(tuple(stored or ()))


async def test_what_was_stored_before_devices_were_turned_off_is_not_told(site: MakeSite) -> None:
    here = site()
    browser = await signed_in_at(here)
    other = site(store=here.store, devices=False)
    assert await told(other) == [(None, None)]
    assert await told(here) == [DESK]
    assert browser.token


async def test_a_task_in_the_background_signs_in_from_where_its_request_came(here: Site) -> None:
    browser = here.browser()

    async def do(session: Session) -> None:
        @copy_current_request_context
        async def task() -> None:
            session.user_id = "ada"
            await session.save()

        await asyncio.create_task(task())

    await visit(browser, do, DESK)
    assert await told(here) == [DESK]


async def test_a_test_client_s_own_sign_in_has_no_address(here: Site) -> None:
    async with here.app.test_client().session_transaction() as stored:
        stored.user_id = "ada"  # type: ignore[attr-defined]
    assert [address for address, _ in await told(here)] == [None]


async def test_behind_a_proxy_the_address_is_what_its_middleware_says(here: Site) -> None:
    app: Any = ProxyFixMiddleware(here.app, mode="legacy")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/",
        "scheme": "http",
        "query_string": b"",
        "raw_path": b"/",
        "root_path": "",
        "client": ("10.0.0.1", 1),
        "headers": [(b"host", b"localhost"), (b"x-forwarded-for", b"9.9.9.9, 192.0.2.7")],
        "server": ("localhost", 80),
        "extensions": {},
        "state": {},
        "asgi": {},
        "do": sign_in(),
    }
    sent: list[Any] = []
    messages = asyncio.Queue[dict[str, Any]]()
    messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            messages.put_nowait({"type": "http.disconnect"})  # (Quart 0.23 waits for it)

    await app(scope, messages.get, send)
    assert sent[0]["status"] == 200
    assert await told(here) == [("192.0.2.7", None)]


@pytest.mark.parametrize(
    ("client", "agent", "device"),
    [
        (("192.0.2.7", 1), b"x" * 5000, ("192.0.2.7", "x" * 256)),
        (("192.0.2.7", 1), "\N{GRINNING FACE}".encode() * 300, ("192.0.2.7", "\U0001f600" * 256)),
        (("192.0.2.7", 1), b"a\x00\x1b[31mb\r\n\xe2\x80\xae\x7f", ("192.0.2.7", "a��[31mb����")),
        (("192.0.2.7", 1), b"caf\xe9 \xed\xa0\x80", ("192.0.2.7", "caf� ���")),
        (("\ud800\u202e", 1), b"", ("��", None)),
        (("a" * 1000, 1), b"  ", ("a" * 256, None)),
        (("", 0), None, (None, None)),
        (None, None, (None, None)),
        ((b"10.0.0.1", 1), None, ("b'10.0.0.1'", None)),
    ],
)
def test_what_a_client_says_of_itself_is_cut_and_has_nothing_that_cannot_be_seen(
    client: Any, agent: bytes | None, device: tuple[str | None, str | None]
) -> None:
    headers = [] if agent is None else [(b"User-Agent", agent)]
    found = device_of({"client": client, "headers": headers})  # type: ignore[arg-type]
    assert found == device
    json.dumps(found)
    for text in filter(None, found):
        text.encode()


# In plain words.


@pytest.fixture
def _anew() -> Iterator[None]:
    """What browsers are is found out anew, before and after."""

    def forget() -> None:
        browsers.browser_of.cache_clear()
        browsers._parser.cache_clear()

    forget()
    yield
    forget()


@pytest.mark.parametrize(
    ("agent", "browser"),
    [
        (FIREFOX, "Firefox on Windows"),
        (IPHONE, "Safari on iOS"),
        (MAC, "Safari on macOS"),
        ("curl/8.0", "curl"),
        ("", None),
        ("(" * 256, None),
        ("\N{REPLACEMENT CHARACTER}" * 256, None),
    ],
)
def test_a_user_agent_is_told_in_plain_words(agent: str, browser: str | None) -> None:
    assert browsers.browser_of(agent) == browser


@pytest.mark.usefixtures("_anew")
async def test_without_ua_parser_no_browser_is_told(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ua_parser", None)
    browser = await signed_in_at(here)
    own = (await listed(browser))[0]
    assert (own["address"], own["user_agent"], own["browser"]) == (*DESK, None)


async def test_while_browsers_are_found_out_others_are_served(
    site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = site()
    browser = await signed_in_at(here)
    in_loop: list[bool] = []

    def find(_: str) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            in_loop.append(False)
        else:
            in_loop.append(True)

    monkeypatch.setattr("quart_idle.sessions.browser_of", find)
    await listed(browser)
    assert in_loop == [False]

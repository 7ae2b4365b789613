"""``examples/signing_in`` does what its guide says."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, cast

import pytest
from quart.typing import TestClientProtocol as Client

from examples.signing_in import USERS, app, idle
from examples.signing_in.with_presence import app as with_presence
from examples.signing_in.with_presence import idle as team
from examples.signing_in.with_presence import last_seen
from examples.signing_in.with_signals import app as with_signals
from examples.signing_in.with_signals import journal
from examples.signing_in.with_user_key import app as with_user_key
from quart_idle.stores.memory import steady_time
from tests.helpers.clock import Clock
from tests.helpers.site import Browser
from tests.helpers.sockets import open_page
from tests.helpers.waiting import until

PASSWORD = {"name": "ada", "password": "lovelace"}


async def signed_in(**more: str) -> Client:
    client = app.test_client()
    assert (await client.post("/sign-in", form=PASSWORD | more)).status_code == 302
    return client


def copied(client: Client) -> Client:
    """Another client with the same cookies, which keeps them when the first one is given others."""
    other = app.test_client()
    for cookie in client.cookie_jar or ():
        other.cookie_jar.set_cookie(cookie)
    return other


# As the guide has them.


async def test_the_home_page_greets_its_user() -> None:
    client = app.test_client()
    async with client.session_transaction() as stored:
        stored.user_id = "ada"
    response = await client.get("/")
    assert "Hello ada" in await response.get_data(as_text=True)


async def test_the_sign_in_page_says_why_the_session_ended() -> None:
    client, elsewhere = app.test_client(), app.test_client()
    async with client.session_transaction() as stored:
        stored.user_id = "ada"
    for cookie in client.cookie_jar:  # another tab of the same browser
        elsewhere.cookie_jar.set_cookie(cookie)
    async with elsewhere.session_transaction() as stored:
        stored.end("password changed")
    response = await client.get("/sign-in")
    assert "Your password was changed" in await response.get_data(as_text=True)


# What it says besides.


async def test_who_is_not_signed_in_gets_to_the_sign_in_page_and_in_by_password_only() -> None:
    client = app.test_client()
    response = await client.get("/")
    assert (response.status_code, response.headers["Location"]) == (302, "/sign-in")
    for name, password in ("ada", "wrong"), ("eve", "lovelace"), ("", ""):
        response = await client.post("/sign-in", form={"name": name, "password": password})
        page = await response.get_data(as_text=True)
        assert "Wrong name or password." in page
        assert "quart-idle.js" not in page
        assert (await client.get("/")).status_code == 302
    await client.post("/sign-in", form=PASSWORD)
    page = await (await client.get("/")).get_data(as_text=True)
    assert "Hello ada" in page
    assert "quart-idle.js" in page


async def test_signing_in_changes_the_token_and_takes_nothing_along() -> None:
    client = app.test_client()
    async with client.session_transaction() as stored:
        stored["cart"] = ["somebody else's"]
    (before,) = (cookie.value for cookie in client.cookie_jar)
    await client.post("/sign-in", form=PASSWORD)
    (after,) = (cookie.value for cookie in client.cookie_jar)
    assert before != after
    async with client.session_transaction() as stored:
        assert dict(stored) == {}


@pytest.mark.parametrize(("remember", "lasts"), [({}, False), ({"remember": "on"}, True)])
async def test_a_cookie_outlives_the_browser_where_that_is_asked_for(
    remember: dict[str, str], lasts: bool
) -> None:
    client = app.test_client()
    response = await client.post("/sign-in", form=PASSWORD | remember)
    assert ("Max-Age" in response.headers["Set-Cookie"]) is lasts


async def test_signing_out_ends_the_session_everywhere_and_takes_a_post() -> None:
    client = await signed_in()
    elsewhere = copied(client)
    assert (await client.get("/sign-out")).status_code == 405
    assert (await client.get("/")).status_code == 200
    assert (await client.post("/sign-out")).status_code == 302
    assert (await client.get("/")).status_code == 302
    assert (await elsewhere.get("/")).status_code == 302


async def test_changing_the_password_leaves_old_cookies_useless_and_ends_other_sessions() -> None:
    client, elsewhere = await signed_in(), await signed_in()
    thief = copied(client)
    kept = USERS["ada"]
    try:
        assert (await client.post("/password", form={"password": "babbage"})).status_code == 302
        assert (await client.get("/")).status_code == 200
        assert (await thief.get("/")).status_code == 302
        told = await (await elsewhere.get("/sign-in")).get_data(as_text=True)
        assert "Your password was changed" in told
        new = app.test_client()
        response = await new.post("/sign-in", form={"name": "ada", "password": "babbage"})
        assert response.status_code == 302
    finally:
        USERS["ada"] = kept


PAGE = {"Accept": "text/html"}


async def test_after_five_minutes_the_settings_are_shown_once_the_password_was_given_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = await signed_in()
    async with client.session_transaction() as stored:
        stored["cart"] = [1]
    assert (await client.get("/settings", headers=PAGE)).status_code == 200
    store: Any = idle.sessions._store
    monkeypatch.setattr(store, "_clock", lambda: steady_time() + 6 * 60)
    answer = await client.get("/settings", headers=PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?next=%2Fsettings")
    copy = copied(client)
    answer = await client.post(answer.headers["Location"], form=PASSWORD)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/settings")
    assert (await client.get("/settings", headers=PAGE)).status_code == 200
    assert await has(client, cart=[1])
    assert (await copy.get("/")).status_code == 302, "it gains nothing"


async def test_other_sessions_are_ended_by_who_proved_lately_who_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, other = await signed_in(), await signed_in()
    store: Any = idle.sessions._store
    monkeypatch.setattr(store, "_clock", lambda: steady_time() + 6 * 60)
    own = {"Origin": "http://localhost"}
    answer = await client.delete("/_idle/sessions?others", headers=own)
    assert (answer.status_code, await answer.get_json()) == (401, {"reason": "stale"})
    assert (await client.get("/_idle/sessions", headers=own)).status_code == 200
    assert (await other.get("/")).status_code == 200
    await client.post("/sign-in", form=PASSWORD)
    assert (await client.delete("/_idle/sessions?others", headers=own)).status_code == 200
    assert (await other.get("/")).status_code == 302


@pytest.mark.parametrize(
    "there",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "x", ""],
)
async def test_whoever_signs_in_goes_on_to_no_other_host(there: str) -> None:
    client = app.test_client()
    answer = await client.post("/sign-in", form=PASSWORD, query_string={"next": there})
    assert answer.headers["Location"] == "/"


async def has(client: Client, **data: object) -> bool:
    """Whether the session is stored with this, and nothing else."""
    async with client.session_transaction() as stored:
        return dict(stored) == data


async def test_a_socket_and_a_background_task_save_for_themselves() -> None:
    client = await signed_in()
    async with client.websocket("/cart") as socket:
        await socket.send_json(["apple"])
        # A handler is cancelled when its client goes.
        await until(lambda: has(client, cart=["apple"]))
    assert (await client.post("/report")).status_code == 200
    await until(lambda: has(client, cart=["apple"], report="ready"))


async def test_a_socket_whose_session_ended_writes_nothing_and_is_over() -> None:
    client = await signed_in()
    elsewhere = copied(client)
    async with client.websocket("/cart") as socket:
        await socket.send_json(["apple"])
        await until(lambda: has(client, cart=["apple"]))
        await elsewhere.post("/sign-out")
        await socket.send_json(["pear"])
        # Not each release's test client tells of a close.
        await until(lambda: vars(socket)["_task"].done())
    assert (await client.get("/")).status_code == 302


async def test_a_bound_socket_is_closed_when_its_user_signs_out_elsewhere() -> None:
    client = await signed_in()
    elsewhere = copied(client)
    async with client.websocket("/clock") as socket:
        assert len(str(await socket.receive())) == len("12:34:56")
        await elsewhere.post("/sign-out")
        # Not each release's test client tells of a close: then the connection is over.
        told = asyncio.ensure_future(until_closed(socket))
        over = cast(Any, socket)._task
        done, _ = await asyncio.wait({told, over}, timeout=3, return_when="FIRST_COMPLETED")
        assert done
        told.cancel()


async def until_closed(socket: Any) -> None:
    with suppress(Exception):
        while True:
            await socket.receive()


async def test_a_key_of_the_session_names_the_user_and_leaves_by_being_deleted() -> None:
    client = with_user_key.test_client()
    page = await (await client.get("/")).get_data(as_text=True)
    assert "quart-idle.js" not in page
    await client.post("/", form={"number": "7"})
    page = await (await client.get("/")).get_data(as_text=True)
    assert "Hello, user 7" in page
    assert "data-user" in page
    (before,) = (cookie.value for cookie in client.cookie_jar)
    async with client.session_transaction() as stored:
        assert stored.user_id == "7"
        stored["cart"] = ["apple"]
        del stored["user_id"]
    (after,) = (cookie.value for cookie in client.cookie_jar)
    assert before != after
    async with client.session_transaction() as stored:
        assert (stored.user_id, dict(stored)) == (None, {"cart": ["apple"]})
    await client.post("/", form={"number": "7"})
    await client.post("/sign-out")
    async with client.session_transaction() as stored:
        assert dict(stored) == {}


async def test_who_signs_in_again_by_the_key_has_proved_it_again_in_the_same_session() -> None:
    client = with_user_key.test_client()
    await client.post("/", form={"number": "7"})
    async with client.session_transaction() as stored:
        first = stored.authenticated_at
        stored["cart"] = ["apple"]
    await client.post("/", form={"number": "7"})
    async with client.session_transaction() as stored:
        assert stored.authenticated_at > first
        assert stored["cart"] == ["apple"]


async def test_whose_last_data_is_removed_is_told_that_they_signed_out() -> None:
    client = with_user_key.test_client()
    await client.post("/", form={"number": "7"})
    other = with_user_key.test_client()
    for cookie in client.cookie_jar:
        other.cookie_jar.set_cookie(cookie)
    async with client.session_transaction() as stored:
        del stored["user_id"]
    async with other.session_transaction() as stored:
        assert stored.ended == "signed out"


async def test_the_journal_has_who_signed_in_and_out() -> None:
    journal.clear()
    async with with_signals.test_app():
        client = with_signals.test_client()
        await client.get("/", headers={"User-Agent": "Quart"})
        async with client.session_transaction() as stored:
            stored.clear()
    assert sorted(journal.values()) == [
        "ada signed in with Quart",
        "ada was signed out: signed out, by itself",
    ]


async def test_the_team_page_shows_who_is_here_and_when_the_others_were_last(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    last_seen.clear()
    store: Any = team.sessions._store
    monkeypatch.setattr(store, "_clock", clock)
    browser = Browser(with_presence)
    answer = await browser.client.get("/")
    assert "quart-idle.js" in await answer.get_data(as_text=True), "else no page of it is open"
    async with open_page(browser):
        await clock.advance(2)
        answer = await browser.client.get("/team")
        assert await answer.get_json() == {"ada": "online", "bob": "None", "eve": "None"}
    await clock.advance(50)
    answer = await browser.client.get("/team")
    assert (await answer.get_json())["ada"] == str(last_seen["ada"])
    assert last_seen.keys() == {"ada"}

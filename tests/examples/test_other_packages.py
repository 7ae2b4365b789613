"""quart-auth and Authlib, as the guide to signing in uses them."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import httpx
import pytest
from quart.typing import TestClientProtocol as Client

from examples.signing_in import with_oauth, with_quart_auth
from quart_idle import Session
from tests.helpers.servers import Serve


async def test_quart_auth_signs_in_and_out_by_the_session_and_sets_no_cookie_of_its_own() -> None:
    client = with_quart_auth.app.test_client()
    assert (await client.get("/")).headers["Location"] == "/sign-in"
    response = await client.post("/sign-in", form={"name": "ada"})
    assert [value.partition("=")[0] for value in response.headers.getlist("Set-Cookie")] == [
        "session"
    ]
    page = await (await client.get("/")).get_data(as_text=True)
    assert "Hello ada" in page
    assert "data-user" in page
    elsewhere = with_quart_auth.app.test_client()
    for cookie in client.cookie_jar or ():
        elsewhere.cookie_jar.set_cookie(cookie)  # type: ignore[union-attr]
    assert (await client.post("/sign-out")).status_code == 302
    assert (await client.get("/")).status_code == 302
    assert (await elsewhere.get("/")).status_code == 302


async def test_a_user_whom_quart_auth_is_to_remember_has_a_cookie_that_lasts() -> None:
    client = with_quart_auth.app.test_client()
    for more, lasts in ({}, False), ({"remember": "on"}, True):
        response = await client.post("/sign-in", form={"name": "ada"} | more)
        assert ("Max-Age" in response.headers["Set-Cookie"]) is lasts


async def test_a_socket_knows_quart_auth_s_user() -> None:
    client = with_quart_auth.app.test_client()
    await client.post("/sign-in", form={"name": "ada"})
    async with client.websocket("/echo") as socket:
        await socket.send("hello")
        assert await socket.receive() == "ada: 'hello'"


async def proved_at(client: Client) -> datetime:
    async with client.session_transaction() as stored:
        found = cast(Session, stored).authenticated_at
    assert found is not None
    return found


async def test_a_user_signs_in_with_a_provider(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = serve(target="tests.examples.provider:app")
    monkeypatch.setitem(with_oauth.app.config, "PROVIDER", provider.url)
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # the test's provider has no TLS
    client = with_oauth.app.test_client()
    asked = (await client.get("/sign-in")).headers["Location"]
    async with httpx.AsyncClient() as browser:
        back = (await browser.get(asked)).headers["Location"]
    path = back.removeprefix("http://localhost")

    stranger = with_oauth.app.test_client()
    assert (await stranger.get(path)).status_code == 400
    forged = path.rpartition("state=")[0] + "state=forged"
    assert (await stranger.get(forged)).status_code == 400

    assert (await client.get(path)).headers["Location"] == "/"
    page = await (await client.get("/")).get_data(as_text=True)
    assert "Hello Ada Lovelace" in page
    assert "data-user" in page
    assert (await client.get(path)).status_code == 400  # it was used

    assert "prompt=login" not in asked

    # Where whoever sits at the browser has the provider not asked, it is no proof.
    first = await proved_at(client)
    for cut in ("&prompt=login",), ("&prompt=login", "&max_age=0"):
        again = (await client.get("/sign-in")).headers["Location"]
        for part in cut:
            assert part in again
            again = again.replace(part, "")
        async with httpx.AsyncClient() as browser:
            back = (await browser.get(again)).headers["Location"]
        assert (await client.get(back.removeprefix("http://localhost"))).status_code == 302
        assert await proved_at(client) == first

    # Once more: in the same session, and the provider is to ask.
    before = [cookie.value for cookie in client.cookie_jar or ()]
    again = (await client.get("/sign-in")).headers["Location"]
    assert "prompt=login" in again
    async with client.session_transaction() as stored:
        stored["cart"] = [1]
    async with httpx.AsyncClient() as browser:
        back = (await browser.get(again)).headers["Location"]
    assert (await client.get(back.removeprefix("http://localhost"))).status_code == 302
    async with client.session_transaction() as stored:
        assert (stored["name"], stored["cart"]) == ("Ada Lovelace", [1])
    assert [cookie.value for cookie in client.cookie_jar or ()] != before
    assert await proved_at(client) > first

    await client.post("/sign-out")
    assert "Sign in" in await (await client.get("/")).get_data(as_text=True)

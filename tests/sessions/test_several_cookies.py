"""Several cookies of the session's name, as of other paths, domains or applications."""

from __future__ import annotations

from typing import Any

import pytest

from quart_idle.cookies import Token, first_living, new_token
from quart_idle.exceptions import StoreUnavailable
from quart_idle.policy import Clocks
from quart_idle.stores.base import Ended, Record
from tests.helpers.clock import Clock
from tests.helpers.handlers import end, look, put, regenerate, sign_in, why
from tests.helpers.site import Browser, MakeSite, Site
from tests.helpers.sockets import Closed, open_socket

TOKEN = "a" * 43


def cookies(*tokens: str | None) -> dict[str, str]:
    return {
        "Cookie": "; ".join(f"session={token}" for token in tokens),
        "Origin": "http://localhost",
    }


async def stale(here: Site, how: str) -> str:
    """A cookie that names no living session."""
    browser = await here.signed_in("eve")
    token = browser.token
    if how == "malformed":
        return "not a token"
    if how == "unknown":
        return TOKEN
    await browser.visit(end() if how == "ended" else regenerate)
    if how == "regenerated, and ended":
        await browser.visit(end())
    here.store.calls.clear()
    assert token is not None
    return token


STALE = ["malformed", "unknown", "ended", "regenerated, and ended"]


@pytest.mark.parametrize("how", STALE)
async def test_a_stale_twin_locks_nobody_out(site: MakeSite, how: str) -> None:
    here = site()
    twin = await stale(here, how)
    browser = await here.signed_in("ada", a=1)
    headers = cookies(twin, browser.token)
    anybody = here.browser()
    assert (await anybody.visit(look, headers=headers)).value == {"a": 1}
    assert (await anybody.visit(put(b=2), headers=headers)).cookie is None
    assert (await browser.visit(look)).value == {"a": 1, "b": 2}


@pytest.mark.parametrize("how", STALE)
async def test_signing_in_and_out_works_beside_a_stale_twin(site: MakeSite, how: str) -> None:
    here = site()
    twin = await stale(here, how)
    signed_in = await here.browser().visit(sign_in("ada"), headers=cookies(twin))
    assert signed_in.cookie is not None
    headers = cookies(twin, signed_in.cookie["value"])
    assert (await here.browser().visit(lambda session: session.user_id, headers=headers)).value
    signed_out = await here.browser().visit(end(), headers=headers)
    assert signed_out.cookie is not None
    assert signed_out.cookie["value"] == ""
    assert (await here.browser().visit(look, headers=headers)).value == {}
    assert (await Browser(here.app, signed_in.cookie["value"]).visit(why)).value == "signed out"


async def test_of_two_living_sessions_the_first_counts(site: MakeSite) -> None:
    here = site()
    one, other = await here.signed_in(a=1), await here.signed_in(a=2)
    headers = cookies(one.token, other.token)
    assert (await here.browser().visit(look, headers=headers)).value == {"a": 1}


async def test_at_most_four_are_tried_and_malformed_ones_cost_nothing(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    anybody, invented = here.browser(), [new_token() for _ in range(4)]
    headers = cookies("", "malformed", *invented[:3], *invented[:3], browser.token)
    assert (await anybody.visit(look, headers=headers)).value == {"a": 1}
    assert here.store.calls == ["load"] * 4
    here.store.calls.clear()
    assert (await anybody.visit(look, headers=cookies(*invented, browser.token))).value == {}
    assert here.store.calls == ["load"] * 4


async def test_without_a_living_session_it_is_told_why_one_is_over(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in()
    headers = cookies(TOKEN, browser.token)
    await browser.visit(end("sent home"))
    assert (await here.browser().visit(why, headers=headers)).value == "sent home"


async def test_a_token_that_was_changed_only_now_is_under_way_beside_a_twin(
    site: MakeSite, clock: Clock
) -> None:
    here = site()
    browser = await here.signed_in()
    headers = cookies(TOKEN, browser.token)
    await browser.visit(regenerate)
    assert (await here.browser().visit(put(a=1), headers=headers)).cookie is None
    await clock.advance(11)
    assert (await here.browser().visit(put(a=1), headers=headers)).cookie is not None


async def test_it_is_under_way_whatever_is_known_of_the_twin(site: MakeSite) -> None:
    here = site()
    twin = await stale(here, "ended")
    browser = await here.signed_in()
    headers = cookies(twin, browser.token)
    await browser.visit(regenerate)
    assert (await here.browser().visit(put(a=1), headers=headers)).cookie is None


async def test_a_cookie_whose_name_only_looks_like_the_session_s_is_none(site: MakeSite) -> None:
    here = site(config={"SESSION_COOKIE_NAME": "my.session"})
    browser = here.browser()
    cookie = (await browser.visit(put(a=1))).cookie
    assert cookie is not None
    for name, data in (("my.session", {"a": 1}), ("my-session", {})):
        headers = {"Cookie": f"{name}={cookie['value']}"}
        assert (await here.browser().visit(look, headers=headers)).value == data


@pytest.mark.parametrize("how", STALE)
async def test_the_routes_look_at_the_same_session(site: MakeSite, how: str) -> None:
    here = site(drafts=True, config={"SECRET_KEY": "s" * 32})
    twin = await stale(here, how)
    browser = await here.signed_in("ada")
    headers = cookies(twin, browser.token)
    client = here.app.test_client()
    pong = '{"type": "pong", "idle": 0, "visible": true}'
    answers = [
        await client.get("/_idle/state", headers=headers),
        await client.post("/_idle/extend", headers=headers),
        await client.post("/_idle/presence", headers=headers, data=pong),
        await client.get("/_idle/drafts", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert (await client.get("/_idle/state", headers=cookies(twin))).status_code == 401


class Twins(Browser):
    """A browser that sends cookies whatever its jar has."""

    @property
    def token(self) -> str:
        return "; session=".join(self.tokens)

    def __init__(self, here: Site, *tokens: str | None) -> None:
        super().__init__(here.app)
        self.tokens = [token or "" for token in tokens]


@pytest.mark.parametrize("how", STALE)
async def test_a_page_s_socket_looks_at_the_same_session(site: MakeSite, how: str) -> None:
    here = site()
    twin = await stale(here, how)
    browser = await here.signed_in("ada")
    async with open_socket(Twins(here, twin, browser.token)) as socket:
        assert (await socket.receive())["type"] == "state"
        await browser.visit(end())
        with pytest.raises(Closed, match="signed out"):
            await socket.receive()


async def test_a_page_with_several_cookies_tries_again_while_the_store_fails(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in("ada")
    here.store.fault = OSError()
    async with open_socket(Twins(here, TOKEN, browser.token)) as socket:
        with pytest.raises(Closed, match="1013"):
            await socket.receive()


async def test_what_fails_for_the_first_cookie_is_no_reason_to_take_the_second() -> None:
    alive = Record({}, "eve", Clocks(0.0, 0.0, 0.0), 0.0)
    found: dict[str, Any] = {"one": StoreUnavailable(), "two": alive, "over": Ended("idle")}

    async def load(id: str) -> Any:
        if isinstance(found[id], Exception):
            raise found[id]
        return found[id]

    with pytest.raises(StoreUnavailable):
        await first_living(["over", "one", "two"], load)
    assert await first_living(["over", "two", "one"], load) == ("two", alive)


def test_a_token_s_repr_does_not_tell_it() -> None:
    token = Token(TOKEN)
    assert token == TOKEN
    assert TOKEN not in repr(token)
    assert TOKEN not in repr([token])

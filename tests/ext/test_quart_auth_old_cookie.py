"""`IdleAuth`, and the cookies of the `QuartAuth` that was there before it."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart
from quart_auth import Action, AuthUser, QuartAuth, current_user, login_required, login_user

from quart_idle import Session, StoreUnavailable
from quart_idle.ext.quart_auth import IdleAuth
from tests.helpers.auth_site import MakeAuthSite, enter, leave, names, renew, who
from tests.helpers.site import KEY, Browser, Site

OLD = "QUART_AUTH"


def left(browser: Browser) -> list[str]:
    """The names of the cookies that a browser has."""
    return sorted(cookie.name for cookie in browser.client.cookie_jar or ())


def moved(site: Site) -> Browser:
    """A browser with a cookie from before."""
    browser = site.browser()
    browser.client.set_cookie("localhost", OLD, "old")
    return browser


async def before() -> tuple[Any, Any]:
    """A client of the application as it was, whose user is signed in by quart-auth's cookie."""
    app = Quart("before")
    app.config |= KEY | {"QUART_AUTH_COOKIE_SECURE": False}
    QuartAuth(app)

    @app.get("/in")
    async def enter_() -> str:
        login_user(AuthUser("ada"), remember=True)
        return ""

    @app.get("/mine")
    @login_required
    async def mine() -> str:
        return f"{current_user.auth_id}'s"

    client = app.test_client()
    await client.get("/in")
    return app, client


@pytest.mark.parametrize("action", ["in", "out"])
async def test_who_signs_in_or_out_is_not_signed_in_any_more_where_a_quart_auth_still_is(
    auth_site: MakeAuthSite, action: str
) -> None:
    _, client = await before()
    assert (await client.get("/mine")).status_code == 200
    browser = auth_site(config=KEY).browser()
    browser.client.cookie_jar = client.cookie_jar  # one browser, of two workers
    assert (await browser.visit(path="/mine")).status == 401
    await browser.visit(enter() if action == "in" else leave)
    assert left(browser) == (["session"] if action == "in" else [])
    assert (await client.get("/mine")).status_code == 401


async def test_a_cookie_from_before_goes_once_somebody_signs_in_or_out_and_no_sooner(
    auth_site: MakeAuthSite,
) -> None:
    browser = moved(auth_site())
    for look in who, renew:
        assert (names(await browser.visit(look)), left(browser)) == ([], [OLD])
    assert sorted(names(await browser.visit(enter()))) == [OLD, "session"]
    assert left(browser) == ["session"]
    assert names(await browser.visit(enter())) == ["session"]


async def test_a_cookie_from_before_goes_where_an_action_that_is_set_by_hand_signs_in_or_out(
    auth_site: MakeAuthSite,
) -> None:
    auth = IdleAuth()
    site = auth_site(auth)
    browser = moved(site)

    def write(_: Session) -> None:
        auth.login_user(AuthUser("ada"))
        current_user.action = Action.WRITE

    await browser.visit(write)
    assert left(browser) == ["session"]

    def delete(_: Session) -> None:
        current_user.action = Action.DELETE

    browser.client.set_cookie("localhost", OLD, "old")
    await browser.visit(delete)
    assert left(browser) == []


async def test_a_request_s_own_user_and_a_sign_in_that_fails_leave_a_cookie_from_before(
    auth_site: MakeAuthSite,
) -> None:
    auth = IdleAuth()
    site = auth_site(auth)
    browser = moved(site)
    await browser.visit(lambda _: auth.login_user(AuthUser("a program")))
    assert left(browser) == [OLD]

    def enter_and_fail(_: Session) -> None:
        login_user(AuthUser("ada"))
        site.store.fault = StoreUnavailable()

    assert (await browser.visit(enter_and_fail)).status == 503
    assert left(browser) == [OLD]


@pytest.mark.filterwarnings("ignore:The same attribute name/cookie name/salt")
@pytest.mark.parametrize("mode", ["cookie", "bearer"])
async def test_a_cookie_of_a_quart_auth_beside_it_is_left_alone(
    auth_site: MakeAuthSite, mode: Any
) -> None:
    site = auth_site(config=KEY)
    QuartAuth(site.app, mode=mode, singleton=False, attribute_name="api", salt="api")
    browser = moved(site)
    await browser.visit(enter())
    # One with tokens has no cookie, so this is of before.
    assert left(browser) == ([OLD, "session"] if mode == "cookie" else ["session"])

"""A site with an `IdleAuth`, and what its handlers do with quart-auth's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quart import websocket
from quart_auth import (
    AuthUser,
    Unauthorized,
    basic_auth_required,
    current_user,
    login_required,
    login_user,
    logout_user,
    renew_login,
)

from quart_idle import Session
from quart_idle.ext.quart_auth import IdleAuth
from tests.helpers.site import Answer, Browser, MakeSite, Site

MakeAuthSite = Callable[..., Site]


def auth_site_maker(site: MakeSite) -> MakeAuthSite:
    """Makes such sites, with settings."""

    def make(auth: IdleAuth | None = None, **options: Any) -> Site:
        here = site(**options)
        (auth or IdleAuth()).init_app(here.app)

        @here.app.get("/mine")
        @login_required
        async def mine() -> str:
            return f"{current_user.auth_id}'s"

        @here.app.websocket("/echo")
        @login_required
        async def echo() -> None:
            await websocket.send(f"{await websocket.receive()!r} {current_user.auth_id}")

        @here.app.get("/basic")
        @basic_auth_required()
        async def basic() -> str:
            return "basic"

        @here.app.websocket("/basic-echo")
        @basic_auth_required()
        async def basic_echo() -> None:
            await websocket.send(f"{await websocket.receive()!r}")

        @here.app.errorhandler(Unauthorized)
        async def ask_who(_: Unauthorized) -> tuple[str, int]:
            return "who are you?", 401

        return here

    return make


def enter(user_id: str = "ada", *, remember: bool = False) -> Callable[[Session], None]:
    return lambda _: login_user(AuthUser(user_id), remember)


def leave(_: Session) -> None:
    logout_user()


def renew(_: Session) -> None:
    renew_login()


def who(_: Session) -> str | None:
    return current_user.auth_id


async def entered(site: Site, user_id: str = "ada", **options: Any) -> Browser:
    browser = site.browser()
    await browser.visit(enter(user_id, **options))
    return browser


def names(answer: Answer) -> list[str]:
    """The names of the cookies that it sets."""
    return [it.partition("=")[0] for it in answer.headers.getlist("Set-Cookie")]

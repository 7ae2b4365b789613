"""`IdleAuth` while the store is down, where nothing can be signed, and in tasks."""

from __future__ import annotations

import asyncio

import pytest
from quart import copy_current_request_context, render_template_string
from quart_auth import Action, AuthUser, current_user, login_user, logout_user

from quart_idle import Session, StoreUnavailable
from quart_idle.ext.quart_auth import IdleAuth
from tests.helpers.auth_site import MakeAuthSite, entered, names, who
from tests.helpers.site import Site

WHO = "sorry, {{ current_user.auth_id or 'whoever you are' }}"


def sorry_site(auth_site: MakeAuthSite, auth: IdleAuth | None = None) -> Site:
    """Its page for a store that is down has a layout that shows the user."""
    site = auth_site(auth)

    @site.app.errorhandler(503)
    async def sorry(_: Exception) -> tuple[str, int]:
        return await render_template_string(WHO), 503

    return site


async def test_a_store_that_is_down_is_a_503_where_the_user_is_asked_for_and_nowhere_else(
    auth_site: MakeAuthSite,
) -> None:
    site = auth_site()
    browser = await entered(site)

    @site.app.errorhandler(503)
    async def sorry(_: Exception) -> tuple[str, int]:
        return await render_template_string("sorry"), 503

    site.store.fault = StoreUnavailable()
    answer = await browser.visit(path="/mine")
    assert (answer.status, await answer.response.get_data()) == (503, b"sorry")
    assert (await browser.visit()).status == 200
    site.store.fault = None
    assert (await browser.visit(path="/mine")).status == 200


async def test_a_page_that_says_that_the_store_is_down_may_show_the_user_and_shows_nobody(
    auth_site: MakeAuthSite,
) -> None:
    site = sorry_site(auth_site)
    browser = await entered(site)
    site.store.fault = StoreUnavailable()
    for answer in (
        await browser.visit(path="/mine"),  # code asks
        await browser.visit(lambda _: render_template_string(WHO)),  # a template does
    ):
        assert answer.status == 503
        assert await answer.response.get_data() == b"sorry, whoever you are"
        assert answer.headers["Retry-After"]
    site.store.fault = None
    assert (await browser.visit(lambda _: render_template_string(WHO))).value == "sorry, ada"


async def test_who_could_not_be_signed_in_is_shown_as_nobody(auth_site: MakeAuthSite) -> None:
    site = sorry_site(auth_site)

    def enter_and_fail(_: Session) -> None:
        login_user(AuthUser("ada"))
        site.store.fault = StoreUnavailable()

    answer = await site.browser().visit(enter_and_fail)
    assert await answer.response.get_data() == b"sorry, whoever you are"
    assert (answer.status, names(answer)) == (503, [])


async def test_a_request_s_own_user_who_is_to_be_signed_in_while_the_store_is_down_is_a_503(
    auth_site: MakeAuthSite,
) -> None:
    auth = IdleAuth()
    site = sorry_site(auth_site, auth)
    browser = await entered(site)

    def write(_: Session) -> None:
        auth.login_user(AuthUser("a program"))
        current_user.action = Action.WRITE

    site.store.fault = StoreUnavailable()
    answer = await browser.visit(write)
    assert (answer.status, names(answer)) == (503, [])
    # Who does not come from a session can be shown.
    assert await answer.response.get_data() == b"sorry, a program"
    assert answer.headers["Retry-After"]
    site.store.fault = None
    assert (await browser.visit(who)).value == "ada"


@pytest.mark.parametrize("action", [Action.WRITE, Action.WRITE_PERMANENT])
async def test_a_request_s_own_user_without_an_id_is_nobody_to_be_signed_in(
    auth_site: MakeAuthSite, action: Action
) -> None:
    auth = IdleAuth()
    browser = auth_site(auth).browser()

    def write(_: Session) -> None:
        auth.login_user(AuthUser(None))
        current_user.action = action

    answer = await browser.visit(write)
    assert (answer.status, names(answer)) == (200, [])


async def test_what_a_task_signs_out_is_signed_out_once_it_is_saved(
    auth_site: MakeAuthSite,
) -> None:
    site = auth_site()
    browser = await entered(site)
    answered, done = asyncio.Event(), asyncio.Event()

    async def leave_later(session: Session) -> None:
        @copy_current_request_context
        async def later() -> None:
            await answered.wait()
            logout_user()
            await session.save()
            done.set()

        site.app.add_background_task(later)

    await browser.visit(leave_later)
    assert (await browser.visit(who)).value == "ada"
    answered.set()
    await done.wait()
    assert (await browser.visit(lambda s: (who(s), s.ended))).value == (None, "signed out")


async def test_a_task_without_a_response_that_signs_in_is_told_when_it_saves(
    auth_site: MakeAuthSite,
) -> None:
    site = auth_site()
    answered, told = asyncio.Event(), asyncio.Event()

    async def enter_later(session: Session) -> None:
        @copy_current_request_context
        async def later() -> None:
            await answered.wait()
            login_user(AuthUser("ada"))
            with pytest.raises(RuntimeError, match="needs a new cookie"):
                await session.save()
            told.set()

        site.app.add_background_task(later)

    browser = site.browser()
    await browser.visit(enter_later)
    answered.set()
    await asyncio.wait_for(told.wait(), 10)

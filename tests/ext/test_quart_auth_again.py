"""`IdleAuth`: who is signed in signs in again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from quart_auth import AuthUser, login_user

from quart_idle import Session, signals
from tests.helpers.auth_site import MakeAuthSite, enter, entered, renew, who
from tests.helpers.clock import Clock
from tests.helpers.handlers import put


async def test_signing_in_again_is_the_same_session_with_a_new_token_and_its_lifetime_goes_on(
    auth_site: MakeAuthSite, clock: Clock
) -> None:
    browser = await entered(auth_site(timeout=600, lifetime=600))
    await browser.visit(put(cart=["apple"]))
    before = browser.copy()
    await clock.advance(400)
    await browser.visit(enter())
    assert browser.token != before.token
    assert (await before.visit(who)).value is None
    await clock.advance(199)
    assert (await browser.visit(lambda s: (who(s), s["cart"]))).value == ("ada", ["apple"])
    await clock.advance(2)
    assert (await browser.visit(lambda s: (who(s), s.ended))).value == (None, "lifetime")


async def test_signing_in_again_keeps_the_session_s_own_timeout(
    auth_site: MakeAuthSite, clock: Clock
) -> None:
    browser = await entered(auth_site(timeout=6000))

    def shorten(session: Session) -> None:
        session.timeout = timedelta(seconds=77)

    await browser.visit(shorten)
    await browser.visit(enter())
    assert (await browser.visit(lambda s: s.timeout)).value == timedelta(seconds=77)
    await clock.advance(78)
    assert (await browser.visit(who)).value is None


async def test_signing_in_again_loses_nothing_that_another_request_sets_meanwhile(
    auth_site: MakeAuthSite,
) -> None:
    browser = await entered(auth_site())
    await browser.visit(put(cart=["apple"]))
    copy, signed_in, go_on = browser.copy(), asyncio.Event(), asyncio.Event()

    async def enter_slowly(session: Session) -> None:
        login_user(AuthUser("ada"))
        session["mine"] = 1
        signed_in.set()
        await go_on.wait()

    request = browser.start(enter_slowly)
    await signed_in.wait()
    await copy.visit(put(theirs=2))
    go_on.set()
    await request
    found = await browser.visit(lambda s: (who(s), s["cart"], s["mine"], s["theirs"]))
    assert found.value == ("ada", ["apple"], 1, 2)


async def test_signing_in_again_in_one_request_keeps_what_was_set_between(
    auth_site: MakeAuthSite,
) -> None:
    browser = auth_site().browser()

    def twice(session: Session) -> None:
        login_user(AuthUser("ada"))
        session["cart"] = ["apple"]
        login_user(AuthUser("ada"), remember=True)

    answer = await browser.visit(twice)
    assert "max-age" in (answer.cookie or {})
    assert (await browser.visit(lambda s: (who(s), s["cart"]))).value == ("ada", ["apple"])


async def test_nobody_is_told_that_who_is_signed_in_signs_in_again(auth_site: MakeAuthSite) -> None:
    site = auth_site()
    told: list[str] = []

    async def tell(_: object, *, session: Any, **__: Any) -> None:
        told.append(session.user_id)

    with signals.session_signed_in.connected_to(tell, sender=site.app):
        async with site.app.test_app():
            browser = await entered(site)
            await browser.visit(enter())
            await browser.visit(enter("bob"))
    assert sorted(told) == ["ada", "bob"]


async def test_signing_in_again_is_a_proof_and_renewing_is_none(
    auth_site: MakeAuthSite, clock: Clock
) -> None:
    browser = await entered(auth_site())
    first = (await browser.visit(lambda s: s.authenticated_at)).value
    await clock.advance(100)
    await browser.visit(renew)
    assert (await browser.visit(lambda s: s.authenticated_at)).value == first
    await browser.visit(enter())
    again = (await browser.visit(lambda s: s.authenticated_at)).value
    assert 100 <= (again - first).total_seconds() < 102

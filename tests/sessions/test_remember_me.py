"""Remember me, whenever it is said; and the beginning of an id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from quart_idle import Session
from quart_idle.stores.base import HASH_TAG_LENGTH
from tests.helpers.clock import Clock
from tests.helpers.handlers import put, regenerate
from tests.helpers.site import Browser, MakeSite


def who(session: Session) -> str | None:
    return session.user_id


def remember(value: bool = True) -> Callable[[Session], None]:
    def do(session: Session) -> None:
        session.permanent = value

    return do


async def test_permanent_set_to_another_value_sends_the_cookie_again_with_the_same_token(
    site: MakeSite, clock: Clock
) -> None:
    here = site(lifetime=86_400)
    browser = await here.signed_in()
    token = browser.token
    await clock.advance(100)
    cookie = (await browser.visit(remember())).cookie
    assert cookie is not None
    assert (cookie["value"], cookie["max-age"]) == (token, str(86_400 - 100))
    here.store.calls.clear()
    assert (await browser.visit(remember())).cookie is None
    assert "save" not in here.store.calls
    assert (await browser.visit(put(_permanent=True))).cookie is None
    answer = await browser.visit(remember(False))
    assert answer.cookie is not None
    assert answer.cookie["value"] == token
    assert "max-age" not in answer.cookie
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await browser.visit(lambda s: (s.user_id, s.permanent))).value == ("ada", False)


async def test_remember_me_at_a_sign_in_sends_one_cookie_with_the_new_token(
    site: MakeSite,
) -> None:
    here = site()
    browser = here.browser()
    await browser.visit(put(csrf="token"))
    token = browser.token

    def do(session: Session) -> None:
        session.permanent = True
        session.user_id = "ada"

    cookie = (await browser.visit(do)).cookie
    assert cookie is not None
    assert cookie["value"] != token
    assert "max-age" in cookie


async def test_a_late_remember_me_never_overwrites_a_newer_cookie(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in()
    first = browser.copy()

    async def early(session: Session) -> None:
        session.permanent = True
        await session.save()
        await browser.visit(regenerate)

    async def late(session: Session) -> None:
        len(session)
        await browser.visit(regenerate)
        session.permanent = not session.permanent

    assert (await first.visit(early)).cookie is None
    assert (await Browser(here.app, browser.token).visit(late)).cookie is None
    assert (await browser.visit(who)).value == "ada"


async def test_a_socket_may_say_remember_me_for_the_next_cookie(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in()
    async with browser.client.websocket("/socket", scope_base={"do": remember()}):
        await asyncio.sleep(0.1)
    assert (await browser.visit(lambda session: session.permanent)).value is True
    cookie = (await browser.visit(regenerate)).cookie
    assert cookie is not None
    assert "max-age" in cookie


async def test_a_session_keeps_the_beginning_of_its_id_when_its_token_changes(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    ids = []
    for _ in range(3):
        await browser.visit(regenerate)
        ids.append((await browser.visit(lambda session: session.id)).value)
    assert len(set(ids)) == 3
    assert len({id[:HASH_TAG_LENGTH] for id in ids}) == 1

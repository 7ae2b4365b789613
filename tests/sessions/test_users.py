"""Whose a session is: signing out with a word of goodbye, and in whose pages the client is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from quart import (
    flash,
    get_flashed_messages,
    render_template_string,
)

from quart_idle import Session
from tests.helpers.handlers import look, put, sign_in, why
from tests.helpers.site import MakeSite
from tests.helpers.sockets import Closed, open_socket


async def tag(_: Any = None) -> str:
    return await render_template_string("{{ quart_idle() }}")


# A sign-out that leaves something.


async def leave_a_word(session: Session) -> None:
    session.clear()
    await flash("Bye")


async def test_clear_and_a_word_of_goodbye_end_a_user_s_session_everywhere(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    old = browser.copy()
    async with open_socket(old) as socket:
        assert (await socket.receive())["type"] == "state"
        answer = await browser.visit(leave_a_word)
        with pytest.raises(Closed) as closed:
            await socket.receive()
    assert (closed.value.code, closed.value.reason) == (4401, "signed out")
    assert answer.cookie is not None
    assert (await old.visit(why)).value == "signed out"
    found = await browser.visit(lambda s: (s.user_id, get_flashed_messages(), s.ended))
    assert found.value == (None, ["Bye"], None)


async def test_clear_and_new_data_without_a_user_before_or_with_one_after_go_on(
    site: MakeSite,
) -> None:
    async def sign_in_again(session: Session) -> None:
        session.clear()
        session.user_id = "bob"
        await flash("Hello")

    here = site()
    for browser, do in (
        (here.browser(), leave_a_word),
        (here.browser(), sign_in_again),
        (await here.signed_in(), sign_in_again),
    ):
        await browser.visit(put(a=1))
        old, created = browser.copy(), (await browser.visit(lambda s: s.created_at)).value
        assert (await browser.visit(do)).cookie is not None
        assert (await old.visit(why)).value == "regenerated"
        assert (await browser.visit(lambda s: s.created_at)).value == created


async def test_a_sign_out_that_leaves_something_and_no_response_can_carry_loses_nothing(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Session) -> None:
        session.clear()
        session["b"] = 1
        with pytest.raises(RuntimeError, match="cookie"):
            await session.save()
        await session.reload()

    async with browser.client.websocket("/socket", scope_base={"do": do}):
        await asyncio.sleep(0.1)
    assert (await browser.visit(look)).value == {"a": 1}


@pytest.mark.parametrize("empty", [lambda s: s.clear(), lambda s: s.pop("user")])
async def test_what_leaves_a_session_with_nothing_ends_it_without_a_response(
    site: MakeSite, empty: Callable[[Session], Any]
) -> None:
    browser = site(user_key="user").browser()
    await browser.visit(put(user="ada"))

    async def do(session: Session) -> None:
        empty(session)
        await session.save()

    async with browser.client.websocket("/socket", scope_base={"do": do}):
        await asyncio.sleep(0.1)
    assert (await browser.visit(why)).value == "signed out"


# In whose pages the client is.


async def test_the_client_is_in_the_pages_of_users_only_where_there_are_users(
    site: MakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    for here, do in ((site(), sign_in()), (site(user_key="user"), put(user="ada"))):
        user, visitor = here.browser(), here.browser()
        await user.visit(do)
        await visitor.visit(put(csrf="token"))
        assert "data-user" in (await user.visit(tag)).value
        assert (await visitor.visit(tag)).value == ""
    assert not caplog.records


async def test_where_there_are_no_users_all_is_as_it_was_and_the_log_says_once_what_is_missing(
    site: MakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    here = site()
    with caplog.at_level(logging.INFO, "quart_idle"):
        for _ in range(3):
            visitor = here.browser()
            await visitor.visit(put(user="ada"))
            assert "<script" in (await visitor.visit(tag)).value
    (line,) = (item for item in caplog.records if item.name == "quart_idle")
    assert "QUART_IDLE_USER_KEY" in line.getMessage()
    await here.signed_in("ada")
    assert (await visitor.visit(tag)).value == "", "from then on there are users"


async def test_where_a_key_names_the_user_there_are_users_before_one_has_signed_in(
    site: MakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    visitor = site(user_key="user").browser()
    await visitor.visit(put(csrf="token"))
    assert (await visitor.visit(tag)).value == ""
    assert not caplog.records


async def test_a_worker_that_reads_a_user_s_session_knows_that_there_are_users(
    site: MakeSite,
) -> None:
    here = site()
    other = site(store=here.store)
    user, visitor = await here.signed_in(), here.browser()
    await visitor.visit(put(csrf="token"))
    elsewhere = other.browser(visitor.token)
    assert "<script" in (await elsewhere.visit(tag)).value
    await other.browser(user.token).visit(look)
    assert (await elsewhere.visit(tag)).value == ""


async def test_messages_that_a_page_shows_are_no_reason_to_watch_it(site: MakeSite) -> None:
    visitor = site().browser()
    await visitor.visit(lambda _: flash("Saved"))

    async def do(_: Session) -> str:
        return await render_template_string("{{ quart_idle() }}{{ get_flashed_messages()[0] }}")

    answer = await visitor.visit(do)
    assert answer.value == "Saved"
    assert answer.cookie is not None
    assert answer.cookie["value"] == ""

"""Whose a session is: signing in and out, by `user_id` or by a key of the application's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from markupsafe import Markup
from quart import (
    flash,
    get_flashed_messages,
    render_template_string,
)

from quart_idle import Session, SessionEnded
from quart_idle.stores.base import HASH_TAG_LENGTH
from tests.helpers.clock import Clock
from tests.helpers.handlers import look, put, regenerate, sign_in, why
from tests.helpers.site import Browser, MakeSite
from tests.helpers.sockets import Closed, open_socket


def who(session: Session) -> str | None:
    return session.user_id


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


# A key that names the user.


class Role(str, Enum):  # noqa: UP042  (as many applications have it)
    ADMIN = "admin"


@pytest.mark.parametrize(
    ("value", "user"),
    [
        ("ada", "ada"),
        (7, "7"),
        (0, "0"),
        (UUID(int=7), str(UUID(int=7))),
        (Markup("<ada>"), "<ada>"),
        (Role.ADMIN, "admin"),
    ],
)
async def test_setting_the_user_s_key_signs_in_and_deleting_it_signs_out(
    site: MakeSite, value: Any, user: str
) -> None:
    here = site(user_key="user")
    browser = here.browser()
    await browser.visit(put(cart=1))
    old = browser.copy()
    answer = await browser.visit(lambda s: (s.update(user=value), s.user_id))
    assert answer.value == (None, user)
    assert answer.cookie is not None
    assert (await old.visit(why)).value == "regenerated"
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == (
        user,
        {"cart": 1, "user": value},
    )
    record = await here.store.load((await browser.visit(lambda s: s.id)).value)
    assert record.user_id == user  # type: ignore[union-attr]
    old = browser.copy()
    assert (await browser.visit(lambda s: (s.pop("user"), s.user_id))).value == (value, None)
    assert browser.token != old.token
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == (None, {"cart": 1})


@pytest.mark.parametrize("how", [lambda s: s.pop("user"), put(user=None), put(user="")])
async def test_a_key_that_names_nobody_is_signed_out(site: MakeSite, how: Any) -> None:
    here = site(user_key="user")
    browser = here.browser()
    await browser.visit(put(user="ada", a=1))
    assert (await browser.visit(how)).cookie is not None
    assert (await browser.visit(who)).value is None


async def test_the_same_user_s_key_again_changes_no_token(site: MakeSite) -> None:
    here = site(user_key="user")
    browser = here.browser()
    await browser.visit(put(user=7))
    assert (await browser.visit(put(user="7"))).cookie is None


async def test_deleting_the_user_s_key_and_nothing_else_ends_the_session(site: MakeSite) -> None:
    here = site(user_key="user")
    browser = here.browser()
    await browser.visit(put(user="ada"))
    old = browser.copy()
    answer = await browser.visit(lambda s: s.pop("user"))
    assert answer.cookie is not None
    assert answer.cookie["value"] == ""
    assert (await old.visit(why)).value == "signed out"


@pytest.mark.parametrize("value", [{"name": "ada"}, ["ada"], 7.5, True, b"ada"])
async def test_a_value_to_tell_no_user_by_is_a_type_error_that_names_the_key(
    site: MakeSite, value: Any
) -> None:
    def do(session: Session) -> None:
        with pytest.raises(TypeError, match=r"session\['user'\].*QUART_IDLE_USER_KEY"):
            session["user"] = value
        assert "user" not in session

    answer = await site(user_key="user").browser().visit(do)
    assert (answer.status, answer.cookie) == (200, None)


async def test_where_a_key_names_the_user_another_user_id_is_an_error(site: MakeSite) -> None:
    def do(session: Session) -> None:
        session["user"] = 7
        session.user_id = "7"
        for other in ("8", None):
            with pytest.raises(RuntimeError, match="QUART_IDLE_USER_KEY is 'user'"):
                session.user_id = other

    browser = site(user_key="user").browser()
    await browser.visit(do)
    assert (await browser.visit(who)).value == "7"


async def test_a_session_from_before_the_key_was_configured_becomes_its_user_s(
    site: MakeSite,
) -> None:
    here = site()
    old = here.browser()
    await old.visit(put(user=7, a=1))
    new = site(user_key="user", store=here.store)
    browser = new.browser(old.token)

    async def save_twice(session: Session) -> str:
        await session.save()
        await session.save()
        return await tag()

    here.store.calls.clear()
    assert "data-user" in (await browser.visit(save_twice)).value
    assert here.store.calls == ["load", "save"], "once is enough"
    assert browser.token == old.token
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == (
        "7",
        {"user": 7, "a": 1},
    )
    record = await here.store.load((await browser.visit(lambda s: s.id)).value)
    assert record.user_id == "7"  # type: ignore[union-attr]
    here.store.calls.clear()
    await browser.visit(look)
    assert here.store.calls == ["load"], "for the next request, too"


async def test_a_late_write_does_not_reach_the_session_of_the_next_user_by_key(
    site: MakeSite,
) -> None:
    here = site(user_key="user")
    browser = here.browser()
    await browser.visit(put(user="ada"))
    first = browser.copy()

    async def do(session: Session) -> None:
        await browser.visit(put(user="bob"))
        session["note"] = "ada's"
        with pytest.raises(SessionEnded):
            await session.save()

    await first.visit(do)
    assert (await browser.visit(look)).value == {"user": "bob"}


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


# "Remember me", whenever it is said.


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

"""A key of the application's own that names the user."""

from __future__ import annotations

from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from markupsafe import Markup
from quart import (
    render_template_string,
)

from quart_idle import Session, SessionEnded
from tests.helpers.handlers import look, put, why
from tests.helpers.site import MakeSite


def who(session: Session) -> str | None:
    return session.user_id


async def tag(_: Any = None) -> str:
    return await render_template_string("{{ quart_idle() }}")


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

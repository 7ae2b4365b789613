"""Ends and their reasons, new tokens, and what is emptied and filled anew."""

from __future__ import annotations

from typing import Any

import pytest
from quart import (
    flash,
    get_flashed_messages,
)

from quart_idle import Session
from tests.helpers.clock import DAY, HOUR, MINUTE, Clock
from tests.helpers.handlers import Do, end, look, put, regenerate, sign_in, why
from tests.helpers.site import PASSIVE, MakeSite


@pytest.mark.parametrize(
    ("wait", "do", "reason"),
    [
        (31 * DAY, None, "idle"),
        (0, end(), "signed out"),
        (0, end("the moon is full"), "the moon is full"),
        (0, regenerate, "regenerated"),
    ],
)
async def test_why_a_session_is_over_is_told_for_an_hour_and_then_unknown(
    site: MakeSite, clock: Clock, wait: float, do: Do | None, reason: str
) -> None:
    browser = await site(timeout=31 * DAY).signed_in()
    await clock.advance(wait)
    await browser.copy().visit(do)
    assert (await browser.visit(why)).value == reason
    await clock.advance(HOUR - 1)
    assert (await browser.visit(why)).value == reason
    await clock.advance(1)
    assert (await browser.visit(why)).value == "unknown"


async def test_nothing_is_over_for_a_live_session_or_no_cookie(site: MakeSite) -> None:
    here = site()
    assert (await here.browser().visit(why)).value is None
    assert (await (await here.signed_in()).visit(why)).value is None


async def test_clear_and_nothing_more_ends_the_session(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)
    old = browser.copy()
    answer = await browser.visit(Session.clear)
    assert answer.cookie is not None
    assert answer.cookie["max-age"] == "0"
    assert browser.token is None
    assert (await old.visit(why)).value == "signed out"


async def test_clear_followed_by_new_data_regenerates_the_token(site: MakeSite) -> None:
    browser = site().browser()
    await browser.visit(put(a=1, b=[2]))
    old = browser.copy()

    def log_in(session: Session) -> None:
        session.clear()
        session["a"] = 2

    await browser.visit(log_in)
    assert browser.token not in (None, old.token)
    assert (await browser.visit(lambda s: (dict(s), s.user_id))).value == ({"a": 2}, None)
    assert (await old.visit(why)).value == "regenerated"


async def test_clearing_what_does_not_exist_does_nothing(site: MakeSite) -> None:
    here = site()
    assert (await here.browser().visit(Session.clear)).cookie is None
    assert here.store.calls == []


@pytest.mark.parametrize("before", [None, "ada"])
@pytest.mark.parametrize("after", [None, "ada", "bob"])
async def test_another_user_gets_another_token(
    site: MakeSite, before: str | None, after: str | None
) -> None:
    here = site()
    browser = here.browser()
    await browser.visit(sign_in(before, a=1))
    old = browser.copy()
    answer = await browser.visit(sign_in(after))
    assert (answer.cookie is not None) == (before != after) == (old.token != browser.token)
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == (after, {"a": 1})
    if before != after:
        assert (await old.visit(why)).value == "regenerated"


@pytest.mark.parametrize("wrong", [1, "", b"ada", True, ["ada"]])
async def test_a_user_id_that_is_no_str_is_a_type_error(site: MakeSite, wrong: Any) -> None:
    def do(session: Session) -> str | None:
        with pytest.raises(TypeError, match=r"session\.user_id is .*; allowed: a str"):
            session.user_id = wrong
        return session.user_id

    assert (await (await site().signed_in("ada")).visit(do)).value == "ada"


async def test_a_user_without_data_is_a_session(site: MakeSite) -> None:
    browser = await site().signed_in("ada")
    assert (await browser.visit(lambda s: (s.user_id, s.new))).value == ("ada", False)


async def test_regenerate_changes_the_token_and_nothing_else(site: MakeSite, clock: Clock) -> None:
    browser = await site(timeout=MINUTE).signed_in(a=[1])

    def facts(session: Session) -> Any:
        return dict(session), session.user_id, session.created_at

    before = (await browser.visit(facts, PASSIVE)).value
    old = browser.copy()
    await clock.advance(10)
    await browser.visit(regenerate, PASSIVE)
    assert old.token != browser.token
    assert (await browser.visit(facts, PASSIVE)).value == before
    assert (await old.visit(look)).value == {}
    await clock.advance(MINUTE - 10)
    assert (await browser.visit(why)).value == "idle", "a new token is no activity"


@pytest.mark.parametrize("do", [regenerate, end()])
async def test_without_a_session_there_is_nothing_to_regenerate_or_end(
    site: MakeSite, do: Do
) -> None:
    here = site()
    answer = await here.browser().visit(do)
    assert answer.cookie is None
    assert here.store.calls == []


async def test_end_ends_the_session_with_this_response(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)
    old = browser.copy()

    def do(session: Session) -> Any:
        session.end()
        return dict(session), session.id, session.user_id, session.ended

    assert (await browser.visit(do)).value == ({}, None, None, "signed out")
    assert browser.token is None
    assert (await old.visit(look)).value == {}


async def test_what_is_set_after_end_goes_into_a_new_session(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)
    old = browser.copy()

    async def do(session: Session) -> None:
        session.end()
        await flash("You have signed out.")

    answer = await browser.visit(do)
    assert answer.cookie is not None
    assert browser.token not in (None, old.token)
    assert (await old.visit(why)).value == "signed out"

    def read(session: Session) -> Any:
        return session.user_id, get_flashed_messages(), dict(session)

    assert (await browser.visit(read)).value == (None, ["You have signed out."], {})


@pytest.mark.parametrize("wrong", ["", None, 1])
async def test_a_reason_is_a_str_of_one_character_or_more(site: MakeSite, wrong: Any) -> None:
    browser = await site().signed_in(a=1)

    def do(session: Session) -> None:
        with pytest.raises(TypeError, match="the reason is"):
            session.end(wrong)

    await browser.visit(do)
    assert (await browser.visit(look)).value == {"a": 1}

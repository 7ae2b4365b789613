"""What a request changes: it sees that at once, and that is what is stored."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quart_idle import Session
from tests.helpers.clock import MINUTE, Clock
from tests.helpers.handlers import Do, look, put, regenerate, sign_in
from tests.helpers.site import MakeSite


def set_timeout(session: Session) -> None:
    session.timeout = 5.0


def delete(session: Session) -> None:
    del session["a"]


def append(session: Session) -> None:
    session["cart"].append(1)


def say_modified(session: Session) -> None:
    session.modified = True


async def test_a_key_that_was_deleted_is_gone_at_once(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)

    def do(session: Session) -> Any:
        del session["a"]
        with pytest.raises(KeyError):
            session["a"]
        return session.get("a"), session.pop("a", None), "a" in session

    assert (await browser.visit(do)).value == (None, None, False)
    assert (await browser.visit(look)).value == {}


async def test_a_value_that_changes_after_it_was_saved_is_saved_again(site: MakeSite) -> None:
    browser = await site().signed_in()

    async def do(session: Session) -> None:
        session["cart"] = [1]
        await session.save()
        session["cart"].append(2)

    await browser.visit(do)
    assert (await browser.visit(look)).value == {"cart": [1, 2]}


@pytest.mark.parametrize(
    "change",
    [Session.clear, regenerate, set_timeout, delete, append, say_modified, sign_in("bob", b=1)],
)
async def test_reload_drops_every_change_and_then_nothing_is_written(
    site: MakeSite, change: Do
) -> None:
    here = site()
    browser = await here.signed_in(a=1, cart=[])

    async def do(session: Session) -> Any:
        change(session)
        await session.reload()
        return session.modified, session.user_id, dict(session), session.timeout

    expected = (await browser.visit(lambda s: (False, s.user_id, dict(s), s.timeout))).value
    here.store.calls.clear()
    answer = await browser.visit(do)
    assert answer.value == expected
    assert answer.cookie is None
    assert here.store.calls == ["load", "load"]
    assert (await browser.visit(look)).value == {"a": 1, "cart": []}


async def test_a_session_that_is_new_has_its_new_token_already(site: MakeSite) -> None:
    here = site()

    async def do(session: Session) -> None:
        session.regenerate()  # there is nothing yet whose token could change
        session["a"] = 1
        await session.save()
        session["b"] = 2

    answer = await here.browser().visit(do)
    assert answer.cookie is not None
    assert here.store.calls == ["create", "save"]


async def test_who_ends_a_session_may_sign_the_same_user_in_at_once(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)

    def do(session: Session) -> None:
        session.end()
        session.user_id = "ada"

    assert (await browser.visit(do)).cookie is not None
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", {})


async def test_who_has_signed_in_again_is_not_told_that_the_session_is_over(
    site: MakeSite,
) -> None:
    browser = await site().signed_in()
    old = browser.copy()
    await browser.visit(Session.end)

    async def do(session: Session) -> Any:
        before = session.ended
        session.user_id = "ada"
        await session.save()
        return before, session.ended

    assert (await old.visit(do)).value == ("signed out", None)


async def test_a_session_that_was_made_and_ended_in_one_request_leaves_no_cookie(
    site: MakeSite,
) -> None:
    browser = site().browser()

    async def do(session: Session) -> None:
        session["a"] = 1
        await session.save()
        session.end()

    await browser.visit(do)
    assert browser.token is None


async def test_a_session_that_was_just_made_tells_what_it_has_left(
    site: MakeSite, clock: Clock
) -> None:
    browser = site(timeout=100).browser()

    async def do(session: Session) -> Any:
        session["a"] = 1
        await session.save()
        await clock.advance(10)
        return session.remaining

    assert (await browser.visit(do)).value.total_seconds() == pytest.approx(90, abs=1)


async def test_a_value_that_was_set_may_be_changed_back(site: MakeSite) -> None:
    browser = await site().signed_in(cart=[1])

    def do(session: Session) -> None:
        session["cart"] = [1, 2]
        session["cart"].pop()

    await browser.visit(do)
    assert (await browser.visit(look)).value == {"cart": [1]}


async def test_a_key_that_was_set_and_deleted_costs_no_write(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    def do(session: Session) -> None:
        session["b"] = 2
        del session["b"]

    await browser.visit(do)
    assert here.store.calls == ["load"]


async def test_a_value_that_was_changed_and_saved_is_not_written_again(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in()

    async def do(session: Session) -> None:
        session["cart"] = [1]
        session["cart"].append(2)
        await session.save()

    await browser.visit(do)
    assert here.store.calls == ["load", "save"]
    assert (await browser.visit(look)).value == {"cart": [1, 2]}


async def test_what_was_saved_is_not_modified_any_more(site: MakeSite) -> None:
    browser = await site().signed_in()

    async def do(session: Session) -> Any:
        session["a"] = 1
        session.modified = True
        await session.save()
        return session.modified

    assert (await browser.visit(do)).value is False


@pytest.mark.parametrize(
    "change",
    [put(**{"k" * 1000: 1}), sign_in("u" * 1000), put(**{"☃" * 340: 1}), sign_in("☃" * 340)],
)
async def test_keys_and_the_user_count_for_what_a_session_may_hold(
    site: MakeSite, change: Do
) -> None:
    browser = await site(max_size=1000).signed_in(a=1)
    assert (await browser.visit(change)).status == 500
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", {"a": 1})


async def test_a_background_task_that_saves_while_the_token_could_not_be_changed_signs_nobody_out(
    site: MakeSite, clock: Clock
) -> None:
    here = site(store_timeout=1)
    browser = await here.signed_in(a=1)
    gate = here.store.hold("regenerate", after=True)
    tasks = []

    def do(session: Session) -> None:
        async def save() -> None:
            await gate.reached.wait()
            await session.save()  # it waits until the response has failed

        session.regenerate()
        tasks.append(asyncio.get_running_loop().create_task(save()))

    answer = await browser.visit(do)
    assert (answer.status, answer.cookie) == (503, None)
    (outcome,) = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcome, RuntimeError), "no response can carry its token any more"
    await clock.advance(MINUTE)
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", {"a": 1})

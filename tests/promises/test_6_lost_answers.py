"""Promise 6: a change of token whose answer is lost signs nobody out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from quart import copy_current_request_context

from quart_idle import Session, StoreUnavailable
from quart_idle.stores.base import Change
from tests.helpers.clock import MINUTE, Clock
from tests.helpers.handlers import Do, end, look, put, regenerate, sign_in, start_anew, why
from tests.helpers.site import MakeSite, Site
from tests.helpers.waiting import until


def regenerate_in(site: Site, *, after: bool, **data: Any) -> Do:
    """Change the token; the store's answer comes too late."""

    def do(session: Session) -> None:
        session.regenerate()
        session.update(data)
        site.store.hold("regenerate", after=after)

    return do


@pytest.mark.parametrize("data", [{}, {"a": 2, "new": 1}])
@pytest.mark.parametrize("after", [False, True])
async def test_a_session_goes_back_to_the_token_that_its_client_has(
    worded: Site, clock: Clock, after: bool, data: dict[str, Any]
) -> None:
    browser = await worded.signed_in(a=1)
    answer = await browser.visit(regenerate_in(worded, after=after, **data))
    assert answer.status == 503
    assert answer.cookie is None
    await clock.advance(2)
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", {"a": 1})
    assert (await browser.visit(regenerate)).cookie is not None
    await clock.advance(MINUTE)
    assert (await browser.visit(look)).value == {"a": 1}, "and it is not taken back again"


async def test_a_change_of_token_that_found_nothing_to_change_is_asked_for_anew(
    worded: Site, clock: Clock
) -> None:
    browser = await worded.signed_in(a=1)
    store = worded.store

    async def do(session: Session) -> None:
        id = session.id or ""
        other = id[:2] + "0" * 62
        await store.regenerate(id, other, Change({}, {}))  # another request does, unanswered
        session.regenerate()
        store.hold("save")  # by which it is seen whether the session is there still
        with pytest.raises(StoreUnavailable):
            await session.save()
        await store.regenerate(other, id, Change({}, {}))  # the other request takes it back
        store.hold("regenerate", after=True)

    assert (await browser.visit(do)).status == 503
    await clock.advance(2)
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", {"a": 1})


async def test_a_session_goes_back_however_long_the_store_is_away_or_takes(
    site: MakeSite, clock: Clock
) -> None:
    here = site(store_timeout=1)
    browser = await here.signed_in(a=1)
    gate = here.store.hold("regenerate", late=True)
    assert (await browser.visit(regenerate)).status == 503
    here.store.fault = OSError()
    await clock.advance(10)
    here.store.fault = None
    await clock.advance(10)
    assert (await browser.visit(look)).value == {"a": 1}
    gate.open()
    await clock.advance(2)
    assert (await browser.visit(look)).value == {"a": 1}
    here.store.calls.clear()
    await clock.advance(MINUTE)
    assert "regenerate" not in here.store.calls


async def test_a_session_that_does_not_move_is_not_asked_back_for_ever(
    site: MakeSite, clock: Clock
) -> None:
    here = site(store_timeout=1)
    browser = await here.signed_in(a=1)
    here.store.hold("regenerate")
    assert (await browser.visit(regenerate)).status == 503
    await clock.advance(2 * MINUTE)
    here.store.calls.clear()
    await clock.advance(MINUTE)
    assert here.store.calls == []


async def test_a_session_is_not_asked_back_by_a_worker_that_stops(
    site: MakeSite, clock: Clock
) -> None:
    here = site(store_timeout=1)
    browser = await here.signed_in(a=1)
    await here.app.startup()
    here.store.hold("regenerate")
    assert (await browser.visit(regenerate)).status == 503
    await here.app.shutdown()
    here.store.calls.clear()
    await clock.advance(MINUTE)
    assert here.store.calls == []


async def test_a_part_of_a_request_that_is_done_is_not_the_end_of_it(
    site: MakeSite, clock: Clock
) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Any) -> None:
        @copy_current_request_context
        async def part() -> None:
            pass

        session.regenerate()
        gate = here.store.hold("regenerate", after=True)
        task = asyncio.create_task(session._get_current_object().save())
        await gate.reached.wait()
        await part()
        gate.open()
        await task

    assert (await browser.visit(do)).cookie is not None
    await clock.advance(MINUTE)
    assert (await browser.visit(look)).value == {"a": 1}


def sign_in_anew(session: Session) -> None:
    start_anew(session)
    session.user_id = "ada"


@pytest.mark.parametrize("do", [sign_in("bob"), sign_in(None), sign_in_anew])
async def test_a_token_from_before_a_change_of_user_stays_dead_though_the_answer_is_lost(
    worded: Site, clock: Clock, do: Do
) -> None:
    browser = await worded.signed_in(a=1)

    def break_down(session: Session) -> None:
        do(session)
        worded.store.hold("regenerate", after=True)

    assert (await browser.visit(break_down)).status == 503
    await clock.advance(MINUTE)
    assert (await browser.visit(lambda s: (dict(s), s.ended))).value == ({}, "regenerated")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("then", [put(b=2), sign_in("bob", b=2), start_anew, end(), None])
async def test_a_change_of_token_that_is_tried_again_is_the_same_one(
    worded: Site, clock: Clock, then: Do | None, after: bool
) -> None:
    browser = await worded.signed_in(a=1)
    old = browser.copy()

    async def do(session: Session) -> None:
        session["a"] = 2
        session.regenerate()
        worded.store.hold("regenerate", after=after)
        with pytest.raises(StoreUnavailable):
            await session.save()
        if then is not None:
            then(session)

    answer = await browser.visit(do)
    assert answer.status == 200
    assert answer.cookie is not None
    worded.store.calls.clear()
    await clock.advance(MINUTE)
    assert "regenerate" not in worded.store.calls
    found = (await browser.visit(lambda s: (s.user_id, dict(s)))).value
    if then is None:
        assert found == ("ada", {"a": 2})
    elif then is start_anew:
        assert found == (None, {"c": 3})
    elif browser.token is None:
        assert found == (None, {})
        assert (await old.visit(why)).value == ("regenerated" if after else "signed out")
    else:
        assert found[0] in ("ada", "bob")
        assert found[1] == {"a": 2, "b": 2}
    assert (await old.visit(look)).value == {}


async def test_a_user_who_is_set_back_after_a_save_that_failed_stays_signed_in(
    worded: Site,
) -> None:
    browser = await worded.signed_in(a=1)

    async def do(session: Session) -> None:
        session.user_id = "bob"
        worded.store.hold("regenerate", after=True)
        with pytest.raises(StoreUnavailable):
            await session.save()
        session.user_id = "ada"

    assert (await browser.visit(do)).status == 200
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", {"a": 1})


async def test_reload_after_a_change_of_token_that_failed_reads_the_session(
    worded: Site, clock: Clock
) -> None:
    browser = await worded.signed_in(a=1)

    async def do(session: Session) -> Any:
        regenerate_in(worded, after=True, a=2)(session)
        with pytest.raises(StoreUnavailable):
            await session.save()
        await session.reload()
        return dict(session)

    answer = await browser.visit(do)
    assert answer.value == {"a": 1}
    assert answer.cookie is None
    await clock.advance(MINUTE)
    assert (await browser.visit(look)).value == {"a": 1}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("explicit", [False, True])
async def test_a_client_that_leaves_while_its_token_changes_keeps_its_session(
    site: MakeSite, kind: str, explicit: bool, after: bool
) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Session) -> None:
        session.regenerate()
        if explicit:
            await session.save()

    async def is_kept() -> bool:
        return bool((await browser.visit(look)).value == {"a": 1})

    gate = here.store.hold("regenerate", after=after)
    await browser.copy().leave(do, gate)
    if kind == "memory":
        assert await is_kept()
    else:  # a thread takes the change back
        await until(is_kept, within=1.0)


async def test_a_change_of_token_that_fails_again_and_again_is_asked_back_once_a_second(
    site: MakeSite, clock: Clock
) -> None:
    here = site(store_timeout=1)
    browser = await here.signed_in()

    async def do(session: Session) -> None:
        session.regenerate()
        here.store.fault = OSError()
        for _ in range(20):
            with pytest.raises(StoreUnavailable):
                await session.save()

    assert (await browser.visit(do)).status == 503
    here.store.calls.clear()
    await clock.advance(10)
    assert 9 <= here.store.calls.count("regenerate") <= 11


async def test_a_change_of_token_that_is_tried_again_slowly_is_not_taken_back(
    site: MakeSite, clock: Clock
) -> None:
    here = site(store_timeout=2)
    browser = await here.signed_in(a=1)

    async def do(session: Any) -> None:
        own: Session = session._get_current_object()
        own.regenerate()
        here.store.hold("regenerate")
        with pytest.raises(StoreUnavailable):
            await own.save()
        gate = here.store.hold("regenerate", after=True)
        again = asyncio.create_task(own.save())
        await gate.reached.wait()
        await clock.advance(1.5)
        gate.open()
        await again

    assert (await browser.visit(do)).cookie is not None
    await clock.advance(MINUTE)
    assert (await browser.visit(look)).value == {"a": 1}


async def test_who_signed_in_anew_as_the_same_user_is_not_given_the_old_token_back(
    site: MakeSite, clock: Clock
) -> None:
    here = site(store_timeout=1)
    browser = await here.signed_in(a=1)

    def do(session: Session) -> None:
        session.clear()
        session.user_id = "ada"
        session["b"] = 2
        here.store.hold("regenerate", after=True)

    assert (await browser.visit(do)).status == 503
    await clock.advance(MINUTE)
    assert (await browser.visit(why)).value == "regenerated"


# A request that is cancelled in the middle.


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("name", "do", "done"),
    [
        ("load", put(a=2), ("ada", {"a": 1, "b": 1})),
        ("save", put(a=2, b=2), ("ada", {"a": 2, "b": 2})),
        ("end", end(), (None, {})),
        ("regenerate", sign_in("bob", a=2), (None, {})),
    ],
)
async def test_a_request_that_is_cancelled_in_a_store_call_changed_all_or_nothing(
    site: MakeSite, name: str, do: Do, done: Any, after: bool
) -> None:
    here = site()
    browser = await here.signed_in(a=1, b=1)
    gate = here.store.hold(name, after=after)
    await browser.copy().leave(do, gate)
    found = (await browser.visit(lambda s: (s.user_id, dict(s)))).value
    assert found == (done if after else ("ada", {"a": 1, "b": 1}))


async def test_a_save_that_is_cancelled_leaves_the_session_usable(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Any) -> None:
        session["a"] = 2
        gate = here.store.hold("save")
        task = asyncio.create_task(session._get_current_object().save())
        await gate.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert session.modified

    assert (await browser.visit(do)).status == 200
    assert (await browser.visit(look)).value == {"a": 2}

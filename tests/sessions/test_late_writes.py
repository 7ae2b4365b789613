"""Requests that read the session before it changed, and write to it after."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from quart_idle import Session, SessionEnded
from tests.helpers.handlers import Do, end, look, put, regenerate, sign_in, why
from tests.helpers.site import Browser, MakeSite
from tests.helpers.tampered_store import Gate


async def late(browser: Browser, do: Do, *during: Do) -> Any:
    """A request that has read the session when others come and go, and then does something."""
    gate = Gate(after=False)

    async def view(session: Session) -> Any:
        await gate.passed()
        value = do(session)
        return await value if asyncio.iscoroutine(value) else value

    first = browser.copy().start(view)
    await gate.reached.wait()
    for step in during:
        await browser.visit(step)
    gate.open()
    return await first


def change_a_list(session: Session) -> None:
    session["cart"].append(1)


def regenerate_and_put(session: Session) -> None:
    session.regenerate()
    session["b"] = 2


def pop(session: Session) -> None:
    del session["a"]


async def save(session: Session) -> None:
    session["b"] = 2
    await session.save()
    session["c"] = 3
    await session.save()


@pytest.mark.parametrize(
    ("do", "found"),
    [
        (put(b=2), {"a": 1, "cart": [], "b": 2}),
        (change_a_list, {"a": 1, "cart": [1]}),
        (pop, {"cart": []}),
        (regenerate_and_put, {"a": 1, "cart": [], "b": 2}),
        (save, {"a": 1, "cart": [], "b": 2, "c": 3}),
    ],
)
@pytest.mark.parametrize("tokens", [1, 3])
async def test_a_late_write_belongs_to_the_session_whose_token_alone_was_changed(
    site: MakeSite, do: Do, found: dict[str, Any], tokens: int
) -> None:
    here = site()
    browser = await here.signed_in(a=1, cart=[])
    answer = await late(browser, do, *[regenerate] * tokens)
    assert answer.status == 200
    assert answer.cookie is None
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", found)


@pytest.mark.parametrize("held", ["load after", "save", "regenerate"])
async def test_wherever_the_token_changes_under_way_the_write_is_kept(
    site: MakeSite, held: str
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    name, _, after = held.partition(" ")
    gate = here.store.hold(name, after=bool(after))
    first = browser.copy().start(regenerate_and_put if name == "regenerate" else put(b=2))
    await gate.reached.wait()
    await browser.visit(regenerate)
    gate.open()
    answer = await first
    assert (answer.status, answer.cookie) == (200, None)
    assert (await browser.visit(look)).value == {"a": 1, "b": 2}


async def test_what_comes_after_a_late_write_knows_the_session_s_new_id(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Session) -> tuple[Any, Any]:
        session["b"] = 2
        await session.save()
        id = session.id
        await session.reload()
        return id, dict(session)

    answer = await late(browser, do, regenerate)
    now = (await browser.visit(lambda session: session.id)).value
    assert answer.value == (now, {"a": 1, "b": 2})


async def test_a_background_task_s_late_writes_are_kept(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    tasks: list[asyncio.Task[None]] = []
    gate = Gate(after=False)

    async def work(session: Session) -> None:
        await gate.passed()
        await save(session)

    def start(session: Any) -> None:
        tasks.append(asyncio.ensure_future(work(session._get_current_object())))

    await browser.visit(start)
    await browser.visit(regenerate)
    gate.open()
    await tasks[0]
    assert (await browser.visit(look)).value == {"a": 1, "b": 2, "c": 3}


def clear_and_put(session: Session) -> None:
    session.clear()
    session["new"] = 1


@pytest.mark.parametrize(
    ("user", "anew"),
    [("ada", sign_in("bob")), ("ada", sign_in(None)), (None, clear_and_put), (None, sign_in())],
)
@pytest.mark.parametrize("before", [[], [regenerate]])
@pytest.mark.parametrize("then", [[], [regenerate]])
async def test_a_late_write_does_not_reach_another_user_s_session_or_one_filled_anew(
    site: MakeSite, user: str | None, anew: Do, before: list[Do], then: list[Do]
) -> None:
    here = site()
    browser = here.browser()
    await browser.visit(sign_in(user, a=1))

    async def do(session: Session) -> None:
        session["b"] = 2
        with pytest.raises(SessionEnded):
            await session.save()

    answer = await late(browser, do, *before, anew, *then)
    assert (answer.status, answer.cookie) == (200, None)
    assert "b" not in (await browser.visit(look)).value


@pytest.mark.parametrize("during", [[end()], [regenerate, end()]])
async def test_a_late_write_brings_nothing_back(site: MakeSite, during: list[Do]) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    answer = await late(browser, put(b=2), *during)
    assert (answer.status, answer.cookie) == (200, None)
    assert (await browser.visit(look)).value == {}


# The last key goes.


def pop_all(session: Session) -> None:
    for key in tuple(session):
        del session[key]


@pytest.mark.parametrize("permanent", [False, True])
@pytest.mark.parametrize("how", [pop, pop_all, lambda s: s.pop("a"), lambda s: s.popitem()])
async def test_a_session_whose_last_key_goes_is_over_with_the_response(
    site: MakeSite, how: Do, permanent: bool
) -> None:
    here = site()
    browser = here.browser()
    data: dict[str, Any] = {"_permanent": True} if permanent else {}
    await browser.visit(put(**data, a=1))
    old = browser.copy()
    answer = await browser.visit(how if not permanent else pop)
    assert answer.cookie is not None
    assert (answer.cookie["value"], answer.cookie["max-age"]) == ("", "0")
    assert (await old.visit(why)).value == "signed out"


async def test_a_session_that_has_a_user_still_is_none_whose_last_key_went(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    assert (await browser.visit(pop)).cookie is None
    assert (await browser.visit(lambda session: session.user_id)).value == "ada"
    assert (await browser.visit(sign_in(None))).cookie["value"] == ""  # type: ignore[index]
    assert here.store.calls.count("end") == 0


@pytest.mark.parametrize("held", ["load after", "save"])
async def test_a_key_that_another_request_sets_meanwhile_keeps_the_session(
    site: MakeSite, held: str
) -> None:
    here = site()
    browser = here.browser()
    await browser.visit(put(a=1))
    name, _, after = held.partition(" ")
    gate = here.store.hold(name, after=bool(after))
    first = browser.copy().start(pop)
    await gate.reached.wait()
    await browser.visit(put(b=2))
    gate.open()
    assert (await first).cookie is None
    assert (await browser.visit(look)).value == {"b": 2}


async def test_what_is_set_after_the_last_key_was_saved_away_goes_into_a_new_session(
    site: MakeSite,
) -> None:
    here = site()
    browser = here.browser()
    await browser.visit(put(a=1))
    old = browser.copy()

    async def do(session: Session) -> None:
        pop(session)
        await session.save()
        assert (session.id, session.ended, dict(session)) == (None, "signed out", {})
        session["b"] = 2

    assert (await browser.visit(do)).cookie is not None
    assert (await browser.visit(look)).value == {"b": 2}
    assert (await old.visit(why)).value == "signed out"


async def test_a_late_request_that_takes_the_last_key_sends_no_cookie(site: MakeSite) -> None:
    here = site()
    browser = here.browser()
    await browser.visit(put(a=1))
    assert (await late(browser, pop, regenerate)).cookie is None
    assert (await browser.visit(why)).value == "signed out"


async def test_a_background_task_may_take_the_last_key(site: MakeSite) -> None:
    here = site()
    browser = here.browser()
    await browser.visit(put(a=1))
    tasks: list[asyncio.Task[None]] = []
    gate = Gate(after=False)

    async def work(session: Session) -> None:
        await gate.passed()
        del session["a"]
        await session.save()

    def start(session: Any) -> None:
        tasks.append(asyncio.ensure_future(work(session._get_current_object())))

    await browser.visit(start)
    gate.open()
    await tasks[0]
    assert (await browser.visit(why)).value == "signed out"


async def test_the_lifetime_counts_from_the_sign_in(site: MakeSite, clock: Any) -> None:
    here = site(lifetime=1000, timeout=10_000, warning=20)
    browser = here.browser()
    await browser.visit(put(csrf="token"))
    await clock.advance(900)
    await browser.visit(sign_in())
    await clock.advance(900)
    assert (await browser.visit(lambda s: (s.user_id, s.remaining))).value == (
        "ada",
        timedelta(seconds=100),
    )
    await browser.visit(regenerate)
    await clock.advance(101)
    assert (await browser.visit(why)).value == "lifetime"

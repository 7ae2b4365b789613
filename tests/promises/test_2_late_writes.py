"""Promise 2: a late request still writes to a session whose token alone was changed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quart_idle import Session, SessionEnded
from tests.helpers.handlers import (
    Do,
    change_a_list,
    delete,
    look,
    put,
    regenerate,
    regenerate_and_put,
    sign_in,
)
from tests.helpers.overlapping import late
from tests.helpers.site import MakeSite
from tests.helpers.tampered_store import Gate


async def save(session: Session) -> None:
    session["b"] = 2
    await session.save()
    session["c"] = 3
    await session.save()


def clear_and_put(session: Session) -> None:
    session.clear()
    session["new"] = 1


@pytest.mark.parametrize(
    ("do", "found"),
    [
        (put(b=2), {"a": 1, "cart": [], "b": 2}),
        (change_a_list, {"a": 1, "cart": [1]}),
        (delete, {"cart": []}),
        (regenerate_and_put(b=2), {"a": 1, "cart": [], "b": 2}),
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
    first = browser.copy().start(regenerate_and_put(b=2) if name == "regenerate" else put(b=2))
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

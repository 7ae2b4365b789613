"""Sessions whose last key goes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quart_idle import Session
from tests.helpers.handlers import Do, delete, look, put, regenerate, sign_in, why
from tests.helpers.overlapping import late
from tests.helpers.site import MakeSite
from tests.helpers.tampered_store import Gate


def pop_all(session: Session) -> None:
    for key in tuple(session):
        del session[key]


@pytest.mark.parametrize("permanent", [False, True])
@pytest.mark.parametrize("how", [delete, pop_all, lambda s: s.pop("a"), lambda s: s.popitem()])
async def test_a_session_whose_last_key_goes_is_over_with_the_response(
    site: MakeSite, how: Do, permanent: bool
) -> None:
    here = site()
    browser = here.browser()
    data: dict[str, Any] = {"_permanent": True} if permanent else {}
    await browser.visit(put(**data, a=1))
    old = browser.copy()
    answer = await browser.visit(how if not permanent else delete)
    assert answer.cookie is not None
    assert (answer.cookie["value"], answer.cookie["max-age"]) == ("", "0")
    assert (await old.visit(why)).value == "signed out"


async def test_a_session_that_has_a_user_still_is_none_whose_last_key_went(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    assert (await browser.visit(delete)).cookie is None
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
    first = browser.copy().start(delete)
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
        delete(session)
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
    assert (await late(browser, delete, regenerate)).cookie is None
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

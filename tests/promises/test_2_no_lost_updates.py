"""Promise 2: requests at once that set different keys all keep their changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quart_idle import Session
from tests.helpers.clock import HOUR, MINUTE
from tests.helpers.handlers import (
    Do,
    change_a_list,
    end,
    look,
    put,
    regenerate,
    regenerate_and_put,
    sign_in,
    start_anew,
)
from tests.helpers.overlapping import cross
from tests.helpers.servers import NewClient, Serve
from tests.helpers.site import MakeSite


@pytest.mark.parametrize("held", ["load after", "view", "save", "save after"])
@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (put(a=2), put(b=2), {"a": 2, "b": 2, "cart": []}),
        (put(new=1), put(newer=1), {"a": 1, "b": 1, "cart": [], "new": 1, "newer": 1}),
        (change_a_list, put(b=2), {"a": 1, "b": 2, "cart": [1]}),
        (lambda s: s.pop("a"), put(b=2), {"b": 2, "cart": []}),
        (put(a=2), lambda s: s.pop("b"), {"a": 2, "cart": []}),
        (put(a=2), lambda s: s.pop("a"), None),
    ],
)
async def test_requests_that_set_different_keys_all_keep_their_changes(
    site: MakeSite, one: Do, other: Do, both: dict[str, Any] | None, held: str
) -> None:
    here = site()
    browser = await here.signed_in(a=1, b=1, cart=[])
    await cross(here, browser, one, other, held=held)
    found = (await browser.visit(look)).value
    if both is None:  # the same key: the last writer wins
        both = {"b": 1, "cart": []} | ({} if held == "save after" else {"a": 2})
    assert found == both


async def test_twenty_requests_at_once_all_keep_their_changes(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in()
    await asyncio.gather(*(browser.visit(put(**{f"key{n}": n})) for n in range(20)))
    assert (await browser.visit(look)).value == {f"key{n}": n for n in range(20)}


@pytest.mark.parametrize("held", ["regenerate", "view"])
async def test_what_is_saved_before_the_token_changes_goes_on_under_the_new_one(
    site: MakeSite, held: str
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    late, _ = await cross(here, browser, regenerate, put(b=2), held=held)
    assert late.cookie is not None
    found = (await here.browser(late.cookie["value"]).visit(look)).value
    assert found == {"a": 1, "b": 2}


async def test_a_save_that_comes_after_another_has_signed_in_changes_nothing(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    late, _ = await cross(here, browser, put(a=0, b=0), sign_in("bob"), held="save")
    assert late.status == 200
    assert late.cookie is None
    assert (await browser.visit(look)).value == {"a": 1}


async def test_a_background_task_and_its_request_do_not_save_at_once(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in()

    async def do(session: Any) -> None:
        session["a"] = 1
        gate = here.store.hold("save")
        task = asyncio.create_task(session._get_current_object().save())
        await gate.reached.wait()
        session["a"] = 2
        asyncio.get_running_loop().call_later(0.1, gate.open)
        await session.save()
        await task

    await browser.visit(do)
    assert here.store.calls == ["load", "save", "save"]
    assert (await browser.visit(look)).value == {"a": 2}


# What is changed while a save is under way.


PUT = put(a=2)


def change_timeout(session: Session) -> None:
    session.timeout = 5 * MINUTE


def facts(session: Session) -> Any:
    return session.user_id, dict(session), session.timeout.total_seconds(), session.ended


@pytest.mark.parametrize(
    ("during", "found"),
    [
        (put(b=2), ("ada", {"a": 2, "b": 2}, HOUR, None)),
        (lambda s: s.pop("a"), ("ada", {}, HOUR, None)),
        (sign_in("bob"), ("bob", {"a": 2}, HOUR, None)),
        (change_timeout, ("ada", {"a": 2}, 5 * MINUTE, None)),
        (regenerate, ("ada", {"a": 2}, HOUR, None)),
        (start_anew, (None, {"c": 3}, HOUR, None)),
        (Session.clear, (None, {}, HOUR, None)),
        (end(), (None, {}, HOUR, None)),
    ],
)
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("first", [PUT, regenerate_and_put(a=2)])
async def test_what_is_changed_while_a_save_is_under_way_is_not_lost(
    site: MakeSite, first: Do, during: Do, found: Any, after: bool
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    old = browser.copy()

    async def do(session: Any) -> None:
        first(session)
        gates = [here.store.hold(name, after=after) for name in ("save", "regenerate")]
        task = asyncio.create_task(session._get_current_object().save())
        await asyncio.wait(
            [asyncio.ensure_future(gate.reached.wait()) for gate in gates],
            return_when=asyncio.FIRST_COMPLETED,
        )
        during(session)
        for gate in gates:
            gate.open()
        await task
        assert session.modified is (during is not regenerate or first is PUT)

    answer = await browser.visit(do)
    assert answer.status == 200
    changes_token = during in (regenerate, start_anew) or found[0] == "bob" or first is not PUT
    over = found[1] == {} and found[0] is None
    assert (answer.cookie is not None) == (changes_token or over)
    assert (browser.token is None) == over
    assert (await browser.visit(facts)).value == found
    if over or changes_token:
        assert (await old.visit(look)).value == {}
    if over:
        assert here.store.calls.count("create") == 0


@pytest.mark.parametrize("name", ["create", "save"])
async def test_a_timeout_that_is_set_while_another_is_saved_is_not_lost(
    site: MakeSite, name: str
) -> None:
    here = site(timeout=HOUR)
    browser = here.browser() if name == "create" else await here.signed_in()

    async def do(session: Any) -> Any:
        session["a"] = 1
        session.timeout = 2 * MINUTE
        gate = here.store.hold(name)
        task = asyncio.create_task(session._get_current_object().save())
        await gate.reached.wait()
        change_timeout(session)
        gate.open()
        await task
        return round(session.remaining.total_seconds())

    assert (await browser.visit(do)).value == 5 * MINUTE
    own = await browser.visit(lambda session: session.timeout.total_seconds())
    assert own.value == 5 * MINUTE


# Under a real server.


async def test_concurrent_requests_that_set_different_keys_all_keep_them(
    serve: Serve, client: NewClient
) -> None:
    server = serve()
    user = client(server)
    await user.post("/sign-in/ada")
    await asyncio.gather(*(user.post(f"/set?key{n}={n}&wait=0.1") for n in range(50)))
    assert (await user.get("/peek")).json()["data"] == {f"key{n}": str(n) for n in range(50)}

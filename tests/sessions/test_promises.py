"""What requests that cross each other, and a store that fails, cannot do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from quart import copy_current_request_context, jsonify

from quart_idle import Session, SessionEnded, StoreUnavailable
from quart_idle.stores.base import TAG
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import Do, end, look, put, regenerate, session, sign_in, why
from tests.helpers.overlapping import cross
from tests.helpers.site import MakeSite, Site
from tests.helpers.tampered_store import Gate

# An ended session stays ended.


def regenerate_and_put(**data: Any) -> Do:
    def do(session: Session) -> None:
        session.regenerate()
        session.update(data)

    return do


PUT = put(a=2)


def change_a_list(session: Session) -> None:
    session["cart"].append(1)


WRITES = [look, put(a=2), sign_in("bob"), regenerate, change_a_list]
ENDS = [Session.clear, end("again")]


@pytest.mark.parametrize("held", ["load after", "view"])
@pytest.mark.parametrize("write", WRITES + ENDS)
async def test_no_request_under_way_brings_an_ended_session_back(
    site: MakeSite, clock: Clock, write: Do, held: str
) -> None:
    here = site()
    browser = await here.signed_in(a=1, cart=[])
    old = browser.copy()
    late, _ = await cross(here, browser, write, end("over"), held=held)
    assert late.status == 200
    assert late.cookie is None
    await clock.advance(5)  # the renewals that were noted
    answer = await old.visit(lambda session: (dict(session), session.ended))
    assert answer.value == ({}, "over")


@pytest.mark.parametrize(
    ("held", "write"),
    [
        ("save", put(a=2)),
        ("save", change_a_list),
        ("regenerate", regenerate),
        ("regenerate", sign_in("bob")),
    ],
)
async def test_no_slow_write_brings_an_ended_session_back(
    site: MakeSite, held: str, write: Do
) -> None:
    here = site()
    browser = await here.signed_in(a=1, cart=[])
    old = browser.copy()
    late, _ = await cross(here, browser, write, end("over"), held=held)
    assert late.cookie is None
    assert (await old.visit(why)).value == "over"


async def test_no_renewal_brings_an_ended_session_back(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=MINUTE)
    browser = await here.signed_in(a=1)
    old = browser.copy()
    gate = here.store.hold("renew")
    await browser.visit(look)
    advanced = asyncio.create_task(clock.advance(0.6))
    await gate.reached.wait()
    await browser.visit(end("over"))
    gate.open()
    await advanced
    assert (await old.visit(why)).value == "over"


async def test_no_request_under_way_outlives_the_session_s_clock(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site(timeout=MINUTE, lifetime=2 * MINUTE).signed_in(a=1)

    async def slow(session: Session) -> None:
        await clock.advance(3 * MINUTE)
        session["a"] = 2
        with pytest.raises(SessionEnded):
            await session.save()

    await browser.visit(slow)
    assert (await browser.visit(lambda s: (dict(s), s.ended))).value == ({}, "idle")


@pytest.mark.parametrize("held", ["load after", "view", "end"])
@pytest.mark.parametrize("how", ENDS)
async def test_an_end_follows_a_session_whose_token_changes_meanwhile(
    site: MakeSite, how: Do, held: str
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    late, _ = await cross(here, browser, how, regenerate, held=held)
    assert (late.status, late.cookie) == (200, None)
    answer = await browser.visit(lambda session: (dict(session), session.ended))
    assert answer.value == ({}, "again" if how is not Session.clear else "signed out")


async def test_two_ends_at_once_end_it_once(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    old = browser.copy()
    late, first = await cross(here, browser, end("late"), end("first"), held="end")
    assert first.cookie is not None
    assert late.cookie is None
    assert (await old.visit(why)).value == "first"


# No lost updates.


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


def change_timeout(session: Session) -> None:
    session.timeout = 5 * MINUTE


def start_anew(session: Session) -> None:
    session.clear()
    session["c"] = 3


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


@pytest.mark.parametrize("do", [end(), Session.clear])
@pytest.mark.parametrize("after", [False, True])
async def test_a_session_that_is_ended_before_it_was_made_is_not_there(
    site: MakeSite, do: Do, after: bool
) -> None:
    here = site()
    browser = here.browser()
    made: list[str] = []

    async def view(session: Any) -> None:
        sign_in("ada", a=1)(session)
        gate = here.store.hold("create", after=after)
        task = asyncio.create_task(session._get_current_object().save())
        await gate.reached.wait()
        do(session)
        gate.open()
        await task
        made.append(session.id)

    answer = await browser.visit(view)
    assert answer.cookie is None
    assert made == [None]
    assert here.store.calls == ["create", "end"]


# A late response never overwrites a newer cookie.


@pytest.mark.parametrize("held", ["load after", "view"])
@pytest.mark.parametrize("write", WRITES)
async def test_a_request_whose_token_changed_while_it_ran_sends_no_cookie(
    site: MakeSite, write: Do, held: str
) -> None:
    here = site()
    browser = await here.signed_in(a=1, cart=[])
    late, _ = await cross(here, browser, write, regenerate, held=held)
    assert late.cookie is None
    assert (await browser.visit(lambda session: session.user_id)).value == "ada"


@pytest.mark.parametrize("token", [put(b=1), regenerate, sign_in("bob")])
@pytest.mark.parametrize("signed_in", [True, False])
async def test_a_token_that_is_over_before_its_response_goes_out_is_not_sent(
    site: MakeSite, token: Do, signed_in: bool
) -> None:
    here = site()
    browser = await here.signed_in(a=1) if signed_in else here.browser()

    async def do(session: Session) -> None:
        session["a"] = 2
        token(session)
        await session.save()
        assert session.id is not None
        assert await here.store.end(session.id, "over")
        session["a"] = 3

    answer = await browser.visit(do)
    assert answer.status == 200
    assert answer.cookie is None


@pytest.mark.parametrize("held", ["regenerate", "regenerate after"])
async def test_of_two_that_change_the_token_at_once_one_sends_a_cookie(
    site: MakeSite, held: str
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    tokens = [
        answer.cookie for answer in await cross(here, browser, regenerate, regenerate, held=held)
    ]
    (cookie,) = (cookie for cookie in tokens if cookie is not None)
    assert (await here.browser(cookie["value"]).visit(look)).value == {"a": 1}


async def test_a_changed_token_is_for_ten_seconds_an_empty_session_that_only_a_sign_in_replaces(
    site: MakeSite, clock: Clock
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    old = browser.copy()
    await browser.visit(regenerate)
    await clock.advance(9.9)
    here.store.calls.clear()
    for do in (look, put(a=2), sign_in(None, a=2), Session.clear, regenerate, end()):
        answer = await old.visit(do)
        assert answer.status == 200
        assert answer.cookie is None
    assert set(here.store.calls) == {"load"}
    assert (await old.visit(look)).value == {}
    assert (await old.visit(sign_in("bob", c=3))).cookie is not None
    assert (await old.visit(lambda s: (s.user_id, dict(s)))).value == ("bob", {"c": 3})
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", {"a": 1})


async def test_ten_seconds_after_it_changed_a_token_is_a_stranger_s(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site().signed_in(a=1)
    old = browser.copy()
    await browser.visit(regenerate)
    await clock.advance(10)
    assert (await old.visit(put(a=2))).cookie is not None
    assert (await old.visit(look)).value == {"a": 2}
    assert (await browser.visit(look)).value == {"a": 1}


@pytest.mark.parametrize("do", [put(a=2), sign_in("bob", a=2)])
async def test_an_ended_token_is_a_stranger_s_at_once(site: MakeSite, do: Do) -> None:
    browser = await site().signed_in(a=1)
    old = browser.copy()
    await browser.visit(end())
    assert (await old.visit(do)).cookie is not None
    assert (await old.visit(look)).value == {"a": 2}


# Nobody is signed out by a fault.

FAULTS = [OSError("no route"), StoreUnavailable(), TimeoutError(), RuntimeError("broken"), None]


def fail(site: Site, fault: Exception | None, name: str) -> Gate | None:
    """Make the store fail; None: it does not answer."""
    site.store.fault = fault
    return site.store.hold(name) if fault is None else None


@pytest.fixture
def worded(site: MakeSite) -> Site:
    """A site with its own words for a 503."""
    here = site(store_timeout=1)

    @here.app.errorhandler(503)
    async def words(error: Any) -> Any:
        assert isinstance(error, StoreUnavailable)
        return jsonify(error="come back later"), 503

    return here


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
@pytest.mark.parametrize(
    "do", [look, len, why, lambda s: s.new, put(a=2), end(), regenerate, sign_in("bob")]
)
async def test_a_request_that_touches_the_session_while_the_store_fails_gets_a_503(
    worded: Site, do: Do, fault: Exception | None
) -> None:
    browser = await worded.signed_in(a=1)
    fail(worded, fault, "load")
    answer = await browser.visit(do)
    assert answer.status == 503
    assert await answer.response.get_json() == {"error": "come back later"}
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.cookie is None
    worded.store.fault = None
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", {"a": 1})


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
@pytest.mark.parametrize(
    ("name", "do"),
    [
        ("save", put(a=2)),
        ("regenerate", regenerate),
        ("regenerate", sign_in("bob")),
        ("end", end()),
        ("end", Session.clear),
    ],
)
async def test_a_save_that_fails_gives_the_same(
    worded: Site, name: str, do: Do, fault: Exception | None
) -> None:
    browser = await worded.signed_in(a=1)

    def break_down(session: Session) -> None:
        do(session)
        fail(worded, fault, name)

    answer = await browser.visit(break_down)
    assert answer.status == 503
    assert await answer.response.get_json() == {"error": "come back later"}
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Vary"] == "Cookie"
    assert answer.cookie is None
    worded.store.fault = None
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", {"a": 1})


async def test_a_session_that_cannot_be_made_gives_the_same(worded: Site) -> None:
    worded.store.fault = OSError()
    browser = worded.browser()
    answer = await browser.visit(put(a=1))
    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert answer.cookie is None
    worded.store.fault = None
    assert (await browser.visit(why)).value is None


@pytest.mark.parametrize("do", [look, put(a=2)])
async def test_without_words_of_the_application_s_own_it_is_a_plain_503(
    site: MakeSite, do: Do
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    here.store.fault = OSError()
    answer = await browser.visit(do)
    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert "session store" in (await answer.response.get_data(as_text=True))


async def test_a_handler_that_touches_the_session_while_the_store_fails_does_no_harm(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    @here.app.errorhandler(503)
    async def handler(_: Any) -> Any:
        with suppress(StoreUnavailable):
            session["a"] = 3
        return "sorry", 503

    here.store.fault = OSError()
    assert (await browser.visit(look)).status == 503
    here.store.fault = None
    assert (await browser.visit(look)).value == {"a": 1}


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
async def test_a_request_that_does_not_touch_the_session_is_served_while_the_store_fails(
    site: MakeSite, fault: Exception | None
) -> None:
    here = site(store_timeout=1)
    browser = await here.signed_in(a=1)
    fail(here, fault, "load")
    assert (await browser.visit()).status == 200
    assert (await here.browser().visit(look)).value == {}, "and one without a cookie"


async def test_a_socket_s_handler_hears_that_the_store_fails_and_may_try_again(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    heard: list[Any] = []
    done = asyncio.Event()

    async def do(session: Session) -> None:
        with pytest.raises(StoreUnavailable):
            len(session)
        with pytest.raises(StoreUnavailable):
            await session.reload()
        here.store.fault = None
        await session.reload()
        heard.append(dict(session))
        session["a"] = 2
        await session.save()
        done.set()

    here.store.fault = OSError()
    async with browser.client.websocket("/socket", scope_base={"do": do}):
        await done.wait()
    assert heard == [{"a": 1}]
    assert (await browser.visit(look)).value == {"a": 2}


async def test_an_end_that_failed_can_be_tried_again(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Session) -> None:
        session.end()
        here.store.fault = OSError()
        with pytest.raises(StoreUnavailable):
            await session.save()
        here.store.fault = None

    old = browser.copy()
    answer = await browser.visit(do)
    assert answer.status == 200
    assert answer.cookie is not None
    assert (await old.visit(why)).value == "signed out"


# A change of token whose answer is lost.


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
    site: MakeSite, explicit: bool, after: bool
) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Session) -> None:
        session.regenerate()
        if explicit:
            await session.save()

    gate = here.store.hold("regenerate", after=after)
    await browser.copy().leave(do, gate)
    assert (await browser.visit(look)).value == {"a": 1}


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
    assert len({id[:TAG] for id in ids}) == 1


async def test_what_is_left_is_told_with_what_is_not_written_yet(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=100)
    browser = await here.signed_in(a=1)
    await clock.advance(50)
    held = here.store.hold("renew")
    await browser.visit(look)
    await held.reached.wait()
    left = (await browser.visit(lambda session: session.remaining, "/passive/above")).value
    assert left.total_seconds() > 95
    held.open()

"""The session as views see it: its clocks, its data, its user, its end."""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from hashlib import sha256
from typing import Any, cast

import pytest
from flask.sessions import SessionMixin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from quart import (
    Response,
    flash,
    get_flashed_messages,
    render_template_string,
    stream_with_context,
    websocket,
)
from quart import session as current_session

from quart_idle import Session, SessionTooLarge, StoreUnavailable
from tests.helpers.clock import DAY, HOUR, MINUTE, Clock
from tests.helpers.handlers import Do, end, look, put, regenerate, sign_in, why
from tests.helpers.site import Browser, MakeSite

PASSIVE = "/passive/above"


async def is_open(browser: Browser) -> None:
    """A page of this browser answers a ping."""
    response = await browser.client.post(
        "/_idle/presence",
        data=json.dumps({"type": "pong", "idle": 0, "visible": True}),
        headers={"Origin": "http://localhost"},
    )
    assert response.status_code == 200


# Clocks.


async def test_a_session_ends_when_its_timeout_has_passed_without_activity(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site(timeout=MINUTE).signed_in(a=1)
    await clock.advance(MINUTE - 0.1)
    assert (await browser.visit(look, PASSIVE)).value == {"a": 1}
    await clock.advance(0.1)
    assert (await browser.visit(why)).value == "idle"
    assert (await browser.visit(look)).value == {}


@pytest.mark.parametrize("path", ["/", "/blueprint/active"])
async def test_a_request_restarts_the_idle_clock_whether_or_not_it_touches_the_session(
    site: MakeSite, clock: Clock, path: str
) -> None:
    browser = await site(timeout=MINUTE).signed_in(a=1)
    for _ in range(5):
        await clock.advance(MINUTE - 1)
        await browser.visit(path=path)
    assert (await browser.visit(look, PASSIVE)).value == {"a": 1}


@pytest.mark.parametrize(
    "path",
    ["/passive/above", "/passive/below", "/blueprint/passive", "/no such page", "/_idle/state"],
)
async def test_a_request_to_a_passive_view_or_to_none_is_no_activity(
    site: MakeSite, clock: Clock, path: str
) -> None:
    browser = await site(timeout=MINUTE).signed_in()
    await clock.advance(MINUTE - 1)
    await browser.visit(path=path)
    await clock.advance(1)
    assert (await browser.visit(why)).value == "idle"


async def test_no_activity_outlives_the_lifetime(site: MakeSite, clock: Clock) -> None:
    browser = await site(timeout=MINUTE, lifetime=2 * MINUTE).signed_in(a=1)
    for _ in range(3):
        await clock.advance(MINUTE / 2)
        assert (await browser.visit(look)).value == {"a": 1}
    await clock.advance(MINUTE / 2)
    assert (await browser.visit(why)).value == "lifetime"


async def test_a_session_ends_when_its_last_page_has_been_closed_for_the_closed_timeout(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site(timeout=HOUR, closed_timeout=MINUTE).signed_in(a=1)
    await is_open(browser)
    await clock.advance(MINUTE - 1)
    await browser.visit(path=PASSIVE)  # it is seen, though not active
    await clock.advance(MINUTE - 1)
    assert (await browser.visit(look, PASSIVE)).value == {"a": 1}
    await clock.advance(MINUTE)
    assert (await browser.visit(why)).value == "closed"


async def test_the_closed_timeout_does_not_count_while_no_page_was_ever_open(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site(timeout=HOUR, closed_timeout=MINUTE).signed_in(a=1)
    await clock.advance(HOUR - 1)
    assert (await browser.visit(look, PASSIVE)).value == {"a": 1}


@pytest.mark.parametrize("own", [10 * MINUTE, 2 * HOUR])
async def test_a_session_s_own_timeout_replaces_the_application_s(
    site: MakeSite, clock: Clock, own: float
) -> None:
    browser = await site(timeout=HOUR).signed_in(a=1)

    def set_timeout(session: Session) -> timedelta:
        session.timeout = timedelta(seconds=own)
        return session.timeout

    assert (await browser.visit(set_timeout)).value == timedelta(seconds=own)
    await browser.visit(regenerate)
    await clock.advance(own - 1)
    assert (await browser.visit(look, PASSIVE)).value == {"a": 1}
    await clock.advance(1)
    assert (await browser.visit(why)).value == "idle"


@pytest.mark.parametrize("how", [lambda s: setattr(s, "timeout", None), Session.clear])
async def test_the_own_timeout_can_be_taken_back(site: MakeSite, how: Do) -> None:
    browser = await site(timeout=HOUR).signed_in()
    await browser.visit(lambda session: setattr(session, "timeout", 5))

    def take_back(session: Session) -> None:
        how(session)
        session["a"] = 1

    await browser.visit(take_back)
    assert (await browser.visit(lambda session: session.timeout)).value == timedelta(hours=1)


@pytest.mark.parametrize(
    "wrong", [0, -1, float("nan"), float("inf"), 1e999, 10**400, True, "60", timedelta(0), [60]]
)
async def test_a_timeout_that_is_no_duration_is_refused(site: MakeSite, wrong: Any) -> None:
    browser = await site(timeout=HOUR).signed_in()

    def set_timeout(session: Session) -> timedelta:
        with pytest.raises(ValueError, match=r"session\.timeout is .*; allowed: a timedelta"):
            session.timeout = wrong
        return session.timeout

    assert (await browser.visit(set_timeout)).value == timedelta(hours=1)


async def test_remaining_is_never_less_than_nothing(site: MakeSite, clock: Clock) -> None:
    browser = await site(timeout=MINUTE).signed_in()

    async def linger(session: Session) -> timedelta | None:
        await clock.advance(HOUR)
        return session.remaining

    assert (await browser.visit(linger)).value == timedelta(0)


async def test_a_slow_view_is_within_the_time_that_its_request_renewed(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site(timeout=MINUTE, store_timeout=1).signed_in()
    await clock.advance(MINUTE - 1)

    async def slow(session: Session) -> None:
        await clock.advance(MINUTE - 1)
        session["a"] = 1

    await browser.visit(slow)
    await clock.advance(MINUTE - 1)
    assert (await browser.visit(look)).value == {"a": 1}


# Why it is over.


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


# The mapping.


async def test_it_is_a_session_as_quart_users_know_them(site: MakeSite) -> None:
    def facts(session: Session) -> Any:
        assert isinstance(session, SessionMixin)
        assert not session.accessed
        before = session.new, session.modified, session.permanent
        assert session.accessed
        session["a"] = 1
        return *before, session.modified

    browser = site().browser()
    assert (await browser.visit(facts)).value == (True, False, False, True)
    assert (await browser.visit(facts)).value == (False, False, False, True)


async def test_permanent_is_kept_and_is_no_data(site: MakeSite) -> None:
    here = site()
    browser = here.browser()

    def make_permanent(session: Session) -> None:
        session.permanent = True

    assert (await browser.visit(make_permanent)).cookie is None
    assert here.store.calls == []

    def make_permanent_with_data(session: Session) -> None:
        session.permanent = True
        session["a"] = 1

    await browser.visit(make_permanent_with_data)
    here.store.calls.clear()
    await browser.visit(make_permanent)
    assert here.store.calls == ["load"], "setting it again is no reason to write"
    assert (await browser.visit(lambda session: session.permanent)).value is True


def append(session: Session) -> None:
    session["cart"]["items"].append("b")


def change_in_a_tuple(session: Session) -> None:
    session["pair"][1]["x"] = 1


def read_then_append(session: Session) -> None:
    assert session["cart"]["items"] == ["a"]
    append(session)


def append_to_what_was_set(session: Session) -> None:
    session["cart"] = cart = {"items": ["a"]}
    cart["items"].append("b")


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        (append, "cart", {"items": ["a", "b"]}),
        (read_then_append, "cart", {"items": ["a", "b"]}),
        (append_to_what_was_set, "cart", {"items": ["a", "b"]}),
        (change_in_a_tuple, "pair", (1, {"x": 1})),
    ],
)
async def test_a_change_inside_a_value_is_seen_and_stored(
    site: MakeSite, change: Do, key: str, value: Any
) -> None:
    browser = await site().signed_in(cart={"items": ["a"]}, pair=(1, {}))

    def do(session: Session) -> bool:
        assert not session.modified
        change(session)
        return session.modified

    assert (await browser.visit(do)).value is True
    assert (await browser.visit(look)).value[key] == value


async def test_reading_a_value_that_could_be_changed_writes_nothing(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(cart=["a"], pair=(1, []))
    await browser.visit(look)
    assert here.store.calls == ["load"]


UNHOLDABLE = [1j, object(), bytearray(), {1: 2}, {1, (1j,)}, [b"", {"a": {"b": {1j}}}]]


def kind(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize("value", UNHOLDABLE, ids=kind)
async def test_a_value_that_it_cannot_hold_is_a_type_error_that_names_the_key(
    site: MakeSite, value: Any
) -> None:
    browser = await site().signed_in(a=1)

    def do(session: Session) -> dict[str, Any]:
        with pytest.raises(TypeError, match="session\\['cart'\\]"):
            session["cart"] = value
        return dict(session)

    assert (await browser.visit(do)).value == {"a": 1}
    assert (await browser.visit(look)).value == {"a": 1}


@pytest.mark.parametrize("key", [1, None, b"a", ("a",)])
async def test_a_key_that_is_no_str_is_a_type_error(site: MakeSite, key: Any) -> None:
    def do(session: Session) -> None:
        with pytest.raises(TypeError, match="keys of a session are str"):
            session[key] = 1

    assert (await site().browser().visit(do)).cookie is None


@pytest.mark.parametrize("value", UNHOLDABLE, ids=kind)
async def test_a_value_changed_into_one_that_it_cannot_hold_fails_the_request_that_did_it(
    site: MakeSite, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    here = site()
    browser = await here.signed_in(cart=[], a=1)

    def do(session: Session) -> None:
        session["a"] = 2
        session["cart"].append(value)

    answer = await browser.visit(do)
    assert answer.status == 500
    assert answer.cookie is None
    assert "session['cart'] cannot hold" in caplog.text
    assert (await browser.visit(look)).value == {"cart": [], "a": 1}


async def test_more_data_than_allowed_is_an_error_and_what_was_stored_stays(
    site: MakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    here = site(max_size=1000)
    browser = await here.signed_in(a=1)
    answer = await browser.visit(put(a=2, big="x" * 1000))
    assert answer.status == 500
    assert answer.cookie is None
    assert "QUART_IDLE_MAX_SIZE allows 1000" in caplog.text
    assert (await browser.visit(look)).value == {"a": 1}
    assert (await browser.visit(put(big="x" * 900))).status == 200
    assert (await browser.visit(put(big2="x" * 100))).status == 500
    assert (await here.browser().visit(put(big="x" * 1000))).cookie is None


@pytest.mark.parametrize(
    ("error", "change"),
    [
        (SessionTooLarge, put(big="x" * 1000)),
        (TypeError, lambda session: session["cart"].append(object())),
    ],
)
async def test_the_application_may_answer_a_session_that_cannot_be_saved_itself(
    site: MakeSite, error: type[Exception], change: Do
) -> None:
    here = site(max_size=1000)
    browser = await here.signed_in(cart=[])

    @here.app.errorhandler(error)
    async def words(error: Exception) -> Any:
        return f"too much: {error}", 413

    answer = await browser.visit(change)
    assert answer.status == 413
    assert (await answer.response.get_data(as_text=True)).startswith("too much: ")
    assert answer.headers["Vary"] == "Cookie"
    assert here.store.calls == ["load"]
    assert (await browser.visit(look)).value == {"cart": []}


async def test_what_was_saved_before_a_save_that_fails_has_its_cookie(site: MakeSite) -> None:
    here = site(max_size=1000)
    browser = await here.signed_in(a=1)

    async def do(session: Session) -> None:
        session.user_id = "bob"
        await session.save()
        session["big"] = "x" * 1000

    answer = await browser.visit(do)
    assert answer.status == 500
    assert answer.cookie is not None
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("bob", {"a": 1})


KEYS = st.sampled_from("abcd")
OPERATIONS = st.one_of(
    st.tuples(st.just("set"), KEYS, st.integers() | st.lists(st.integers(), max_size=2)),
    st.tuples(st.sampled_from(["delete", "append", "pop", "setdefault", "get"]), KEYS),
    st.tuples(st.sampled_from(["clear", "popitem"])),
)


def apply(operation: tuple[Any, ...], mapping: Any) -> Any:
    """Do it to a dict or a session; what came of it."""
    match operation:
        case "set", key, value:
            mapping[key] = list(value) if isinstance(value, list) else value
        case "delete", key:
            try:
                del mapping[key]
            except KeyError:
                return "KeyError"
        case "append", key if isinstance(mapping.get(key), list):
            mapping[key].append(7)
        case "pop", key:
            return mapping.pop(key, None)
        case "setdefault", key:
            return mapping.setdefault(key, [])
        case "get", key:
            return mapping.get(key), key in mapping
        case ("clear",):
            mapping.clear()
        case ("popitem",):
            return None if not mapping else mapping.pop(min(mapping))
    return None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(requests=st.lists(st.lists(OPERATIONS, max_size=8), max_size=4))
async def test_it_behaves_as_a_dict_from_request_to_request(
    site: MakeSite, requests: list[list[tuple[Any, ...]]]
) -> None:
    model: dict[str, Any] = {}
    browser = site().browser()
    for operations in requests:

        def do(session: Session, operations: list[tuple[Any, ...]] = operations) -> Any:
            for operation in operations:
                assert apply(operation, session) == apply(operation, model)
                assert dict(session) == model
                assert len(session) == len(model)
                assert bool(session) == bool(model)
            return None

        assert (await browser.visit(do)).status == 200
        assert (await browser.visit(look)).value == model


async def test_its_id_is_safe_to_log_and_its_repr_tells_no_value(site: MakeSite) -> None:
    browser = await site().signed_in(a="do not tell")
    assert browser.token is not None
    text, id = (await browser.visit(lambda session: (repr(session), session.id))).value
    assert id == sha256(browser.token.encode()).hexdigest()
    assert id in text
    assert "do not tell" not in text
    assert browser.token not in text
    assert (await site().browser().visit(lambda session: session.id)).value is None


# clear, end, regenerate, user_id.


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


# save and reload, where there is no response to save with.


async def test_save_writes_now(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)

    async def do(session: Session) -> Any:
        session["a"] = 2
        await session.save()
        seen = (await browser.copy().visit(look)).value
        session["b"] = 3
        return seen, session.modified

    assert (await browser.visit(do)).value == ({"a": 2}, True)
    assert (await browser.visit(look)).value == {"a": 2, "b": 3}


async def test_save_makes_a_session_whose_cookie_the_response_carries(site: MakeSite) -> None:
    browser = site().browser()

    async def do(session: Session) -> None:
        session["a"] = 1
        await session.save()
        session["b"] = 2

    await browser.visit(do)
    assert (await browser.visit(look)).value == {"a": 1, "b": 2}


def clear_and_put(session: Session) -> None:
    session.clear()
    session.user_id = "ada"
    session["b"] = 2


@pytest.mark.parametrize(
    ("do", "call"),
    [
        (put(b=2), "save"),
        (lambda session: session["cart"].append(1), "save"),
        (lambda session: setattr(session, "timeout", 5), "save"),
        (regenerate, "regenerate"),
        (sign_in("bob"), "regenerate"),
        (clear_and_put, "regenerate"),
        (end(), "end"),
    ],
)
async def test_what_was_saved_is_not_saved_again(site: MakeSite, do: Do, call: str) -> None:
    here = site()
    browser = await here.signed_in(cart=[])

    async def save(session: Session) -> None:
        do(session)
        for _ in range(2):
            await session.save()

    await browser.visit(save)
    assert here.store.calls == ["load", call]


async def test_reload_reads_now_and_drops_what_was_not_saved(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)

    async def do(session: Session) -> Any:
        session["a"] = 0
        session["c"] = 0
        await browser.copy().visit(put(b=2))
        await session.reload()
        return dict(session), session.modified

    assert (await browser.visit(do)).value == ({"a": 1, "b": 2}, False)
    assert (await browser.visit(look)).value == {"a": 1, "b": 2}


async def test_reload_drops_an_end_that_was_not_saved(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Session) -> Any:
        session.end()
        await session.reload()
        return dict(session), session.ended, session.modified

    answer = await browser.visit(do)
    assert answer.value == ({"a": 1}, None, False)
    assert answer.cookie is None
    assert (await browser.visit(look)).value == {"a": 1}


async def test_reload_finds_a_session_that_was_made_and_ended_in_one_request(
    site: MakeSite,
) -> None:
    async def do(session: Session) -> Any:
        session["a"] = 1
        await session.save()
        session.end()
        await session.reload()
        return dict(session)

    browser = site().browser()
    assert (await browser.visit(do)).value == {"a": 1}
    assert (await browser.visit(look)).value == {"a": 1}


async def test_reload_waits_for_a_save_that_is_under_way(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Any) -> Any:
        session["a"] = 2
        gate = here.store.hold("save")
        task = asyncio.create_task(session._get_current_object().save())
        await gate.reached.wait()
        asyncio.get_running_loop().call_later(0.1, gate.open)
        await session.reload()
        found = dict(session)
        await task
        return found, session.modified

    assert (await browser.visit(do)).value == ({"a": 2}, False)


async def test_reload_of_a_session_that_is_over_empties_it_and_tells_why(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)

    async def do(session: Session) -> Any:
        await browser.copy().visit(end("elsewhere"))
        await session.reload()
        return dict(session), session.id, session.user_id, session.ended

    assert (await browser.visit(do)).value == ({}, None, None, "elsewhere")


async def test_a_streaming_body_saves(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)

    def stream(session: Session) -> Response:
        @stream_with_context
        async def body() -> AsyncIterator[bytes]:
            yield b"begun"
            session["streamed"] = True
            await session.save()

        return Response(body())

    await browser.visit(stream)
    assert (await browser.visit(look)).value == {"a": 1, "streamed": True}


async def test_a_background_task_saves(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    tasks: list[asyncio.Task[None]] = []

    def do(session: Any) -> None:
        own = session._get_current_object()

        async def work() -> None:
            await here.clock.advance(5)
            own["worked"] = True
            await own.save()

        tasks.append(asyncio.get_running_loop().create_task(work()))

    await browser.visit(do)
    assert (await browser.visit(look)).value == {"a": 1}
    await tasks[0]
    assert (await browser.visit(look)).value == {"a": 1, "worked": True}


@pytest.mark.parametrize(
    ("before", "do"), [(put(a=1), regenerate), (put(a=1), sign_in("bob")), (None, put(b=1))]
)
async def test_a_new_token_that_no_response_can_carry_is_an_error(
    site: MakeSite, before: Do | None, do: Do
) -> None:
    browser = site().browser()
    await browser.visit(before)
    refused: list[str] = []

    def stream(session: Session) -> Response:
        @stream_with_context
        async def body() -> AsyncIterator[bytes]:
            yield b"begun"
            do(session)
            try:
                await session.save()
            except RuntimeError as error:
                refused.append(str(error))

        return Response(body())

    await browser.visit(stream)
    assert len(refused) == 1
    assert "needs a new cookie" in refused[0]
    assert (await browser.visit(look)).value == ({"a": 1} if before else {})


async def test_a_socket_s_handler_saves_and_reloads(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)
    done = asyncio.Event()

    async def do(session: Session) -> None:
        session["b"] = 2
        await session.save()
        await browser.copy().visit(put(c=3))
        await session.reload()
        await websocket.send_json(dict(session))
        session.regenerate()
        with pytest.raises(RuntimeError, match="needs a new cookie"):
            await session.save()
        await session.reload()
        session.end("by socket")
        await session.save()
        done.set()

    async with browser.client.websocket("/socket", scope_base={"do": do}) as socket:
        assert await socket.receive_json() == {"a": 1, "b": 2, "c": 3}
        await done.wait()
    assert (await browser.visit(why)).value == "by socket"


# Templates and Quart's own test client.


def page(**arguments: str) -> Do:
    async def do(_: Session) -> str:
        return await render_template_string("{{ quart_idle(**arguments) }}", arguments=arguments)

    return do


async def test_the_template_helper_puts_the_client_into_a_page_with_a_live_session(
    site: MakeSite,
) -> None:
    here = site(expired_url='/over?a="b"&c', sign_out_url="/out", url_prefix="/idle")
    text = (await (await here.signed_in()).visit(page(nonce='x" onload="alert(1)'))).value
    assert re.search(r'<script type="module" src="/idle/[0-9a-f]{12}/quart-idle\.js"', text)
    assert text.endswith("></script>")
    assert 'nonce="x&#34; onload=&#34;alert(1)"' in text
    assert 'data-expired-url="/over?a=&#34;b&#34;&amp;c"' in text
    assert 'data-sign-out-url="/out"' in text
    assert "data-sign-in-url" not in text


async def test_the_template_helper_counts_a_session_that_begins_with_this_response(
    site: MakeSite,
) -> None:
    async def do(session: Session) -> Any:
        session["a"] = 1
        return await page()(session)

    assert "<script" in (await site().browser().visit(do)).value


async def test_the_template_helper_puts_nothing_into_a_page_without_a_live_session(
    site: MakeSite,
) -> None:
    browser = await site().signed_in()

    async def after_end(session: Session) -> Any:
        session.end()
        return await page()(session)

    async def after_clear(session: Session) -> Any:
        session.clear()
        text = await page()(session)
        await session.reload()
        return text

    assert (await site().browser().visit(page())).value == ""
    assert (await browser.visit(after_clear)).value == ""
    assert (await browser.visit(after_end)).value == ""
    assert (await browser.visit(page())).value == ""
    async with site().app.app_context():
        assert await page()(None) == ""  # type: ignore[arg-type]


async def test_the_template_helper_puts_nothing_into_the_page_that_tells_of_a_fault(
    site: MakeSite,
) -> None:
    here = site()

    @here.app.errorhandler(503)
    async def words(_: Exception) -> Any:
        return f"sorry{await page()(current_session)}", 503  # type: ignore[arg-type]

    def break_down(session: Session) -> None:
        session["a"] = 2
        here.store.fault = OSError()

    browser = await here.signed_in(a=1)
    for do in (break_down, look):  # the one finds out when it saves, the other when it reads
        answer = await browser.visit(do)
        assert answer.status == 503
        assert await answer.response.get_data(as_text=True) == "sorry"
        assert "Retry-After" in answer.headers


async def test_a_page_with_the_template_helper_is_not_shown_as_a_stranger_s_by_a_fault(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in()
    here.store.fault = OSError()
    assert (await browser.visit(page())).status == 503
    here.store.fault = None

    async def reads_again(session: Session) -> Any:
        with pytest.raises(StoreUnavailable):
            len(session)
        here.store.fault = None
        await session.reload()
        return await page()(session)

    here.store.fault = OSError()
    assert "<script" in (await browser.visit(reads_again)).value


async def test_the_template_helper_varies_the_page_by_cookie(site: MakeSite) -> None:
    assert (await site().browser().visit(page())).headers["Vary"] == "Cookie"


async def test_a_session_transaction_works_as_quart_users_know_it(site: MakeSite) -> None:
    browser = site().browser()
    async with browser.client.session_transaction() as session:
        session["a"] = 1
    assert (await browser.visit(look)).value == {"a": 1}
    async with browser.client.session_transaction() as session:
        assert session["a"] == 1
        session["a"] = 2
    async with browser.client as client:
        await client.get("/")
        assert dict(current_session) == {"a": 2}


# As a dict.

anywhere = cast(Session, current_session)


class Name(StrEnum):
    CART = "cart"


class Mixed(str, Enum):  # noqa: UP042  (its str() is another)
    CART = "cart"


def merge_in_place(session: Session) -> Any:
    session |= {"b": 2}
    session |= [("c", 3)]
    return dict(session)


@pytest.mark.parametrize(
    ("do", "value"),
    [
        (lambda session: session.copy(), {"a": [1]}),
        (lambda session: session | {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (lambda session: {"a": 1, "b": 2} | session, {"a": [1], "b": 2}),
        (lambda _: anywhere.copy(), {"a": [1]}),
        (lambda _: anywhere | {"b": 2}, {"a": [1], "b": 2}),
        (lambda _: {"b": 2} | anywhere, {"a": [1], "b": 2}),
        (merge_in_place, {"a": [1], "b": 2, "c": 3}),
    ],
)
async def test_copying_and_merging_work_as_on_a_dict(site: MakeSite, do: Do, value: Any) -> None:
    here = site()
    browser = await here.signed_in(a=[1])

    def typed(session: Session) -> Any:
        found = do(session)
        assert type(found) is dict
        return found

    assert (await browser.visit(typed)).value == value
    kept = value if do is merge_in_place else {"a": [1]}
    assert (await browser.visit(look)).value == kept, "a copy's changes are its own"


async def test_a_session_merges_with_mappings_only(site: MakeSite) -> None:
    def do(session: Any) -> None:
        for wrong in (1, None, [("a", 1)]):
            with pytest.raises(TypeError, match="unsupported operand"):
                session | wrong
            with pytest.raises(TypeError, match="unsupported operand"):
                wrong | session

    await (await site().signed_in(a=1)).visit(do)


@pytest.mark.parametrize("key", [Name.CART, Mixed.CART])
async def test_a_key_of_a_kind_of_str_is_that_str(site: MakeSite, key: str) -> None:
    here = site()
    browser = await here.signed_in()
    await browser.visit(lambda session: session.__setitem__(key, "full"))

    def find(session: Session) -> Any:
        assert session[key] == session["cart"] == "full"
        assert [type(name) for name in session] == [str]
        del session[key]
        return "cart" in session

    assert (await browser.visit(find)).value is False
    assert (await browser.visit(look)).value == {}


class LazyText:
    def __html__(self) -> str:
        return "<b>Hi</b>"


async def test_a_lazy_text_can_be_flashed(site: MakeSite) -> None:
    browser = await site().signed_in()
    await browser.visit(lambda _: flash(LazyText()))  # type: ignore[arg-type]
    found = (await browser.visit(lambda _: get_flashed_messages())).value
    assert found == [Markup("<b>Hi</b>")]
    assert type(found[0]) is Markup


async def test_the_next_request_finds_what_a_value_was_a_kind_of(site: MakeSite) -> None:
    browser = await site().signed_in()
    money = Decimal("12.50")

    def do(session: Session) -> None:
        session["user"] = OrderedDict(sub="1", colour=Name.CART, born=date(1815, 12, 10))
        session["paid"] = {money, frozenset({timedelta(1)})}

    def find(session: Session) -> Any:
        assert not session.modified
        found = dict(session)
        assert not session.modified, "that is no change"
        return type(found["user"]), type(found["user"]["colour"]), found

    await browser.visit(do)
    user, colour, found = (await browser.visit(find)).value
    assert (user, colour) == (dict, str)
    assert found == {
        "user": {"sub": "1", "colour": "cart", "born": date(1815, 12, 10)},
        "paid": {money, frozenset({timedelta(1)})},
    }

"""What a store is, as tests: see `quart_idle.stores.base`.

A new store is a file with one fixture::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self, clock: Clock) -> Store:
            return MyStore(clock)

A store whose clock cannot be given overrides the fixture ``clock`` too, with what makes that
store's time pass. One that keeps drafts inherits `DraftStoreContract`, which is both. `StoreModel`
is the same contract, but for drafts, as a state machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from itertools import pairwise, permutations
from typing import Any, Protocol, Unpack

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from quart_idle import Store
from quart_idle.policy import Activity, Clocks, Limits, deadline, renewed
from quart_idle.reasons import REGENERATED
from quart_idle.stores.base import (
    DRAFT_KEPT,
    MOST_DRAFTS,
    PERMANENT,
    REASON_KEPT,
    Attributes,
    Change,
    Changed,
    DraftStore,
    Ended,
    Live,
    Record,
)

LIMITS = Limits(timeout=60.0, lifetime=1000.0, closed_timeout=30.0)
HERE = Activity(seen=0.0, active=0.0)
PAGE = Activity(seen=0.0, active=0.0, paged=True)


class Time(Protocol):
    """The store's clock, as far as tests need it."""

    async def advance(self, seconds: float) -> None: ...


def change(
    fields: Mapping[str, bytes | None] | None = None,
    *,
    clear: bool = False,
    **attributes: Unpack[Attributes],
) -> Change:
    return Change(fields or {}, attributes, clear)


def about(moment: float) -> Any:
    """This moment; a store's clock may go on meanwhile."""
    return pytest.approx(moment, abs=0.5)


async def record(store: Store, id: str = "id") -> Record:
    """A session that is alive."""
    found = await store.load(id)
    assert isinstance(found, Record), found
    return found


async def reason(store: Store, id: str = "id") -> str | None:
    """Why a session is not alive; None: it was never one, or is forgotten."""
    found = await store.load(id)
    assert not isinstance(found, Record)
    return None if found is None else found.reason


Over = Callable[[Store, Time], Awaitable[Any]]
Told = list[tuple[str, Live | Ended]]

# How the session "id" can come to its end, by the reason.
WAYS: dict[str, Over] = {
    "signed out": lambda store, _: store.end("id", "signed out"),
    REGENERATED: lambda store, _: store.regenerate("id", "id-new", change()),
    "idle": lambda _, clock: clock.advance(60),
    "closed": lambda store, clock: _leave(store, clock),
    "lifetime": lambda store, clock: _stay(store, clock),
}


async def _leave(store: Store, clock: Time) -> None:
    await store.renew({"id": PAGE})
    await clock.advance(30)


async def _stay(store: Store, clock: Time) -> None:
    for _ in range(20):
        await store.renew({"id": HERE})
        await clock.advance(50)


over = pytest.mark.parametrize("over", WAYS.values(), ids=WAYS)


class StoreContract:
    """Inherit, and give the fixture ``store``: a new one, not bound."""

    @pytest.fixture
    def told(self) -> Told:
        """What the listener was told."""
        return []

    @pytest.fixture
    def bound(self, store: Store, told: Told) -> Store:
        """The store, bound to `LIMITS`."""
        store.bind(LIMITS, lambda id, ended: told.append((id, ended)))
        return store

    def test_it_has_all_of_a_store_s_methods(self, store: Store) -> None:
        assert isinstance(store, Store)

    # A session.

    async def test_what_was_created_is_loaded(self, bound: Store) -> None:
        fields = {"a": b"1", "b": b""}
        clocks = await bound.create("id", change({**fields, "c": None}, user_id="ada", timeout=5))
        found = await record(bound)
        assert dict(found.data) == fields
        assert found.user_id == "ada"
        assert found.clocks == clocks
        assert clocks.timeout == 5
        assert not clocks.paged
        assert clocks.created == clocks.active == clocks.seen == about(found.now)

    async def test_what_is_not_given_is_none(self, bound: Store) -> None:
        await bound.create("id", change())
        found = await record(bound)
        assert (dict(found.data), found.user_id, found.clocks.timeout) == ({}, None, None)

    async def test_the_store_s_clock_is_told_with_what_it_says(
        self, bound: Store, clock: Time
    ) -> None:
        created = (await bound.create("id", change())).created
        await clock.advance(20)
        assert (await record(bound)).now == about(created + 20)
        live = (await bound.renew({"id": HERE}))["id"]
        assert isinstance(live, Live)
        assert live.now == about(created + 20)

    @pytest.mark.parametrize("text", [" ", "a b", "*", "{a}:b", "\x00\n", "naïve ☃", "\U0001f600"])
    async def test_any_text_is_a_key_a_user_or_a_reason(self, bound: Store, text: str) -> None:
        await bound.create("id", change({text: bytes(range(256)), "": b"x"}, user_id=text))
        found = await record(bound)
        assert dict(found.data) == {text: bytes(range(256)), "": b"x"}
        assert found.user_id == text
        await bound.end("id", text)
        assert await reason(bound) == text

    async def test_sessions_do_not_touch_each_other(self, bound: Store) -> None:
        for id in ("id", "id2", "i", "ID"):
            await bound.create(id, change({"a": id.encode()}, user_id=id))
        await bound.save("id2", change({"a": b"changed"}))
        await bound.end("i", "signed out")
        assert (await record(bound, "id")).data["a"] == b"id"
        assert (await record(bound, "ID")).user_id == "ID"

    async def test_an_id_that_was_never_one_is_nothing_to_every_operation(
        self, bound: Store, told: Told
    ) -> None:
        assert await bound.load("id") is None
        assert await bound.save("id", change({"a": b"1"})) is None
        assert await bound.regenerate("id", "id-new", change({"a": b"1"})) is None
        assert await bound.end("id", "signed out") is None
        assert await bound.renew({"id": PAGE}) == {"id": None}
        assert await bound.load("id") is None
        assert await bound.load("id-new") is None
        assert told == []

    # An ended session stays ended.

    @over
    async def test_an_ended_session_is_not_loaded_and_its_reason_is_told(
        self, bound: Store, clock: Time, over: Over, request: pytest.FixtureRequest
    ) -> None:
        await bound.create("id", change({"a": b"1"}, user_id="ada"))
        await over(bound, clock)
        assert await reason(bound) == request.node.callspec.id

    @over
    async def test_an_ended_session_stays_ended_in_every_operation(
        self, bound: Store, clock: Time, over: Over
    ) -> None:
        await bound.create("id", change({"a": b"1"}, user_id="ada"))
        await over(bound, clock)
        ended = await reason(bound)
        if ended != REGENERATED:  # the session that goes on is written to
            assert await bound.save("id", change({"a": b"2"}, timeout=9000.0)) is None
        assert await bound.regenerate("id", "id-another", change({"a": b"2"})) is None
        outcome = (await bound.renew({"id": Activity(0.0, 0.0, True)}))["id"]
        assert isinstance(outcome, Ended)
        assert outcome.reason == ended
        assert await bound.load("id-another") is None
        assert await bound.end("id", "again") == ("id-new" if ended == REGENERATED else None)
        assert await reason(bound) == ended

    @over
    async def test_the_reason_of_an_end_is_told_for_an_hour_then_forgotten(
        self, bound: Store, clock: Time, over: Over
    ) -> None:
        await bound.create("id", change({"a": b"1"}))
        await over(bound, clock)
        ended = await reason(bound)
        await clock.advance(REASON_KEPT - 1)
        found = await bound.load("id")
        assert isinstance(found, Ended)
        assert found == (ended, about(REASON_KEPT - 1))
        await clock.advance(1)
        assert await bound.load("id") is None
        assert await bound.renew({"id": HERE}) == {"id": None}

    async def test_how_long_ago_it_ended_is_reckoned_from_its_deadline(
        self, bound: Store, clock: Time
    ) -> None:
        await bound.create("id", change())
        await clock.advance(100)
        assert await bound.load("id") == ("idle", about(40))

    # The deadline.

    @pytest.mark.parametrize(
        ("limits", "attributes", "activities", "lasts", "why"),
        [
            (Limits(60), {}, [], 60, "idle"),
            (Limits(60), {}, [Activity(0, None)], 60 + 0, "idle"),
            (Limits(60), {}, [HERE], 80, "idle"),
            (Limits(60), {}, [Activity(5, 15)], 65, "idle"),
            (Limits(60), {"timeout": 25.0}, [], 25, "idle"),
            (Limits(60), {"timeout": 600.0}, [], 600, "idle"),
            (Limits(60, 70), {}, [HERE], 70, "lifetime"),
            (Limits(60, 60), {}, [], 60, "lifetime"),
            (Limits(60, 70), {"timeout": 600.0}, [HERE], 70, "lifetime"),
            (Limits(60, None, 30), {}, [HERE], 80, "idle"),
            (Limits(60, None, 30), {}, [PAGE], 50, "closed"),
            (Limits(60, None, 30), {}, [PAGE, HERE], 50, "closed"),
            (Limits(60, None, 30), {}, [Activity(0, None, True)], 50, "closed"),
        ],
    )
    async def test_a_session_ends_at_its_deadline_by_the_name_of_its_clock(
        self,
        store: Store,
        clock: Time,
        limits: Limits,
        attributes: Attributes,
        activities: list[Activity],
        lasts: float,
        why: str,
    ) -> None:
        store.bind(limits, lambda *_: None)
        await store.create("id", change(**attributes))
        await clock.advance(20)
        for activity in activities:
            await store.renew({"id": activity})
        await clock.advance(lasts - 20 - 1)
        await record(store)
        await clock.advance(1)
        assert await reason(store) == why

    @pytest.mark.parametrize(("own", "lasts"), [(30.0, 30), (90.0, 90), (None, 60)])
    async def test_a_timeout_that_is_saved_counts_at_once(
        self, bound: Store, clock: Time, own: float | None, lasts: float
    ) -> None:
        await bound.create("id", change(timeout=45.0))
        await clock.advance(20)
        assert await bound.save("id", change(timeout=own))
        assert (await record(bound)).clocks.timeout == own
        await clock.advance(lasts - 20 - 1)
        await record(bound)
        await clock.advance(1)
        assert await reason(bound) == "idle"

    async def test_a_timeout_that_is_saved_too_late_ends_the_session(
        self, bound: Store, clock: Time
    ) -> None:
        await bound.create("id", change())
        await clock.advance(20)
        await bound.save("id", change(timeout=10.0))
        assert await reason(bound) == "idle"

    # Saving.

    async def test_save_writes_the_fields_it_is_given_and_no_others(self, bound: Store) -> None:
        await bound.create("id", change({"a": b"1", "b": b"1", "c": b"1"}, user_id="ada"))
        assert await bound.save("id", change({"a": b"2", "b": None, "missing": None, "d": b"2"}))
        found = await record(bound)
        assert dict(found.data) == {"a": b"2", "c": b"1", "d": b"2"}
        assert found.user_id == "ada"

    async def test_save_clears_before_it_sets(self, bound: Store) -> None:
        await bound.create("id", change({"a": b"1", "b": b"1"}, user_id="ada"))
        assert await bound.save("id", change({"a": b"2"}, user_id=None, clear=True))
        found = await record(bound)
        assert (dict(found.data), found.user_id) == ({"a": b"2"}, None)

    async def test_attributes_that_are_not_given_stay(self, bound: Store) -> None:
        await bound.create("id", change({"a": b"1"}, user_id="ada", timeout=5.0))
        await bound.save("id", change({}, clear=True))
        await bound.save("id", change(user_id="bob"))
        found = await record(bound)
        assert (dict(found.data), found.user_id, found.clocks.timeout) == ({}, "bob", 5.0)

    async def test_save_moves_no_clock(self, bound: Store, clock: Time) -> None:
        clocks = await bound.create("id", change())
        await clock.advance(20)
        await bound.save("id", change({"a": b"1"}))
        assert (await record(bound)).clocks == clocks

    async def test_saves_of_different_fields_at_once_all_last(self, bound: Store) -> None:
        await bound.create("id", change())
        fields = {f"key{number}": b"%d" % number for number in range(50)}
        saves = (bound.save("id", change({key: value})) for key, value in fields.items())
        assert all(await asyncio.gather(*saves))
        assert dict((await record(bound)).data) == fields

    async def test_what_was_read_is_not_changed_by_a_later_save(self, bound: Store) -> None:
        await bound.create("id", change({"a": b"1"}))
        found = await record(bound)
        await bound.save("id", change({"a": b"2", "b": b"2"}))
        assert dict(found.data) == {"a": b"1"}

    # Regenerating and ending.

    async def test_regenerate_moves_the_session_to_its_new_id(
        self, bound: Store, clock: Time
    ) -> None:
        await bound.create("id", change({"a": b"1", "b": b"1"}, user_id="ada", timeout=50.0))
        await bound.renew({"id": Activity(0.0, None, True)})
        before = await record(bound)
        await clock.advance(10)
        assert await bound.regenerate("id", "id-new", change({"b": b"2"}))
        found = await record(bound, "id-new")
        assert dict(found.data) == {"a": b"1", "b": b"2"}
        assert (found.user_id, found.clocks) == ("ada", before.clocks)
        assert await reason(bound) == REGENERATED

    async def test_a_regenerated_session_ends_at_its_deadline(
        self, bound: Store, clock: Time
    ) -> None:
        await bound.create("id", change())
        await clock.advance(20)
        await bound.regenerate("id", "id-new", change())
        await clock.advance(39)
        await record(bound, "id-new")
        await clock.advance(1)
        assert await reason(bound, "id-new") == "idle"

    async def test_a_regenerated_id_is_superseded_for_ten_seconds(
        self, bound: Store, clock: Time
    ) -> None:
        await bound.create("id", change())
        await bound.regenerate("id", "id-new", change())
        await clock.advance(9)
        found = await bound.load("id")
        assert isinstance(found, Ended)
        assert found.superseded
        await clock.advance(1)
        found = await bound.load("id")
        assert isinstance(found, Ended)
        assert not found.superseded

    async def test_an_end_follows_the_session_through_its_ids(self, bound: Store) -> None:
        await bound.create("id", change())
        ids = ["id", "id-second", "id-third", "id-fourth"]
        for id, new_id in pairwise(ids):
            assert await bound.regenerate(id, new_id, change())
        assert await bound.end("id", "signed out") == "id-fourth"
        assert await reason(bound, "id-fourth") == "signed out"
        assert [await reason(bound, id) for id in ids[:3]] == [REGENERATED] * 3
        assert await bound.end("id-second", "again") is None

    async def test_a_session_can_go_back_to_an_id_that_it_had(self, bound: Store) -> None:
        await bound.create("id", change({"a": b"1"}))
        assert await bound.regenerate("id", "id-new", change())
        assert await bound.regenerate("id-new", "id", change())
        assert (await record(bound)).data == {"a": b"1"}
        assert await reason(bound, "id-new") == REGENERATED
        assert await bound.end("id-new", "signed out") == "id"
        assert await reason(bound) == "signed out"

    async def test_a_regeneration_that_is_asked_for_again_has_happened_once(
        self, bound: Store
    ) -> None:
        await bound.create("id", change({"a": b"1"}))
        assert await bound.regenerate("id", "id-new", change({"a": b"2"}))
        await bound.save("id-new", change({"a": b"3"}))
        assert await bound.regenerate("id", "id-new", change({"a": b"2"}))
        assert (await record(bound, "id-new")).data == {"a": b"3"}
        await bound.end("id-new", "signed out")
        assert await bound.regenerate("id", "id-new", change({"a": b"2"})) is None
        assert await reason(bound, "id-new") == "signed out"

    @pytest.mark.parametrize(
        "anew", [change(user_id="bob"), change(user_id=None), change({"b": b"1"}, clear=True)]
    )
    async def test_nothing_but_an_end_follows_a_session_that_is_another_by_now(
        self, bound: Store, anew: Change
    ) -> None:
        await bound.create("id", change({"a": b"1"}, user_id="ada"))
        await bound.regenerate("id", "id-second", change())
        await bound.regenerate("id-second", "id-new", anew)
        await bound.regenerate("id-new", "id-last", change())
        before = await record(bound, "id-last")
        for id in ("id", "id-second"):
            assert await bound.save(id, change({"a": b"2"})) is None
        await bound.renew(dict.fromkeys(("id", "id-second", "id-new"), PAGE))
        assert (await record(bound, "id-last"))[:3] == before[:3]

    async def test_a_save_follows_a_session_whose_token_alone_was_changed(
        self, bound: Store
    ) -> None:
        await bound.create("id", change({"a": b"1"}, user_id="ada"))
        ids = ["id", "id-second", "id-third", "id-fourth"]
        for number, (id, new_id) in enumerate(pairwise(ids)):
            await bound.regenerate(id, new_id, change({"a": b"%d" % number}))
        for id in ids:
            assert await bound.save(id, change({id: b"2"}, timeout=50.0)) == Changed("id-fourth")
        found = await record(bound, "id-fourth")
        assert dict(found.data) == {"a": b"2"} | dict.fromkeys(ids, b"2")
        assert (found.user_id, found.clocks.timeout) == ("ada", 50.0)
        assert [await reason(bound, id) for id in ids[:3]] == [REGENERATED] * 3
        await bound.end("id-fourth", "signed out")
        assert await bound.save("id", change({"a": b"3"})) is None

    async def test_a_save_follows_a_session_back_to_an_id_that_it_had(self, bound: Store) -> None:
        await bound.create("id", change({"a": b"1"}))
        await bound.regenerate("id", "id-new", change())
        await bound.regenerate("id-new", "id", change())
        assert await bound.save("id-new", change({"b": b"1"})) == Changed("id")
        await bound.regenerate("id", "id-last", change())
        assert await bound.save("id-new", change({"c": b"1"})) == Changed("id-last")
        assert set((await record(bound, "id-last")).data) == {"a", "b", "c"}

    async def test_saves_and_changes_of_the_token_at_once_all_last(self, bound: Store) -> None:
        await bound.create("id", change())
        ids = [f"id-{number}" for number in range(10)]
        fields = {f"key{number}": b"1" for number in range(50)}
        calls: list[Coroutine[Any, Any, Any]] = [
            bound.save("id", change({key: value})) for key, value in fields.items()
        ]
        for place, pair in enumerate(pairwise(["id", *ids])):
            calls.insert(5 * place, bound.regenerate(*pair, change()))
        assert all(await asyncio.gather(*calls))
        assert dict((await record(bound, ids[-1])).data) == fields

    # The lifetime.

    @pytest.mark.parametrize(
        ("anew", "lasts"),
        [
            (change({"a": b"2"}), 900),
            (change(user_id="bob"), 1000),
            (change(user_id=None), 1000),
            (change({"b": b"1"}, clear=True), 1000),
        ],
    )
    async def test_the_lifetime_begins_again_where_the_user_changes_or_all_is_cleared(
        self, store: Store, clock: Time, anew: Change, lasts: float
    ) -> None:
        store.bind(Limits(9000.0, lifetime=1000.0), lambda *_: None)
        created = (await store.create("id", change({"a": b"1"}, user_id="ada"))).created
        await clock.advance(100)
        assert await store.regenerate("id", "id-new", anew)
        clocks = (await record(store, "id-new")).clocks
        assert clocks.created == created
        assert clocks.began == about(created + (100 if lasts == 1000 else 0))
        await clock.advance(lasts - 1)
        await store.renew({"id-new": HERE})
        assert (await record(store, "id-new")).clocks.began == clocks.began
        await clock.advance(1)
        assert await reason(store, "id-new") == "lifetime"

    # A session that holds nothing any more.

    @pytest.mark.parametrize("call", ["save", "regenerate"])
    @pytest.mark.parametrize(
        ("before", "last"),
        [
            (change({"a": b"1"}), change({"a": None})),
            (change({"a": b"1", PERMANENT: b"true"}), change({"a": None})),
            (change({"a": b"1"}), change({"a": None, PERMANENT: b"true"})),
            (change({"a": b"1"}), change(clear=True)),
            (change({"a": b"1"}, user_id="ada"), change(clear=True, user_id=None)),
            (change(user_id="ada"), change(user_id=None)),
        ],
    )
    async def test_a_session_that_is_left_with_nothing_has_ended(
        self, bound: Store, clock: Time, told: Told, call: str, before: Change, last: Change
    ) -> None:
        await bound.create("id", before)
        calls = {
            "save": lambda: bound.save("id", last),
            "regenerate": lambda: bound.regenerate("id", "id-new", last),
        }
        assert await calls[call]() == Changed("id", ended=True)
        assert await reason(bound) == "signed out"
        assert await bound.load("id-new") is None
        if call == "regenerate":
            assert await calls[call]() == Changed("id", ended=True)
        assert await bound.save("id", change({"b": b"1"})) is None
        assert await bound.end("id", "again") is None
        await clock.advance(1)
        assert told == [("id", ("signed out", about(0)))]

    @pytest.mark.parametrize("call", ["save", "regenerate"])
    @pytest.mark.parametrize(
        ("before", "less"),
        [
            (change({"a": b"1", "b": b"1"}), change({"a": None})),
            (change({"a": b"1"}, user_id="ada"), change({"a": None})),
            (change({"a": b"1"}, user_id="ada"), change(user_id=None)),
            (change({"a": b"1"}), change({"b": b"1"}, clear=True)),
            (change({"a": b"1"}), change({"a": None}, user_id="ada")),
        ],
    )
    async def test_a_session_that_holds_something_still_goes_on(
        self, bound: Store, call: str, before: Change, less: Change
    ) -> None:
        await bound.create("id", before)
        if call == "save":
            assert await bound.save("id", less) == Changed("id")
        else:
            assert await bound.regenerate("id", "id-new", less) == Changed("id-new")

    async def test_a_key_that_was_set_in_the_meantime_keeps_the_session(self, bound: Store) -> None:
        await bound.create("id", change({"a": b"1"}))
        await bound.save("id", change({"b": b"1"}))
        assert await bound.save("id", change({"a": None})) == Changed("id")
        assert dict((await record(bound)).data) == {"b": b"1"}

    async def test_a_late_save_that_leaves_nothing_ends_the_session_under_its_new_id(
        self, bound: Store
    ) -> None:
        await bound.create("id", change({"a": b"1"}))
        await bound.regenerate("id", "id-new", change())
        assert await bound.save("id", change({"a": None})) == Changed("id-new", ended=True)
        assert await reason(bound, "id-new") == "signed out"

    async def test_of_two_regenerations_at_once_one_happens(self, bound: Store) -> None:
        await bound.create("id", change({"a": b"1"}))
        happened = await asyncio.gather(
            bound.regenerate("id", "id-one", change()), bound.regenerate("id", "id-two", change())
        )
        assert happened.count(None) == 1
        alive = [isinstance(await bound.load(id), Record) for id in ("id-one", "id-two")]
        assert alive == [outcome is not None for outcome in happened]

    # Renewing.

    async def test_renew_answers_for_every_id(self, bound: Store) -> None:
        for number in range(300):
            await bound.create(f"id{number}", change())
        await bound.create("over", change())
        await bound.end("over", "signed out")
        ids = [*(f"id{number}" for number in range(300)), "over", "never"]
        answer = dict(await bound.renew(dict.fromkeys(ids, HERE)))
        assert set(answer) == set(ids)
        assert answer.pop("never") is None
        assert answer.pop("over") == ("signed out", about(0))
        assert all(isinstance(outcome, Live) for outcome in answer.values())
        assert await bound.renew({}) == {}

    async def test_renew_moves_clocks_and_no_data(self, bound: Store, clock: Time) -> None:
        await bound.create("id", change({"a": b"1"}, user_id="ada", timeout=50.0))
        await clock.advance(20)
        live = (await bound.renew({"id": Activity(2.0, 5.0, True)}))["id"]
        assert isinstance(live, Live)
        found = await record(bound)
        assert (dict(found.data), found.user_id) == ({"a": b"1"}, "ada")
        assert found.clocks == live.clocks
        created = found.clocks.created
        assert live.clocks == (created, about(created + 15), about(created + 18), True, 50.0, None)

    @pytest.mark.parametrize("again", [1, 2])
    @pytest.mark.parametrize("order", list(permutations(range(3))))
    async def test_renewals_are_merged_by_maximum_in_any_order_and_repeated(
        self, bound: Store, clock: Time, order: tuple[int, ...], again: int
    ) -> None:
        created = (await bound.create("id", change())).created
        await clock.advance(40)
        activities = [Activity(0.0, 30.0), Activity(5.0, 5.0), Activity(10.0, None, True)]
        for index in order * again:
            await bound.renew({"id": activities[index]})
        found = (await record(bound)).clocks
        assert found == (created, about(created + 35), about(created + 40), True, None, None)

    async def test_a_renewal_never_moves_a_clock_back(self, bound: Store, clock: Time) -> None:
        clocks = await bound.create("id", change())
        await clock.advance(10)
        await bound.renew({"id": Activity(seen=10_000.0, active=20_000.0)})
        assert (await record(bound)).clocks == clocks

    async def test_a_renewal_that_comes_after_the_deadline_is_too_late(
        self, bound: Store, clock: Time
    ) -> None:
        await bound.create("id", change())
        await clock.advance(70)
        answer = await bound.renew({"id": Activity(seen=20.0, active=20.0)})
        assert answer == {"id": ("idle", about(10))}

    async def test_a_session_that_is_renewed_lives_to_its_lifetime(
        self, bound: Store, clock: Time
    ) -> None:
        await bound.create("id", change())
        for _ in range(19):
            await clock.advance(50)
            await bound.renew({"id": HERE})
            await record(bound)
        await clock.advance(50)
        assert await reason(bound) == "lifetime"

    # Calls that are made twice, or cancelled.

    async def test_a_call_that_is_made_twice_does_no_harm(self, bound: Store, clock: Time) -> None:
        for _ in range(2):
            await bound.create("id", change({"a": b"1"}, user_id="ada"))
        for _ in range(2):
            assert await bound.save("id", change({"a": b"2", "b": b"2"}))
        await clock.advance(10)
        for _ in range(2):
            await bound.renew({"id": PAGE})
        found = await record(bound)
        assert dict(found.data) == {"a": b"2", "b": b"2"}
        assert found.clocks.active == about(found.now)
        for _ in range(2):
            assert await bound.regenerate("id", "id-new", change()) == Changed("id-new")
        assert (await record(bound, "id-new")).data == found.data
        assert [await bound.end("id-new", why) for why in ("first", "second")] == ["id-new", None]
        assert await reason(bound, "id-new") == "first"

    @pytest.mark.parametrize("steps", range(4))
    @pytest.mark.parametrize(
        "call",
        [
            lambda store: store.create("id-new", change({"a": b"2", "b": b"2"}, user_id="bob")),
            lambda store: store.save("id", change({"a": b"2", "b": b"2"}, user_id="bob")),
            lambda store: store.regenerate("id", "id-new", change({"a": b"2"}, user_id="bob")),
            lambda store: store.end("id", "signed out"),
            lambda store: store.renew({"id": PAGE, "other": PAGE}),
        ],
        ids=["create", "save", "regenerate", "end", "renew"],
    )
    async def test_a_call_that_is_cancelled_happened_whole_or_not_at_all(
        self,
        bound: Store,
        clock: Time,
        call: Callable[[Store], Coroutine[Any, Any, Any]],
        steps: int,
    ) -> None:
        async def look() -> list[Any]:
            found = [await bound.load(id) for id in ("id", "id-new", "other")]
            return [
                (dict(item.data), item.user_id, item.clocks.paged, round(item.clocks.seen))
                if isinstance(item, Record)
                else item and item.reason
                for item in found
            ]

        for id in ("id", "other"):
            await bound.create(id, change({"a": b"1"}, user_id="ada"))
        await clock.advance(10)
        before = await look()
        task = asyncio.create_task(call(bound))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await clock.advance(0)  # it may be on its way still
        after = await look()
        if after != before:
            await call(bound)  # again, and whole
            assert await look() == after

    # Who is told.

    async def test_the_listener_is_told_of_an_end(
        self, bound: Store, clock: Time, told: Told
    ) -> None:
        await bound.create("id", change())
        await bound.end("id", "signed out")
        await bound.end("id", "again")
        await clock.advance(1)
        assert told == [("id", ("signed out", about(0)))]

    async def test_the_listener_is_told_of_a_new_id_and_of_an_end_by_the_old_one(
        self, bound: Store, clock: Time, told: Told
    ) -> None:
        await bound.create("id", change())
        await bound.regenerate("id", "id-new", change())
        await bound.end("id", "signed out")
        await clock.advance(1)
        assert told == [
            ("id", (REGENERATED, about(0))),
            ("id-new", ("signed out", about(0))),
        ]

    async def test_the_listener_is_told_of_a_renewal_when_pages_may_have_been_warned(
        self, store: Store, clock: Time, told: Told
    ) -> None:
        store.bind(Limits(60.0, warning=20.0), lambda *what: told.append(what))
        await store.open()
        for id, activity in (("page", PAGE), ("none", HERE)):
            await store.create(id, change())
            await store.renew({id: activity})
        await clock.advance(39)
        await store.renew({"page": Activity(20.0, 20.0), "none": HERE})  # 21 s were left
        await clock.advance(21)
        await store.renew({"page": Activity(50.0, 50.0)})  # it moves nothing
        assert told == []
        live = (await store.renew({"page": HERE, "none": HERE}))["page"]
        await clock.advance(1)
        assert told == [("page", live)]

    async def test_every_application_that_is_bound_with_the_same_limits_is_told(
        self, bound: Store, clock: Time, told: Told
    ) -> None:
        also: Told = []
        bound.bind(LIMITS, lambda id, ended: also.append((id, ended)))
        await bound.create("id", change())
        await bound.end("id", "signed out")
        await clock.advance(1)
        assert also == told
        assert len(told) == 1

    async def test_a_session_ends_when_its_time_is_over_though_nobody_calls(
        self, bound: Store, clock: Time, told: Told
    ) -> None:
        ids = [f"a{number}" for number in range(3)]  # hexadecimal, as they are
        for id in ids:
            await bound.create(id, change())
        await bound.create("another", change(timeout=600.0))
        await clock.advance(60)
        for _ in range(400):
            if len(told) == 3:
                break
            await clock.advance(0.05)
        assert {id: ended[0] for id, ended in told} == dict.fromkeys(ids, "idle")
        assert all(0 <= ended.ago <= 20 for _, ended in told if isinstance(ended, Ended))

    async def test_closing_gives_back_what_it_took(self, bound: Store) -> None:
        await bound.create("id", change())
        await bound.close()
        await bound.close()


class DraftStoreContract(StoreContract):
    """Inherit, if the store keeps drafts too."""

    @pytest.fixture
    def drafts(self, bound: Store) -> DraftStore:
        """The store, as what keeps drafts."""
        assert isinstance(bound, DraftStore)
        return bound

    async def test_a_draft_that_was_kept_is_told_with_its_age(
        self, drafts: DraftStore, clock: Time
    ) -> None:
        assert await drafts.drafts("b0a1") == {}
        await drafts.keep_draft("b0a1", "one", b"first")
        await clock.advance(20)
        await drafts.keep_draft("b0a1", "two", b"second")
        await clock.advance(10)
        assert await drafts.drafts("b0a1") == {
            "one": (b"first", about(30)),
            "two": (b"second", about(10)),
        }

    async def test_a_draft_takes_the_place_of_one_of_its_name(
        self, drafts: DraftStore, clock: Time
    ) -> None:
        await drafts.keep_draft("b0a1", "one", b"first")
        await clock.advance(20)
        await drafts.keep_draft("b0a1", "one", b"second")
        assert await drafts.drafts("b0a1") == {"one": (b"second", about(0))}

    async def test_a_draft_that_was_dropped_is_gone_and_no_other(self, drafts: DraftStore) -> None:
        for box, name in (("b0a1", "one"), ("b0a1", "two"), ("b0a2", "one")):
            await drafts.keep_draft(box, name, b"draft")
        for _ in range(2):
            await drafts.drop_draft("b0a1", "one")
        await drafts.drop_draft("b0a3", "one")
        assert list(await drafts.drafts("b0a1")) == ["two"]
        assert list(await drafts.drafts("b0a2")) == ["one"]

    @pytest.mark.parametrize("boxes", [("b0a1", "b0a"), ("b0a1", "b0"), ("b0a1", "b1a1")])
    async def test_boxes_do_not_touch_each_other(
        self, drafts: DraftStore, boxes: tuple[str, str]
    ) -> None:
        for box in boxes:
            await drafts.keep_draft(box, "one", box.encode())
        for box in boxes:
            assert await drafts.drafts(box) == {"one": (box.encode(), about(0))}

    @pytest.mark.parametrize("name", ["", " ", "a:b", "{a}", "\x00\n", "na\xefve \u2603"])
    async def test_any_text_is_a_draft_s_name_and_any_bytes_are_one(
        self, drafts: DraftStore, name: str
    ) -> None:
        for draft in (bytes(range(256)), b"", bytes(100_000)):
            await drafts.keep_draft("b0a1", name, draft)
            assert await drafts.drafts("b0a1") == {name: (draft, about(0))}
        await drafts.drop_draft("b0a1", name)
        assert await drafts.drafts("b0a1") == {}

    async def test_each_draft_is_gone_when_its_own_day_is_over(
        self, drafts: DraftStore, clock: Time
    ) -> None:
        for name in ("one", "two", "again"):
            await drafts.keep_draft("b0a1", name, b"draft")
            await clock.advance(1000)
        await drafts.keep_draft("b0a1", "one", b"draft")
        told = []
        for seconds in (DRAFT_KEPT - 2001, 1, 999, 1, 999, 1):
            await clock.advance(seconds)
            told.append(sorted(await drafts.drafts("b0a1")))
        assert told == [
            ["again", "one", "two"],
            *[["again", "one"]] * 2,
            *[["one"]] * 2,
            [],
        ]

    async def test_of_more_drafts_than_a_box_holds_the_oldest_are_gone(
        self, drafts: DraftStore, clock: Time
    ) -> None:
        names = [f"draft{number}" for number in range(MOST_DRAFTS)]
        await drafts.keep_draft("b0a2", "other", b"draft")
        for name in names:
            await drafts.keep_draft("b0a1", name, b"draft")
            await clock.advance(1)
        await drafts.keep_draft("b0a1", names[1], b"again")  # no more than before, and the youngest
        assert set(await drafts.drafts("b0a1")) == {*names}
        for name in ("more", "most"):
            await clock.advance(1)
            await drafts.keep_draft("b0a1", name, b"draft")
        assert set(await drafts.drafts("b0a1")) == {*names[3:], names[1], "more", "most"}
        assert set(await drafts.drafts("b0a2")) == {"other"}

    async def test_drafts_at_once_are_all_kept(self, drafts: DraftStore) -> None:
        names = [f"draft{number}" for number in range(MOST_DRAFTS)]
        await asyncio.gather(*(drafts.keep_draft("b0a1", name, name.encode()) for name in names))
        found = await drafts.drafts("b0a1")
        assert {name: draft for name, (draft, _) in found.items()} == {
            name: name.encode() for name in names
        }

    async def test_drafts_and_sessions_do_not_touch_each_other(
        self, bound: Store, drafts: DraftStore, clock: Time
    ) -> None:
        await bound.create("b0a1", change({"a": b"1"}))
        await drafts.keep_draft("b0a1", "one", b"draft")
        assert dict((await record(bound, "b0a1")).data) == {"a": b"1"}
        await bound.end("b0a1", "signed out")
        await clock.advance(REASON_KEPT)
        assert await bound.load("b0a1") is None
        assert await drafts.drafts("b0a1") == {"one": (b"draft", about(REASON_KEPT))}


@dataclass
class _Session:
    data: dict[str, bytes]
    user_id: str | None
    clocks: Clocks

    def apply(self, change: Change, now: float) -> bool:
        """Change it; whether it has something still."""
        if change.clear:
            self.data = {}
        for key, value in change.fields.items():
            self.data.pop(key, None)
            if value is not None:
                self.data[key] = value
        self.user_id = change.attributes.get("user_id", self.user_id)
        own = change.attributes.get("timeout", self.clocks.timeout)
        self.clocks = self.clocks._replace(timeout=own)
        if change.clear or "user_id" in change.attributes:
            self.clocks = self.clocks._replace(anew=None if now == self.clocks.created else now)
        return bool(self.data or self.user_id or not change.takes)


@dataclass
class _Model:
    """The contract, the simple way: everything is looked at at every step."""

    limits: Limits
    now: float = 0.0
    live: dict[str, _Session] = field(default_factory=dict)
    over: dict[str, tuple[str, float]] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    anew: set[str] = field(default_factory=set)

    def look(self) -> None:
        for id, session in tuple(self.live.items()):
            end, why = deadline(session.clocks, self.limits)
            if end <= self.now:
                self.finish(id, why, end)
        for id, (_, at) in tuple(self.over.items()):
            if self.now - at >= REASON_KEPT:
                del self.over[id]
                self.moved.pop(id, None)

    def finish(self, id: str, why: str, at: float) -> None:
        del self.live[id]
        self.over[id] = why, at

    def current(self, id: str) -> str:
        while id in self.moved:
            id = self.moved[id]
        return id


IDS = st.sampled_from([f"id{number}" for number in range(4)])
CHANGES = st.builds(
    Change,
    st.dictionaries(st.sampled_from("abc"), st.none() | st.binary(max_size=2), max_size=3),
    st.fixed_dictionaries(
        {},
        optional={
            "user_id": st.none() | st.sampled_from(["ada", "bob"]),
            "timeout": st.none() | st.sampled_from([5.0, 600.0]),
        },
    ),
    st.booleans(),
)
AGES = st.sampled_from([0.0, 1.0, 20.0, 100.0])


class StoreModel(RuleBasedStateMachine):
    """Any calls in any order at any time, beside a simple model of them.

    Times are whole seconds, so that every store reckons them exactly.
    """

    limits = LIMITS

    def make_store(self) -> Store:
        raise NotImplementedError

    def pass_time(self, seconds: float) -> None:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.model = _Model(self.limits)
        self.store = self.make_store()
        self.store.bind(self.limits, lambda *_: None)
        self.ids = 0

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.close()

    def ask(self, call: Coroutine[Any, Any, Any]) -> Any:
        self.model.look()
        return self.runner.run(call)

    @rule(seconds=st.sampled_from([1.0, 10.0, 29.0, 31.0, 59.0, 300.0, 3500.0]))
    def wait(self, seconds: float) -> None:
        self.pass_time(seconds)
        self.model.now += seconds

    @rule(change=CHANGES)
    def create(self, change: Change) -> None:
        id = f"id{self.ids}"
        self.ids += 1
        now = self.model.now
        session = self.model.live[id] = _Session({}, None, Clocks(now, now, now))
        session.apply(change, now)
        self.ask(self.store.create(id, change))

    @rule(id=IDS, change=CHANGES)
    def save(self, id: str, change: Change) -> None:
        changed = self.ask(self.store.save(id, change))
        while id in self.model.moved and id not in self.model.anew:
            id = self.model.moved[id]
        if id not in self.model.live:
            assert changed is None
        elif self.model.live[id].apply(change, self.model.now):
            assert changed == (id, False)
        else:
            assert changed == (id, True)
            self.model.finish(id, "signed out", self.model.now)

    @rule(id=IDS, change=CHANGES)
    def regenerate(self, id: str, change: Change) -> None:
        new_id = f"id{self.ids}"
        self.ids += 1  # no id is made twice
        changed = self.ask(self.store.regenerate(id, new_id, change))
        session = self.model.live.get(id)
        if session is None:
            assert changed is None
        elif session.apply(change, self.model.now):
            assert changed == (new_id, False)
            self.model.live[new_id] = session
            self.model.finish(id, REGENERATED, self.model.now)
            self.model.moved[id] = new_id
            if change.anew:
                self.model.anew.add(id)
        else:
            assert changed == (id, True)
            self.model.finish(id, "signed out", self.model.now)

    @rule(id=IDS, why=st.sampled_from(["signed out", "reset"]))
    def end(self, id: str, why: str) -> None:
        ended = self.ask(self.store.end(id, why))
        current = self.model.current(id)
        assert ended == (current if current in self.model.live else None)
        if ended:
            self.model.finish(current, why, self.model.now)

    @rule(
        activities=st.dictionaries(
            IDS, st.builds(Activity, AGES, st.none() | AGES, st.booleans()), max_size=4
        )
    )
    def renew(self, activities: dict[str, Activity]) -> None:
        outcomes = self.ask(self.store.renew(activities))
        for id, activity in activities.items():
            if id in self.model.live:
                session = self.model.live[id]
                session.clocks = renewed(session.clocks, activity, self.model.now)
                assert isinstance(outcomes[id], Live)
            elif id in self.model.over:
                assert outcomes[id].reason == self.model.over[id][0]
            else:
                assert outcomes[id] is None

    @invariant()
    def tells_what_the_model_tells(self) -> None:
        if not hasattr(self, "store"):
            return
        for id in (f"id{number}" for number in range(self.ids)):
            found = self.ask(self.store.load(id))
            if id in self.model.live:
                session = self.model.live[id]
                assert isinstance(found, Record), f"{id} is alive"
                assert dict(found.data) == session.data
                assert found.user_id == session.user_id
                told, model = (
                    tuple(end - created for end in clocks)
                    for created, clocks in (
                        (found.clocks.created, found.clocks[:3]),
                        (session.clocks.created, session.clocks[:3]),
                    )
                )
                assert told == pytest.approx(model)
                assert found.clocks[3:5] == session.clocks[3:5]
                assert found.clocks.began - found.clocks.created == pytest.approx(
                    session.clocks.began - session.clocks.created
                )
            elif id in self.model.over:
                why, at = self.model.over[id]
                assert found == (why, pytest.approx(self.model.now - at))
            else:
                assert found is None

"""Sessions that are made and read, and ends that last."""

from __future__ import annotations

import pytest

from quart_idle import Store
from quart_idle.policy import SignOfLife
from quart_idle.reasons import REGENERATED
from quart_idle.stores.base import (
    REASON_KEPT,
    Ended,
    Live,
)
from tests.contract.common import (
    HERE,
    PAGE,
    Bound,
    Over,
    Time,
    Told,
    about,
    change,
    over,
    reason,
    record,
)


class Sessions(Bound):
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
        outcome = (await bound.renew({"id": SignOfLife(0.0, 0.0, True)}))["id"]
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

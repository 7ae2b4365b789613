"""Sessions that go on under another id."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any, cast

import pytest

from quart_idle import Store
from quart_idle.policy import SignOfLife
from quart_idle.reasons import REGENERATED
from quart_idle.stores.base import (
    Attributes,
    Change,
    Changed,
    Ended,
)
from tests.contract.common import (
    PAGE,
    Bound,
    Time,
    change,
    reason,
    record,
)


class Tokens(Bound):
    async def test_regenerate_moves_the_session_to_its_new_id(
        self, bound: Store, clock: Time
    ) -> None:
        await bound.create("id", change({"a": b"1", "b": b"1"}, user_id="ada", timeout=50.0))
        await bound.renew({"id": SignOfLife(0.0, None, True)})
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

    async def test_an_end_of_a_user_s_session_follows_it_and_spares_another_s(
        self, bound: Store
    ) -> None:
        await bound.create("id", change(user_id="ada"))
        assert await bound.end("id", "over", None, "bob") is None
        await bound.regenerate("id", "id-second", change())
        assert await bound.end("id", "over", None, "bob") is None
        assert await bound.end("id", "over", None, "ada") == "id-second"
        await bound.create("id2", change(user_id="ada"))
        ids = ["id2", "id2-second", "id2-third", "id2-last"]
        for pair, anew in zip(pairwise(ids), ({}, {"user_id": "bob"}, {}), strict=True):
            await bound.regenerate(*pair, Change({}, cast("Attributes", anew)))
        for id in ids:
            assert await bound.end(id, "over", None, "ada") is None
        assert (await record(bound, "id2-last")).user_id == "bob"
        assert await bound.end("id2", "over", None, "bob") == "id2-last"

    async def test_an_end_of_a_user_s_session_is_none_of_nobody_s(self, bound: Store) -> None:
        await bound.create("id", change({"a": b"1"}, user_id="ada"))
        await bound.regenerate("id", "id-new", change(user_id=None))
        assert await bound.end("id", "over", None, "ada") is None
        assert (await record(bound, "id-new")).user_id is None

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

    async def test_one_that_went_back_and_is_left_with_nothing_the_next_time_is_over(
        self, bound: Store
    ) -> None:
        await bound.create("id", change({"a": b"1"}))
        assert await bound.regenerate("id", "id-new", change())
        assert await bound.regenerate("id-new", "id", change())
        for _ in range(2):  # the answer may be lost
            answer = await bound.regenerate("id", "id-new", change({"a": None}))
            assert answer == Changed("id", True)
        assert await bound.end("id", "bye") is None
        assert await bound.end("id-new", "bye") is None
        assert await bound.save("id", change({"b": b"1"})) is None
        assert await bound.save("id-new", change({"b": b"1"})) is None
        assert await reason(bound) == "signed out"
        assert await reason(bound, "id-new") == REGENERATED

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

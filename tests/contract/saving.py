"""What saving changes, and what it does not."""

from __future__ import annotations

import asyncio

import pytest

from quart_idle import Store
from quart_idle.stores.base import (
    PERMANENT,
    Change,
    Changed,
    Record,
)
from tests.contract.common import (
    Bound,
    Time,
    Told,
    about,
    change,
    reason,
    record,
)
from tests.helpers.waiting import until


class Saving(Bound):
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
        await until(lambda: told)
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

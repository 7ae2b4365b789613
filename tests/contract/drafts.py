"""Drafts."""

from __future__ import annotations

import asyncio

import pytest

from quart_idle import Store
from quart_idle.stores.base import (
    DRAFT_KEPT,
    MOST_DRAFTS,
    REASON_KEPT,
    DraftStore,
)
from tests.contract.common import (
    Bound,
    Time,
    about,
    change,
    record,
)


class Drafts(Bound):
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

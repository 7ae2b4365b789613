"""Calls that are made twice, or cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from quart_idle import Store
from quart_idle.stores.base import (
    Changed,
    Record,
)
from tests.contract.common import (
    PAGE,
    Bound,
    Time,
    about,
    change,
    reason,
    record,
)


class Calls(Bound):
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

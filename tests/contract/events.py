"""Ends that are to be told: kept with the end, given to one at a time, until they were told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from quart_idle import Store
from quart_idle.reasons import LIMIT, SIGNED_OUT
from quart_idle.stores.base import (
    Change,
    EventStore,
    SessionLimit,
    UntoldEnd,
    UserStore,
    hidden_for,
)
from tests.contract.common import HERE, PAGE, Bound, Time, about, change, record

# Ends by what is asked of a store: each of the session "a1", by the reason and who did it.
DONE: dict[str, tuple[Callable[[Store], Awaitable[object]], str, str | None]] = {
    "end": (lambda store: store.end("a1", "why \u2603", "b1"), "why \u2603", "b1"),
    "end by nobody": (lambda store: store.end("a1", "why"), "why", None),
    "end by itself": (lambda store: store.end("a1", "why", "a1"), "why", "a1"),
    "save": (
        lambda store: store.save("a1", change({"a": None}, user_id=None)),
        SIGNED_OUT,
        "a1",
    ),
    "regenerate": (
        lambda store: store.regenerate("a1", "a1new", change({"a": None}, user_id=None)),
        SIGNED_OUT,
        "a1",
    ),
    "end all": (lambda store: _end_all(store), "all", "b1"),
    "limit": (
        lambda store: store.create("b2", Change({}, {"user_id": "ada"}, limit=SessionLimit(1))),
        LIMIT,
        "b2",
    ),
    "limit at a sign-in": (lambda store: _sign_in(store), LIMIT, "b2new"),
}


async def _end_all(store: Store) -> None:
    assert isinstance(store, UserStore)
    await store.end_some("ada", "all", by="b1")


async def _sign_in(store: Store) -> None:
    await store.create("b2", change({"a": b"1"}))
    signing_in = Change({}, {"user_id": "ada"}, limit=SessionLimit(1))
    await store.regenerate("b2", "b2new", signing_in)


class Events(Bound):
    @pytest.fixture
    def events(self, bound: Store) -> EventStore:
        """The store, as what keeps ends that are to be told."""
        assert isinstance(bound, EventStore)
        bound.keep_ends(lambda: True)
        return bound

    @staticmethod
    async def taken(events: EventStore, clock: Time, limit: int = 100) -> list[UntoldEnd]:
        """What there is to tell. (A worker's turn to look may come only in a moment.)"""
        await clock.advance(2)
        ends, lost = await events.take_ends(limit)
        assert not lost
        return list(ends)

    @pytest.mark.parametrize("clock_of", ["idle", "closed", "lifetime"])
    async def test_an_end_by_a_clock_is_kept_though_nobody_calls(
        self, bound: Store, events: EventStore, clock: Time, clock_of: str
    ) -> None:
        await bound.create("a1", change({"a": b"1"}, user_id="ada"))
        if clock_of == "closed":
            await bound.renew({"a1": PAGE})
        for _ in range(20 if clock_of == "lifetime" else 1):
            await clock.advance(50 if clock_of == "lifetime" else 0)
            await bound.renew({"a1": HERE})
        now = (await record(bound, "a1")).now if clock_of != "lifetime" else 0.0
        await clock.advance(60 if clock_of == "idle" else 30)
        ends: list[UntoldEnd] = []
        for _ in range(400):
            if ends:
                break
            await clock.advance(0.05)
            ends = await self.taken(events, clock)
        (end,) = ends
        assert (end.id, end.reason, end.by) == ("a1", clock_of, None)
        if now:
            assert end.session.now == about(now + (60 if clock_of == "idle" else 30)), "as it ended"

    async def test_a_change_of_token_is_no_end(
        self, bound: Store, events: EventStore, clock: Time
    ) -> None:
        await bound.create("a1", change({"a": b"1"}))
        await bound.regenerate("a1", "a1new", change())
        await bound.regenerate("a1new", "a1newer", change(user_id="ada"))
        await bound.regenerate("a1newer", "a1newest", change({"a": b"2"}, clear=True))
        assert await self.taken(events, clock) == []

    @pytest.mark.parametrize("way", DONE)
    async def test_an_end_tells_whose_it_was_why_and_who_did_it(
        self, bound: Store, events: EventStore, clock: Time, way: str
    ) -> None:
        do, reason, by = DONE[way]
        await bound.create("a1", change({"a": b"1"}, user_id="ada"))
        await clock.advance(5)
        await bound.renew({"a1": PAGE})
        before = await record(bound, "a1")
        await clock.advance(5)
        await do(bound)
        (end,) = await self.taken(events, clock)
        assert (end.id, end.reason, end.by) == ("a1", reason, by)
        assert end.session == before._replace(data={}, now=about(before.now + 5))

    async def test_who_ends_itself_under_a_former_id_is_told_as_itself(
        self, bound: Store, events: EventStore, clock: Time
    ) -> None:
        await bound.create("a1", change({"a": b"1"}))
        await bound.regenerate("a1", "a1new", change())
        await bound.end("a1", "left", "a1")
        (end,) = await self.taken(events, clock)
        assert (end.id, end.by) == ("a1new", "a1new")

    async def test_an_end_that_is_asked_for_twice_is_kept_once(
        self, bound: Store, events: EventStore, clock: Time
    ) -> None:
        await bound.create("a1", change({"a": b"1"}))
        await asyncio.gather(*(bound.end("a1", why) for why in ("one", "other")))
        assert len(await self.taken(events, clock)) == 1

    async def test_whoever_takes_an_end_has_it_alone_for_a_time_that_grows(
        self, bound: Store, events: EventStore, clock: Time
    ) -> None:
        await bound.create("a1", change({"a": b"1"}, user_id="ada"))
        await bound.end("a1", "left", "a1")
        (first,) = await self.taken(events, clock)
        for tries in (1, 2, 3):
            await clock.advance(hidden_for(tries) - 5)
            assert await self.taken(events, clock) == []
            await clock.advance(3)
            (again,) = await self.taken(events, clock)
            assert again == first._replace(tries=tries + 1)

    async def test_what_was_told_is_forgotten_and_what_was_not_is_kept(
        self, bound: Store, events: EventStore, clock: Time
    ) -> None:
        for id in ("a1", "a2", "b1"):
            await bound.create(id, change({"a": b"1"}))
            await bound.end(id, "left")
        assert {end.id for end in await self.taken(events, clock)} == {"a1", "a2", "b1"}
        await events.ends_told(["a1", "b1"])
        await events.ends_told(["a1", "c1"])  # again, and what there is not
        await clock.advance(hidden_for(1))
        assert [end.id for end in await self.taken(events, clock)] == ["a2"]

    async def test_so_many_are_given_at_most_and_the_rest_next(
        self, bound: Store, events: EventStore, clock: Time
    ) -> None:
        for number in range(5):
            await bound.create(f"a{number}", change({"a": b"1"}))
            await bound.end(f"a{number}", "left")
        some = await self.taken(events, clock, 2)
        assert len(some) == 2
        rest, _ = await events.take_ends(100)
        assert {end.id for end in [*some, *rest]} == {f"a{number}" for number in range(5)}

    async def test_what_nobody_wants_is_not_kept(self, bound: Store, clock: Time) -> None:
        assert isinstance(bound, EventStore)
        wanted = False
        bound.keep_ends(lambda: wanted)
        await bound.create("a1", change({"a": b"1"}))
        await bound.end("a1", "left")
        wanted = True
        await clock.advance(2)
        assert await bound.take_ends(100) == ([], False)

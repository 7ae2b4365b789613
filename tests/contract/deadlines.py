"""When sessions end, and what renews them."""

from __future__ import annotations

from itertools import permutations

import pytest

from quart_idle import Store
from quart_idle.policy import Limits, SignOfLife
from quart_idle.stores.base import (
    Attributes,
    Change,
    Live,
)
from tests.contract.common import (
    HERE,
    PAGE,
    Bound,
    Time,
    about,
    change,
    reason,
    record,
)


class Deadlines(Bound):
    # The deadline.

    @pytest.mark.parametrize(
        ("limits", "attributes", "signs", "lasts", "why"),
        [
            (Limits(60), {}, [], 60, "idle"),
            (Limits(60), {}, [SignOfLife(0, None)], 60 + 0, "idle"),
            (Limits(60), {}, [HERE], 80, "idle"),
            (Limits(60), {}, [SignOfLife(5, 15)], 65, "idle"),
            (Limits(60), {"timeout": 25.0}, [], 25, "idle"),
            (Limits(60), {"timeout": 600.0}, [], 600, "idle"),
            (Limits(60, 70), {}, [HERE], 70, "lifetime"),
            (Limits(60, 60), {}, [], 60, "lifetime"),
            (Limits(60, 70), {"timeout": 600.0}, [HERE], 70, "lifetime"),
            (Limits(60, None, 30), {}, [HERE], 80, "idle"),
            (Limits(60, None, 30), {}, [PAGE], 50, "closed"),
            (Limits(60, None, 30), {}, [PAGE, HERE], 50, "closed"),
            (Limits(60, None, 30), {}, [SignOfLife(0, None, True)], 50, "closed"),
        ],
    )
    async def test_a_session_ends_at_its_deadline_by_the_name_of_its_clock(
        self,
        store: Store,
        clock: Time,
        limits: Limits,
        attributes: Attributes,
        signs: list[SignOfLife],
        lasts: float,
        why: str,
    ) -> None:
        store.bind(limits, lambda *_: None)
        await store.create("id", change(**attributes))
        await clock.advance(20)
        for sign in signs:
            await store.renew({"id": sign})
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
        live = (await bound.renew({"id": SignOfLife(2.0, 5.0, True)}))["id"]
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
        signs = [SignOfLife(0.0, 30.0), SignOfLife(5.0, 5.0), SignOfLife(10.0, None, True)]
        for index in order * again:
            await bound.renew({"id": signs[index]})
        found = (await record(bound)).clocks
        assert found == (created, about(created + 35), about(created + 40), True, None, None)

    async def test_a_renewal_never_moves_a_clock_back(self, bound: Store, clock: Time) -> None:
        clocks = await bound.create("id", change())
        await clock.advance(10)
        await bound.renew({"id": SignOfLife(seen=10_000.0, active=20_000.0)})
        assert (await record(bound)).clocks == clocks

    async def test_a_renewal_that_comes_after_the_deadline_is_too_late(
        self, bound: Store, clock: Time
    ) -> None:
        await bound.create("id", change())
        await clock.advance(70)
        answer = await bound.renew({"id": SignOfLife(seen=20.0, active=20.0)})
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

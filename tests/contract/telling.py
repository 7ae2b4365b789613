"""Who is told of what happens to a session."""

from __future__ import annotations

from quart_idle import Store
from quart_idle.policy import Limits, SignOfLife
from quart_idle.reasons import REGENERATED
from quart_idle.stores.base import (
    Ended,
)
from tests.contract.common import (
    HERE,
    LIMITS,
    PAGE,
    Bound,
    Time,
    Told,
    about,
    change,
)
from tests.helpers.waiting import until


class Telling(Bound):
    async def test_the_listener_is_told_of_an_end(
        self, bound: Store, clock: Time, told: Told
    ) -> None:
        await bound.create("id", change())
        await bound.end("id", "signed out")
        await bound.end("id", "again")
        await clock.advance(1)
        await until(lambda: told)
        assert told == [("id", ("signed out", about(0)))]

    async def test_the_listener_is_told_of_a_new_id_and_of_an_end_by_the_old_one(
        self, bound: Store, clock: Time, told: Told
    ) -> None:
        await bound.create("id", change())
        await bound.regenerate("id", "id-new", change())
        await bound.end("id", "signed out")
        await clock.advance(1)
        await until(lambda: len(told) >= 2)
        assert told == [
            ("id", (REGENERATED, about(0))),
            ("id-new", ("signed out", about(0))),
        ]

    async def test_the_listener_is_told_of_a_renewal_when_pages_may_have_been_warned(
        self, store: Store, clock: Time, told: Told
    ) -> None:
        store.bind(Limits(60.0, warning=20.0), lambda *what: told.append(what))
        await store.open()
        for id, sign in (("page", PAGE), ("none", HERE)):
            await store.create(id, change())
            await store.renew({id: sign})
        await clock.advance(39)
        await store.renew({"page": SignOfLife(20.0, 20.0), "none": HERE})  # 21 s were left
        await clock.advance(21)
        await store.renew({"page": SignOfLife(50.0, 50.0)})  # it moves nothing
        assert told == []
        live = (await store.renew({"page": HERE, "none": HERE}))["page"]
        await clock.advance(1)
        await until(lambda: told)
        assert told == [("page", live)]

    async def test_every_application_that_is_bound_with_the_same_limits_is_told(
        self, bound: Store, clock: Time, told: Told
    ) -> None:
        also: Told = []
        bound.bind(LIMITS, lambda id, ended: also.append((id, ended)))
        await bound.create("id", change())
        await bound.end("id", "signed out")
        await clock.advance(1)
        await until(lambda: also and told)
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

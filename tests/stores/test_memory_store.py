"""The memory store: a store, and one that gives its memory back."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ref

import pytest

from quart_idle import ConfigError, MemoryStore, Store
from quart_idle.policy import Limits, SignOfLife
from quart_idle.stores.base import DRAFT_KEPT, MOST_DRAFTS, REASON_KEPT, Ended
from tests.helpers.clock import DAY, Clock
from tests.store_contract import (
    LIMITS,
    PAGE,
    DraftStoreContract,
    EventStoreContract,
    PresenceStoreContract,
    StoreModel,
    Told,
    about,
    change,
)


class TestMemoryStore(DraftStoreContract, EventStoreContract, PresenceStoreContract):
    @pytest.fixture
    def store(self, clock: Clock) -> Store:
        return MemoryStore(clock)


class Model(StoreModel):
    def make_store(self) -> Store:
        self.now = 1_800_000_000.0
        return MemoryStore(lambda: self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds


TestModel = Model.TestCase


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def store(clock: Clock, told: Told) -> MemoryStore:
    store = MemoryStore(clock)
    store.bind(LIMITS, lambda id, ended: told.append((id, ended)))
    return store


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@contextmanager
def growth_of_at_most(size: int) -> Iterator[None]:
    """No more memory than this, in bytes, is in use after than was before."""
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    yield
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    assert after - before < size


async def test_applications_with_other_limits_cannot_share_one(store: MemoryStore) -> None:
    with pytest.raises(ConfigError, match="other limits"):
        store.bind(Limits(61.0), lambda *_: None)


async def test_it_is_bound_before_it_is_used() -> None:
    with pytest.raises(RuntimeError, match="bound before it is used"):
        await MemoryStore().create("id", change())


async def test_the_clock_that_nobody_sets_is_its_own() -> None:
    store = MemoryStore()
    store.bind(LIMITS, lambda *_: None)
    first, second = [(await store.create(id, change())).created for id in ("one", "two")]
    assert 1_600_000_000 < first <= second < first + 60


async def test_the_listener_is_told_of_an_end_within_a_second(
    store: MemoryStore, clock: Clock, told: Told
) -> None:
    for number in range(10):
        await store.create(str(number), change())
        await clock.advance(0.1)
    await clock.advance(60.9)
    assert {id: outcome[0] for id, outcome in told} == {str(id): "idle" for id in range(10)}
    assert all(0 <= ended.ago <= 1 for _, ended in told if isinstance(ended, Ended))


async def test_a_session_that_was_renewed_is_looked_at_again_at_its_new_deadline(
    store: MemoryStore, clock: Clock, told: Told
) -> None:
    await store.create("id", change(timeout=5000.0))
    await clock.advance(900)
    assert told == []
    await clock.advance(101)
    assert told == [("id", ("lifetime", about(0)))]


async def test_a_session_that_is_due_is_over_for_whoever_asks_before_it_is_looked_at(
    store: MemoryStore, clock: Clock, told: Told
) -> None:
    await store.create("id", change())
    await clock.advance(0.5)
    await store.create("other", change())
    await clock.advance(60)
    assert told == [("id", ("idle", about(0)))]
    assert await store.save("other", change({"a": b"1"})) is None
    assert told[1:] == [("other", ("idle", 0.0))]
    await clock.advance(5)
    assert len(told) == 2


async def test_however_many_sessions_fall_due_the_loop_is_not_held_up(
    store: MemoryStore, clock: Clock, told: Told
) -> None:
    for number in range(5000):
        await store.create(str(number), change())
    await clock.advance(59.999)
    longest = 0
    while len(told) < 5000:
        before = len(told)
        assert await store.load("another") is None
        assert len(told) == before
        await clock.advance(0.001)
        longest = max(longest, len(told) - before)
        assert clock() < Clock.EPOCH + 1200
    assert longest <= 500
    await clock.advance(REASON_KEPT + 2)
    assert not any((store._sessions.living, store._sessions._over))


def test_sessions_end_in_whatever_loop_the_store_is_used_next() -> None:
    now = 1_800_000_000.0
    told = asyncio.Event()
    store = MemoryStore(lambda: now)
    store.bind(LIMITS, lambda *_: told.set())
    asyncio.run(store.create("id", change()))  # which has no more to do, and ends

    async def wait() -> None:
        await store.load("another")
        await asyncio.wait_for(told.wait(), 10)

    now += 60
    asyncio.run(wait())


async def test_sessions_that_fell_due_while_the_machine_slept_end_at_the_next_call(
    clock: Clock, told: Told
) -> None:
    slept = 0.0
    store = MemoryStore(lambda: clock() + slept)
    store.bind(LIMITS, lambda *what: told.append(what))
    await store.create("id", change())
    await clock.advance(1)
    slept = 3600.0
    for _ in range(5):
        await store.load("another")
        await clock.advance(0.0005)
    assert [id for id, _ in told] == ["id"]


async def test_a_store_that_was_closed_or_forgotten_leaves_nothing_behind(
    store: MemoryStore, clock: Clock, told: Told
) -> None:
    loop: Any = asyncio.get_running_loop()

    def timers() -> list[Any]:
        return [timer for timer in loop._scheduled if not timer.cancelled()]

    await store.create("id", change())
    assert len(timers()) == 1
    await store.close()
    assert timers() == []
    await store.load("id")  # as another application may, which has it too
    await clock.advance(61)
    assert told == [("id", ("idle", about(0)))]
    await store.close()
    forgotten = MemoryStore(clock)
    forgotten.bind(LIMITS, lambda *_: None)
    await forgotten.create("id", change())
    alive = ref(forgotten)
    del forgotten
    gc.collect()
    assert alive() is None
    await clock.advance(61)
    assert timers() == []


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("timeout", [60.0, 31 * DAY])
@pytest.mark.parametrize(
    "over",
    [
        lambda store, id: store.end(id, "signed out"),
        lambda store, id: end_after_regenerating(store, id),
        lambda store, id: store.save(id, change(timeout=1.0)),
    ],
    ids=["end", "regenerate", "deadline"],
)
async def test_it_gives_memory_back_an_hour_after_the_end_however_long_a_session_may_last(
    clock: Clock, over: Callable[[Store, str], Awaitable[object]], timeout: float
) -> None:
    store = MemoryStore(clock)
    store.bind(Limits(timeout), lambda *_: None)

    async def come_and_go() -> None:
        for number in range(1000):
            id = f"{number:064}"
            await store.create(id, change({"a": bytes(1000)}))
            await over(store, id)
        await clock.advance(REASON_KEPT + 3)

    await come_and_go()  # once to have made what stays
    with growth_of_at_most(50_000):
        await come_and_go()


async def end_after_regenerating(store: Store, id: str) -> None:
    await store.regenerate(id, "new" + id, change())
    await store.end(id, "signed out")


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    "timeouts",
    [(5.0, 50.0), (50.0, None), range(500, 50, -1), range(50, 500)],
    ids=["alternating", "set and taken back", "shrinking", "growing"],
)
async def test_it_does_not_grow_when_a_timeout_is_set_at_every_request(
    store: MemoryStore, timeouts: tuple[float | None, ...]
) -> None:
    await store.create("id", change(timeout=500.0))
    for timeout in timeouts:  # once to have made what stays
        await store.save("id", change(timeout=timeout))
    with growth_of_at_most(20_000):
        for _ in range(3000 // len(timeouts)):
            for timeout in timeouts:
                await store.save("id", change(timeout=timeout))


@pytest.mark.usefixtures("traced")
async def test_it_does_not_grow_with_renewals(store: MemoryStore, clock: Clock) -> None:
    await store.create("id", change())
    with growth_of_at_most(20_000):
        for number in range(900):
            await store.renew({"id": PAGE if number % 2 else SignOfLife(1.0, None)})
            await clock.advance(1)


@pytest.mark.usefixtures("traced")
async def test_it_does_not_grow_with_saves(store: MemoryStore) -> None:
    await store.create("id", change())
    with growth_of_at_most(20_000):
        for number in range(3000):
            await store.save("id", change({"a": b"%d" % number, str(number): None}))


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("boxes", [1, 500])
async def test_it_gives_memory_back_when_the_day_of_drafts_is_over(
    store: MemoryStore, clock: Clock, boxes: int
) -> None:
    async def keep(day: str) -> None:
        for number in range(1000):
            await store.keep_draft(f"{day}{number % boxes:064}", f"{number:064}", bytes(1000))
        await clock.advance(DRAFT_KEPT + 1)

    await keep("a")  # once to have made what stays
    with growth_of_at_most(20_000):
        await keep("b")


@pytest.mark.usefixtures("traced")
async def test_it_does_not_grow_with_one_user_s_drafts(store: MemoryStore) -> None:
    async def keep(number: int) -> None:
        await store.keep_draft("b0a1", f"{number:064}", bytes(1000))

    for number in range(MOST_DRAFTS):
        await keep(number)
    with growth_of_at_most(20_000):
        for number in range(1000):
            await keep(number)


@pytest.mark.usefixtures("traced")
async def test_it_does_not_grow_with_what_clients_invent(store: MemoryStore) -> None:
    with growth_of_at_most(20_000):
        for number in range(3000):
            id = str(number)
            await store.load(id)
            await store.save(id, change({"a": b"1"}))
            await store.regenerate(id, "new", change())
            await store.end(id, "signed out")
            await store.renew({id: PAGE})


async def test_a_user_s_hundred_thousand_sessions_are_paged_and_ended_as_quickly_as_few_each() -> (
    None
):
    store = MemoryStore()
    store.bind(LIMITS, lambda *_: None)

    async def each(many: int) -> float:
        """What a session costs to list in pages and to end, in seconds."""
        for number in range(many):
            await store.create(f"{many}-{number}", change(user_id=f"user{many}"))
        since, after, found = time.process_time(), 0.0, 0
        while some := await store.sessions_of(f"user{many}", after, 100):
            found, after = found + len(some), some[-1].place
        ended, rest = await store.end_some(f"user{many}", "over")
        gone = len(ended)
        while rest is not None:
            ended, rest = await store.end_some(f"user{many}", "over", None, rest)
            gone += len(ended)
        assert (found, gone) == (many, many)
        return (time.process_time() - since) / many

    few = min(await each(5_000), await each(5_001))
    assert await each(100_000) < 5 * few

"""The SQLite store: a store, and the same as the others."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import settings

from quart_idle import ConfigError, MemoryStore, Store
from quart_idle.policy import Limits
from quart_idle.stores.base import APPLICATION_KEPT, Change, Ended, EventStore, SessionLimit
from quart_idle.stores.sqlite import SQLiteStore
from tests.helpers.beside import Beside, answer, plain
from tests.helpers.sqlite_stores import PatientStore
from tests.helpers.standing_clock import StandingClock
from tests.helpers.waiting import until
from tests.store_contract import (
    HERE,
    LIMITS,
    PAGE,
    DraftStoreContract,
    EventStoreContract,
    PresenceStoreContract,
    StoreModel,
    Told,
    change,
)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
async def store(clock: StandingClock, tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    store = PatientStore(tmp_path / "sessions.db", clock=clock)
    yield store
    await store.close()


class TestSQLiteStore(DraftStoreContract, EventStoreContract, PresenceStoreContract):
    pass


@settings(max_examples=60, stateful_step_count=30)
class Model(StoreModel):
    """SQLite beside memory, and both beside the model of the contract."""

    folder: Path

    def make_store(self) -> Store:
        self.clock = StandingClock()
        for left in self.folder.glob("sessions.db*"):
            left.unlink()
        here = PatientStore(self.folder / "sessions.db", clock=self.clock)
        return cast(Store, Beside(MemoryStore(self.clock), here))

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.runner.run(self.store.close())
        super().teardown()


@pytest.fixture(scope="module", autouse=True)
def for_the_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    Model.folder = tmp_path_factory.mktemp("model")


TestSQLiteBesideMemory = Model.TestCase


async def test_applications_with_other_limits_or_another_prefix_cannot_share_one(
    store: SQLiteStore,
) -> None:
    store.bind(LIMITS, lambda *_: None)
    for limits, prefix in ((Limits(61.0), "quart-idle"), (LIMITS, "other")):
        with pytest.raises(ConfigError, match="other limits, another key prefix"):
            store.bind(limits, lambda *_: None, prefix)


async def test_it_is_bound_before_it_is_used(store: SQLiteStore) -> None:
    with pytest.raises(RuntimeError, match="bound before it is used"):
        await store.create("id", change())


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_session_that_is_due_and_not_yet_looked_at_is_not_made_again(
    store: SQLiteStore, clock: StandingClock, kind: str
) -> None:
    here = store if kind == "sqlite" else MemoryStore(clock)
    here.bind(LIMITS, lambda *_: None)
    here.keep_ends(lambda: True)
    await here.create("id", change({"a": b"1"}))
    clock.now += 1000
    await here.create("id", change({"a": b"2"}))
    assert isinstance(await here.load("id"), Ended)
    assert [end.id for end in (await here.take_ends(10)).ends] == ["id"]
    await here.close()


def any_call(chance: random.Random, ids: list[str]) -> tuple[Any, ...]:
    """Something that writes, to one of few sessions."""
    id, new_id = chance.choice(ids), f"id{chance.randrange(10**6)}"
    fields = {key: chance.choice([None, b"1", b"2"]) for key in chance.sample("abc", 2)}
    signing_in: Any = (
        {"user_id": chance.choice(["ada", "bob", None])} if chance.random() < 0.3 else {}
    )
    limit = SessionLimit(3, chance.random() < 0.5) if signing_in.get("user_id") else None
    altered = Change(fields, signing_in, chance.random() < 0.2, limit)
    what = chance.choice(["create", "save", "save", "regenerate", "end", "renew", "end_some"])
    if what in ("create", "regenerate"):
        ids.append(new_id)
    return {
        "create": ("create", new_id, altered),
        "save": ("save", id, altered),
        "regenerate": ("regenerate", id, new_id, altered),
        "end": ("end", id, "over", chance.choice([None, id])),
        "renew": ("renew", {each: chance.choice([HERE, PAGE]) for each in chance.sample(ids, 2)}),
        "end_some": ("end_some", chance.choice(["ada", "bob"]), "all", chance.choice([None, id])),
    }[what]


@pytest.mark.parametrize("seed", range(8))
async def test_what_is_asked_in_one_turn_comes_to_the_same_as_in_memory_one_by_one(
    store: SQLiteStore, clock: StandingClock, seed: int
) -> None:
    chance = random.Random(seed)
    told: tuple[Told, Told] = [], []
    memory = MemoryStore(clock)
    stores: tuple[MemoryStore | SQLiteStore, ...] = memory, store
    for each, heard in zip(stores, told, strict=True):
        each.bind(LIMITS, lambda *what, heard=heard: heard.append(what))
        each.keep_ends(lambda: True)
    ids = ["id0", "id1"]
    for _ in range(40):
        calls = [any_call(chance, ids) for _ in range(chance.randrange(1, 40))]
        expected = [await answer(memory, *call) for call in calls]
        found = await asyncio.gather(*(answer(store, *call) for call in calls))
        for call, one, other in zip(calls, expected, found, strict=True):
            assert plain(one) == plain(other), call
        ids = ids[-12:]
        loaded = await asyncio.gather(*map(store.load, ids))
        assert plain(list(loaded)) == plain([await memory.load(id) for id in ids])
        for user in ("ada", "bob"):
            lists = [await each.sessions_of(user, 0, 1000) for each in stores]
            assert plain(lists[0]) == plain(lists[1])
        clock.now += chance.choice([0.0, 1.0, 20.0, 70.0])
    clock.now += 1000
    ends: tuple[dict[str, Any], dict[str, Any]] = {}, {}

    async def are_the_same() -> bool:  # what is due is ended by and by
        for each, so_far in zip(stores, ends, strict=True):
            await taken(each, so_far)
        ids_told = [{id for id, _ in heard} for heard in told]
        return ends[0] == ends[1] and ids_told[0] == ids_told[1]

    await until(are_the_same)
    await memory.close()


async def taken(store: EventStore, ends: dict[str, Any]) -> dict[str, Any]:
    """All ends that are to be told, and were not taken before, beside those."""
    while found := (await store.take_ends(1000)).ends:
        ends |= {end.id: plain(end) for end in found}
        await store.ends_told([end.id for end in found])
    return ends


LEFT_OPEN = """
import asyncio, sys
from quart_idle.policy import Limits
from quart_idle.stores.base import Change
from quart_idle.stores.sqlite import SQLiteStore

store = SQLiteStore(sys.argv[1])
store.bind(Limits(60.0), lambda *_: None)

async def main():
    await store.open()
    await store.create("id", Change({"a": b"1"}, {}))

asyncio.run(main())
"""


async def test_a_store_that_was_never_closed_hangs_no_interpreter(tmp_path: Path) -> None:
    command = sys.executable, "-W", "error", "-c", LEFT_OPEN, tmp_path / "sessions.db"
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(60):
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, errors) == (0, b"")


async def test_an_application_meets_the_others_that_started_within_a_week(
    store: SQLiteStore, clock: StandingClock
) -> None:
    store.bind(LIMITS, lambda *_: None)
    assert await store.meet("shop") == []
    assert await store.meet("shop") == []
    await clock.advance(APPLICATION_KEPT - 1)
    assert await store.meet("blog") == ["shop"]
    await clock.advance(1)
    assert await store.meet("shop") == ["blog"]
    await clock.advance(APPLICATION_KEPT)
    assert await store.meet("wiki") == []


async def test_sessions_of_another_prefix_are_strangers(
    store: SQLiteStore, clock: StandingClock, tmp_path: Path
) -> None:
    store.bind(LIMITS, lambda *_: None)
    other = PatientStore(tmp_path / "sessions.db", clock=clock)
    other.bind(Limits(600.0), lambda *_: None, "other")
    await store.create("id", change({"a": b"1"}, user_id="ada"))
    assert await other.load("id") is None
    await other.create("id", change({"a": b"2"}, user_id="ada"))
    await store.keep_draft("b0a1", "one", b"draft")
    assert await other.drafts("b0a1") == {}
    assert (await other.end_some("ada", "over")).ids == ["id"]
    assert [one.id for one in await store.sessions_of("ada", 0, 10)] == ["id"]
    await other.close()

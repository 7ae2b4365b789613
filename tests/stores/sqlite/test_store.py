"""The SQLite store: a store, and the same as the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from hypothesis import settings

from quart_idle import ConfigError, MemoryStore, Store
from quart_idle.policy import Limits
from quart_idle.stores.base import APPLICATION_KEPT
from quart_idle.stores.sqlite import SQLiteStore
from tests.helpers.beside import Beside
from tests.helpers.sqlite_stores import PatientStore
from tests.helpers.standing_clock import StandingClock
from tests.store_contract import (
    LIMITS,
    DraftStoreContract,
    EventStoreContract,
    PresenceStoreContract,
    StoreModel,
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

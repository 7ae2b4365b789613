"""The Redis store: a store, and one that fails well."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import pytest
from hypothesis import settings

from quart_idle import MemoryStore, Store
from quart_idle.stores.base import (
    APPLICATION_KEPT,
    DRAFT_KEPT,
    MOST_DRAFTS,
)
from quart_idle.stores.redis import RedisStore
from tests.helpers.beside import Beside
from tests.helpers.redis_servers import EPOCH, RedisServer, StandingTime
from tests.store_contract import (
    LIMITS,
    DraftStoreContract,
    EventStoreContract,
    PresenceStoreContract,
    StoreModel,
    Told,
)


@pytest.fixture
async def store(still: RedisServer) -> AsyncIterator[RedisStore]:
    store = RedisStore(still.url)
    yield store
    await store.close()


class TestRedisStore(DraftStoreContract, EventStoreContract, PresenceStoreContract):
    @pytest.fixture
    def clock(self, standing: tuple[RedisServer, StandingTime]) -> StandingTime:
        return standing[1]

    @pytest.fixture
    async def bound(self, store: Store, told: Told) -> Store:
        store.bind(LIMITS, lambda *what: told.append(what))
        await store.open()
        return store


async def test_redis_itself_throws_each_draft_away_when_its_day_is_over(
    standing: tuple[RedisServer, StandingTime], store: RedisStore
) -> None:
    server, clock = standing
    store.bind(LIMITS, lambda *_: None)
    await store.keep_draft("b0a1", "one", b"draft")
    await clock.advance(1000)
    await store.keep_draft("b0a1", "two", b"draft")
    with server.client as client:
        keys = [f"quart-idle:{{b0}}:draft:a1:{number}" for number in range(MOST_DRAFTS)]
        left = [client.pttl(key) for key in keys]
        day = DRAFT_KEPT * 1000
        expected = [day - 1_000_000, day, *[-2] * (MOST_DRAFTS - 2)]
        assert left == pytest.approx(expected, abs=1)  # Redis rounds to milliseconds
        await store.close()
        for seconds, present in ((DRAFT_KEPT - 1001, 2), (2, 1), (1000, 0)):
            await clock.advance(seconds)
            assert client.exists(*keys) == present


async def test_an_application_meets_the_others_that_started_within_a_week(
    standing: tuple[RedisServer, StandingTime], store: RedisStore
) -> None:
    server, clock = standing
    store.bind(LIMITS, lambda *_: None)
    assert await store.meet("shop") == []
    assert await store.meet("shop") == []
    await clock.advance(APPLICATION_KEPT - 1)
    assert await store.meet("blog") == ["shop"]
    assert await store.meet("shop") == ["blog"]
    await clock.advance(APPLICATION_KEPT - 1)
    assert sorted(await store.meet("wiki")) == ["blog", "shop"]
    await clock.advance(1)
    with server.client as client:
        client.hset("quart-idle:applications", "tampered", "with")
    assert await store.meet("shop") == ["wiki"]
    await store.close()
    await clock.advance(APPLICATION_KEPT + 1)
    with server.client as client:
        assert client.keys("*:applications") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "two"},
        {"name": "two", "at": "1"},
        {"name": "two", "at": "soon", "draft": ""},
        {"draft": "", "at": "1e300"},
        {"a": "b"},
    ],
)
async def test_a_place_for_drafts_that_was_tampered_with_holds_up_no_other(
    still: RedisServer, store: RedisStore, fields: dict[str, str]
) -> None:
    store.bind(LIMITS, lambda *_: None)
    await store.keep_draft("b0a1", "one", b"draft")
    with still.client as client:
        client.hset("quart-idle:{b0}:draft:a1:1", mapping=fields)
    assert list(await store.drafts("b0a1")) == ["one"]
    await store.keep_draft("b0a1", "two", b"draft")
    assert set(await store.drafts("b0a1")) == {"one", "two"}
    await store.drop_draft("b0a1", "two")
    assert list(await store.drafts("b0a1")) == ["one"]


@settings(max_examples=60, stateful_step_count=30)
class Model(StoreModel):
    """Redis beside memory, and both beside the model of the contract."""

    standing: tuple[RedisServer, StandingTime]

    def make_store(self) -> Store:
        server, clock = self.standing
        with server.client as client:
            client.flushall()
        clock.set(EPOCH)
        return cast(Store, Beside(MemoryStore(clock), RedisStore(server.url)))

    def pass_time(self, seconds: float) -> None:
        _, clock = self.standing
        clock.set(clock.now + seconds)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.runner.run(self.store.close())
        super().teardown()


@pytest.fixture(scope="module", autouse=True)
def for_the_model(standing: tuple[RedisServer, StandingTime]) -> None:
    Model.standing = standing


TestRedisBesideMemory = Model.TestCase

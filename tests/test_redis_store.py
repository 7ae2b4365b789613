"""The Redis store: a store, and one that fails well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from quart_idle import Store
from quart_idle.stores.redis import RedisStore

from .servers import RedisServer, StandingTime, redis_server
from .store_contract import LIMITS, StoreContract, Told


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RedisServer, StandingTime]]:
    """A server whose time stands still."""
    folder = tmp_path_factory.mktemp("redis")
    clock = StandingTime(folder)
    with redis_server(folder, clock=clock) as server:
        yield server, clock


@pytest.fixture
def server(standing: tuple[RedisServer, StandingTime]) -> RedisServer:
    """That server, empty."""
    server, _ = standing
    with server.client as client:
        client.flushall()
    return server


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisStore]:
    store = RedisStore(server.url)
    yield store
    await store.close()


class TestRedisStore(StoreContract):
    @pytest.fixture
    def clock(self, standing: tuple[RedisServer, StandingTime]) -> StandingTime:
        return standing[1]

    @pytest.fixture
    async def bound(self, store: Store, told: Told) -> Store:
        store.bind(LIMITS, lambda *what: told.append(what))
        await store.open()
        return store

"""The Redis store over every kind of server: a cluster, Sentinel, TLS, a socket, a client's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from quart_idle import Store
from quart_idle.stores.redis import RedisStore

from .servers import Cluster, StandingTime, cluster
from .store_contract import LIMITS, StoreContract, Told


@pytest.fixture(scope="module")
def standing_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Cluster, StandingTime]]:
    """A cluster whose time stands still, on all nodes."""
    folder = tmp_path_factory.mktemp("cluster")
    clock = StandingTime(folder)
    with cluster(folder, clock=clock) as nodes:
        yield nodes, clock


class TestRedisStoreOverACluster(StoreContract):
    @pytest.fixture
    def clock(self, standing_cluster: tuple[Cluster, StandingTime]) -> StandingTime:
        return standing_cluster[1]

    @pytest.fixture
    async def store(
        self, standing_cluster: tuple[Cluster, StandingTime]
    ) -> AsyncIterator[RedisStore]:
        nodes, _ = standing_cluster
        nodes.flush()
        store = RedisStore(nodes.url)
        yield store
        await store.close()

    @pytest.fixture
    async def bound(self, store: Store, told: Told) -> Store:
        store.bind(LIMITS, lambda *what: told.append(what))
        await store.open()
        return store

"""The Redis store: a store, and one that fails well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any, cast

import pytest
from hypothesis import settings

from quart_idle import MemoryStore, Store
from quart_idle.policy import Limits
from quart_idle.stores.base import Listener
from quart_idle.stores.redis import RedisStore

from .servers import EPOCH, RedisServer, StandingTime, redis_server
from .store_contract import LIMITS, StoreContract, StoreModel, Told


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


class Beside:
    """Two stores that are asked the same, and must answer the same."""

    def __init__(self, one: Store, other: Store) -> None:
        self.both = one, other

    def bind(self, limits: Limits, listener: Listener) -> None:
        for store in self.both:
            store.bind(limits, listener)

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def ask(*arguments: Any) -> Any:
            one, other = [await getattr(store, name)(*arguments) for store in self.both]
            assert plain(one) == plain(other)
            return one

        return ask


def plain(answer: Any) -> Any:
    """What was answered, with times as far as both stores can tell them."""
    if isinstance(answer, float):
        return round(answer, 3)
    if isinstance(answer, Mapping):
        return {key: plain(value) for key, value in answer.items()}
    if isinstance(answer, tuple):
        return type(answer).__name__, [plain(item) for item in answer]
    return answer


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

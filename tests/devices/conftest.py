"""An application whose sessions are in memory, and one whose sessions are in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from quart_idle.stores.redis import RedisStore
from tests.helpers.clock import Clock
from tests.helpers.redis_servers import RedisServer, redis_server
from tests.helpers.site import MakeSite, Site, make_site
from tests.helpers.tampered_store import Tampered


@pytest.fixture(scope="package")
def devices_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def redis_site(devices_redis: RedisServer) -> AsyncIterator[MakeSite]:
    with devices_redis.client as client:
        client.flushall()
    made: list[Tampered] = []

    def make(**options: Any) -> Site:
        made.append(Tampered(RedisStore(devices_redis.url)))
        return make_site(Clock(), store=made[-1], **options)

    yield make
    for store in made:
        await store.close()


@pytest.fixture(params=["site", "redis_site"], ids=["memory", "redis"])
def any_site(request: pytest.FixtureRequest) -> MakeSite:
    """Applications of the test's own, in process, with settings: each store in its turn."""
    make: MakeSite = request.getfixturevalue(request.param)
    return make


@pytest.fixture
def here(any_site: MakeSite) -> Site:
    return any_site()

"""Redis for all tests of the folder: alone, as clusters, behind a proxy, and with a Sentinel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, request

from quart_idle import QuartIdle
from quart_idle.policy import Limits
from quart_idle.stores.redis import RedisStore
from tests.helpers.handlers import session
from tests.helpers.proxy import Proxy, proxy_to
from tests.helpers.redis_faults import LIMITS, TIMEOUT, NewUser, Stores
from tests.helpers.redis_servers import (
    Cluster,
    RedisServer,
    StandingTime,
    Watched,
    cluster,
    redis_server,
    watched,
)
from tests.helpers.redis_workers import NewStore


@pytest.fixture(scope="package")
def standing_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Cluster, StandingTime]]:
    """A cluster whose time stands still, on all nodes."""
    folder = tmp_path_factory.mktemp("cluster")
    clock = StandingTime(folder)
    with cluster(folder, clock=clock) as nodes:
        yield nodes, clock


@pytest.fixture(scope="package")
def running_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    arguments = "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"
    with cluster(tmp_path_factory.mktemp("running"), *arguments, replicas=1) as nodes:
        yield nodes


@pytest.fixture
def running_cluster(running_nodes: Cluster) -> Cluster:
    """A cluster that does without a node quickly; the first has a replica. It is empty."""
    running_nodes.flush()
    return running_nodes


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path) as service:
        yield service


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that keeps what it has been told, come what may."""
    folder = tmp_path_factory.mktemp("redis")
    with redis_server(folder, "--appendonly", "yes", "--appendfsync", "always") as server:
        yield server


@pytest.fixture
def server(shared: RedisServer) -> Iterator[RedisServer]:
    """That server, empty; it is well again when the test is over."""
    with shared.client as client:
        client.flushall()
    yield shared
    shared.resume()
    if shared.process.poll() is not None:
        shared.start()
    with shared.client as client:
        client.replicaof("NO", "ONE")
        client.config_set("maxmemory", 0, "appendfsync", "always")


@pytest.fixture(scope="package")
def standing(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RedisServer, StandingTime]]:
    """A server whose time stands still."""
    folder = tmp_path_factory.mktemp("standing")
    clock = StandingTime(folder)
    with redis_server(folder, clock=clock) as server:
        yield server, clock


@pytest.fixture
def still(standing: tuple[RedisServer, StandingTime]) -> RedisServer:
    """That server, empty."""
    with standing[0].client as client:
        client.flushall()
    return standing[0]


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[Proxy]:
    async with proxy_to(server.port) as proxy:
        yield proxy


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    """Workers' stores, by the port of their server."""
    made: list[RedisStore] = []

    async def make(port: int, timeout: float = TIMEOUT) -> RedisStore:
        made.append(RedisStore(f"redis://127.0.0.1:{port}"))
        made[-1].bind(LIMITS, lambda *_: None, timeout=timeout)
        await made[-1].open()
        return made[-1]

    yield make
    for store in made:
        await store.close()


@pytest.fixture
async def worker() -> AsyncIterator[NewStore]:
    """A worker's store, which may be slow and tells nobody; it ends with the test."""
    made: list[RedisStore] = []

    def make(port: int, limits: Limits = LIMITS, timeout: float = 5.0) -> RedisStore:
        made.append(RedisStore(f"redis://127.0.0.1:{port}"))
        made[-1].bind(limits, lambda *_: None, timeout=timeout)
        return made[-1]

    yield make
    for store in made:
        await store.close()


@pytest.fixture
async def users(proxy: Proxy, tmp_path: Path) -> AsyncIterator[NewUser]:
    """Users of an application in this process, on default settings; it has a static file."""
    static = tmp_path / "static"
    static.mkdir()
    (static / "style.css").write_text("body {}")
    app = Quart("tests", static_folder=str(static))
    QuartIdle(app, store=f"redis://127.0.0.1:{proxy.port}")

    @app.get("/")
    async def read() -> dict[str, Any]:
        return {"user": session.user_id}

    @app.post("/")
    async def write() -> dict[str, Any]:
        session[request.args["key"]] = session.user_id
        return {}

    @app.post("/do/<do>/<user>")
    async def change(do: str, user: str) -> dict[str, Any]:
        if do == "sign-in":
            session.user_id = user
        else:
            session.end()
        return {}

    async with app.test_app():
        yield app.test_client

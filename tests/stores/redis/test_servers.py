"""The Redis store by every way to a server: Sentinel, TLS, a socket, a client that it is given."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from redis import asyncio as aioredis
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.sentinel import Sentinel

from quart_idle import StoreUnavailable
from quart_idle.stores.asking import ask
from quart_idle.stores.base import Record
from quart_idle.stores.redis import RedisStore
from quart_idle.stores.redis.check import wrong_with
from tests.helpers.redis_servers import (
    Cluster,
    RedisServer,
    StandingTime,
    Watched,
    free_port,
    redis_server,
    unknown_master,
    until,
)
from tests.helpers.redis_stores import WARNED, healed, lives, opened, soon
from tests.store_contract import LIMITS, Told, change, record

# Sentinel.


async def test_with_sentinel_sessions_survive_their_master(service: Watched) -> None:
    told: Told = []
    async with opened(service.url, told, WARNED) as store:
        await store.create("ab", change({"a": b"1"}))
        master = service.servers[0]
        await soon(master.has_replica_in_step, 10)
        master.stop()
        found, failures = await healed(lambda: record(store, "ab"))
        assert failures
        assert found.data == {"a": b"1"}
        assert service.master() == 1
        assert await store.save("ab", change({"a": b"2"}))
        await soon(lambda: store.hears(time.monotonic()), 10)
        await lives(store, told, "cd")


def fail_over(service: Watched) -> None:
    def begun() -> bool:
        with service.sentinel.client as client:
            return bool(client.execute_command("SENTINEL FAILOVER", "service"))

    until(begun, "the Sentinel finds a replica good enough")


async def test_with_sentinel_a_master_that_was_demoted_is_left(service: Watched) -> None:
    told: Told = []
    async with opened(service.url, told, WARNED) as store:
        await store.create("ab", change({"a": b"1"}))
        await soon(service.servers[0].has_replica_in_step, 10)
        fail_over(service)

        async def saved_at_the_new_one() -> None:
            assert await store.save("ab", change({"a": b"2"}))
            if service.master() == 0:
                raise StoreUnavailable

        async def lives_at_the_new_one() -> None:
            try:
                await lives(store, told, "cd")
            except (AssertionError, TimeoutError) as lost:  # at the former one, till it is told
                raise StoreUnavailable from lost

        await healed(saved_at_the_new_one)
        await soon(lambda: store.hears(time.monotonic()), 30)
        await healed(lives_at_the_new_one)
        assert (await record(store, "ab")).data == {"a": b"2"}


async def test_a_server_that_takes_no_writes_any_more_is_a_failure_while_it_lasts(
    server: RedisServer,
) -> None:
    async with opened(server.url) as store:
        await store.create("ab", change())
        with server.client as client:
            client.replicaof("127.0.0.1", free_port())
            with pytest.raises(StoreUnavailable):
                await store.save("ab", change({"a": b"1"}))
            client.replicaof("NO", "ONE")
        assert await store.save("ab", change({"a": b"1"}))


async def failed(url: str, caplog: pytest.LogCaptureFixture) -> StoreUnavailable:
    """What is raised where no master is found; the log has it, also of the subscription."""
    store = RedisStore(url)
    store.bind(LIMITS, lambda *_: None, timeout=10.0)
    opening = asyncio.create_task(store.open())
    with pytest.raises(StoreUnavailable) as caught:
        await ask(store.load("ab"), 10.0)
    await soon(lambda: "what Redis tells of sessions" in caplog.text, 10)
    opening.cancel()
    await asyncio.wait([opening])
    await store.close()
    return caught.value


async def test_a_sentinel_that_does_not_answer_is_told(caplog: pytest.LogCaptureFixture) -> None:
    told = "no Sentinel names a master called 'service' (ConnectionError)"
    await failed(f"redis+sentinel://127.0.0.1:{free_port()}/service", caplog)
    assert f"the store is not available: {told}\n" in caplog.text


async def test_a_sentinel_s_password_is_never_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(Sentinel, "discover_master", unknown_master)
    error = await failed("redis+sentinel://127.0.0.1:1/service", caplog)
    chain = "".join(traceback.format_exception(error))
    assert "no Sentinel names a master called 'service' (AuthenticationError)" in caplog.text
    assert "a-Secret" not in caplog.text + chain


# Ways to a server.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA
) -> Iterator[tuple[RedisServer, int, Path]]:
    """A server, its port for TLS, and its folder: its socket, and the authority's certificate."""
    folder = tmp_path_factory.mktemp("running")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    port = free_port()
    with redis_server(
        folder,
        *("--tls-port", str(port), "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(folder / "certificate.pem")),
        *("--tls-key-file", str(folder / "key.pem")),
        *("--tls-ca-cert-file", str(folder / "authority.pem")),
        *("--unixsocket", str(folder / "redis socket")),
    ) as server:
        yield server, port, folder


@pytest.fixture
def server(running: tuple[RedisServer, int, Path]) -> RedisServer:
    """That server, empty."""
    server, _, _ = running
    with server.client as client:
        client.flushall()
    return server


async def test_tls_needs_an_authority_that_is_trusted(
    running: tuple[RedisServer, int, Path], tmp_path: Path
) -> None:
    _, port, folder = running
    told: Told = []
    url = f"rediss://127.0.0.1:{port}?ssl_ca_certs="
    async with opened(f"{url}{folder / 'authority.pem'}", told, WARNED) as store:
        await lives(store, told)
    unknown = tmp_path / "unknown.pem"
    trustme.CA().cert_pem.write_to_path(str(unknown))
    store = RedisStore(f"{url}{unknown}")
    store.bind(LIMITS, lambda *_: None)
    with pytest.raises(StoreUnavailable) as caught:
        await store.load("ab")
    assert "certificate" in str(caught.value.__cause__)
    await store.close()


async def test_a_socket_in_the_file_system_is_a_way(
    server: RedisServer,  # noqa: ARG001
    running: tuple[RedisServer, int, Path],
) -> None:
    told: Told = []
    async with opened(f"unix://{quote(str(running[2] / 'redis socket'))}", told, WARNED) as store:
        await lives(store, told)


async def test_a_password_is_given_and_never_logged(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: Told = []
    host = f"127.0.0.1:{server.port}"
    with server.client as client:
        client.config_set("requirepass", "right/1")
        try:
            async with opened(f"redis://:right%2F1@{host}", told, WARNED) as store:
                await lives(store, told)
            wrong = RedisStore(f"redis://:wr0ng-one@{host}")
            wrong.bind(LIMITS, lambda *_: None)
            for call in wrong.load("ab"), wrong.open():
                with pytest.raises(StoreUnavailable):
                    await ask(call, 1.0)
            await wrong.close()
        finally:
            client.auth("right/1")
            client.config_set("requirepass", "")
    assert "invalid username-password" in caplog.text
    assert "wr0ng-one" not in caplog.text
    assert "right" not in caplog.text


# Clients of the application's own.


def connected(*servers: RedisServer) -> int:
    """How many clients they have, beside those by which they know each other."""
    count = 0
    for server in servers:
        with server.client as client:
            for one in client.client_list(_type="normal") + client.client_list(_type="pubsub"):
                count += not one["name"].startswith("sentinel-")
    return count


CLIENTS: dict[str, Callable[[int], Any]] = {
    "as it comes": lambda port: aioredis.Redis(port=port),
    "that decodes": lambda port: aioredis.Redis(port=port, decode_responses=True),
    "of one connection": lambda port: aioredis.Redis(port=port, max_connections=1),
    "that waits": lambda port: aioredis.Redis.from_pool(
        aioredis.BlockingConnectionPool(port=port, max_connections=1, timeout=1)
    ),
    "in haste": lambda port: aioredis.Redis(port=port, socket_timeout=0.3),
    "of the protocol's third version": lambda port: aioredis.Redis(
        port=port, protocol=3, decode_responses=True
    ),
}


@pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)
async def test_a_client_of_the_application_s_stays_its_own(
    server: RedisServer, make: Callable[[int], Any]
) -> None:
    told: Told = []
    client = make(server.port)
    await client.ping()
    before = connected(server)
    async with opened(client, told, WARNED) as store:
        await lives(store, told)
        await client.set("own", "1")
        if make is CLIENTS["in haste"]:
            await asyncio.sleep(1.5)
            assert store.hears(time.monotonic())
    await soon(lambda: connected(server) == before)
    assert await client.get("own") in ("1", b"1")
    await client.aclose()


@pytest.mark.parametrize("decoded", [False, True])
async def test_a_cluster_client_of_the_application_s_stays_its_own(
    running_cluster: Cluster, decoded: bool
) -> None:
    told: Told = []
    start = [ClusterNode("127.0.0.1", node.port) for node in running_cluster.nodes]
    client = aioredis.RedisCluster(startup_nodes=start, decode_responses=decoded)
    await client.ping(target_nodes=aioredis.RedisCluster.ALL_NODES)
    before = connected(*running_cluster.nodes)
    async with opened(client, told, WARNED) as store:
        await lives(store, told)
        await client.set("own", "1")
    await soon(lambda: connected(*running_cluster.nodes) <= before)
    assert await client.get("own") in ("1", b"1")
    await client.aclose()


async def test_a_sentinel_s_client_of_the_application_s_stays_its_own(service: Watched) -> None:
    told: Told = []
    sentinel = Sentinel([("127.0.0.1", service.sentinel.port)])  # type: ignore[no-untyped-call]
    client = sentinel.master_for("service")
    await client.ping()
    before = connected(service.servers[0])
    async with opened(client, told, WARNED) as store:
        await lives(store, told)
    await soon(lambda: connected(service.servers[0]) == before)
    assert await client.ping()
    await client.aclose()
    for watcher in sentinel.sentinels:
        await watcher.aclose()


async def test_a_store_of_a_url_leaves_no_connection_behind(
    server: RedisServer, standing_cluster: tuple[Cluster, StandingTime], service: Watched
) -> None:
    nodes, _ = standing_cluster
    everywhere = [server, *nodes.nodes, *service.servers, service.sentinel]
    before = connected(*everywhere)
    for url in server.url, nodes.url, service.url:
        async with opened(url) as store:
            await store.create("ab", change())
    await soon(lambda: connected(*everywhere) == before)


# At the start.


async def test_a_server_that_throws_sessions_away_is_named(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with server.client as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            async with opened(server.url):
                await soon(lambda: "allkeys-lru" in caplog.text, 30)
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    caplog.clear()
    async with opened(server.url):
        assert caplog.text == ""


async def test_any_node_of_a_cluster_that_throws_sessions_away_is_named(
    running_cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    with running_cluster.nodes[2].client as client:
        client.config_set("maxmemory-policy", "volatile-ttl")
        try:
            async with opened(running_cluster.url):
                await soon(lambda: "volatile-ttl" in caplog.text, 30)
        finally:
            client.config_set("maxmemory-policy", "noeviction")


@pytest.mark.parametrize(
    ("version", "wrong"),
    [("6.2.14", True), ("7.0.0", False), ("8.2.1", False), ("255.255.255", False)],
)
def test_a_server_that_is_too_old_is_named(version: str, wrong: bool) -> None:
    # An older one cannot be had: what it would say can.
    told = f"# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n"
    expected = [f"this is Redis {version}; sessions need Redis 7.0 or later"] if wrong else []
    assert list(wrong_with(told)) == expected


#: What a user of Redis needs to be allowed.
NEEDED = (
    "~quart-idle:* &quart-idle:* +eval +evalsha +publish +subscribe +time +set +hget +hset +hdel "
    "+hkeys +hgetall +hmget +rename +unlink +pexpireat +zadd +zrem +zrange "
    "+hexists +exists +pexpiretime +zscore"
)


async def test_a_user_who_may_do_no_more_than_is_needed_is_enough(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    told: Told = []
    with server.client as client:
        client.execute_command("ACL SETUSER", "app", "on", ">pw", *NEEDED.split())
        try:
            url = f"redis://app:pw@127.0.0.1:{server.port}"
            async with opened(url, told, WARNED) as store:
                await lives(store, told)
                await asyncio.sleep(1.2)  # for the sweep
        finally:
            client.acl_deluser("app")
    assert caplog.text == ""


# Event loops.


@pytest.mark.parametrize("closed", [True, False])
def test_a_store_of_a_url_works_in_one_event_loop_after_another(
    server: RedisServer, closed: bool
) -> None:
    store = RedisStore(server.url)
    store.bind(LIMITS, lambda *_: None)

    async def use(id: str) -> None:
        await store.create(id, change({"a": b"1"}))
        found = [await store.load(each) for each in ("ab", "cd")]
        assert isinstance(found[0], Record)
        if closed:
            await store.close()

    for id in ("ab", "cd"):
        asyncio.run(use(id))

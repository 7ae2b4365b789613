"""The Redis store over every kind of server: a cluster, Sentinel, TLS, a socket, a client's own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pytest
import trustme
from redis import asyncio as aioredis
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.sentinel import Sentinel

from quart_idle import Store, StoreUnavailable
from quart_idle.policy import Limits
from quart_idle.reasons import REGENERATED
from quart_idle.stores.asking import ask
from quart_idle.stores.base import Ended, Live, Record
from quart_idle.stores.redis import RedisStore
from quart_idle.stores.redis.check import wrong_with
from tests.helpers.redis_servers import (
    Cluster,
    RedisServer,
    StandingTime,
    Watched,
    cluster,
    free_port,
    redis_server,
    until,
    watched,
)
from tests.store_contract import LIMITS, PAGE, DraftStoreContract, Told, change, record

T = TypeVar("T")


@pytest.fixture(scope="module")
def standing_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Cluster, StandingTime]]:
    """A cluster whose time stands still, on all nodes."""
    folder = tmp_path_factory.mktemp("cluster")
    clock = StandingTime(folder)
    with cluster(folder, clock=clock) as nodes:
        yield nodes, clock


class TestRedisStoreOverACluster(DraftStoreContract):
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


@asynccontextmanager
async def opened(
    way: Any, told: Told | None = None, limits: Limits = LIMITS
) -> AsyncIterator[RedisStore]:
    """A store that is open, and closed at the end."""
    store = RedisStore(way)
    store.bind(limits, lambda *what: None if told is None else told.append(what))
    try:
        await store.open()
        yield store
    finally:
        await store.close()


async def soon(true: Callable[[], object], seconds: float = 1.0) -> None:
    """It is so, or becomes so in time."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def healed(call: Callable[[], Awaitable[T]], seconds: float = 30.0) -> tuple[T, int]:
    """What is answered once something is, and how often nothing was. Other errors are failures."""
    failures = 0
    give_up = time.monotonic() + seconds
    while True:
        try:
            return await call(), failures
        except StoreUnavailable:
            failures += 1
            assert time.monotonic() < give_up
            await asyncio.sleep(0.05)


async def lives(store: RedisStore, told: Told, id: str = "ab") -> None:
    """A session's whole life: limits are such that its pages are always warned."""
    told.clear()
    await store.create(id, change({"a": b"\xff"}, user_id="ada"))
    await store.renew({id: PAGE})
    await store.renew({id: PAGE})
    assert await store.save(id, change({"b": b"2"}))
    assert await store.regenerate(id, f"{id}-new", change({"c": b"3"}))
    found = await record(store, f"{id}-new")
    assert dict(found.data) == {"a": b"\xff", "b": b"2", "c": b"3"}
    assert found.user_id == "ada"
    await store.keep_draft(id, "form", b"\xff")
    assert list(await store.drafts(id)) == ["form"]
    await store.drop_draft(id, "form")
    assert await store.end(id, "signed out \u2603") == f"{id}-new"
    await soon(lambda: len(told) == 3)
    (_, live), (_, moved), (now_id, ended) = told
    assert isinstance(live, Live)
    assert live.clocks.paged
    assert isinstance(moved, Ended)
    assert isinstance(ended, Ended)
    assert (moved.reason, now_id, ended.reason) == (REGENERATED, f"{id}-new", "signed out \u2603")


async def heard(store: RedisStore, told: Told, id: str) -> None:
    """What happens is told, again: a listener whose node has gone may notice after seconds only."""
    async with asyncio.timeout(20):
        while True:
            await soon(lambda: store.hears(time.monotonic()), 20)
            told.clear()
            await store.create(id, change({"a": b"1"}))
            await store.end(id, "over")
            with suppress(TimeoutError):
                await soon(lambda: told)
                return


WARNED = Limits(60.0, warning=60.0)


# A cluster whose time goes on.


@pytest.fixture(scope="module")
def running_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    arguments = "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"
    with cluster(tmp_path_factory.mktemp("running"), *arguments, replicas=1) as nodes:
        yield nodes


@pytest.fixture
def running_cluster(running_nodes: Cluster) -> Cluster:
    """A cluster that does without a node quickly; the first has a replica. It is empty."""
    running_nodes.flush()
    return running_nodes


def id_on(nodes: Cluster, node: int) -> str:
    """An id that a node is asked for."""
    return next(
        f"{tag:02x}"
        for tag in range(256)
        if nodes.owner(f"quart-idle:{{{tag:02x}}}".encode()) == node
    )


async def test_on_a_cluster_listeners_at_every_node_are_told(running_cluster: Cluster) -> None:
    def listening() -> set[int]:
        found = set()
        for number, node in enumerate(running_cluster.nodes[:3]):
            with node.client as client:
                if client.pubsub_numsub("quart-idle:told")[0][1]:
                    found.add(number)
        return found

    async with asyncio.timeout(20), opened(running_cluster.url, limits=WARNED) as store:
        others: list[tuple[RedisStore, Told]] = []
        try:
            while len(listening()) < 3:
                told: Told = []
                other = RedisStore(running_cluster.url)
                other.bind(WARNED, lambda *what, told=told: told.append(what))
                others.append((other, told))
                await other.open()
            for id in (id_on(running_cluster, number) for number in range(3)):
                await store.create(id, change())
                await store.end(id, "signed out")
                for _, told in others:
                    await soon(lambda told=told, id=id: [who for who, _ in told] == [id])  # type: ignore[misc]
                    told.clear()
        finally:
            for other, _ in others:
                await other.close()


async def test_on_a_cluster_a_session_goes_where_its_slot_goes(running_cluster: Cluster) -> None:
    told: Told = []
    async with opened(running_cluster.url, told, WARNED) as store:
        id = id_on(running_cluster, 1)
        ids = [f"{id}{number}" for number in range(300)]
        slot = running_cluster.slot(f"quart-idle:{{{id}}}".encode())
        for each in ids:
            await store.create(each, change({"a": each.encode()}))
        running_cluster.move(slot, 1, 2, whole=False)
        assert (await record(store, ids[0])).data == {"a": ids[0].encode()}
        assert await store.load(f"{id}-never") is None
        running_cluster.move(slot, 1, 2)
        found = await asyncio.gather(*(record(store, each) for each in ids))
        assert [one.data["a"].decode() for one in found] == ids
        await lives(store, told, id)
        running_cluster.move(slot, 2, 1)
        assert await store.save(ids[1], change({"a": b"2"}))
        outcomes = await store.renew(dict.fromkeys(ids, PAGE))
        assert all(isinstance(outcome, Live) for outcome in outcomes.values())
        with running_cluster.nodes[1].client as client:  # it was not asked for what is elsewhere
            assert client.exists(f"quart-idle:{{{id}}}{ids[1][2:]}")


async def test_on_a_cluster_a_silent_node_holds_up_no_other(running_cluster: Cluster) -> None:
    silent, other = id_on(running_cluster, 1), id_on(running_cluster, 2)
    async with opened(running_cluster.url) as store:
        for id in silent, other:
            await store.create(id, change())
        running_cluster.nodes[1].pause()
        try:
            asked = [asyncio.create_task(store.load(silent)) for _ in range(20)]
            await asyncio.sleep(0.05)
            for _ in range(20):
                async with asyncio.timeout(0.5):
                    await record(store, other)
                await asyncio.sleep(0.02)
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert {type(answer) for answer in answers} == {StoreUnavailable}
        finally:
            running_cluster.nodes[1].resume()
        await healed(lambda: record(store, silent))


async def test_on_a_cluster_a_silent_node_holds_up_no_sweep_and_no_renewal_of_others(
    running_cluster: Cluster,
) -> None:
    ids = [id_on(running_cluster, node) for node in range(3)]

    def swept(node: int) -> bool:
        with running_cluster.nodes[node].client as client:
            fields = client.hkeys(f"quart-idle:{{{ids[node][:2]}}}{ids[node][2:]}")
        return set(fields) == {b"\xfd", b"\xfc"}

    for down in (1, 2):  # which have no replica
        running_cluster.flush()
        others = {0, 1, 2} - {down}
        async with opened(running_cluster.url, limits=Limits(timeout=2.0)) as store:
            for id in ids:
                await store.create(id, change({"a": b"1"}))
            running_cluster.nodes[down].pause()
            try:
                outcomes = await store.renew(dict.fromkeys(ids, PAGE))
                assert set(outcomes) == {ids[node] for node in others}
                await soon(lambda: all(map(swept, others)), 15)  # noqa: B023
            finally:
                running_cluster.nodes[down].resume()
            await soon(lambda: swept(down), 15)  # noqa: B023


async def test_on_a_cluster_a_store_that_opens_while_a_node_is_silent_hears(
    running_cluster: Cluster,
) -> None:
    running_cluster.nodes[1].pause()
    try:
        async with asyncio.timeout(20), opened(running_cluster.url) as store:
            assert store.hears(time.monotonic() + 10)
    finally:
        running_cluster.nodes[1].resume()


async def test_a_cluster_that_is_away_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    store = RedisStore(f"redis+cluster://127.0.0.1:{free_port()}")
    store.bind(LIMITS, lambda *_: None, timeout=0.2)
    started = time.monotonic()
    failures = 0
    while failures < 3 or time.monotonic() - started < 1.5:
        with pytest.raises(StoreUnavailable):
            await ask(store.load("aa"), 0.2)
        failures += 1
    await store.close()
    about_nodes = [record for record in caplog.records if "nodes" in record.msg % record.args]
    assert len(about_nodes) == 1, caplog.text


async def test_on_a_cluster_sessions_survive_a_master_that_falls_silent(
    running_cluster: Cluster,
) -> None:
    master = running_cluster.nodes[0]
    id = id_on(running_cluster, 0)
    async with opened(running_cluster.url) as store:
        await store.create(id, change({"a": b"1"}))
        await soon(master.has_replica_in_step, 10)
        master.pause()
        try:
            found, failures = await healed(lambda: ask(record(store, id), 1.0))
            assert failures
            assert found.data == {"a": b"1"}
            assert await store.save(id, change({"a": b"2"}))
        finally:
            master.resume()
            await asyncio.to_thread(running_cluster.give_back)
        found, _ = await healed(lambda: record(store, id))
        assert found.data == {"a": b"2"}


async def test_on_a_cluster_sessions_survive_their_master(running_cluster: Cluster) -> None:
    told: Told = []
    master = running_cluster.nodes[0]
    id, other = id_on(running_cluster, 0), id_on(running_cluster, 1)
    async with opened(running_cluster.url, told, WARNED) as store:
        for each in id, other:
            await store.create(each, change({"a": each.encode()}))
        await soon(master.has_replica_in_step, 10)
        master.stop()
        found, failures = await healed(lambda: record(store, id))
        assert failures
        assert found.data == {"a": id.encode()}
        assert (await record(store, other)).data == {"a": other.encode()}
        await soon(lambda: store.hears(time.monotonic()), 10)
        await lives(store, told, f"{id}2")
        master.start()  # as a replica now
        await heard(store, told, f"{id}-heard")
        await lives(store, told, f"{id}3")
        # And back, in order: a client that is told so follows.
        await asyncio.to_thread(running_cluster.give_back)
        found, _ = await healed(lambda: record(store, id))
        assert found.data == {"a": id.encode()}
        await heard(store, told, f"{id}-heard")
        await lives(store, told, f"{id}4")


# Sentinel.


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path) as service:
        yield service


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

        await healed(saved_at_the_new_one)
        await soon(lambda: store.hears(time.monotonic()), 10)
        await lives(store, told, "cd")
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
                assert "allkeys-lru" in caplog.text
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
                assert "volatile-ttl" in caplog.text
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
    "+hkeys +hgetall +hmget +rename +unlink +pexpireat +zadd +zrem +zrange"
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

"""The Redis store over a cluster: nodes that fall silent or away, and slots that move."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from quart_idle import Store, StoreUnavailable
from quart_idle.policy import Limits
from quart_idle.stores.asking import ask
from quart_idle.stores.base import Live
from quart_idle.stores.redis import RedisStore
from tests.helpers.redis_servers import Cluster, StandingTime, free_port
from tests.helpers.redis_stores import WARNED, healed, heard, lives, opened, soon
from tests.store_contract import (
    LIMITS,
    PAGE,
    DraftStoreContract,
    EventStoreContract,
    PresenceStoreContract,
    Told,
    change,
    record,
)


class TestRedisStoreOverACluster(DraftStoreContract, EventStoreContract, PresenceStoreContract):
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

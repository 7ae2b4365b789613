"""Ends in Redis are told: by one worker of many, whoever is killed, and whatever was down."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from quart import Quart

from quart_idle import QuartIdle, signals
from quart_idle.policy import Limits
from quart_idle.stores.base import MOST_ENDS, UntoldEnd, hidden_for
from quart_idle.stores.redis import RedisStore
from tests.helpers import killed_teller
from tests.helpers.redis_servers import Cluster, RedisServer, StandingTime
from tests.helpers.redis_stores import opened, soon
from tests.store_contract import LIMITS, change

# How many ends of a hash tag wait at most.
MOST = MOST_ENDS // 256


@asynccontextmanager
async def worker(url: str, limits: Limits = LIMITS) -> AsyncIterator[RedisStore]:
    """A worker's store, which keeps what is to be told."""
    store = RedisStore(url)
    store.bind(limits, lambda *_: None)
    store.keep_ends(lambda: True)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


async def taken(store: RedisStore, seconds: float = 10.0) -> list[UntoldEnd]:
    """What there is to tell, once there is something."""
    async with asyncio.timeout(seconds):
        while True:
            if ends := (await store.take_ends(1000)).ends:
                return list(ends)
            await asyncio.sleep(0.1)


@asynccontextmanager
async def application(url: str, told: list[str]) -> AsyncIterator[Quart]:
    """A worker of an application that writes down which ends it is told of."""
    app = Quart("tests")
    QuartIdle(app, store=url, timeout=LIMITS.timeout, store_timeout=20)

    async def receiver(_: Any, event_id: str, **about: Any) -> None:
        told.append(f"{event_id} {about['session'].user_id} {about['reason']}")

    signals.session_ended.connect(receiver, sender=app)
    try:
        async with app.test_app():
            yield app
    finally:
        signals.session_ended.disconnect(receiver)


async def commands_of_an_end(store: RedisStore, server: RedisServer, suffix: str) -> Counter[str]:
    """What Redis does for an end, by its own count."""
    for id in ("aa1", "aa2"):
        await store.create(id + suffix, change({"a": b"1"}, user_id="ada"))
    await store.end("aa1" + suffix, "signed out")  # the script is known
    with server.client as client:
        client.config_resetstat()
        await store.end("aa2" + suffix, "signed out", "by")
        stats = client.info("commandstats")
    found = Counter({name.removeprefix("cmdstat_"): it["calls"] for name, it in stats.items()})
    # Those of the worker itself come whenever they come.
    for name in ("evalsha", "time", "publish", "zrange", "set", "ping", "config|resetstat", "info"):
        del found[name]
    return found


async def test_where_nobody_is_to_be_told_an_end_costs_no_command_more(
    still: RedisServer,
) -> None:
    async with opened(still.url) as store:
        free = await commands_of_an_end(store, still, "free")
    # The session's end itself, and its user's list.
    assert free == {"hget": 2, "hset": 1, "pexpireat": 1, "unlink": 1, "zrem": 2}
    async with worker(still.url) as store:
        told = await commands_of_an_end(store, still, "told")
    assert told - free == {
        "hmget": 1,
        "zcard": 1,
        "hset": 1,
        "zadd": 1,
        "pexpire": 2,
    }


async def test_of_two_workers_one_tells_each_end(
    standing: tuple[RedisServer, StandingTime], still: RedisServer
) -> None:
    found: list[str] = []
    async with worker(still.url) as one, worker(still.url) as other:

        async def tell(store: RedisStore) -> None:
            while len(found) < 200:
                ends, _ = await store.take_ends(7)
                found.extend(end.id for end in ends)
                await store.ends_told([end.id for end in ends])
                await standing[1].advance(0.5)

        async def end() -> None:
            for number in range(200):
                id = f"{number % 256:02x}{number}"
                await one.create(id, change({"a": b"1"}))
                await other.end(id, "left")

        async with asyncio.timeout(60):
            await asyncio.gather(end(), tell(one), tell(other))
    assert max(Counter(found).values()) == 1


@pytest.mark.parametrize("when", ["before", "in"])
async def test_what_a_worker_that_is_killed_has_not_told_another_tells_with_the_same_id(
    standing: tuple[RedisServer, StandingTime], still: RedisServer, when: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.helpers.killed_teller", still.url, when),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == -9
    event_id = f"{killed_teller.ID}:session-ended"
    assert output.decode().split() == ([] if when == "before" else [event_id])
    told: list[str] = []
    async with application(still.url, told):
        if when == "in":
            await asyncio.sleep(2.5)
            assert told == [], "whoever took it may be telling it"
        await standing[1].advance(hidden_for(1))
        await soon(lambda: told, 10)
        await standing[1].advance(hidden_for(2))
        await asyncio.sleep(2.5)
    assert told == [f"{event_id} ada left"]


async def test_what_fell_due_while_every_worker_was_down_is_told_when_one_is_back(
    standing: tuple[RedisServer, StandingTime], still: RedisServer
) -> None:
    ids = [f"{number:02x}" * 32 for number in range(5)]
    async with opened(still.url, limits=Limits(LIMITS.timeout)) as store:
        for id in ids:
            await store.create(id, change({"a": b"1"}, user_id="ada"))
    await standing[1].advance(12 * 3600)
    told: list[str] = []
    async with application(still.url, told):
        await soon(lambda: len(told) == 5, 20)
    assert sorted(told) == sorted(f"{id}:session-ended ada idle" for id in ids)


async def test_on_a_cluster_ends_of_all_nodes_are_told(running_cluster: Cluster) -> None:
    told: list[str] = []
    ids = [f"{number:02x}" * 32 for number in range(0, 256, 16)]
    async with application(running_cluster.url, told), worker(running_cluster.url) as store:
        for id in ids:
            await store.create(id, change({"a": b"1"}, user_id="ada"))
        await asyncio.gather(*(store.end(id, "left") for id in ids))
        await soon(lambda: len(told) >= len(ids), 20)
    assert sorted(told) == sorted(f"{id}:session-ended ada left" for id in ids)


async def test_of_too_many_ends_some_are_dropped_and_that_is_told(
    standing: tuple[RedisServer, StandingTime], still: RedisServer
) -> None:
    ids = [f"aa{number}" for number in range(MOST + 10)]
    async with worker(still.url) as store:
        await asyncio.gather(*(store.create(id, change({"a": b"1"})) for id in ids))
        await asyncio.gather(*(store.end(id, "left") for id in ids))
        ends, lost = await store.take_ends(2 * MOST)
        assert lost
        assert len(ends) == MOST
        assert {end.id for end in ends} < set(ids)
        await store.ends_told([end.id for end in ends])
        await store.create("aanext", change({"a": b"1"}))
        await store.end("aanext", "left")
        await standing[1].advance(1)
        assert [end.id for end in await taken(store)] == ["aanext"]
    with still.client as client:
        assert client.ttl("quart-idle:{aa}:untold") > 6 * 86400


async def test_sessions_that_are_due_wait_while_too_many_ends_are_to_be_told(
    standing: tuple[RedisServer, StandingTime], still: RedisServer
) -> None:
    ids = {f"aa{number}" for number in range(2 * MOST)}
    async with opened(still.url, timeout=30) as store:  # a busy machine has so many at once
        await asyncio.gather(*(store.create(id, change({"a": b"1"})) for id in ids))
    await standing[1].advance(LIMITS.timeout)
    found: set[str] = set()
    async with worker(still.url) as store, asyncio.timeout(60):
        while len(found) < len(ids):
            await standing[1].advance(1)  # a turn
            ends, lost = await store.take_ends(1000)
            assert not lost
            found |= {end.id for end in ends}
            await store.ends_told([end.id for end in ends])
            await asyncio.sleep(0.2)
    assert found == ids


@pytest.mark.parametrize(
    "tamper",
    [
        lambda client: client.hset("quart-idle:{aa}:untold", "one", b"\x00"),
        lambda client: client.hset("quart-idle:{aa}:untold", "one", b""),
        lambda client: client.hdel("quart-idle:{aa}:untold", "one"),
        lambda client: (
            client.set("quart-idle:{bb}:untold", "")
            and client.zadd("quart-idle:{bb}:taken", {"two": 0})
        ),
    ],
    ids=["cut", "empty", "gone", "another type"],
)
async def test_an_end_that_was_tampered_with_holds_up_no_other(
    server: RedisServer, tamper: Callable[[Any], object]
) -> None:
    async with worker(server.url) as store:
        for id in ("aaone", "aaother", "ccthird"):
            await store.create(id, change({"a": b"1"}))
            await store.end(id, "left")
        with server.client as client:
            tamper(client)
        ends = await taken(store)
        assert {"aaother", "ccthird"} <= {end.id for end in ends}
        await store.ends_told([end.id for end in ends])


async def test_where_nobody_is_to_be_told_redis_keeps_nothing_and_is_asked_for_nothing(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "quart_idle.events")
    app = Quart("tests")
    QuartIdle(app, store=server.url)
    async with app.test_app(), opened(server.url) as store:
        await store.create("aaid", change({"a": b"1"}, user_id="ada"))
        await store.end("aaid", "left")
        with server.client as client:
            before = client.info("commandstats")
            await asyncio.sleep(2.5)
            commands = client.info("commandstats").keys() - before.keys()
            assert client.keys("*untold") == client.keys("*taken") == []
    assert not any("zcount" in name for name in commands)


async def test_receivers_that_come_later_are_told_from_then_on(server: RedisServer) -> None:
    wanted = False
    async with opened(server.url) as store:
        store.keep_ends(lambda: wanted)
        for id in ("aaone", "aatwo"):
            await store.create(id, change({"a": b"1"}))
            await store.end(id, "left")
            wanted = True
            await asyncio.sleep(1.5)
        assert [end.id for end in await taken(store)] == ["aatwo"]

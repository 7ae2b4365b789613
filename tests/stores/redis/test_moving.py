"""Moving sessions from one Redis to another."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis import Redis
from redis.cluster import RedisCluster

from quart_idle.move import Progress, StoreLost, move
from quart_idle.stores.base import Record
from quart_idle.stores.moving import Movable
from quart_idle.stores.redis import RedisMovable, RedisStore
from quart_idle.stores.redis.keys import Keys
from tests.contract.common import change, reason, record
from tests.contract.moving import DAYS, MovableContract
from tests.helpers.redis_servers import Cluster, RedisServer, StandingTime, Watched
from tests.helpers.redis_stores import healed, soon


@asynccontextmanager
async def opened(url: str, prefix: str = "quart-idle") -> AsyncIterator[RedisStore]:
    store = RedisStore(url)
    store.bind(DAYS, lambda *_: None, prefix, 10.0)
    await store.open()
    yield store
    await store.close()


@asynccontextmanager
async def moving(url: str, prefix: str = "quart-idle") -> AsyncIterator[RedisMovable]:
    movable = RedisMovable(url, prefix, 10.0)
    await movable.open()
    yield movable
    await movable.close()


class OverOneServer(MovableContract):
    """Two namespaces of one server, or cluster; in the name of one, what a pattern is made of."""

    @pytest.fixture
    async def old_store(self, url: str) -> AsyncIterator[RedisStore]:
        async with opened(url, "old") as store:
            yield store

    @pytest.fixture
    async def new_store(self, url: str) -> AsyncIterator[RedisStore]:
        async with opened(url, "o*[l]d?\\") as store:
            yield store

    @pytest.fixture
    async def read_out(self, url: str) -> AsyncIterator[Movable]:
        async with moving(url, "old") as movable:
            yield movable

    @pytest.fixture
    async def take_in(self, url: str) -> AsyncIterator[Movable]:
        async with moving(url, "o*[l]d?\\") as movable:
            yield movable

    @pytest.fixture
    async def another(self, url: str) -> AsyncIterator[tuple[RedisStore, Movable]]:
        async with opened(url, "another") as store, moving(url, "another") as movable:
            yield store, movable

    @pytest.fixture
    def spoil(self, url: str) -> Callable[[str, str], None]:
        def begin(which: str, id: str) -> None:
            prefix = {"old": "old", "new": "o*[l]d?\\"}[which]
            host, port = re.findall(r"([\d.]+):(\d+)", url)[0]
            kind = RedisCluster if "cluster" in url else Redis
            with kind(host=host, port=int(port)) as client:
                client.hset(f"{prefix}:{{{id[:2]}}}{id[2:]}", b"\xff", b"x")

        return begin


class TestOneServer(OverOneServer):
    @pytest.fixture
    def time(self, standing: tuple[RedisServer, StandingTime]) -> StandingTime:
        return standing[1]

    @pytest.fixture
    def url(self, still: RedisServer) -> str:
        return still.url


class TestACluster(OverOneServer):
    @pytest.fixture
    def time(self, standing_cluster: tuple[Cluster, StandingTime]) -> StandingTime:
        return standing_cluster[1]

    @pytest.fixture
    def url(self, standing_cluster: tuple[Cluster, StandingTime]) -> str:
        standing_cluster[0].flush()
        return standing_cluster[0].url


def silent(progress: Progress) -> None:
    pass


async def test_moments_are_as_long_ago_by_the_clock_of_the_target(
    still: RedisServer, server: RedisServer, standing: tuple[RedisServer, StandingTime]
) -> None:
    _, clock = standing
    a_while = pytest.approx(110, abs=11)  # the target's clock goes on meanwhile
    async with (
        opened(still.url) as old,
        opened(server.url) as new,
        moving(still.url) as source,
        moving(server.url) as target,
    ):
        await old.create("ab1", change({"a": b"1"}, user_id="ada"))
        await old.create("ab2", change({"a": b"1"}))
        await old.end("ab2", "enough")
        await old.keep_draft("ab0a", "form", b"typed")
        await clock.advance(100)
        await move(source, target, silent)
        after = await record(new, "ab1")
        assert abs(after.now - clock.now) > 1e6
        assert after.now - after.clocks.created == a_while
        assert after.sign_in is not None
        assert after.now - after.sign_in.authenticated == a_while
        ended = await new.load("ab2")
        assert not isinstance(ended, Record)
        assert ended is not None
        assert ended.ago == a_while
        draft, age = (await new.drafts("ab0a"))["form"]
        assert (draft, age == a_while) == (b"typed", True)


async def test_a_damaged_mark_keeps_nothing_from_being_moved(server: RedisServer) -> None:
    async with (
        opened(server.url, "old") as old,
        opened(server.url, "new") as new,
        moving(server.url, "old") as source,
        moving(server.url, "new") as target,
    ):
        for id in ("ab1", "ab2"):
            await old.create(id, change({"a": b"1"}))
        await move(source, target, silent)
        with server.client as client:
            client.hset(Keys("new", "").moved("ab"), b"session:\xff", b"x")
        await old.end("ab2", "enough")
        await move(source, target, silent)
        assert await reason(new, "ab2") == "enough"


async def test_sessions_go_from_one_server_to_a_cluster_and_to_a_sentinel_s_master(
    server: RedisServer, running_cluster: Cluster, service: Watched
) -> None:
    ids = [f"{number % 256:02x}{number}" for number in range(1000)]
    async with opened(server.url) as old:
        await asyncio.gather(
            *(old.create(id, change({"own": id.encode()}, user_id=f"user {id}")) for id in ids)
        )
    for url, further in ((server.url, running_cluster.url), (running_cluster.url, service.url)):
        async with moving(url) as source, moving(further) as target, opened(further) as new:
            assert (await move(source, target, silent)).found == len(ids)
            for id in ids[::50]:
                assert (await record(new, id)).data == {"own": id.encode()}
                assert len(await new.sessions_of(f"user {id}", 0, 10)) == 1


async def test_whatever_happens_meanwhile_the_last_time_all_is_as_in_the_source(
    server: RedisServer,
) -> None:
    async with (
        opened(server.url, "old") as old,
        opened(server.url, "new") as new,
        moving(server.url, "old") as source,
        moving(server.url, "new") as target,
    ):
        living = {f"{number % 256:02x}{number}" for number in range(1500)}
        over: dict[str, str] = {}
        await asyncio.gather(*(old.create(id, change({"n": b"0"}, user_id="u")) for id in living))
        chance = random.Random()

        async def traffic() -> None:
            for number in range(10**6):
                id = chance.choice(sorted(living)[:400])
                what = chance.randrange(4)
                if what == 0:
                    await old.save(id, change({"n": b"%d" % number}))
                elif what == 1:
                    await old.end(id, "enough")
                    over[id] = "enough"
                    living.discard(id)
                elif what == 2:
                    await old.regenerate(id, f"{id}-{number}", change())
                    living.discard(id)
                    living.add(f"{id}-{number}")
                    over[id] = "regenerated"
                else:
                    new_id = f"{number % 256:02x}new{number}"
                    await old.create(new_id, change({"n": b"1"}))
                    living.add(new_id)

        task = asyncio.create_task(traffic())
        await move(source, target, silent)
        task.cancel()
        await asyncio.wait([task])
        await move(source, target, silent)
        for id in sorted(living):
            before = await old.load(id)
            if isinstance(before, Record):  # (the last call was cancelled)
                assert (await record(new, id)).data == before.data
        for id, why in over.items():
            if not isinstance(await old.load(id), Record):
                assert await reason(new, id) == why
        listed = {one.id for one in await old.sessions_of("u", 0, 10_000)}
        assert {one.id for one in await new.sessions_of("u", 0, 10_000)} == listed


async def test_stopped_in_the_middle_it_can_be_run_again(server: RedisServer) -> None:
    ids = [f"{number % 256:02x}{number}" for number in range(3000)]
    async with (
        opened(server.url, "old") as old,
        opened(server.url, "new") as new,
        moving(server.url, "old") as source,
        moving(server.url, "new") as target,
    ):
        await asyncio.gather(*(old.create(id, change({"a": b"1"})) for id in ids))
        begun = asyncio.Event()
        task = asyncio.create_task(move(source, target, lambda _: begun.set()))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert (await move(source, target, silent)).found == len(ids)
        for id in ids[::100]:
            await record(new, id)


async def test_a_change_in_the_target_at_that_moment_is_not_written_over(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        opened(server.url, "old") as old,
        opened(server.url, "new") as new,
        moving(server.url, "old") as source,
        moving(server.url, "new") as target,
    ):
        await old.create("ab1", change({"a": b"1"}))
        await move(source, target, silent)
        await old.save("ab1", change({"a": b"2"}))
        write = target._write

        async def after_a_save(*arguments: Any) -> bool:
            monkeypatch.undo()
            await new.save("ab1", change({"a": b"new"}))
            return await write(*arguments)

        monkeypatch.setattr(target, "_write", after_a_save)
        await move(source, target, silent)
        assert (await record(new, "ab1")).data == {"a": b"new"}


async def test_a_source_that_came_back_empty_ends_nothing(server: RedisServer) -> None:
    async with (
        opened(server.url, "old") as old,
        opened(server.url, "new") as new,
        moving(server.url, "old") as source,
        moving(server.url, "new") as target,
    ):
        await old.create("ab1", change({"a": b"1"}))
        await move(source, target, silent)
        with server.client as client:
            client.delete(*client.keys("old:*"))
        await old.create("ab2", change({"a": b"1"}))
        assert (await move(source, target, silent)).found == 1
        for id in ("ab1", "ab2"):
            await record(new, id)


async def test_a_cluster_s_node_that_is_gone_meanwhile_ends_nothing_also_if_it_comes_back_empty(
    running_cluster: Cluster, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quart_idle.move.PATIENCE", 1.0)
    ids = [f"{number % 256:02x}{number}" for number in range(600)]
    lost = running_cluster.nodes[1]  # without a replica, nor the first hash tag
    async with (
        opened(running_cluster.url) as old,
        opened(server.url) as new,
        moving(running_cluster.url) as source,
        moving(server.url) as target,
    ):
        await asyncio.gather(*(old.create(id, change({"a": b"1"})) for id in ids))
        assert (await move(source, target, silent)).found == len(ids)
        lost.stop()
        try:
            with pytest.raises(StoreLost, match="source"):
                await move(source, target, silent)
        finally:
            lost.start()  # empty
        monkeypatch.undo()
        gone = next(id for id in ids if running_cluster.owner(b"{%b}" % id[:2].encode()) == 1)
        await healed(lambda: old.load(gone))
        found = (await move(source, target, silent)).found
        assert 0 < found < len(ids)
        for id in ids:
            await record(new, id)


async def test_a_node_that_takes_over_meanwhile_is_asked_instead(
    running_cluster: Cluster, server: RedisServer
) -> None:
    ids = [f"{number % 256:02x}{number}" for number in range(600)]
    async with (
        opened(running_cluster.url) as old,
        moving(running_cluster.url) as source,
        moving(server.url) as target,
    ):
        await asyncio.gather(*(old.create(id, change({"a": b"1"})) for id in ids))
        await source.identity()
        await soon(running_cluster.nodes[0].has_replica_in_step, 10)
        running_cluster.nodes[0].stop()
        try:
            assert (await move(source, target, silent)).found == len(ids)
        finally:
            running_cluster.nodes[0].start()
            await asyncio.to_thread(running_cluster.give_back)


async def test_a_store_that_comes_back_is_waited_for(server: RedisServer) -> None:
    async with (
        opened(server.url, "old") as old,
        moving(server.url, "old") as source,
        moving(server.url, "new") as target,
    ):
        for number in range(20):
            await old.create(f"{number:02x}", change({"a": b"1"}))
        task = asyncio.create_task(move(source, target, silent))
        server.stop()
        await asyncio.sleep(0.5)
        server.start()
        assert (await task).found == 20

"""What is due: told once, by one worker, with its reason; no other is held up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from redis import Redis

from quart_idle.policy import Limits, SignOfLife
from quart_idle.stores.base import Ended, Live
from tests.helpers.proxy import Link, proxy_to
from tests.helpers.redis_servers import RedisServer, StandingTime
from tests.helpers.redis_workers import SAME, NewStore
from tests.helpers.waiting import until
from tests.store_contract import HERE, change, reason, record


@pytest.fixture
def clock(standing: tuple[RedisServer, StandingTime]) -> StandingTime:
    return standing[1]


@pytest.mark.parametrize("when", ["before the sweep", "while it has looked", "too late"])
async def test_a_renewal_that_came_in_time_never_loses_to_the_sweep(
    still: RedisServer, clock: StandingTime, worker: NewStore, when: str
) -> None:
    async with proxy_to(still.port) as proxy:
        store = worker(proxy.port)
        await store.create("aaid", change(SAME))
        await store.create("bbother", change(SAME))
        looked = asyncio.Event()

        def watch(link: Link, data: bytes) -> None:
            """Hold what is answered to the sweep when it asks what is due."""
            if b"{aa}:due" in data and b"{bb}:due" in data and b":turn" not in data:
                proxy.only = lambda one: one is link
                proxy.back.stall()
                looked.set()

        with listening(still) as told:
            await clock.advance(40)
            if when != "too late":
                await store.renew({"aaid": HERE})
            proxy.watch = watch
            await clock.advance(25)
            await asyncio.wait_for(looked.wait(), 10)
            proxy.watch = lambda _, __: None
            if when != "before the sweep":
                # What was found is stale by now: the entries are from before.
                renewed = (await store.renew({"aaid": HERE}))["aaid"]
                assert isinstance(renewed, Ended if when == "too late" else Live)
            proxy.flow()
            await until(lambda: "bbother" in told())
            await asyncio.sleep(0.2)
            if when == "too late":
                assert await reason(store, "aaid") == "idle"
                assert sorted(told()) == ["aaid", "bbother"]
            else:
                assert (await record(store, "aaid")).data == SAME
                assert told() == ["bbother"]
            await clock.advance(300)
            await until(lambda: len(told()) == 2)
            assert await reason(store, "aaid") == "idle"


class listening:  # noqa: N801  (a context manager)
    """What is told to all workers, heard beside them: ids, in order."""

    def __init__(self, server: RedisServer) -> None:
        self._redis = Redis(port=server.port, socket_timeout=10)
        self._ids: list[str] = []

    def __enter__(self) -> Callable[[], list[str]]:
        self._told = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._told.subscribe("quart-idle:told")
        self._told.get_message(timeout=5)
        return self.ids

    def ids(self) -> list[str]:
        while (message := self._told.get_message(timeout=0.01)) is not None:
            if message["type"] == "message":
                self._ids.append(message["data"].split(b"\n")[1].decode())
        return self._ids

    def __exit__(self, *_: object) -> None:
        self._told.close()
        self._redis.close()


def only_reason(server: RedisServer, id: str) -> bool:
    with server.client as redis:
        return set(redis.hkeys(f"quart-idle:{{{id[:2]}}}{id[2:]}")) == {b"\xfc", b"\xfd"}


async def test_what_timed_out_is_told_once_and_leaves_its_reason_for_an_hour(
    still: RedisServer, clock: StandingTime, worker: NewStore
) -> None:
    limits = Limits(timeout=60, lifetime=100, closed_timeout=30)
    workers = [worker(still.port, limits) for _ in range(3)]
    whys = {"closed": 30, "idle": 30, "lifetime": 40}
    ids = {why: [f"{number:02x}{why}" for number in range(20)] for why in whys}
    for why in whys:
        for number, id in enumerate(ids[why]):
            own = 500.0 if why == "lifetime" else None
            await workers[number % 3].create(id, change(SAME, user_id="ada", timeout=own))
    await workers[0].renew(dict.fromkeys(ids["closed"], SignOfLife(0.0, 0.0, True)))
    await workers[0].load("any")
    with listening(still) as told:
        for why, seconds in whys.items():
            await clock.advance(seconds)
            for id in ids[why]:
                await until(lambda id=id: only_reason(still, id), 5)  # type: ignore[misc]
            for store in workers:
                assert {await reason(store, id) for id in ids[why]} == {why}
        await asyncio.sleep(1.5)
        assert sorted(told()) == sorted(id for some in ids.values() for id in some)
    await clock.advance(3601)
    for store in workers:
        assert await store.load(ids["idle"][0]) is None
    with still.client as redis:
        assert not [key for key in redis.scan_iter() if key != b"quart-idle:turn"]


async def test_what_fell_due_while_every_worker_was_down_is_told_by_the_next_one(
    still: RedisServer, clock: StandingTime, worker: NewStore
) -> None:
    first = worker(still.port)
    await first.create("aaid", change(SAME))
    await first.close()
    await clock.advance(600)
    with listening(still) as told:
        await asyncio.sleep(0.2)
        assert told() == []
        second = worker(still.port)
        await second.open()
        await until(lambda: told() == ["aaid"])
        assert await reason(second, "aaid") == "idle"
        assert only_reason(still, "aaid")
        await asyncio.sleep(1.2)
        assert told() == ["aaid"]


async def test_the_data_of_a_session_that_timed_out_is_gone_though_nobody_asks(
    server: RedisServer, worker: NewStore
) -> None:
    store = worker(server.port, Limits(timeout=1.0))
    await store.create("aaid", change(SAME, user_id="ada"))
    assert not only_reason(server, "aaid")
    await asyncio.sleep(1.0)
    await until(lambda: only_reason(server, "aaid"), 3)


async def test_what_was_tampered_with_holds_up_no_other(
    still: RedisServer, clock: StandingTime, worker: NewStore
) -> None:
    store = worker(still.port)
    await store.open()
    await store.create("aaid", change({"a": b"1"}))
    with still.client as client:
        client.hset(b"quart-idle:{aa}bad", b"\xff", b"x")
        client.zadd("quart-idle:{aa}:due", {"bad": 1.0})
        await clock.advance(100)
        await until(lambda: client.hkeys("quart-idle:{aa}id") == [b"\xfd", b"\xfc"], 10)
        assert client.zcard("quart-idle:{aa}:due") == 0

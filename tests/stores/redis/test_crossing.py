"""Two calls of two workers at once are as one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from quart_idle import MemoryStore, Store
from quart_idle.stores.base import Ended, Record
from tests.helpers.proxy import Proxy
from tests.helpers.redis_servers import RedisServer, StandingTime
from tests.helpers.redis_workers import LIMITS, SAME, NewStore, shape
from tests.store_contract import PAGE, change


@pytest.fixture
def clock(standing: tuple[RedisServer, StandingTime]) -> StandingTime:
    return standing[1]


FIRST: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "save": lambda store: store.save("aaid", change({"a": b"2", "c": b"2"})),
    "regenerate": lambda store: store.regenerate("aaid", "aanew", change({"a": b"2"})),
    "renew": lambda store: store.renew({"aaid": PAGE}),
    "end": lambda store: store.end("aaid", "first"),
    "load": lambda store: store.load("aaid"),
}
SECOND: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "save": lambda store: store.save("aaid", change({"b": b"3"}, clear=True)),
    "regenerate": lambda store: store.regenerate("aaid", "aaother", change({"a": b"3"})),
    "end": lambda store: store.end("aaid", "second"),
}


async def outcome(store: Store) -> list[Any]:
    return [shape(await store.load(id)) for id in ("aaid", "aanew", "aaother")]


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("held", ["command", "answer"])
async def test_calls_of_two_workers_that_cross_are_as_one_after_the_other(
    server: RedisServer, proxy: Proxy, worker: NewStore, held: str, first: str, second: str
) -> None:
    slow, quick = worker(proxy.port), worker(server.port)
    oracle = MemoryStore()
    oracle.bind(LIMITS, lambda *_: None)
    for call in (*FIRST.values(), *SECOND.values()):
        await call(slow)  # a script that Redis does not know happens only when it is sent again
    for store in (slow, oracle):
        await store.create("aaid", change(SAME, user_id="ada"))
    await slow.load("aaid")
    reached = asyncio.Event()
    proxy.only = lambda link: not link.subscribed
    way = proxy.to if held == "command" else proxy.back
    way.stall()
    proxy.watch = lambda _, data: reached.set() if b"{aa}id" in data else None
    under_way = asyncio.ensure_future(FIRST[first](slow))
    await asyncio.wait_for(reached.wait(), 5)
    if held == "answer":  # until it has happened
        await asyncio.sleep(0.05)
    answer = await SECOND[second](quick)
    assert not under_way.done()
    proxy.flow()
    answers = [shape(await under_way), shape(answer)]

    order = [FIRST[first], SECOND[second]]
    if held == "command":
        order.reverse()
    expected = [shape(await call(oracle)) for call in order]
    if held == "command":
        expected.reverse()
    assert answers == expected
    assert await outcome(quick) == await outcome(slow) == await outcome(oracle)
    with server.client as redis:
        for id in ("id", "new", "other"):
            if isinstance(await quick.load("aa" + id), Ended):
                fields = set(redis.hkeys(f"quart-idle:{{aa}}{id}"))
                assert fields <= {b"\xf9", b"\xfa", b"\xfb", b"\xfc", b"\xfd"}
        due = {name.decode() for name in redis.zrange("quart-idle:{aa}:due", 0, -1)}
        alive = {
            id for id in ("id", "new", "other") if isinstance(await quick.load("aa" + id), Record)
        }
        assert due == alive

"""Calls whose callers leave, and whose answers are lost."""

from __future__ import annotations

import asyncio
import time

import pytest

from quart_idle.stores.base import Changed, Ended, Live, Record
from quart_idle.stores.redis import RedisStore
from tests.helpers.proxy import Link, Proxy
from tests.helpers.redis_faults import (
    CALLS,
    LIMITS,
    MOST_CONNECTIONS,
    Stores,
    assert_whole,
    prepare,
)
from tests.helpers.redis_servers import RedisServer
from tests.helpers.waiting import until
from tests.store_contract import change, reason, record

# Callers that leave.


@pytest.mark.parametrize("held", ["command", "answer"])
@pytest.mark.parametrize("name", CALLS)
async def test_a_call_that_is_cancelled_happened_whole_or_not_at_all_and_takes_no_other_along(
    proxy: Proxy, stores: Stores, name: str, held: str
) -> None:
    store = await stores(proxy.port, timeout=10.0)
    await prepare(store)
    await store.create("aaother", change({"a": b"1"}))
    way = proxy.to if held == "command" else proxy.back
    proxy.only = lambda link: not link.subscribed
    way.stall()
    reached = asyncio.Event()
    proxy.watch = lambda _, data: reached.set() if name.encode() in data else None
    call = asyncio.ensure_future(CALLS[name](store))
    others = [
        asyncio.ensure_future(store.load("aaother")),
        asyncio.ensure_future(store.save("aaother", change({"b": b"2"}))),
        asyncio.ensure_future(store.load("aa" + name)),
    ]
    await asyncio.wait_for(reached.wait(), 5)
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    proxy.flow()
    found, saved, _ = await asyncio.gather(*others)
    assert isinstance(found, Record)
    assert found.data["a"] == b"1"
    assert saved == Changed("aaother")
    await assert_whole(store)
    assert (await record(store, "aaother")).data == {"a": b"1", "b": b"2"}


# An application on it.


async def test_an_end_whose_answer_was_lost_is_told_for_one(proxy: Proxy, stores: Stores) -> None:
    store = await stores(proxy.port)
    await store.create("aaid", change({"a": b"1"}))
    await store.create("aaother", change({}))
    await store.end("aaother", "first")  # its script is known

    def cut(link: Link, data: bytes) -> None:
        if b"sent home" in data:
            proxy.watch = lambda _link, _data: None
            proxy.only = lambda other: other is link
            proxy.back.left = 0

    proxy.watch = cut
    assert await store.end("aaid", "sent home") == "aaid"
    assert sum(b"sent home" in piece for piece in proxy.sent) == 2
    assert await store.end("aaid", "again") is None


@pytest.mark.parametrize("call", ["save", "regenerate"])
async def test_a_change_that_leaves_nothing_and_whose_answer_was_lost_is_told_for_one(
    proxy: Proxy, stores: Stores, call: str
) -> None:
    store = await stores(proxy.port)
    calls = {
        "save": lambda id: store.save(id, change({"a": None})),
        "regenerate": lambda id: store.regenerate(id, "aanew", change({"a": None})),
    }
    for id in ("aaother", "aaid"):
        await store.create(id, change({"a": b"1"}))
    await calls[call]("aaother")  # its script is known

    def cut(link: Link, data: bytes) -> None:
        if b"{aa}id" in data:
            proxy.watch = lambda _link, _data: None
            proxy.only = lambda other: other is link
            proxy.back.left = 0

    proxy.watch = cut
    assert await calls[call]("aaid") == Changed("aaid", ended=True)
    assert sum(b"{aa}id" in piece for piece in proxy.sent) >= 3
    assert await store.load("aanew") is None
    assert await store.save("aaid", change({"b": b"1"})) is None


async def test_an_end_that_waits_for_its_turn_is_made_though_its_caller_has_gone(
    server: RedisServer, proxy: Proxy, stores: Stores
) -> None:
    store, other = await stores(proxy.port, 10.0), await stores(server.port)
    await prepare(store)
    proxy.back.stall()
    loads = []
    for _ in range(MOST_CONNECTIONS):  # more than carry calls
        loads.append(asyncio.create_task(store.load("aaload")))
        await asyncio.sleep(0.05)
    end = asyncio.create_task(store.end("aaend", "signed out"))
    renewal = asyncio.create_task(store.save("aasave", change({"a": b"2"})))
    await asyncio.sleep(0.05)
    assert isinstance(await other.load("aaend"), Record), "it is not on its way yet"
    for task in (end, renewal):
        task.cancel()
    await asyncio.wait([end, renewal])
    proxy.flow()
    await asyncio.gather(*loads)
    await until(lambda: any(b"signed out" in piece for piece in proxy.sent))
    await asyncio.sleep(0.2)
    assert await reason(other, "aaend") == "signed out"
    assert (await record(other, "aasave")).data["a"] == b"1", "nobody waits for that"


async def test_a_worker_that_hears_nothing_tells_its_own_pages_of_the_ends_that_it_makes(
    proxy: Proxy,
) -> None:
    def refuse(link: Link, data: bytes) -> None:
        if b"SUBSCRIBE" in data:
            link.reset()

    proxy.watch = refuse
    told: list[tuple[str, Live | Ended]] = []
    store = RedisStore(f"redis://127.0.0.1:{proxy.port}")
    store.bind(LIMITS, lambda *what: told.append(what), timeout=10.0)
    try:
        await store.create("aaid", change({"a": b"1"}))
        assert await store.regenerate("aaid", "aanew", change())
        assert not store.hears(time.monotonic())
        assert told == [("aaid", Ended("regenerated"))]
        assert await store.end("aaid", "signed out") == "aanew"
        assert told[1:] == [("aanew", Ended("signed out"))]
    finally:
        await store.close()

"""The store while Redis is away, slow, silent, full or read-only."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress

import pytest

from quart_idle import StoreUnavailable
from quart_idle.stores.asking import ask
from quart_idle.stores.base import Live, Record
from quart_idle.stores.redis import RedisStore
from tests.helpers.proxy import Proxy
from tests.helpers.redis_faults import (
    CALLS,
    FAULTS,
    MOST_CONNECTIONS,
    TIMEOUT,
    Fault,
    Stores,
    assert_whole,
    mend,
    prepare,
)
from tests.helpers.redis_servers import RedisServer
from tests.helpers.waiting import until
from tests.store_contract import HERE, change, reason, record

CARRYING = 3

faults = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


async def load_later(store: RedisStore, turn: int) -> None:
    await asyncio.sleep(turn * 0.02)
    with suppress(StoreUnavailable):
        await store.load("aaload")


@faults
async def test_a_call_fails_in_time_and_leaves_whole_sessions_and_no_connections_behind(
    server: RedisServer, proxy: Proxy, stores: Stores, fault: Fault
) -> None:
    store = await stores(proxy.port)
    await prepare(store)
    fault.begin(server, proxy)
    for _ in range(2):
        began = time.monotonic()
        calls = (ask(call(store), TIMEOUT) for call in CALLS.values())
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - began < TIMEOUT + 1
        assert {type(answer) for answer in answers} == {StoreUnavailable}
    await mend(fault, server, proxy)
    await until(lambda: server.connections() <= MOST_CONNECTIONS)
    await assert_whole(store)
    assert await store.save("aaload", change({"c": b"3"}))
    await until(lambda: store.hears(time.monotonic()), 15)
    await until(lambda: 0 < server.connections() <= MOST_CONNECTIONS)


async def test_connections_that_died_without_a_word_are_replaced(
    proxy: Proxy, stores: Stores
) -> None:
    store = await stores(proxy.port)
    await store.create("id", change({"a": b"1"}))
    proxy.to.stall()
    for _ in range(4):  # one more than carry calls
        with pytest.raises(StoreUnavailable):
            await ask(store.load("id"), TIMEOUT)
    # What was there stays dead; what is new lives.
    proxy.only = set(proxy.links).__contains__
    assert (await ask(record(store), TIMEOUT)).data == {"a": b"1"}


async def test_connections_that_were_reset_since_they_were_used_fail_no_call(
    proxy: Proxy, stores: Stores
) -> None:
    store = await stores(proxy.port)
    await store.create("id", change({"a": b"1"}))
    for _ in range(5):
        proxy.reset()
        await asyncio.sleep(0.05)
        assert (await record(store)).data == {"a": b"1"}


async def test_a_write_that_comes_later_than_its_caller_waits_is_not_made_and_an_end_is(
    server: RedisServer, proxy: Proxy, stores: Stores
) -> None:
    store, other = await stores(proxy.port), await stores(server.port)
    await prepare(store)
    for call in CALLS.values():  # a script that Redis does not know is sent once it has said so
        await call(store)
    proxy.back.delay = 0.1
    while sum(not link.subscribed for link in proxy.links) < CARRYING:
        # So that each of them is there, and all calls are sent.
        await asyncio.gather(*(load_later(store, turn) for turn in range(CARRYING)))
    proxy.back.delay = 0.0
    with server.client as client:
        client.flushdb()
    await prepare(store)
    before = await record(store, "aarenew")
    server.pause()
    proxy.sent.clear()
    calls = (ask(call(store), TIMEOUT) for call in CALLS.values())
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    sent = b"".join(proxy.sent)
    assert all(b"{aa}%b" % name.encode() in sent for name in CALLS)
    server.resume()
    await until(lambda: server.connections() > 0)
    assert await reason(other, "aaend") == "signed out"
    assert await other.load("aacreate") is None
    assert (await record(other, "aasave")).data["a"] == b"1"
    assert (await record(other, "aaregenerate")).data["a"] == b"1"
    assert (await record(other, "aarenew")).clocks == before.clocks


async def test_a_draft_is_neither_kept_nor_dropped_later_than_its_caller_waits(
    server: RedisServer, stores: Stores
) -> None:
    store, other = await stores(server.port), await stores(server.port)
    for _ in range(2):  # once for the scripts to be known
        await store.keep_draft("b0a1", "one", b"1")
        await store.drop_draft("b0a1", "two")
    server.pause()
    calls = (
        ask(call, TIMEOUT)
        for call in (
            store.keep_draft("b0a1", "two", b"2"),
            store.drop_draft("b0a1", "one"),
            store.drafts("b0a1"),
        )
    )
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    server.resume()
    await until(lambda: server.connections() > 0)
    assert list(await other.drafts("b0a1")) == ["one"]


async def test_in_a_full_redis_drafts_are_read_and_dropped_and_not_kept(
    server: RedisServer, stores: Stores
) -> None:
    store = await stores(server.port)
    for name in ("one", "two"):
        await store.keep_draft("b0a1", name, b"1")
    with server.client as client:
        client.config_set("maxmemory", "1mb")
    with pytest.raises(StoreUnavailable):
        await store.keep_draft("b0a1", "one", b"2")
    assert {name: draft for name, (draft, _) in (await store.drafts("b0a1")).items()} == {
        "one": b"1",
        "two": b"1",
    }
    await store.drop_draft("b0a1", "one")
    assert list(await store.drafts("b0a1")) == ["two"]


async def test_no_answer_goes_to_another_call_while_connections_are_reset(
    proxy: Proxy, stores: Stores
) -> None:
    store = await stores(proxy.port)
    ids = [f"{number:02x}rest" for number in range(32)]
    for id in ids:
        await store.create(id, change({"own": id.encode()}, user_id=id))
    answered = failed = 0
    over = asyncio.Event()

    async def use(id: str) -> None:
        nonlocal answered, failed
        while not over.is_set():
            try:
                found = await store.load(id)
                assert isinstance(found, Record)
                assert (found.data["own"], found.user_id) == (id.encode(), id)
                assert await store.save(id, change({"own": id.encode()}))
                live = await store.renew({id: HERE})
                assert isinstance(live[id], Live)
                answered += 1
            except StoreUnavailable:
                failed += 1
            await asyncio.sleep(random.random() / 100)

    users = [asyncio.create_task(use(id)) for id in ids]
    for _ in range(40):
        await asyncio.sleep(0.05)
        random.choice((proxy.to, proxy.back)).left = random.randrange(5000)
        await asyncio.sleep(0.05)
        proxy.flow()
        proxy.reset()
    over.set()
    await asyncio.gather(*users)
    assert answered > 100
    assert failed > 0
    assert proxy.connections > 20


async def test_scripts_that_are_flushed_and_a_restart_are_survived_without_an_error(
    server: RedisServer, stores: Stores
) -> None:
    store = await stores(server.port)
    await store.create("id", change({"a": b"1"}))
    over = asyncio.Event()

    async def use(number: int) -> None:
        while not over.is_set():
            assert await store.save("id", change({f"a{number}": b"2"}))
            assert f"a{number}" in (await record(store, "id")).data

    users = [asyncio.create_task(use(number)) for number in range(10)]
    with server.client as client:
        for _ in range(20):
            await asyncio.sleep(0.02)
            client.script_flush()
    over.set()
    await asyncio.gather(*users)
    server.stop()
    server.start()
    assert len((await record(store, "id")).data) == 11
    server.stop()
    server.start()
    assert isinstance((await store.renew({"id": HERE}))["id"], Live)


async def test_redis_that_comes_back_empty_has_no_session_and_is_used_on(
    server: RedisServer, stores: Stores
) -> None:
    store = await stores(server.port)
    await store.create("id", change({"a": b"1"}))
    with server.client as client:
        client.flushall()
    server.stop()
    server.start()
    assert await store.load("id") is None
    assert await store.renew({"id": HERE}) == {"id": None}
    assert await store.save("id", change({"a": b"2"})) is None
    await store.create("id", change({"a": b"3"}))
    assert (await record(store, "id")).data == {"a": b"3"}


async def test_a_full_redis_is_read_renewed_and_signed_out_from(
    server: RedisServer, stores: Stores
) -> None:
    store = await stores(server.port)
    await prepare(store)
    await asyncio.sleep(0.1)
    before = await record(store, "aarenew")
    with server.client as client:
        client.config_set("maxmemory", "1mb")
    for name in ("create", "save", "regenerate"):
        with pytest.raises(StoreUnavailable):
            await CALLS[name](store)
    assert await store.end("aaend", "signed out") == "aaend"
    assert await reason(store, "aaend") == "signed out"
    live = (await store.renew({"aarenew": HERE}))["aarenew"]
    assert isinstance(live, Live)
    assert live.clocks.active > before.clocks.active
    assert (await record(store, "aarenew")).clocks == live.clocks
    with server.client as client:
        client.config_set("maxmemory", 0)
    await assert_whole(store)
    assert await store.save("aasave", change({"a": b"2"}))


async def test_a_read_only_redis_is_read_and_written_when_it_is_a_master_again(
    server: RedisServer, stores: Stores
) -> None:
    store = await stores(server.port)
    await prepare(store)
    with server.client as client:
        client.replicaof("127.0.0.1", 1)
    for name, call in CALLS.items():
        if name == "load":
            assert isinstance(await call(store), Record)
        else:
            with pytest.raises(StoreUnavailable):
                await call(store)
    with server.client as client:
        client.replicaof("NO", "ONE")
    await assert_whole(store)
    for name, call in CALLS.items():
        if name != "create":
            assert await call(store)

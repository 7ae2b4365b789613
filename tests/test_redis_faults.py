"""Redis that is away, slow, full or empty, and a network that fails: nobody is signed out by it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from quart_idle import StoreUnavailable
from quart_idle.policy import Limits
from quart_idle.stores.base import Ended, Live, Record, ask
from quart_idle.stores.redis import RedisStore

from .proxy import Proxy, proxy_to
from .servers import RedisServer, redis_server
from .store_contract import HERE, change, reason, record

LIMITS = Limits(timeout=60.0, lifetime=1000.0, closed_timeout=30.0)
TIMEOUT = 0.5
# A worker's connections: its lanes, the subscription, and that by which it looked at the server.
MOST_CONNECTIONS = 5

Stores = Callable[..., Awaitable[RedisStore]]


@pytest.fixture(scope="module")
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
        client.config_set("maxmemory", 0)


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


def connections(server: RedisServer) -> int:
    """How many the server has, but for the one that asks."""
    with server.client as client:
        return len(client.client_list()) - 1


async def until(what: Callable[[], bool], within: float = 10.0) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + within
    while not what():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


class Fault:
    """What can be wrong, and how it is mended."""

    def __init__(self, begin: Callable[[RedisServer, Proxy], Any]) -> None:
        self.begin = begin

    @staticmethod
    def end(server: RedisServer, proxy: Proxy) -> None:
        server.resume()
        if server.process.poll() is not None:
            server.start()
        proxy.flow()


def _refused(_: RedisServer, proxy: Proxy) -> None:
    proxy.refuse()
    proxy.reset()


def _slow(_: RedisServer, proxy: Proxy) -> None:
    proxy.back.delay = 3.0


def _cut(_: RedisServer, proxy: Proxy) -> None:
    proxy.to.left = 40


def _cut_answers(_: RedisServer, proxy: Proxy) -> None:
    proxy.back.left = 0


FAULTS = {
    "stopped": Fault(lambda server, _: server.stop()),
    "refused": Fault(_refused),
    "silent": Fault(lambda server, _: server.pause()),
    "blackholed": Fault(lambda _, proxy: proxy.to.stall()),
    "deaf": Fault(lambda _, proxy: proxy.back.stall()),
    "slow": Fault(_slow),
    "cut": Fault(_cut),
    "answers cut": Fault(_cut_answers),
}

faults = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


async def mend(fault: Fault, server: RedisServer, proxy: Proxy) -> None:
    fault.end(server, proxy)
    proxy.refuse()
    await proxy.listen()


# The store.


CALLS: dict[str, Callable[[RedisStore], Awaitable[Any]]] = {
    "load": lambda store: store.load("aaload"),
    "create": lambda store: store.create("aacreate", change({"a": b"2", "b": b"2"})),
    "save": lambda store: store.save("aasave", change({"a": b"2", "b": b"2"})),
    "regenerate": lambda store: store.regenerate(
        "aaregenerate", "aanew", change({"a": b"2", "b": b"2"})
    ),
    "end": lambda store: store.end("aaend", "signed out"),
    "renew": lambda store: store.renew({"aarenew": HERE}),
}


async def prepare(store: RedisStore) -> None:
    """A session for each call."""
    for name in CALLS:
        if name != "create":
            await store.create("aa" + name, change({"a": b"1", "b": b"1"}))


async def assert_whole(store: RedisStore) -> None:
    """Each of the calls happened whole or not at all, and did nothing to the others' sessions."""
    values = {"a": b"1", "b": b"1"}, {"a": b"2", "b": b"2"}
    for name in ("load", "renew"):
        assert (await record(store, "aa" + name)).data == values[0]
    assert (await record(store, "aasave")).data in values
    created = await store.load("aacreate")
    assert created is None or (isinstance(created, Record) and created.data == values[1])
    ended = await store.load("aaend")
    assert isinstance(ended, Record) or (ended is not None and ended.reason == "signed out")
    old, new = await store.load("aaregenerate"), await store.load("aanew")
    if isinstance(old, Record):
        assert (old.data, new) == (values[0], None)
    else:
        assert isinstance(old, Ended)
        assert isinstance(new, Record)
        assert (old.reason, new.data) == ("regenerated", values[1])


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
    await until(lambda: connections(server) <= MOST_CONNECTIONS)
    await assert_whole(store)
    assert await store.save("aaload", change({"c": b"3"}))
    await until(lambda: store.hears(time.monotonic()), 15)
    await until(lambda: 0 < connections(server) <= MOST_CONNECTIONS)


async def test_a_write_that_comes_later_than_its_caller_waits_is_not_made_and_an_end_is(
    server: RedisServer, stores: Stores
) -> None:
    store, other = await stores(server.port), await stores(server.port)
    await prepare(store)
    for call in CALLS.values():  # a script that Redis does not know is sent once it has said so
        await call(store)
    with server.client as client:
        client.flushdb()
    await prepare(store)
    before = await record(store, "aarenew")
    server.pause()
    calls = (ask(call(store), TIMEOUT) for call in CALLS.values())
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    server.resume()
    await until(lambda: connections(server) > 0)
    assert await reason(other, "aaend") == "signed out"
    assert await other.load("aacreate") is None
    assert (await record(other, "aasave")).data["a"] == b"1"
    assert (await record(other, "aaregenerate")).data["a"] == b"1"
    assert (await record(other, "aarenew")).clocks == before.clocks


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
    assert await store.save("id", change({"a": b"2"})) is False
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


async def test_thousands_of_calls_at_once_on_default_settings_give_no_error(
    server: RedisServer, stores: Stores
) -> None:
    store = await stores(server.port, timeout=1.0)
    ids = [f"{number % 256:02x}{number}" for number in range(5000)]
    await asyncio.gather(*(store.create(id, change({"own": id.encode()})) for id in ids))
    found = await asyncio.gather(*(ask(store.load(id), 1.0) for id in ids))
    for id, one in zip(ids, found, strict=True):
        assert isinstance(one, Record)
        assert one.data["own"] == id.encode()
    assert connections(server) <= MOST_CONNECTIONS


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
    assert saved is True
    await assert_whole(store)
    assert (await record(store, "aaother")).data == {"a": b"1", "b": b"2"}

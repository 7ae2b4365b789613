"""Redis that is away, slow, full or empty, and a network that fails: nobody is signed out by it."""

from __future__ import annotations

import asyncio
import itertools
import random
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from quart import Quart, request
from quart.typing import TestClientProtocol as QuartClient

from quart_idle import QuartIdle, StoreUnavailable
from quart_idle.policy import Limits
from quart_idle.stores.asking import ask
from quart_idle.stores.base import Changed, Ended, Live, Record
from quart_idle.stores.redis import RedisStore
from tests.helpers.handlers import session
from tests.helpers.proxy import Link, Proxy, proxy_to
from tests.helpers.redis_servers import RedisServer, redis_server
from tests.helpers.servers import NewClient, Serve, Server, signed_in
from tests.helpers.waiting import until
from tests.helpers.wire import frame, goodbye, hold, presence
from tests.store_contract import HERE, change, reason, record

LIMITS = Limits(timeout=60.0, lifetime=1000.0, closed_timeout=30.0)
TIMEOUT = 0.5
# A worker's connections: those that carry calls, the subscription, and that by which it looked at
# the server.
MOST_CONNECTIONS = 5
CARRYING = 3

Stores = Callable[..., Awaitable[RedisStore]]
NewUser = Callable[[], QuartClient]


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
        client.config_set("maxmemory", 0, "appendfsync", "always")


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

# An application has the store's answer to the others.
MAIN_FAULTS = "stopped", "refused", "silent", "slow", "answers cut"

faults = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
main_faults = pytest.mark.parametrize(
    "fault", [FAULTS[name] for name in MAIN_FAULTS], ids=MAIN_FAULTS
)


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


async def load_later(store: RedisStore, turn: int) -> None:
    await asyncio.sleep(turn * 0.02)
    with suppress(StoreUnavailable):
        await store.load("aaload")


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


@pytest.mark.alone
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
    assert server.connections() <= MOST_CONNECTIONS


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


def settings(port: int, **more: Any) -> dict[str, Any]:
    return {
        "store": f"redis://127.0.0.1:{port}",
        "store_timeout": TIMEOUT,
        "timeout": 30,
        "warning": 10,
        "ping_interval": 0.5,
        **more,
    }


def assert_unavailable(answer: httpx.Response, took: float) -> None:
    """It is the application's own answer, in time, and the client keeps its cookie."""
    assert answer.status_code == 503
    assert answer.json() == {"error": "come back later"}
    assert int(answer.headers["Retry-After"]) > 0
    assert "Set-Cookie" not in answer.headers
    assert took < TIMEOUT + 2


async def timed(request: Awaitable[httpx.Response]) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return await request, time.monotonic() - began


@main_faults
async def test_nobody_is_signed_out_while_redis_is_away(
    server: RedisServer, proxy: Proxy, serve: Serve, client: NewClient, fault: Fault
) -> None:
    site = serve(settings(proxy.port))
    user, leaver = await signed_in(site, client), await signed_in(site, client)
    before = (await user.get("/")).json()
    async with presence(site, user) as page:
        await frame(page, "state")
        open_page = asyncio.create_task(hold(page, 60))
        # In mid-request: it has read its session, and cannot save it.
        slow = asyncio.create_task(timed(user.post("/set", params={"wait": 1, "a": "2"})))
        await asyncio.sleep(0.5)
        fault.begin(server, proxy)
        answers = await asyncio.gather(
            timed(user.get("/")),
            timed(user.post("/sign-in/grace")),
            timed(leaver.post("/sign-out")),
            timed(client(site).post("/sign-in/linus")),
        )
        for answer in answers:
            assert_unavailable(*answer)
        saved, took = await slow
        assert_unavailable(saved, took - 1)
        assert (await user.get("/untouched")).text == "untouched"
        assert (await client(site).get("/")).json()["user"] is None
        async with presence(site, user) as another:
            assert (await goodbye(another))[0] == 1013
        # In mid-ping: the page is there, and stays.
        await page.send('{"type": "ask"}')
        await asyncio.sleep(2 * TIMEOUT)
        await mend(fault, server, proxy)
        await asyncio.wait([open_page], timeout=2)
        if open_page.done():
            assert page.close_code in (1001, 1006, 1011, 1012, 1013)
        after = (await user.get("/")).json()
        assert (after["id"], after["user"]) == (before["id"], "ada")
        assert after["data"].get("a") in (None, "2")
        open_page.cancel()
    await until(lambda: server.connections() <= MOST_CONNECTIONS)
    assert (await leaver.get("/")).json()["user"] in ("ada", None)


def active(server: RedisServer, id: str) -> float:
    """When a session was last active, by what is stored."""
    with server.client as client:
        raw = client.hget(f"quart-idle:{{{id[:2]}}}{id[2:]}", b"\xff")
    assert isinstance(raw, bytes)
    return float(struct.unpack_from("<dd", raw)[1])


async def test_signs_of_life_from_a_time_without_redis_are_written_when_it_is_over(
    server: RedisServer, proxy: Proxy, serve: Serve, client: NewClient
) -> None:
    site = serve(settings(proxy.port))
    user = await signed_in(site, client)
    id = (await user.get("/")).json()["id"]
    async with presence(site, user) as page:
        await hold(page, 1.2)
        proxy.refuse()
        proxy.reset()
        began = time.time()
        await hold(page, 2)
        assert page.close_code is None
    left = time.time()
    await asyncio.sleep(0.5)
    assert active(server, id) < began
    await proxy.listen()
    await until(lambda: active(server, id) > began)
    assert active(server, id) < left + 0.1


async def test_an_application_starts_without_redis_and_works_when_it_comes(
    proxy: Proxy, serve: Serve, client: NewClient
) -> None:
    proxy.refuse()
    site = serve(settings(proxy.port))
    stranger = client(site)
    assert (await stranger.get("/untouched")).status_code == 200
    assert (await stranger.get("/")).json()["user"] is None
    assert_unavailable(*await timed(stranger.post("/sign-in/ada")))
    stranger.cookies.set("session", "A" * 43)
    assert_unavailable(*await timed(stranger.get("/")))
    stranger.cookies.clear()
    await proxy.listen()
    user = await signed_in(site, client)
    async with presence(site, user) as page:
        assert (await frame(page))["type"] == "state"
        await user.post("/sign-out")
        assert await goodbye(page, 2) == (4401, "signed out")


async def test_when_redis_comes_back_empty_each_user_signs_in_once_more(
    server: RedisServer, proxy: Proxy, serve: Serve, client: NewClient
) -> None:
    site = serve(settings(proxy.port))
    user, other = await signed_in(site, client), await signed_in(site, client)
    async with presence(site, user) as page:
        await frame(page, "state")
        with server.client as redis:
            redis.flushall()
        server.stop()
        server.start()
        assert await goodbye(page) == (4401, "unknown")
    for one in (user, other):
        facts = await one.get("/")
        assert (facts.status_code, facts.json()["user"]) == (200, None)
        assert facts.json()["ended"] == "unknown"
        (await one.post("/sign-in/ada")).raise_for_status()
        assert (await one.get("/")).json()["user"] == "ada"
        async with presence(site, one) as page:
            assert (await frame(page))["type"] == "state"


async def test_a_full_or_read_only_redis_fails_only_what_it_cannot_do(
    server: RedisServer, proxy: Proxy, serve: Serve, client: NewClient
) -> None:
    site = serve(settings(proxy.port))
    user, leaver = await signed_in(site, client), await signed_in(site, client)
    id = (await user.get("/")).json()["id"]
    with server.client as redis:
        redis.config_set("maxmemory", "1mb")
        moment = time.time()
        assert (await user.get("/")).json()["user"] == "ada"
        assert_unavailable(*await timed(user.post("/set", params={"a": "1"})))
        assert_unavailable(*await timed(client(site).post("/sign-in/linus")))
        assert "session=;" in (await leaver.post("/sign-out")).headers["Set-Cookie"]
        await until(lambda: active(server, id) > moment)
        redis.config_set("maxmemory", 0)
        (await user.post("/set", params={"a": "1"})).raise_for_status()
        async with presence(site, user) as page:
            await frame(page, "state")
            redis.replicaof("127.0.0.1", 1)
            assert (await user.get("/")).json()["data"] == {"a": "1"}
            assert_unavailable(*await timed(user.post("/set", params={"a": "2"})))
            assert_unavailable(*await timed(user.post("/sign-out")))
            moment = time.time()
            await hold(page, 1.5)
            assert page.close_code is None
            redis.replicaof("NO", "ONE")
            (await user.post("/set", params={"a": "3"})).raise_for_status()
            await until(lambda: active(server, id) > moment)


@pytest.mark.parametrize("held", ["command", "answer"])
async def test_a_client_that_leaves_in_the_middle_of_a_store_s_call_loses_nothing(
    server: RedisServer, proxy: Proxy, serve: Serve, client: NewClient, held: str
) -> None:
    site = serve(settings(proxy.port, store_timeout=1))
    # What is asked, and which of its store's calls is under way when the client leaves.
    acts = {"/": 1, "/set?a=2": 2, "/regenerate": 2, "/sign-in/grace": 2, "/sign-out": 2, "page": 1}
    users = {act: await signed_in(site, client, a="1") for act in acts}
    ids = {act: (await user.get("/")).json()["id"] for act, user in users.items()}
    await asyncio.sleep(0.8)  # until that is renewed
    proxy.only = lambda link: not link.subscribed
    way = proxy.to if held == "command" else proxy.back
    for act, nth in acts.items():
        key = f"{{{ids[act][:2]}}}{ids[act][2:]}".encode()
        calls = itertools.count(1)
        reached = asyncio.Event()

        def watch(
            _: Link,
            data: bytes,
            key: bytes = key,
            nth: int = nth,
            calls: Iterator[int] = calls,
            reached: asyncio.Event = reached,
        ) -> None:
            if key in data and next(calls) == nth:
                way.stall()
                reached.set()

        proxy.watch = watch
        leaving = asyncio.create_task(leave(site, users[act], act))
        await asyncio.wait_for(reached.wait(), 5)
        await asyncio.sleep(0.1)
        leaving.cancel()
        await asyncio.wait([leaving])
        await asyncio.sleep(0.1)
        way.flow()
    proxy.watch = lambda _, __: None
    await asyncio.sleep(1.5)
    for act, user in users.items():
        facts = (await user.get("/")).json()
        if act == "/sign-out":
            assert (facts["user"], facts["ended"]) == (None, "signed out")
        elif act == "/sign-in/grace":
            # Another user's session is not given to whoever has the old token.
            assert (facts["user"], facts["ended"]) == (None, "regenerated")
        else:
            # A token that was changed goes back to the one that the client has.
            assert (facts["id"], facts["user"]) == (ids[act], "ada")
            assert facts["data"] == {"a": "2" if act == "/set?a=2" else "1"}
    await until(lambda: server.connections() <= MOST_CONNECTIONS)


async def leave(site: Server, user: httpx.AsyncClient, act: str) -> None:
    """Ask for something, and be cancelled."""
    if act == "page":
        async with presence(site, user):
            await asyncio.sleep(60)
    await user.request("GET" if act == "/" else "POST", act)


async def test_every_answer_is_its_own_user_s_while_connections_are_reset(
    proxy: Proxy, serve: Serve, client: NewClient
) -> None:
    site = serve(settings(proxy.port))
    names = [f"user{number}" for number in range(16)]
    users = {name: client(site) for name in names}
    for name, user in users.items():
        (await user.post(f"/sign-in/{name}")).raise_for_status()
    over = asyncio.Event()
    answered = 0

    async def use(name: str) -> None:
        nonlocal answered
        while not over.is_set():
            answer = await users[name].get("/")
            assert answer.status_code in (200, 503)
            if answer.status_code == 200:
                assert answer.json()["user"] == name
                answered += 1

    tasks = [asyncio.create_task(use(name)) for name in names]
    for _ in range(20):
        await asyncio.sleep(0.05)
        random.choice((proxy.to, proxy.back)).left = random.randrange(5000)
        await asyncio.sleep(0.05)
        proxy.flow()
        proxy.reset()
    over.set()
    await asyncio.gather(*tasks)
    assert answered > 50


@pytest.fixture
async def users(proxy: Proxy, tmp_path: Path) -> AsyncIterator[NewUser]:
    """Users of an application in this process, on default settings; it has a static file."""
    static = tmp_path / "static"
    static.mkdir()
    (static / "style.css").write_text("body {}")
    app = Quart("tests", static_folder=str(static))
    QuartIdle(app, store=f"redis://127.0.0.1:{proxy.port}")

    @app.get("/")
    async def read() -> dict[str, Any]:
        return {"user": session.user_id}

    @app.post("/")
    async def write() -> dict[str, Any]:
        session[request.args["key"]] = session.user_id
        return {}

    @app.post("/do/<do>/<user>")
    async def change(do: str, user: str) -> dict[str, Any]:
        if do == "sign-in":
            session.user_id = user
        else:
            session.end()
        return {}

    async with app.test_app():
        yield app.test_client


async def test_anonymous_requests_take_no_trip_a_read_one_and_a_write_two(
    proxy: Proxy, users: NewUser
) -> None:
    def sent() -> int:
        # The sweep and the heartbeat are nobody's requests; they come once in a second or so. Where
        # one of them is under way, a request makes a connection, and says what it is.
        others = (b":turn", b"{00}:due", b":beat:", b"HELLO", b"CLIENT")
        return sum(not any(other in one for other in others) for one in proxy.sent)

    async def trips(user: QuartClient, path: str = "/", method: str = "GET", **options: Any) -> int:
        before = -1
        while before != sent():  # the renewal that the one before left behind may come
            before = sent()
            await asyncio.sleep(1.2)
        call = user.post if method == "POST" else user.get
        assert (await call(path, **options)).status_code == 200
        return sent() - before

    user, malformed = users(), users()
    # The first time, scripts are sent too, and connections made.
    for path in ("/do/sign-in/ada", "/?key=a", "/do/sign-out/ada", "/do/sign-in/ada"):
        await user.post(path)
    malformed.set_cookie("localhost", "session", "malformed")
    assert await trips(users()) == 0
    assert await trips(malformed) == 0
    assert await trips(user, "/static/style.css") == 0
    assert await trips(user) == 1
    twins = "; ".join(f"session={letter * 43}" for letter in "abcd")
    assert await trips(users(), headers={"Cookie": twins}) == 1
    assert await trips(user, "/?key=a", "POST") == 2
    assert await trips(user, "/do/sign-out/ada", "POST") == 2


@pytest.mark.alone
async def test_thousands_of_requests_at_once_on_default_settings_give_no_error(
    server: RedisServer, users: NewUser
) -> None:
    with server.client as client:  # how fast a busy disk is, is not asked here
        client.config_set("appendfsync", "no")
    crowd = [users() for _ in range(10)]
    for number, user in enumerate(crowd):
        await user.post(f"/do/sign-in/user{number}")
    answers = await asyncio.gather(*(crowd[at % 10].get("/") for at in range(2000)))
    assert {answer.status_code for answer in answers} == {200}
    for at, answer in enumerate(answers):
        assert await answer.get_json() == {"user": f"user{at % 10}"}
    writes = (crowd[at % 10].post(f"/?key={at}") for at in range(500))
    answers = await asyncio.gather(*writes)
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.alone
async def test_thousands_who_wait_for_a_silent_redis_give_up_in_time(
    server: RedisServer, stores: Stores
) -> None:
    store = await stores(server.port)
    since = time.monotonic()
    await asyncio.gather(*(store.load("aaid") for _ in range(24_000)))
    answered = time.monotonic() - since  # how busy this machine is
    server.pause()

    async def waited() -> float:
        since = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.load("aaid")
        return time.monotonic() - since

    try:
        longest = max(await asyncio.gather(*(waited() for _ in range(24_000))))
    finally:
        server.resume()
    # One trip after the other, a quarter of the time each, would take twice as long.
    assert longest < 3 * TIMEOUT + max(0.75, answered)


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

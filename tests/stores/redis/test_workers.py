"""Workers that share a Redis: every interleaving is an order, and what one does the others hear."""

from __future__ import annotations

import asyncio
import re
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from quart_idle import ConfigError, MemoryStore, Store
from quart_idle.policy import Limits, SignOfLife
from quart_idle.stores.base import Ended, Live, Record
from quart_idle.stores.redis import RedisStore
from tests.helpers.listings import text_of
from tests.helpers.proxy import Link, Proxy, proxy_to
from tests.helpers.redis_servers import RedisServer, StandingTime, redis_server
from tests.helpers.servers import NewClient, Serve, Server, signed_in
from tests.helpers.waiting import until
from tests.helpers.wire import frame, goodbye, hold, presence
from tests.store_contract import HERE, PAGE, change, reason, record

LIMITS = Limits(timeout=60.0, lifetime=1000.0, closed_timeout=30.0)

Stores = Callable[..., RedisStore]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RedisServer, StandingTime]]:
    """A server whose time stands still."""
    folder = tmp_path_factory.mktemp("standing")
    clock = StandingTime(folder)
    with redis_server(folder, clock=clock) as server:
        yield server, clock


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    with running.client as client:
        client.flushall()
    return running


@pytest.fixture
def still(standing: tuple[RedisServer, StandingTime]) -> RedisServer:
    with standing[0].client as client:
        client.flushall()
    return standing[0]


@pytest.fixture
def clock(standing: tuple[RedisServer, StandingTime]) -> StandingTime:
    return standing[1]


@pytest.fixture
async def worker() -> AsyncIterator[Stores]:
    """A worker's store; one that ends with the test."""
    made: list[RedisStore] = []

    def make(port: int, limits: Limits = LIMITS, timeout: float = 5.0) -> RedisStore:
        made.append(RedisStore(f"redis://127.0.0.1:{port}"))
        made[-1].bind(limits, lambda *_: None, timeout=timeout)
        return made[-1]

    yield make
    for store in made:
        await store.close()


# While workers are replaced, those of one version meet what another's stored.

CLOCKS = struct.Struct("<ddddB")


async def test_sessions_that_an_earlier_version_stored_live_on(
    server: RedisServer, worker: Stores
) -> None:
    store = worker(server.port)
    with server.client as client:
        for id in ("aaold", "aaother", "aadue"):
            await store.create(id, change(SAME, user_id="ada"))
            client.hset(
                f"quart-idle:{{aa}}{id[2:]}",
                b"\xff",
                CLOCKS.pack(*[time.time() - 70.0 * (id == "aadue")] * 3, 0.0, 0),
            )
        client.zadd("quart-idle:{aa}:due", {"due": 1.0})
    await store.create("aanew", change(SAME))
    assert (await record(store, "aaold")).data == SAME
    outcomes = await store.renew({"aanew": PAGE, "aaold": PAGE})
    assert [shape(outcomes[id]) for id in ("aanew", "aaold")] == ["alive"] * 2
    assert await store.save("aaold", change({"a": b"2"}))
    assert await store.regenerate("aaother", "aathen", change({}, user_id="bob"))
    found = await record(store, "aathen")
    assert found.clocks.began > found.clocks.created
    assert await store.end("aaold", "left") == "aaold"
    assert await reason(store, "aadue") == "idle"
    with server.client as client:
        await until(lambda: client.hget("quart-idle:{aa}due", b"\xfd") == b"idle")


async def test_an_earlier_version_s_workers_read_sessions_that_began_when_they_were_created(
    server: RedisServer, worker: Stores
) -> None:
    store = worker(server.port)
    await store.create("aaid", change(SAME, user_id="ada"))
    await store.renew({"aaid": PAGE})
    await store.regenerate("aaid", "aanew", change({"a": b"2"}))
    with server.client as client:
        created, _, seen, own, paged = CLOCKS.unpack(client.hget("quart-idle:{aa}new", b"\xff"))
    assert (own, paged) == (0.0, 1)
    assert created <= seen


# What Redis has to allow.


async def test_a_user_of_redis_may_be_allowed_what_the_guide_says_and_no_more(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    guide = text_of("examples/deploy/README.md")
    with server.client as client:
        for line in re.findall("^ACL SETUSER .*$", guide, re.MULTILINE):
            client.execute_command(*line.split())
    ended: list[str] = []
    store = RedisStore(f"redis://site:secret@127.0.0.1:{server.port}")
    limits = LIMITS._replace(timeout=1.0, closed_timeout=0.5, warning=0.4)
    store.bind(limits, lambda id, found: ended.append(id) if isinstance(found, Ended) else None)
    try:
        await store.open()
        for id in ("aaone", "aatwo", "aathree", "aafour"):
            await store.create(id, change(SAME))
        await store.save("aaone", change({"a": None, "b": b"2"}, timeout=2.0))
        await store.regenerate("aaone", "aanew", change({"c": b"2"}))
        await store.regenerate("aanew", "aanext", change({"c": b"2"}, clear=True, user_id="ada"))
        left = await store.save("aatwo", change({"a": None, "b": None}))
        assert left is not None
        assert left.ended
        await store.renew({"aanext": HERE, "aathree": PAGE})
        assert await store.end("aanext", "left") == "aanext"
        await store.load("aathree")
        for at in range(2):
            await store.keep_draft("aabox", "name", b"%d" % at)
        assert await store.drafts("aabox")
        await store.drop_draft("aabox", "name")
        assert await store.meet("shop") == []
        await until(lambda: ended[-2:] == ["aathree", "aafour"])
    finally:
        await store.close()
        with server.client as client:
            client.acl_deluser("site")
    assert not caplog.records, caplog.text


# Two calls at once are as one after the other.


SAME = {"a": b"1", "b": b"1"}
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


def shape(found: Any) -> Any:
    """What there is to an answer, but for moments."""
    if isinstance(found, dict):
        return {id: shape(one) for id, one in found.items()}
    if isinstance(found, Record):
        return dict(found.data), found.user_id, found.clocks.paged
    if isinstance(found, Ended):
        return found.reason
    return "alive" if isinstance(found, Live) else found


async def outcome(store: Store) -> list[Any]:
    return [shape(await store.load(id)) for id in ("aaid", "aanew", "aaother")]


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("held", ["command", "answer"])
async def test_calls_of_two_workers_that_cross_are_as_one_after_the_other(
    server: RedisServer, proxy: Proxy, worker: Stores, held: str, first: str, second: str
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


# What is due.


@pytest.mark.parametrize("when", ["before the sweep", "while it has looked", "too late"])
async def test_a_renewal_that_came_in_time_never_loses_to_the_sweep(
    still: RedisServer, clock: StandingTime, worker: Stores, when: str
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
    still: RedisServer, clock: StandingTime, worker: Stores
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
    still: RedisServer, clock: StandingTime, worker: Stores
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
    server: RedisServer, worker: Stores
) -> None:
    store = worker(server.port, Limits(timeout=1.0))
    await store.create("aaid", change(SAME, user_id="ada"))
    assert not only_reason(server, "aaid")
    await asyncio.sleep(1.0)
    await until(lambda: only_reason(server, "aaid"), 3)


# What others hear.


async def test_a_subscription_that_falls_silent_is_noticed_and_made_anew(
    server: RedisServer, proxy: Proxy, worker: Stores
) -> None:
    store = worker(proxy.port, timeout=0.5)
    await store.open()
    await until(lambda: store.hears(time.monotonic()))
    proxy.only = lambda link: link.subscribed
    proxy.to.stall()
    proxy.back.stall()
    await until(lambda: not store.hears(time.monotonic()), 15)
    assert await store.load("aaid") is None
    proxy.flow()
    await until(lambda: store.hears(time.monotonic()), 15)
    await until(lambda: server.connections() <= 5)


@pytest.fixture
def two(serve: Serve, server: RedisServer, proxy: Proxy) -> Callable[..., tuple[Server, Server]]:
    """Two hosts with one Redis; the second one's way there goes through the proxy."""

    def begin(**settings: Any) -> tuple[Server, Server]:
        return (
            serve({"store": f"redis://127.0.0.1:{server.port}", **settings}),
            serve({"store": f"redis://127.0.0.1:{proxy.port}", **settings}),
        )

    return begin


Two = Callable[..., tuple[Server, Server]]


async def test_an_end_or_a_new_token_reaches_pages_on_another_host_within_a_second(
    two: Two, client: NewClient
) -> None:
    here, there = two(timeout=60)
    for act, farewell in {
        "/sign-out": (4401, "signed out"),
        "/sign-out?reason=banned": (4401, "banned"),
        "/regenerate": (4409, "regenerated"),
        "/sign-in/grace": (4409, "regenerated"),
    }.items():
        user = await signed_in(here, client)
        async with presence(there, user) as page, presence(here, user) as own:
            await frame(page, "state")
            await frame(own, "state")
            (await user.post(act)).raise_for_status()
            assert await goodbye(page, 1) == farewell
            assert await goodbye(own, 1) == farewell


@pytest.mark.parametrize("way", ["page", "request"])
async def test_pages_on_another_host_hear_that_a_warned_session_goes_on(
    two: Two, client: NewClient, way: str
) -> None:
    here, there = two(timeout=3, warning=1.5, keepalive="activity", ping_interval=2)
    user = await signed_in(here, client)
    async with presence(here, user) as own, presence(there, user) as page:
        for one in (own, page):
            while (await frame(one))["type"] != "warn":
                pass
        if way == "page":
            await own.send('{"type": "extend"}')
        else:
            await user.get("/untouched")
        async with asyncio.timeout(1.3):  # a request's renewal is gathered first
            while (state := await frame(page))["type"] != "state":
                pass
        assert state["left"] > state["warning"]


async def test_without_a_subscription_pages_hear_at_the_next_ping_until_it_heals(
    server: RedisServer, proxy: Proxy, two: Two, client: NewClient
) -> None:
    here, there = two(timeout=60, ping_interval=1)
    user, other, third = [await signed_in(here, client) for _ in range(3)]
    async with (
        presence(there, user) as page,
        presence(there, other) as another,
        presence(there, third) as last,
    ):
        holding = [asyncio.create_task(hold(one, 60)) for one in (page, another, last)]
        await asyncio.sleep(0.5)
        # It is cut, and cannot be made again.
        proxy.only = lambda link: link.subscribed
        proxy.to.left = 0
        with server.client as redis:
            redis.client_kill_filter(_type="pubsub")
        await asyncio.sleep(0.3)
        await user.post("/sign-out")
        await asyncio.wait([holding[0]], timeout=4)
        assert (page.close_code, page.close_reason) == (4401, "signed out")
        # It is silent, and looks as if it were there.
        proxy.flow()
        await until(lambda: any(link.subscribed for link in proxy.links))
        await asyncio.sleep(0.5)
        proxy.only = lambda link: link.subscribed
        proxy.back.stall()
        await asyncio.sleep(0.3)
        await other.post("/sign-out")
        await asyncio.wait([holding[1]], timeout=15)
        assert (another.close_code, another.close_reason) == (4401, "signed out")
        # It heals by itself.
        proxy.flow()
        await asyncio.sleep(1)
        await until(lambda: any(link.subscribed for link in proxy.links))
        await asyncio.sleep(0.5)
        await third.post("/sign-out")
        await asyncio.wait([holding[2]], timeout=2)
        assert (last.close_code, last.close_reason) == (4401, "signed out")


async def test_what_is_not_understood_ends_no_listening(
    server: RedisServer, worker: Stores
) -> None:
    told: list[str] = []
    store = worker(server.port)
    store.bind(LIMITS, lambda id, _: told.append(id), timeout=5.0)
    await store.open()
    with server.client as client:
        for text in (b"", b"x", b"later\nid\n1\n2", b"ended\nid", b"live\nid\n1\nx", b"\xff\n\n\n"):
            client.publish("quart-idle:told", text)
    await asyncio.sleep(1)
    await until(lambda: store.hears(time.monotonic()), 15)
    await store.create("aaid", change({}))
    await store.end("aaid", "signed out")
    await until(lambda: told == ["aaid"])


async def test_one_store_has_one_prefix_and_one_timeout(
    server: RedisServer, worker: Stores
) -> None:
    store = worker(server.port)
    for prefix, timeout in (("other", 5.0), ("quart-idle", 1.0)):
        with pytest.raises(ConfigError, match="another key prefix or another store timeout"):
            store.bind(LIMITS, lambda *_: None, prefix, timeout)


async def test_what_was_tampered_with_holds_up_no_other(
    still: RedisServer, clock: StandingTime, worker: Stores
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

"""Users' lists of sessions in Redis: whatever is under way, killed or cut, they say what lives."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest

from quart_idle import StoreUnavailable, TooManySessions
from quart_idle.policy import Limits, SignOfLife
from quart_idle.stores.base import Change, Ended, Record, SessionLimit
from quart_idle.stores.redis import RedisStore, scripts
from tests.helpers import killed_worker
from tests.helpers.prefork import fork
from tests.helpers.proxy import Proxy
from tests.helpers.redis_faults import Stores
from tests.helpers.redis_servers import Cluster, RedisServer, StandingTime, redis_server
from tests.helpers.redis_stores import healed, opened
from tests.helpers.tampered_store import Gate
from tests.helpers.waiting import until
from tests.store_contract import LIMITS, PAGE, change, reason, record

ACTIVE = SignOfLife(0.0, 0.0)


async def listed(store: RedisStore, user: str = "ada") -> list[str]:
    return [one.id for one in await store.sessions_of(user, 0, 1000)]


async def end_all(store: RedisStore, user: str = "ada") -> set[str]:
    ids, rest = await store.end_some(user, "stolen")
    ended = set(ids)
    while rest is not None:
        ids, rest = await store.end_some(user, "stolen", None, rest)
        ended |= set(ids)
    return ended


async def living(store: RedisStore, user: str, *ids: str) -> set[str]:
    found = {id: await store.load(id) for id in ids}
    return {id for id, it in found.items() if isinstance(it, Record) and it.user_id == user}


def keys(*servers: RedisServer) -> set[bytes]:
    """The keys of users' lists."""
    found: set[bytes] = set()
    for server in servers:
        with server.client as client:
            found |= set(client.keys("*:user:*"))
    return found


def hold(store: RedisStore, name: str) -> Gate:
    """Hold a store's calls by this script."""
    gate, calls = Gate(after=False), store._start().calls

    def held(way: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(script: str, *arguments: Any) -> Any:
            if script == name:
                await gate.passed()
            return await way(script, *arguments)

        return call

    for name_of_way in ("call", "write"):
        setattr(calls, name_of_way, held(getattr(calls, name_of_way)))
    return gate


def count_calls(store: RedisStore) -> Counter[str]:
    """How often which script is called from now on."""
    counted, calls = Counter[str](), store._start().calls

    def counting(way: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(script: str, *arguments: Any) -> Any:
            counted[script] += 1
            return await way(script, *arguments)

        return call

    for name_of_way in ("call", "write"):
        setattr(calls, name_of_way, counting(getattr(calls, name_of_way)))
    return counted


# A cluster: the list and the session are not written together.


@pytest.mark.once
@pytest.mark.parametrize("call", killed_worker.WRITES)
async def test_between_any_two_writes_of_a_worker_that_is_killed_lists_say_what_lives(
    running_cluster: Cluster, tmp_path: Path, call: str
) -> None:
    async with opened(running_cluster.url, limits=killed_worker.LIMITS) as store:
        numbers = [str(number) for number in range(1, killed_worker.WRITES[call] + 2)]
        for number in numbers:
            await killed_worker.prepare(store, call, number)

        async def die(number: str) -> int:
            log = tmp_path / number
            log.touch()
            order = [running_cluster.url, call, number]
            worker = fork("tests.helpers.killed_worker", order, dict(os.environ), log)
            return await asyncio.to_thread(worker.wait)

        assert await asyncio.gather(*map(die, numbers)) == [-9] * (len(numbers) - 1) + [0]
        for number in numbers:
            ids, user = killed_worker.ids(number), killed_worker.user(number)
            for name in user, f"bob{number}":
                assert set(await listed(store, name)) == await living(store, name, *ids)
            await end_all(store, user)
            assert await living(store, user, *ids) == set()
            # A worker that was about to go on is not told from one that was killed.
            await killed_worker.do(store, call, number)
            if call in ("regenerate", "end"):
                assert await living(store, user, *ids) == set()
            assert set(await listed(store, user)) == await living(store, user, *ids)
        await store._start().lists.close()
        for node in running_cluster.nodes[:3]:  # an hour later
            with node.client as client:
                for key in client.keys("*:joining"):
                    client.delete(key)
        for number in numbers:
            for name in killed_worker.user(number), f"bob{number}":
                await end_all(store, name)
                await store._start().lists.close()
                assert await listed(store, name) == []
        assert keys(*running_cluster.nodes[:3]) == set()


@pytest.mark.parametrize("name", ["create", "regenerate"])
async def test_on_a_cluster_a_sign_in_under_way_does_not_escape_the_end_of_all(
    running_cluster: Cluster, name: str
) -> None:
    async with opened(running_cluster.url) as store, opened(running_cluster.url) as other:
        await store.create("aaold", change({"a": b"1"}))
        gate = hold(store, name)
        by_ada = change({"b": b"1"}, user_id="ada")
        signing_in: Any = (
            store.create("aanew", by_ada)
            if name == "create"
            else store.regenerate("aaold", "aanew", by_ada)
        )
        task = asyncio.ensure_future(signing_in)
        await gate.reached.wait()
        assert await listed(other) == []
        await end_all(other)
        gate.open()
        await task
        found = await store.load("aanew")
        assert isinstance(found, Ended)
        assert found.reason == "stolen"
        assert await listed(other) == []
        # Whoever signs in now began after it.
        await store.create("aalater", by_ada)
        assert await listed(other) == ["aalater"]


@pytest.mark.parametrize("why", ["all", "one", "limit"])
async def test_a_sign_in_that_is_sent_again_does_not_rise_after_its_end(
    server: RedisServer, proxy: Proxy, stores: Stores, why: str
) -> None:
    store, other = await stores(proxy.port, 10.0), await stores(server.port)
    await store.create("aawarm", change(user_id="bob"))  # its script is known
    proxy.only = lambda link: not link.subscribed
    proxy.back.stall()
    signing_in = asyncio.ensure_future(store.create("aanew", change(user_id="ada")))
    async with asyncio.timeout(5):
        while not isinstance(await other.load("aanew"), Record):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    if why == "all":
        assert await end_all(other) == {"aanew"}
    elif why == "one":
        assert await other.end("aanew", "stolen") == "aanew"
    else:
        await other.create("aanewer", by_ada(1, refuses=False))
    sent = len(proxy.sent)
    proxy.reset()
    proxy.flow()
    await signing_in
    assert any(b"{aa}new" in piece for piece in proxy.sent[sent:])
    found = await other.load("aanew")
    assert isinstance(found, Ended)
    assert found.reason == ("limit" if why == "limit" else "stolen")
    assert await listed(other) == (["aanewer"] if why == "limit" else [])


@pytest.mark.parametrize("where", ["alone", "cluster"])
async def test_a_session_whose_token_changes_while_a_list_is_read_is_in_it(
    server: RedisServer, running_cluster: Cluster, where: str
) -> None:
    url = server.url if where == "alone" else running_cluster.url
    async with opened(url) as store, opened(url) as other:
        await store.create("aaone", change(user_id="ada"))
        await store.create("bbtwo", change(user_id="ada"))
        gate = hold(store, "living")
        reading = asyncio.ensure_future(listed(store))
        await gate.reached.wait()
        await other.regenerate("aaone", "aaone-2", change())
        await other.regenerate("aaone-2", "aaone-3", change())
        gate.open()
        assert await reading == ["aaone-3", "bbtwo"]
        assert await listed(other) == ["aaone-3", "bbtwo"]


async def test_on_a_cluster_a_long_timeout_of_its_own_keeps_a_session_listed_though_a_worker_dies(
    running_cluster: Cluster,
) -> None:
    limits = Limits(timeout=600.0, lifetime=None, closed_timeout=None, warning=60.0)
    async with opened(running_cluster.url, limits=limits) as store:
        await store.create("aaone", change(user_id="ada"))
        lists = store._start().lists
        with patch.object(lists, "_tidy", AsyncMock()):  # killed after the first write
            await store.save("aaone", change(timeout=30 * 86_400.0))
        until_gone = looked_at = 0.0
        for node in running_cluster.nodes[:3]:
            with node.client as client:
                for key in client.keys("*"):
                    if key.endswith(b":due"):
                        ((_, at),) = client.zrange(key, 0, -1, withscores=True)
                        looked_at = float(at)
                    elif b":user:" in key and not key.endswith(b":joining"):
                        until_gone = client.expiretime(key)
        # Where it is looked at, it joins its list again.
        assert 0 < looked_at < until_gone


# How many sessions a user may have, over several workers.


def by_ada(limit: int, *, refuses: bool) -> Change:
    made = change({"b": b"1"}, user_id="ada")
    return made._replace(limit=SessionLimit(limit, refuses))


@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize("where", ["alone", "cluster"])
async def test_sign_ins_on_several_workers_at_the_same_moment_never_leave_more(
    server: RedisServer, running_cluster: Cluster, where: str, refuses: bool
) -> None:
    url = server.url if where == "alone" else running_cluster.url
    async with opened(url) as one, opened(url) as two, opened(url) as three:

        async def sign_in(store: RedisStore, number: int) -> None:
            with suppress(TooManySessions):
                await store.create(f"{number:02x}id", by_ada(3, refuses=refuses))

        workers = [one, two, three]
        await asyncio.gather(*(sign_in(workers[at % 3], at) for at in range(30)))
        assert 1 <= len(await listed(one)) <= 3
        await sign_in(two, 40)
        await sign_in(three, 41)
        assert len(await listed(one)) <= 3


@pytest.mark.parametrize("where", ["alone", "cluster"])
async def test_a_limit_that_is_new_holds_up_nobody_however_many_there_are(
    server: RedisServer, running_cluster: Cluster, where: str
) -> None:
    url = server.url if where == "alone" else running_cluster.url
    ids = [f"{number % 256:02x}id{number}" for number in range(1200)]
    async with opened(url, timeout=10.0) as store:
        for at in range(0, 1200, 300):
            some = ids[at : at + 300]
            await asyncio.gather(*(store.create(id, change(user_id="ada")) for id in some))
        # Who signed in first is there still.
        await store.renew({ids[1]: ACTIVE, ids[700]: ACTIVE})
        called = count_calls(store)
        with pytest.raises(TooManySessions):
            await store.create("aarefused", by_ada(3, refuses=True))
        assert called["create" if where == "alone" else "living"] <= 256
        called.clear()
        await store.create("aanew", by_ada(3, refuses=False))
        assert called["create"] == (3 if where == "alone" else 1)
        if where == "cluster":
            assert called["listed"] == 4
        assert set(await listed(store)) == {ids[1], ids[700], "aanew"}
        assert await reason(store, ids[0]) == await reason(store, ids[-1]) == "limit"


async def test_who_has_far_too_many_sessions_to_end_at_once_is_to_sign_in_again(
    server: RedisServer,
) -> None:
    time = itertools.count(0.0, 0.6)  # two looks in a second
    with (
        patch.object(scripts, "MOST_ENDED", 5),
        patch("quart_idle.stores.redis.sessions.monotonic", lambda: next(time)),
    ):
        async with opened(server.url) as store:
            for number in range(30):
                await store.create(f"{number % 256:02x}id{number}", change(user_id="ada"))
            left = []
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await store.create("aanew", by_ada(1, refuses=False))
                left.append(len(await listed(store)))
            assert left == [20, 10]
            await store.create("aanew", by_ada(1, refuses=False))
            assert await listed(store) == ["aanew"]


@pytest.mark.parametrize("refuses", [False, True])
async def test_on_a_cluster_a_sign_in_that_is_held_up_is_not_one_too_many(
    running_cluster: Cluster, refuses: bool
) -> None:
    async with opened(running_cluster.url) as store, opened(running_cluster.url) as other:
        gate = hold(store, "create")
        signing_in = asyncio.ensure_future(store.create("aaheld", by_ada(1, refuses=refuses)))
        await gate.reached.wait()
        if refuses:  # whoever came first gets in
            with pytest.raises(TooManySessions):
                await other.create("aaquick", by_ada(1, refuses=True))
        else:
            await other.create("aaquick", by_ada(1, refuses=False))
        gate.open()
        await signing_in
        assert await listed(other) == ["aaheld" if refuses else "aaquick"]
        found = await store.load("aaquick" if refuses else "aaheld")
        assert found is None if refuses else isinstance(found, Ended) and found.reason == "limit"


async def test_on_a_cluster_of_two_sign_ins_at_one_moment_the_later_one_goes_on(
    running_cluster: Cluster,
) -> None:
    async with opened(running_cluster.url) as store, opened(running_cluster.url) as other:
        gate = hold(store, "listed")  # it has joined
        signing_in = asyncio.ensure_future(store.create("aaone", by_ada(1, refuses=False)))
        await gate.reached.wait()
        await other.create("bbtwo", by_ada(1, refuses=False))
        gate.open()
        await signing_in
        assert await listed(other) == ["bbtwo"]
        assert await reason(other, "aaone") == "limit"


async def test_on_a_cluster_nobody_ends_a_sign_in_that_joined_later(
    running_cluster: Cluster,
) -> None:
    async with opened(running_cluster.url) as store, opened(running_cluster.url) as other:
        joined, read = hold(store, "listed"), hold(store, "living")
        first = asyncio.ensure_future(store.create("aaone", by_ada(1, refuses=False)))
        await joined.reached.wait()
        gate = hold(other, "listed")
        second = asyncio.ensure_future(other.create("bbtwo", by_ada(1, refuses=False)))
        await gate.reached.wait()
        joined.open()
        await read.reached.wait()  # it knows of both
        gate.open()
        await second
        read.open()
        await first
        assert await listed(other) == ["bbtwo"]
        assert await reason(other, "aaone") == "limit"


@pytest.mark.parametrize("refuses", [False, True])
async def test_on_a_cluster_a_session_whose_token_changes_counts(
    running_cluster: Cluster, refuses: bool
) -> None:
    async with opened(running_cluster.url) as store, opened(running_cluster.url) as other:
        await store.create("aaone", by_ada(1, refuses=refuses))
        gate = hold(other, "living")
        signing_in = asyncio.ensure_future(other.create("bbtwo", by_ada(1, refuses=refuses)))
        await gate.reached.wait()
        await store.regenerate("aaone", "aaone-2", change())
        gate.open()
        with pytest.raises(TooManySessions) if refuses else nullcontext():
            await signing_in
        expected = {"aaone-2" if refuses else "bbtwo"}
        assert await living(store, "ada", "aaone-2", "bbtwo") == expected
        assert set(await listed(store)) == expected


@pytest.mark.parametrize("refuses", [False, True])
async def test_on_a_cluster_a_browser_that_signs_in_twice_at_once_has_one_session(
    running_cluster: Cluster, refuses: bool
) -> None:
    async with opened(running_cluster.url) as store, opened(running_cluster.url) as other:
        await store.create("aaold", change({"a": b"1"}))
        gate = hold(other, "listed")
        second = asyncio.ensure_future(
            other.regenerate("aaold", "aatwo", by_ada(1, refuses=refuses))
        )
        await gate.reached.wait()
        assert await store.regenerate("aaold", "aaone", by_ada(1, refuses=False))
        gate.open()
        assert await second is None
        assert await listed(store) == ["aaone"]


async def test_on_a_cluster_a_sign_in_that_another_ended_leaves_what_was_there(
    running_cluster: Cluster,
) -> None:
    async with opened(running_cluster.url) as store, opened(running_cluster.url) as other:
        await store.create("aaold", change({"cart": b"1"}))
        gate = hold(store, "regenerate")
        signing_in = asyncio.ensure_future(
            store.regenerate("aaold", "aanew", by_ada(1, refuses=False))
        )
        await gate.reached.wait()
        await other.create("bbtwo", by_ada(1, refuses=False))
        gate.open()
        assert await signing_in is None
        assert await listed(store) == ["bbtwo"]
        assert (await record(store, "aaold")).data == {"cart": b"1"}


async def test_on_a_cluster_a_sign_in_that_is_asked_for_again_and_has_no_place_now_stays_listed(
    running_cluster: Cluster,
) -> None:
    async with opened(running_cluster.url) as store:
        await store.create("aaold", change({"a": b"1"}))
        await store.regenerate("aaold", "aanew", by_ada(2, refuses=True))
        await store.create("bbtwo", by_ada(2, refuses=True))
        assert await store.regenerate("aaold", "aanew", by_ada(1, refuses=True))
        assert await listed(store) == ["aanew", "bbtwo"]


# Lists come and go.


async def test_a_list_leaves_with_the_last_session(server: RedisServer, stores: Stores) -> None:
    store = await stores(server.port)
    await store.create("aaone", change(user_id="ada"))
    await store.create("aatwo", change(user_id="ada"))
    await store.end("aaone", "over")
    assert len(keys(server)) == 1
    await store.regenerate("aatwo", "aathree", change(user_id="bob"))
    assert len(keys(server)) == 1
    await store.save("aathree", change(user_id=None))
    assert keys(server) == set()


async def test_on_a_cluster_too_but_for_who_joined_within_the_hour(
    running_cluster: Cluster,
) -> None:
    async with opened(running_cluster.url) as store:
        await store.create("aaone", change(user_id="ada"))
        await store.end("aaone", "over")
        nodes = running_cluster.nodes[:3]
        await until(lambda: all(key.endswith(b":joining") for key in keys(*nodes)))
        (key,) = keys(*nodes)
        with nodes[running_cluster.owner(key)].client as client:
            assert 0 < client.ttl(key) <= 3600


@pytest.mark.parametrize("where", ["alone", "cluster"])
async def test_what_a_killed_worker_left_in_a_list_goes_when_the_list_is_read(
    server: RedisServer, running_cluster: Cluster, where: str
) -> None:
    nodes = [server] if where == "alone" else running_cluster.nodes[:3]
    url = server.url if where == "alone" else running_cluster.url
    async with opened(url) as store:
        await store.create("aaone", change(user_id="ada"))
        (key,) = (key for key in keys(*nodes) if not key.endswith(b":joining"))
        node = nodes[0 if where == "alone" else running_cluster.owner(key)]
        with node.client as client:
            client.zadd(key, {"aaghost": 1e9})
            assert await listed(store) == ["aaone"]
            assert client.zrange(key, 0, -1) == [b"aaone"]


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RedisServer, StandingTime]]:
    folder = tmp_path_factory.mktemp("standing")
    clock = StandingTime(folder)
    with redis_server(folder, clock=clock) as server:
        yield server, clock


async def test_a_session_that_is_not_listed_is_by_when_it_is_looked_at(
    standing: tuple[RedisServer, StandingTime],
) -> None:
    server, clock = standing
    async with opened(server.url) as store:
        await store.create("aaold", change(user_id="ada"))  # as by a worker of a former release
        with server.client as client:
            client.delete(*keys(server))
        assert await listed(store) == []
        await clock.advance(LIMITS.timeout - 1)
        await store.renew({"aaold": PAGE._replace(seen=0.0, active=0.0, paged=False)})
        await clock.advance(2)
        await until(lambda: keys(server))
        assert await listed(store) == ["aaold"]


async def test_redis_itself_throws_a_list_away_that_nobody_is_there_to_sweep(
    standing: tuple[RedisServer, StandingTime],
) -> None:
    server, clock = standing
    async with opened(server.url) as store:
        await store.create("aaone", change(user_id="eve"))
        await store.create("aatwo", change(user_id="eve", timeout=5 * 86_400.0))
    await clock.advance(5 * 86_400)
    assert keys(server)
    await clock.advance(7 * 86_400)
    assert keys(server) == set()


# Faults.


@pytest.mark.parametrize("left", [0, 300, 5_000, 20_000])
async def test_where_redis_is_cut_off_in_the_middle_some_end_and_the_rest_when_asked_again(
    server: RedisServer, proxy: Proxy, stores: Stores, left: int
) -> None:
    store, other = await stores(proxy.port), await stores(server.port, timeout=5.0)
    ids = {f"{number % 256:02x}{number}" for number in range(700)}
    every = sorted(ids)
    for at in range(0, len(every), 100):  # on a busy machine all at once take too long
        some = every[at : at + 100]
        await asyncio.gather(*(other.create(id, change(user_id="ada")) for id in some))
    await other.create("bobs", change(user_id="bob"))
    proxy.to.left = left
    ended: set[str] = set()
    try:
        ended |= await end_all(store)
    except StoreUnavailable:
        pass
    else:
        assert ended == ids
    proxy.flow()
    proxy.refuse()
    await proxy.listen()
    await healed(lambda: end_all(store))
    assert await listed(other) == []
    assert await living(other, "ada", *ids) == set()
    assert await listed(other, "bob") == ["bobs"]


async def test_a_list_is_whole_or_an_error(
    server: RedisServer, proxy: Proxy, stores: Stores
) -> None:
    store, other = await stores(proxy.port), await stores(server.port)
    for id in ("aaone", "aatwo"):
        await other.create(id, change(user_id="ada"))
    server.pause()
    with pytest.raises(StoreUnavailable):
        await store.sessions_of("ada", 0, 10)
    server.resume()
    assert await listed(store) == ["aaone", "aatwo"]

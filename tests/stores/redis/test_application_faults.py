"""An application while Redis fails: nobody is signed out."""

from __future__ import annotations

import asyncio
import itertools
import random
import struct
import time
from collections.abc import Awaitable, Iterator
from typing import Any

import httpx
import pytest

from tests.helpers.proxy import Link, Proxy
from tests.helpers.redis_faults import FAULTS, MOST_CONNECTIONS, TIMEOUT, Fault, mend
from tests.helpers.redis_servers import RedisServer
from tests.helpers.servers import NewClient, Serve, Server, signed_in
from tests.helpers.waiting import until
from tests.helpers.wire import frame, goodbye, hold, presence

# An application has the store's answer to the others.
MAIN_FAULTS = "stopped", "refused", "silent", "slow", "answers cut"

main_faults = pytest.mark.parametrize(
    "fault", [FAULTS[name] for name in MAIN_FAULTS], ids=MAIN_FAULTS
)


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

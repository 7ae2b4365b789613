"""Workers that share a Redis: what one does the others hear; what they must be allowed."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import pytest

from quart_idle import ConfigError
from quart_idle.stores.base import Ended
from quart_idle.stores.redis import RedisStore
from tests.contract.workers import Two, WorkersContract
from tests.helpers.listings import text_of
from tests.helpers.proxy import Proxy
from tests.helpers.redis_servers import RedisServer
from tests.helpers.redis_workers import LIMITS, SAME, NewStore
from tests.helpers.servers import NewClient, Serve, Server, signed_in
from tests.helpers.waiting import until
from tests.helpers.wire import hold, presence
from tests.store_contract import HERE, PAGE, change


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


async def test_a_subscription_that_falls_silent_is_noticed_and_made_anew(
    server: RedisServer, proxy: Proxy, worker: NewStore
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
def two(serve: Serve, server: RedisServer, proxy: Proxy) -> Two:
    """Two hosts with one Redis; the second one's way there goes through the proxy."""

    def begin(**settings: Any) -> tuple[Server, Server]:
        return (
            serve({"store": f"redis://127.0.0.1:{server.port}", **settings}),
            serve({"store": f"redis://127.0.0.1:{proxy.port}", **settings}),
        )

    return begin


class TestTwoHosts(WorkersContract):
    pass


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
    server: RedisServer, worker: NewStore
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
    server: RedisServer, worker: NewStore
) -> None:
    store = worker(server.port)
    for prefix, timeout in (("other", 5.0), ("quart-idle", 1.0)):
        with pytest.raises(ConfigError, match="another key prefix or another store timeout"):
            store.bind(LIMITS, lambda *_: None, prefix, timeout)

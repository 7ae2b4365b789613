"""While workers are replaced, those of one version meet what another's stored."""

from __future__ import annotations

import struct
import time

from tests.helpers.redis_servers import RedisServer
from tests.helpers.redis_workers import SAME, NewStore, shape
from tests.helpers.waiting import until
from tests.store_contract import PAGE, change, reason, record

CLOCKS = struct.Struct("<ddddB")


async def test_sessions_that_an_earlier_version_stored_live_on(
    server: RedisServer, worker: NewStore
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


async def test_an_earlier_version_s_workers_read_the_clocks_which_stand_in_front(
    server: RedisServer, worker: NewStore
) -> None:
    store = worker(server.port)
    for user, more in (None, 0), ("ada", 1):
        await store.create("aaid", change(SAME, user_id=user))
        await store.renew({"aaid": PAGE})
        await store.regenerate("aaid", "aanew", change({"a": b"2"}))
        with server.client as client:
            raw = client.hget("quart-idle:{aa}new", b"\xff")
            client.flushall()
        created, _, seen, own, paged = CLOCKS.unpack_from(raw)
        assert (own, paged) == (0.0, 1)
        assert created <= seen
        # The oldest want nothing behind them, and have it of sessions that nobody has signed in to.
        assert (len(raw) > CLOCKS.size) == more

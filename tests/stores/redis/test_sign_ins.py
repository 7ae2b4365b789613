"""What is stored of a sign-in: what it takes, and what workers of a former release left."""

from __future__ import annotations

import struct

from quart_idle.policy import SignOfLife
from quart_idle.stores.base import NOW, Device, Record, SignIn
from quart_idle.stores.redis import RedisStore, packing
from quart_idle.stores.redis.keys import Keys
from tests.helpers.redis_servers import RedisServer, StandingTime
from tests.store_contract import LIMITS, change, record

KEY = Keys("quart-idle", "").session("id")
PHONE = Device("192.0.2.7", "a phone")


def opened(server: RedisServer) -> RedisStore:
    store = RedisStore(server.url)
    store.bind(LIMITS, lambda *_: None)
    return store


async def test_a_session_without_a_user_takes_no_more_than_its_clocks(still: RedisServer) -> None:
    store = opened(still)
    await store.create("id", change({"a": b"1"}))
    await store.save("id", change({"a": b"2"}, timeout=5.0, authenticated=NOW))
    with still.client as client:
        assert client.hstrlen(KEY, packing.CLOCKS) == 33
        assert client.hlen(KEY) == 2
    await store.close()


async def test_a_renewal_keeps_how_the_user_signed_in(still: RedisServer) -> None:
    store = opened(still)
    await store.create("id", change(user_id="ada", device=PHONE))
    sign_in = (await record(store)).sign_in
    await store.renew({"id": SignOfLife(0.0, 0.0, True)})
    found = await record(store)
    assert (found.clocks.paged, found.sign_in) == (True, sign_in)
    await store.close()


async def test_who_signed_in_at_a_worker_of_a_former_release_did_so_when_the_session_became_theirs(
    standing: tuple[RedisServer, StandingTime], still: RedisServer
) -> None:
    store = opened(still)
    _, clock = standing
    await store.create("id", change({"a": b"1"}))
    with still.client as client:
        raw = client.hget(KEY, packing.CLOCKS)
        assert isinstance(raw, bytes)
        (began,) = struct.unpack_from("<d", raw)
        client.hset(KEY, mapping={packing.USER: b"ada", packing.CLOCKS: raw})
    await clock.advance(10)
    await store.save("id", change({"a": b"2"}))
    found = await store.load("id")
    assert isinstance(found, Record)
    assert found.sign_in == SignIn(began)
    await store.save("id", change(authenticated=NOW))
    assert (await record(store)).sign_in == SignIn(found.now)
    await store.close()


async def test_whom_a_worker_of_a_former_release_signs_in_has_nothing_of_who_was_there_before(
    standing: tuple[RedisServer, StandingTime], still: RedisServer
) -> None:
    store = opened(still)
    _, clock = standing
    await store.create("id", change(user_id="ada", device=PHONE))
    await clock.advance(10)
    with still.client as client:
        raw = client.hget(KEY, packing.CLOCKS)
        assert isinstance(raw, bytes)
        (created,) = struct.unpack_from("<d", raw)
        # As such a worker writes it: the clocks that it knows.
        new = raw[:33] + struct.pack("<d", created + 10)
        client.hset(KEY, mapping={packing.USER: b"bob", packing.CLOCKS: new})
    assert (await record(store)).sign_in == SignIn(created + 10)
    await store.close()

"""A session that was tampered with in Redis: it fails alone, and holds up no other."""

from __future__ import annotations

import pytest

from quart_idle import StoreUnavailable
from quart_idle.policy import Limits
from quart_idle.stores.base import Ended, Live, SessionLimit
from quart_idle.stores.redis import RedisStore
from quart_idle.stores.redis.packing import CLOCKS
from tests.helpers.redis_servers import RedisServer
from tests.helpers.redis_workers import NewStore
from tests.store_contract import HERE, change, record

IDS = ("aa1", "aabad", "aa2")
KEY = "quart-idle:{aa}bad"
DAMAGE = {
    "cut": lambda client: client.hset(KEY, CLOCKS, b"x"),
    "cut behind the clocks": lambda client: client.hset(KEY, CLOCKS, bytes(36)),
    "empty": lambda client: client.hset(KEY, CLOCKS, b""),
    "another type": lambda client: client.delete(KEY) and client.set(KEY, "x"),
}


@pytest.fixture(params=DAMAGE)
async def store(
    server: RedisServer, worker: NewStore, request: pytest.FixtureRequest
) -> RedisStore:
    store = worker(server.port, Limits(timeout=600.0))
    for id in IDS:
        await store.create(id, change({"a": b"1"}, user_id="ada"))
    with server.client as client:
        DAMAGE[request.param](client)
    return store


async def test_it_fails_alone_where_many_are_renewed_and_is_never_told_to_be_missing(
    store: RedisStore,
) -> None:
    before = (await record(store, "aa2")).clocks.seen
    answer = await store.renew(dict.fromkeys(("aa1", "aabad", "aa2", "aanone"), HERE))
    assert answer.keys() == {"aa1", "aa2", "aanone"}
    assert isinstance(answer["aa1"], Live)
    assert answer["aanone"] is None
    assert (await record(store, "aa2")).clocks.seen > before
    for call in (
        lambda: store.renew({"aabad": HERE}),
        lambda: store.load("aabad"),
        lambda: store.save("aabad", change({"a": b"2"})),
    ):
        with pytest.raises(StoreUnavailable):
            await call()


async def test_the_list_of_its_user_has_the_others(store: RedisStore) -> None:
    for _ in range(2):
        assert [one.id for one in await store.sessions_of("ada", 0, 10)] == ["aa1", "aa2"]


async def test_a_limit_counts_the_others(store: RedisStore) -> None:
    limit = SessionLimit(2, refuses=False)
    await store.create("aa3", change({"a": b"1"}, user_id="ada")._replace(limit=limit))
    assert isinstance(await store.load("aa1"), Ended)
    await record(store, "aa2")


@pytest.mark.parametrize("store", ["cut"], indirect=True)
async def test_it_can_be_ended(store: RedisStore) -> None:
    assert set((await store.end_some("ada", "over")).ids) == set(IDS)
    for id in IDS:
        assert isinstance(await store.load(id), Ended)

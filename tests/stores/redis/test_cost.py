"""What requests cost, and thousands at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from quart.typing import TestClientProtocol as QuartClient

from quart_idle import StoreUnavailable
from quart_idle.stores.asking import ask
from quart_idle.stores.base import Record
from tests.helpers.proxy import Proxy
from tests.helpers.redis_faults import MOST_CONNECTIONS, TIMEOUT, NewUser, Stores
from tests.helpers.redis_servers import RedisServer
from tests.store_contract import change

# The store.


@pytest.mark.alone
async def test_thousands_of_calls_at_once_on_default_settings_give_no_error(
    server: RedisServer, stores: Stores
) -> None:
    store = await stores(server.port, timeout=1.0)
    ids = [f"{number % 256:02x}{number}" for number in range(2500)]
    await asyncio.gather(*(store.create(id, change({"own": id.encode()})) for id in ids))
    found = await asyncio.gather(*(ask(store.load(id), 1.0) for id in ids))
    for id, one in zip(ids, found, strict=True):
        assert isinstance(one, Record)
        assert one.data["own"] == id.encode()
    assert server.connections() <= MOST_CONNECTIONS


# An application on it.


async def test_anonymous_requests_take_no_trip_a_read_one_and_a_write_two(
    proxy: Proxy, users: NewUser
) -> None:
    def sent() -> int:
        # The sweep and the heartbeat are nobody's requests; they come once in a second or so. Where
        # one of them is under way, a request makes a connection, and says what it is.
        others = (b":turn", b"{00}:due", b":beat:", b"HELLO", b"CLIENT")
        # (A read may go in one pipeline with them.)
        return sum(
            b"HGETALL" in one or not any(other in one for other in others) for one in proxy.sent
        )

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

"""What can be wrong with a Redis or the way to it, and what the store is asked meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from quart.typing import TestClientProtocol as QuartClient

from quart_idle.policy import Limits
from quart_idle.stores.base import Ended, Record
from quart_idle.stores.redis import RedisStore
from tests.helpers.proxy import Proxy
from tests.helpers.redis_servers import RedisServer
from tests.store_contract import HERE, change, record

LIMITS = Limits(timeout=60.0, lifetime=1000.0, closed_timeout=30.0)

TIMEOUT = 0.5

# A worker's connections: those that carry calls, the subscription, and that by which it looked at
# the server.
MOST_CONNECTIONS = 5

Stores = Callable[..., Awaitable[RedisStore]]

NewUser = Callable[[], QuartClient]


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


async def mend(fault: Fault, server: RedisServer, proxy: Proxy) -> None:
    fault.end(server, proxy)
    proxy.refuse()
    await proxy.listen()


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

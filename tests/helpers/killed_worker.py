"""A worker that kills itself before one of the writes of a call to a Redis store.

``python -m tests.helpers.killed_worker URL CALL NUMBER``: it is to do the call (`WRITES`) for the
user whose name has this number, and to die before the write of this number.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from quart_idle.policy import Limits
from quart_idle.stores.redis import RedisStore
from quart_idle.stores.redis.calls import Calls
from tests.store_contract import change

#: No session of these ends by itself, however busy the machine.
LIMITS = Limits(timeout=3600.0)

#: How many scripts each call runs that write, on a cluster.
WRITES = {"create": 2, "sign in": 2, "switch": 3, "regenerate": 4, "end": 2}

_READS = {"listed", "living", "span", "moved", "due", "turn", "beat", "meet", "sweep"}


def user(number: str) -> str:
    return f"ada{number}"


def ids(number: str) -> tuple[str, str]:
    """Of the session that there is, and of one that is to be."""
    return f"a{number}old", f"a{number}new"


async def prepare(store: RedisStore, call: str, number: str) -> None:
    """Make the session that the call is about."""
    whose = {"sign in": None, "switch": f"bob{number}"}.get(call, user(number))
    if call != "create":
        made = change({"a": b"1"}) if whose is None else change({"a": b"1"}, user_id=whose)
        await store.create(ids(number)[0], made)


async def do(store: RedisStore, call: str, number: str) -> None:
    old, new = ids(number)
    if call == "create":
        await store.create(new, change({"a": b"1"}, user_id=user(number)))
    elif call == "end":
        await store.end(old, "signed out")
    else:
        alone = call == "regenerate"
        made = change({"a": b"2"}) if alone else change({"a": b"2"}, user_id=user(number))
        await store.regenerate(old, new, made)


async def _main(url: str, call: str, number: str) -> None:
    begun = 0

    def dies_in(way: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def run(calls: Calls, name: str, *arguments: Any) -> Any:
            nonlocal begun
            if name not in _READS:
                begun += 1
                if begun == int(number):
                    os.kill(os.getpid(), signal.SIGKILL)
            return await way(calls, name, *arguments)

        return run

    for way in (Calls.call, Calls.write):
        setattr(Calls, way.__name__, dies_in(way))
    store = RedisStore(url)
    store.bind(LIMITS, lambda *_: None, timeout=20.0)
    await do(store, call, number)
    await asyncio.sleep(1.0)  # what is done about lists afterwards
    await store.close()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))

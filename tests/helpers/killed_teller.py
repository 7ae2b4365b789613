"""A worker that is killed before it has told of an end.

``python -m tests.helpers.killed_teller URL WHEN``: it ends a session of ada's, and dies ``before``
it takes what is to be told, or ``in`` the receiver that it tells.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from quart import Quart

from quart_idle import QuartIdle, signals
from quart_idle.stores.redis import RedisStore
from tests.store_contract import change

#: The session that ends.
ID = "a1" * 32


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _told(_: Any, **about: Any) -> None:
    print(about["event_id"], flush=True)
    _die()


async def _main(url: str, when: str) -> None:
    signals.session_ended.connect(_told)
    app = Quart(__name__)
    store = RedisStore(url)
    QuartIdle(app, store=store, timeout=600, store_timeout=20)
    async with app.test_app():
        await store.create(ID, change({"a": b"1"}, user_id="ada"))
        await store.end(ID, "left")
        if when == "before":
            _die()
        await asyncio.sleep(30)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))

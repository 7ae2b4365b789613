"""Redis stores that are open, and what they must be able to do."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from quart_idle import StoreUnavailable
from quart_idle.policy import Limits
from quart_idle.reasons import REGENERATED
from quart_idle.stores.base import Ended, Live
from quart_idle.stores.redis import RedisStore
from tests.store_contract import LIMITS, PAGE, Told, change, record

T = TypeVar("T")


# Of sessions: one that is over stays so, and is not made again.
_NUMBERS = itertools.count()


@asynccontextmanager
async def opened(
    way: Any, told: Told | None = None, limits: Limits = LIMITS, timeout: float = 1.0
) -> AsyncIterator[RedisStore]:
    """A store that is open, and closed at the end."""
    store = RedisStore(way)
    store.bind(limits, lambda *what: None if told is None else told.append(what), timeout=timeout)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


async def soon(true: Callable[[], object], seconds: float = 1.0) -> None:
    """It is so, or becomes so in time."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def healed(call: Callable[[], Awaitable[T]], seconds: float = 30.0) -> tuple[T, int]:
    """What is answered once something is, and how often nothing was. Other errors are failures."""
    failures = 0
    give_up = time.monotonic() + seconds
    while True:
        try:
            return await call(), failures
        except StoreUnavailable:
            failures += 1
            assert time.monotonic() < give_up
            await asyncio.sleep(0.05)


async def lives(store: RedisStore, told: Told, id: str = "ab") -> None:
    """A session's whole life: limits are such that its pages are always warned."""
    id = f"{id}-{next(_NUMBERS)}"
    told.clear()
    await store.create(id, change({"a": b"\xff"}, user_id="ada"))
    await store.renew({id: PAGE})
    await store.renew({id: PAGE})
    assert await store.save(id, change({"b": b"2"}))
    assert await store.regenerate(id, f"{id}-new", change({"c": b"3"}))
    found = await record(store, f"{id}-new")
    assert dict(found.data) == {"a": b"\xff", "b": b"2", "c": b"3"}
    assert found.user_id == "ada"
    await store.keep_draft(id, "form", b"\xff")
    assert list(await store.drafts(id)) == ["form"]
    await store.drop_draft(id, "form")
    assert await store.end(id, "signed out \u2603") == f"{id}-new"
    await soon(lambda: len(told) == 3, 10)
    (_, live), (_, moved), (now_id, ended) = told
    assert isinstance(live, Live)
    assert live.clocks.paged
    assert isinstance(moved, Ended)
    assert isinstance(ended, Ended)
    assert (moved.reason, now_id, ended.reason) == (REGENERATED, f"{id}-new", "signed out \u2603")


async def heard(store: RedisStore, told: Told, id: str) -> None:
    """What happens is told, again: a listener whose node has gone may notice after seconds only."""
    async with asyncio.timeout(20):
        while True:
            other = f"{id}-{next(_NUMBERS)}"
            await soon(lambda: store.hears(time.monotonic()), 20)
            told.clear()
            await store.create(other, change({"a": b"1"}))
            await store.end(other, "over")
            with suppress(TimeoutError):
                await soon(lambda: told)
                return


WARNED = Limits(60.0, warning=60.0)

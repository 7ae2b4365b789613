"""What the parts of the contract share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, Unpack

import pytest

from quart_idle import Store
from quart_idle.policy import Limits, SignOfLife
from quart_idle.reasons import REGENERATED
from quart_idle.stores.base import (
    Attributes,
    Change,
    Ended,
    Live,
    Record,
)

LIMITS = Limits(timeout=60.0, lifetime=1000.0, closed_timeout=30.0)
HERE = SignOfLife(seen=0.0, active=0.0)
PAGE = SignOfLife(seen=0.0, active=0.0, paged=True)


class Time(Protocol):
    """The store's clock, as far as tests need it."""

    async def advance(self, seconds: float) -> None: ...


def change(
    fields: Mapping[str, bytes | None] | None = None,
    *,
    clear: bool = False,
    **attributes: Unpack[Attributes],
) -> Change:
    return Change(fields or {}, attributes, clear)


def about(moment: float) -> Any:
    """This moment; a store's clock may go on meanwhile."""
    return pytest.approx(moment, abs=0.5)


async def record(store: Store, id: str = "id") -> Record:
    """A session that is alive."""
    found = await store.load(id)
    assert isinstance(found, Record), found
    return found


async def reason(store: Store, id: str = "id") -> str | None:
    """Why a session is not alive; None: it was never one, or is forgotten."""
    found = await store.load(id)
    assert not isinstance(found, Record)
    return None if found is None else found.reason


Over = Callable[[Store, Time], Awaitable[Any]]
Told = list[tuple[str, Live | Ended]]

# How the session "id" can come to its end, by the reason.
WAYS: dict[str, Over] = {
    "signed out": lambda store, _: store.end("id", "signed out"),
    REGENERATED: lambda store, _: store.regenerate("id", "id-new", change()),
    "idle": lambda _, clock: clock.advance(60),
    "closed": lambda store, clock: _leave(store, clock),
    "lifetime": lambda store, clock: _stay(store, clock),
}


async def _leave(store: Store, clock: Time) -> None:
    await store.renew({"id": PAGE})
    await clock.advance(30)


async def _stay(store: Store, clock: Time) -> None:
    for _ in range(20):
        await store.renew({"id": HERE})
        await clock.advance(50)


over = pytest.mark.parametrize("over", WAYS.values(), ids=WAYS)


class Bound:
    """A store that is bound, and what its listener was told."""

    @pytest.fixture
    def told(self) -> Told:
        """What the listener was told."""
        return []

    @pytest.fixture
    def bound(self, store: Store, told: Told) -> Store:
        """The store, bound to `LIMITS`."""
        store.bind(LIMITS, lambda id, ended: told.append((id, ended)))
        return store

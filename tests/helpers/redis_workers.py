"""Workers' stores on one Redis, and what their answers look like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quart_idle.policy import Limits
from quart_idle.stores.base import Ended, Live, Record
from quart_idle.stores.redis import RedisStore

LIMITS = Limits(timeout=60.0, lifetime=1000.0, closed_timeout=30.0)

NewStore = Callable[..., RedisStore]

SAME = {"a": b"1", "b": b"1"}


def shape(found: Any) -> Any:
    """What there is to an answer, but for moments."""
    if isinstance(found, dict):
        return {id: shape(one) for id, one in found.items()}
    if isinstance(found, Record):
        return dict(found.data), found.user_id, found.clocks.paged
    if isinstance(found, Ended):
        return found.reason
    return "alive" if isinstance(found, Live) else found

"""A subscription that has much to pass on, or nothing any more: with no server."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from quart_idle.stores.redis import hearing
from quart_idle.stores.redis.hearing import Hearing
from quart_idle.stores.redis.keys import Keys


class _Stream:
    """A subscription's connection with messages that have come already."""

    def __init__(self, messages: int, *, pause: float = 0.0) -> None:
        self.left = messages
        self.pause = pause

    async def read_response(self, *, timeout: float, **_: Any) -> list[bytes] | None:
        if self.left:
            self.left -= 1
            if self.pause:
                await asyncio.sleep(self.pause)
            return [b"message", b"quart-idle:told", b"ended\nid\n0.0\nidle"]
        await asyncio.sleep(timeout)
        return None


def _hearing() -> Hearing:
    way = cast(Any, None)  # nothing is asked
    return Hearing(way, Keys("quart-idle", "worker"), lambda *_: None, 1.0)


async def test_messages_that_came_at_once_do_not_hold_up_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hearing, "_DEAF", 0.1)
    monkeypatch.setattr(hearing, "_WAIT", 0.05)
    monkeypatch.setattr(hearing, "_TURN", 0.001)
    stream = _Stream(20_000)
    passing_on = asyncio.get_running_loop().create_task(_hearing().pass_on(stream))
    turns = 0
    while stream.left:
        turns += 1
        await asyncio.sleep(0)
    await passing_on
    assert turns > 10


@pytest.mark.alone
async def test_a_subscription_that_is_behind_thousands_of_messages_is_not_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hearing, "_DEAF", 0.1)
    monkeypatch.setattr(hearing, "_WAIT", 0.05)
    stream = _Stream(30, pause=0.02)
    await _hearing().pass_on(stream)
    assert stream.left == 0
    monkeypatch.setattr(hearing, "_DEAF_WHILE_BUSY", 0.2)
    stream = _Stream(1000, pause=0.02)
    await _hearing().pass_on(stream)
    assert stream.left > 900

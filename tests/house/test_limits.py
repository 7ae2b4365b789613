"""A test that hangs fails, and says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.helpers.clock import Clock
from tests.helpers.limit import TooLong, limited


async def _for_ever() -> None:
    while True:  # noqa: ASYNC110
        await asyncio.sleep(1)


async def _for_nothing() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("hang", [_for_ever, _for_nothing])
def test_a_test_whose_time_passes_at_once_and_that_hangs_fails(
    hang: Callable[[], Awaitable[None]],
) -> None:
    async def test() -> None:
        with pytest.MonkeyPatch.context() as patch:
            Clock(limit=0.2).rule(asyncio.get_running_loop(), patch)
            await hang()

    began = time.monotonic()
    with pytest.raises(TooLong, match="does not end"), limited(10):
        asyncio.run(test())
    # (Where the other limit strikes, this one may do so behind it, and be what is raised.)
    assert time.monotonic() - began < 10


async def _without_a_pause() -> None:
    while True:
        pass


@pytest.mark.parametrize("hang", [_for_nothing, _without_a_pause])
def test_any_other_test_that_hangs_fails_too(hang: Callable[[], Awaitable[None]]) -> None:
    async def test() -> None:
        await hang()

    with pytest.raises(TooLong, match="longer than"), limited(0.2):
        asyncio.run(test())

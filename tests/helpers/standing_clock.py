"""A store's clock that stands still, and is moved on by hand; the loop's goes on."""

from __future__ import annotations

import asyncio

EPOCH = 1_800_000_000.0


class StandingClock:
    """Seconds since the epoch, for any number of stores in this process."""

    def __init__(self) -> None:
        self.now = EPOCH

    def __call__(self) -> float:
        return self.now

    async def advance(self, seconds: float) -> None:
        """Let time pass; what is due then happens a little later, as its threads take real time."""
        self.now += seconds
        await asyncio.sleep(0.02)

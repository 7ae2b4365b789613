"""Where renewals are written in a test: when, and what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from quart_idle import StoreUnavailable
from quart_idle.policy import SignOfLife
from quart_idle.renewals import Renewals
from quart_idle.stores.base import Ended, Live
from tests.helpers.clock import HOUR, Clock

HERE = SignOfLife(0.0, 0.0)
SEEN = SignOfLife(0.0, None)
PAGE = SignOfLife(0.0, 0.0, True)


class Writer:
    """Where renewals are written: when, and what."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.began = clock.monotonic()
        self.written: list[tuple[float, dict[str, SignOfLife]]] = []
        self.told: list[tuple[str, Live | Ended | None]] = []
        self.fails = False
        self.lost: set[str] = set()
        self.takes = 0.0
        self.renewals = Renewals(self.renew, lambda id, outcome: self.told.append((id, outcome)))

    async def renew(self, signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        if self.takes:
            await self._clock.advance(self.takes)
        if self.fails:
            raise StoreUnavailable
        here = {id: sign for id, sign in signs.items() if id not in self.lost}
        self.written.append((self._clock.monotonic() - self.began, here))
        return dict.fromkeys(here, Ended("idle"))

    def note(self, id: str = "id", sign: SignOfLife = HERE, left: float = HOUR) -> None:
        self.renewals.note(id, sign, left=left)

    @property
    def batches(self) -> list[dict[str, SignOfLife]]:
        return [batch for _, batch in self.written]


def about(age: float | None) -> Any:
    return None if age is None else pytest.approx(age, abs=1e-6)

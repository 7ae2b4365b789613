"""The wheel of pings, alone: its members are numbers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest

from quart_idle.presence.wheel import Wheel
from tests.helpers.clock import Clock


class Turns:
    """A wheel of an interval of 10 s, and what it does."""

    def __init__(self, clock: Clock, interval: float = 10.0) -> None:
        self._clock = clock
        self.stopping = False
        self.moves = 0
        self.pinged: list[tuple[int, float]] = []
        self.sent_away: list[int] = []
        self._slots: dict[int, set[int]] = {}
        self.wheel: Wheel[int] = Wheel(interval, self._ping, self._send_away, self._move)

    def add(self, members: Iterable[int]) -> None:
        for member in members:
            self._slots[member] = self.wheel.pick()
            self.wheel.add(member, self._slots[member])

    def discard(self, member: int) -> bool:
        return self.wheel.discard(member, self._slots[member])

    def times_of(self, member: int) -> list[float]:
        return [moment for pinged, moment in self.pinged if pinged == member]

    def _ping(self, member: int) -> None:
        self.pinged.append((member, self._clock.monotonic()))

    def _send_away(self, member: int) -> None:
        self.sent_away.append(member)
        self.discard(member)

    def _move(self) -> bool:
        self.moves += 1
        return self.stopping


async def test_each_member_is_pinged_once_an_interval_and_always_at_the_same_time_in_it(
    clock: Clock,
) -> None:
    """(But for the first, which may be half a second late: all slots before it were empty.)"""
    turns = Turns(clock)
    turns.add(range(50))
    await clock.advance(100)
    for member in range(50):
        times = turns.times_of(member)
        assert len(times) in (10, 11)
        assert all(9.9 < later - earlier < 10.1 for earlier, later in pairwise(times[1:]))


async def test_pings_are_spread_over_the_interval(clock: Clock) -> None:
    turns = Turns(clock)
    turns.add(range(1000))
    await clock.advance(11)
    turns.pinged.clear()
    await clock.advance(1)
    assert 50 < len({member for member, _ in turns.pinged}) < 200
    assert len({moment for _, moment in turns.pinged}) >= 15


async def test_a_wheel_without_members_stands_still(clock: Clock) -> None:
    turns = Turns(clock)
    await clock.advance(100)
    assert turns.moves == 0
    turns.add([1])
    await clock.advance(25)
    assert turns.discard(1)
    assert not turns.discard(1)
    await clock.advance(1)
    moves = turns.moves
    await clock.advance(100)
    assert turns.moves == moves
    assert len(turns.times_of(1)) in (2, 3)
    turns.add([2])
    await clock.advance(10)
    assert turns.times_of(2)


async def test_one_member_does_not_keep_the_wheel_busy(clock: Clock) -> None:
    turns = Turns(clock)
    turns.add([1])
    await clock.advance(100)
    assert turns.moves <= 100 / 0.05 / 10 + 10 + 1


async def test_when_the_server_stops_members_are_sent_away_some_at_a_time(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.choice", lambda slots: slots[150])  # far from where the wheel is
    turns = Turns(clock)
    turns.add(range(500))
    await clock.advance(1)
    turns.stopping = True
    counts: list[int] = []
    while turns.wheel.size:
        await clock.advance(0.05)
        counts.append(len(turns.sent_away))
    assert len(counts) <= 0.5 / 0.05 + 3
    assert counts[-3:] == [200, 400, 500]
    assert sorted(turns.sent_away) == [*range(500)]


async def test_those_who_come_while_the_server_stops_are_sent_away_at_once(clock: Clock) -> None:
    turns = Turns(clock)
    turns.stopping = True
    for member in range(10):
        turns.add([member])
        await clock.advance(0.06)
        assert turns.sent_away == [*range(member + 1)]


async def test_members_may_be_taken_off_while_they_are_pinged(clock: Clock) -> None:
    left: list[int] = []

    def ping(member: int) -> None:
        left.append(member)
        assert wheel.discard(member, slot)

    wheel: Wheel[int] = Wheel(1.0, ping, left.append, lambda: False)
    slot = wheel.pick()
    for member in (1, 2, 3):
        wheel.add(member, slot)
    await clock.advance(2)
    assert (sorted(left), wheel.size) == ([1, 2, 3], 0)


@pytest.mark.parametrize("interval", [0.01, 0.05, 0.12, 25.0])
async def test_the_interval_is_kept_whatever_it_is(clock: Clock, interval: float) -> None:
    turns = Turns(clock, interval)
    turns.add([1])
    await clock.advance(20.5 * interval)
    assert len(turns.times_of(1)) in (20, 21)


async def test_a_wheel_that_was_stopped_pings_nobody_until_another_comes(clock: Clock) -> None:
    turns = Turns(clock)
    turns.add([1])
    turns.wheel.stop()
    turns.pinged.clear()
    await clock.advance(30)
    assert turns.pinged == []
    turns.add([2])
    await clock.advance(11)
    assert {member for member, _ in turns.pinged} == {1, 2}

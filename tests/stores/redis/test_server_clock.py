"""What is known of Redis's clock: never so much that a write is made too late."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ResponseError

from quart_idle.stores.redis.clock import ServerClock, seconds

AHEAD = 1_800_000_000.0  # Redis's clock less this process's monotonic one


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 5)), min_size=1),
    st.floats(0, 10),
)
def test_no_write_is_allowed_later_than_its_caller_waits(
    answers: list[tuple[float, float]], patience: float
) -> None:
    clock = ServerClock()
    now = 0.0
    for pause, way in answers:
        now += pause + way
        clock.learn(now - way + AHEAD, now)
    assert float(clock.not_after(now + patience)) <= now + patience + AHEAD + 1e-6


def test_the_answer_that_was_shortest_on_its_way_counts() -> None:
    clock = ServerClock()
    for now, way in ((1.0, 0.5), (2.0, 0.001), (3.0, 0.5)):
        clock.learn(now - way + AHEAD, now)
    assert float(clock.not_after(10.0)) == pytest.approx(AHEAD + 10.0 - 0.001, abs=1e-5)


def test_a_clock_that_was_set_back_is_believed_after_a_minute() -> None:
    clock = ServerClock()
    clock.learn(AHEAD, 0.0)
    clock.learn(AHEAD - 100.0 + 30.0, 30.0)
    assert float(clock.not_after(30.0)) == AHEAD + 30.0
    clock.learn(AHEAD - 100.0 + 61.0, 61.0)
    assert float(clock.not_after(61.0)) == AHEAD - 100.0 + 61.0


def test_before_anything_is_known_redis_is_to_be_asked() -> None:
    clock = ServerClock()
    assert clock.is_doubtful
    assert float(clock.not_after(1.0)) == -inf, "a write would be too late"


def test_what_redis_says_is_seconds_or_its_error() -> None:
    assert seconds([b"1800000000", b"250000"]) == 1_800_000_000.25
    with pytest.raises(ResponseError, match="no time"):
        seconds(ResponseError("no time"))

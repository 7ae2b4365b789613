"""The clocks: whatever renewals come, in whatever order, the deadline is what the rule says."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quart_idle.config_values import seconds
from quart_idle.policy import (
    Clocks,
    Left,
    Limits,
    SignOfLife,
    deadline,
    lifetime_end,
    renewed,
    time_left,
    timeout_of,
)

# Whole seconds: sums of them are exact, so that what is equal can be compared.
MOMENTS = st.integers(0, 10**6).map(float)
DURATIONS = st.integers(1, 10**6).map(float)
LIMITS = st.builds(Limits, DURATIONS, st.none() | DURATIONS, st.none() | DURATIONS)
CLOCKS = st.builds(
    lambda created, active, seen, paged, own, began_anew: Clocks(
        created,
        created + active,
        created + active + seen,
        paged,
        own,
        None if began_anew is None else created + began_anew,
    ),
    MOMENTS,
    MOMENTS,
    MOMENTS,
    st.booleans(),
    st.none() | DURATIONS,
    st.none() | DURATIONS,
)
SIGNS = st.builds(SignOfLife, MOMENTS, st.none() | MOMENTS, st.booleans())
#: A sign of life and the moment at which it reaches the store.
RENEWALS = st.lists(st.tuples(SIGNS, MOMENTS), max_size=8)


def after(clocks: Clocks, renewals: list[tuple[SignOfLife, float]]) -> Clocks:
    for sign, now in renewals:
        clocks = renewed(clocks, sign, now)
    return clocks


def delayed(renewal: tuple[SignOfLife, float], by: float) -> tuple[SignOfLife, float]:
    """The same sign of life, written later: it is older by then."""
    (seen, active, paged), now = renewal
    return SignOfLife(seen + by, None if active is None else active + by, paged), now + by


# Renewals.


@given(CLOCKS, RENEWALS, st.data())
def test_renewals_in_any_order_and_repeated_give_the_same_clocks(
    clocks: Clocks, renewals: list[tuple[SignOfLife, float]], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(renewals))) if renewals else []
    shuffled = data.draw(st.permutations(renewals + again))
    assert after(clocks, shuffled) == after(clocks, renewals)


@given(CLOCKS, RENEWALS, st.lists(MOMENTS, min_size=8, max_size=8))
def test_a_late_renewal_gives_the_same_clocks(
    clocks: Clocks, renewals: list[tuple[SignOfLife, float]], delays: list[float]
) -> None:
    late = [delayed(*pair) for pair in zip(renewals, delays, strict=False)]
    assert after(clocks, late) == after(clocks, renewals)


@given(CLOCKS, st.lists(SIGNS, min_size=1, max_size=8), MOMENTS)
def test_a_batch_gives_the_same_clocks_as_its_renewals(
    clocks: Clocks, signs: list[SignOfLife], now: float
) -> None:
    ages = [sign.active for sign in signs if sign.active is not None]
    batch = SignOfLife(
        min(sign.seen for sign in signs),
        min(ages, default=None),
        any(sign.paged for sign in signs),
    )
    one_by_one = after(clocks, [(sign, now) for sign in signs])
    assert renewed(clocks, batch, now) == one_by_one


@given(CLOCKS, RENEWALS)
def test_a_renewal_never_moves_a_clock_back_and_never_touches_the_rest(
    clocks: Clocks, renewals: list[tuple[SignOfLife, float]]
) -> None:
    then = after(clocks, renewals)
    assert then.active >= clocks.active
    assert then.seen >= clocks.seen
    assert then.paged >= clocks.paged
    assert (then.created, then.timeout) == (clocks.created, clocks.timeout)
    assert (then.began_anew, then.began) == (clocks.began_anew, clocks.began)


@given(CLOCKS, LIMITS, RENEWALS)
def test_a_renewal_never_moves_the_deadline_back_unless_the_first_page_opens(
    clocks: Clocks, limits: Limits, renewals: list[tuple[SignOfLife, float]]
) -> None:
    then = after(clocks, renewals)
    assume(then.paged == clocks.paged)
    assert deadline(then, limits)[0] >= deadline(clocks, limits)[0]


def test_what_is_seen_is_not_active_and_the_other_way_round() -> None:
    clocks = Clocks(0.0, 0.0, 0.0)
    assert renewed(clocks, SignOfLife(1.0, None), 10.0) == Clocks(0.0, 0.0, 9.0)
    assert renewed(clocks, SignOfLife(1.0, 4.0, True), 10.0) == Clocks(0.0, 6.0, 9.0, True)


# The deadline.


@given(CLOCKS, LIMITS)
def test_the_deadline_is_the_first_of_the_clocks_that_count(clocks: Clocks, limits: Limits) -> None:
    ends = {"idle": clocks.active + timeout_of(clocks, limits)}
    if limits.lifetime is not None:
        ends["lifetime"] = limits.lifetime + (
            clocks.created if clocks.began_anew is None else clocks.began_anew
        )
    if limits.closed_timeout is not None and clocks.paged:
        ends["closed"] = clocks.seen + limits.closed_timeout
    end, why = deadline(clocks, limits)
    assert end == min(ends.values()) == ends[why]


@given(CLOCKS, LIMITS, RENEWALS)
def test_the_deadline_never_passes_the_lifetime(
    clocks: Clocks, limits: Limits, renewals: list[tuple[SignOfLife, float]]
) -> None:
    end = lifetime_end(clocks, limits)
    assume(end is not None)
    assert end is not None
    assert deadline(after(clocks, renewals), limits)[0] <= end


@pytest.mark.parametrize(
    ("limits", "clocks", "expected"),
    [
        (Limits(60), Clocks(0, 0, 50), (60, "idle")),
        (Limits(60), Clocks(0, 10, 50), (70, "idle")),
        (Limits(60), Clocks(0, 0, 0, timeout=5), (5, "idle")),
        (Limits(60), Clocks(0, 0, 0, timeout=500), (500, "idle")),
        (Limits(60, 50), Clocks(0, 0, 0), (50, "lifetime")),
        (Limits(60, 50), Clocks(0, 40, 40, began_anew=30), (80, "lifetime")),
        (Limits(60, 50), Clocks(0, 10, 40, began_anew=30), (70, "idle")),
        (Limits(60, 50), Clocks(0, 40, 40, timeout=500), (50, "lifetime")),
        (Limits(60, None, 30), Clocks(0, 0, 0), (60, "idle")),
        (Limits(60, None, 30), Clocks(0, 0, 0, paged=True), (30, "closed")),
        (Limits(60, None, 30), Clocks(0, 0, 40, paged=True), (60, "idle")),
        # Ties: the lifetime first, since no renewal could have helped; then idleness.
        (Limits(60, 60), Clocks(0, 0, 0), (60, "lifetime")),
        (Limits(60, 60, 60), Clocks(0, 0, 0, paged=True), (60, "lifetime")),
        (Limits(60, None, 60), Clocks(0, 0, 0, paged=True), (60, "idle")),
        (Limits(60, 30, 30), Clocks(0, 0, 0, paged=True), (30, "lifetime")),
    ],
)
def test_the_clock_that_ends_a_session_is_named(
    limits: Limits, clocks: Clocks, expected: tuple[float, str]
) -> None:
    assert deadline(clocks, limits) == expected


# What is left.


@given(CLOCKS, LIMITS, MOMENTS)
def test_what_is_left_is_reckoned_from_now(clocks: Clocks, limits: Limits, now: float) -> None:
    left = time_left(clocks, limits, now)
    end = lifetime_end(clocks, limits)
    assert left.deadline == deadline(clocks, limits)[0] - now
    assert left.total == (None if end is None else end - now)


@given(CLOCKS, LIMITS)
def test_extendable_is_what_activity_and_an_open_page_can_still_move(
    clocks: Clocks, limits: Limits
) -> None:
    end, _ = deadline(clocks, limits)
    now = end - 0.5
    assume(now >= clocks.seen)
    then = renewed(clocks, SignOfLife(0.0, 0.0, clocks.paged), now)
    assert time_left(clocks, limits, now).extendable == (deadline(then, limits)[0] > end)


@pytest.mark.parametrize(
    ("left", "extendable"),
    [(Left(5, None), True), (Left(5, 6), True), (Left(5, 5), False), (Left(-1, -1), False)],
)
def test_what_the_lifetime_ends_is_not_extendable(left: Left, extendable: bool) -> None:
    assert left.extendable is extendable


# Durations.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (timedelta(minutes=1), 60.0),
        (timedelta(days=36_525), 36_525 * 86_400.0),
    ],
)
def test_a_duration_is_seconds_or_a_timedelta(value: Any, expected: float) -> None:
    found = seconds(value)
    assert found == expected
    assert type(found) is float


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, 0.0, -0.5, float("nan"), float("inf"), float("-inf"), 1e999, 10**400),
        *(True, False, None, "60", b"60", Decimal(60), [60], timedelta(0), timedelta(seconds=-1)),
        *(timedelta.max, 36_525 * 86_400 + 1),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_duration_is_none(value: object) -> None:
    assert seconds(value) is None

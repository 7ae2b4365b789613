"""Values come back as they were."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from markupsafe import Markup

from quart_idle.codec import decode, encode
from tests.helpers.any_values import VALUES, exact


@given(VALUES)
def test_a_value_comes_back_equal_in_value_and_type(value: Any) -> None:
    raw = encode("key", value)
    assert type(raw) is bytes
    assert exact(decode(raw)) == exact(value)


def test_an_offset_that_python_cannot_read_again_loses_no_moment() -> None:
    odd = datetime(2000, 1, 1, tzinfo=timezone(timedelta(microseconds=1)))
    assert decode(encode("key", odd)) == odd
    with pytest.raises(TypeError, match="key"):  # there is no such moment in UTC
        encode("key", odd.replace(year=1))


@given(VALUES)
def test_the_same_value_is_the_same_bytes(value: Any) -> None:
    raw = encode("key", value)
    assert encode("key", decode(raw)) == raw


@pytest.mark.parametrize(
    "value",
    [
        *(10**4000, -(10**4000), 2**53 + 1, 0.1, 5e-324, 1.7976931348623157e308, -0.0),
        *("\ud800", "\udc00\ud800", "\x00\x1f\x7f\u2028", "naïve ☃ \U0001f600", "</script>"),
        *((), [], {}, b"", "", ((),), [[]], {"": {}}, bytes(range(256)), Markup("<b>&amp;</b>")),
        *({" t": [1]}, {" t": "x"}, {" b": None}, {"  d": 1}, {" t": 1, " b": 2}, {" ": {" ": 1}}),
        *({" u": UUID(int=0)}, {" d": (1, {" d": b"x"})}, UUID(int=2**128 - 1)),
        *(set(), frozenset(), {frozenset({frozenset(), (1, ())})}, Decimal("sNaN7"), timedelta.min),
        *(datetime(1, 1, 1), datetime.max, date.min, date.max, time.min, time.max, timedelta.max),
        time(0, tzinfo=timezone(timedelta(microseconds=-1))),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=45, seconds=7))),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_value_at_the_edge_comes_back(value: Any) -> None:
    assert exact(decode(encode("key", value))) == exact(value)


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_an_infinite_float_comes_back(value: float) -> None:
    assert decode(encode("key", value)) == value


def test_a_float_that_is_not_a_number_comes_back_as_one() -> None:
    found = decode(encode("key", float("nan")))
    assert type(found) is float
    assert found != found


def test_a_datetime_of_a_named_zone_comes_back_equal() -> None:
    value = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Vienna"))
    found = decode(encode("key", value))
    assert (found, found.utcoffset()) == (value, timedelta(hours=2))

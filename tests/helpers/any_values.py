"""Whatever a session may hold, for tests that try many values."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from markupsafe import Markup

OFFSETS = st.integers(-82_800, 82_800).map(lambda seconds: timedelta(seconds=seconds))

ODD_OFFSETS = st.integers(-82_800_000_000, 82_800_000_000).map(
    lambda microseconds: timedelta(microseconds=microseconds)
)

TEXT = st.text(st.characters(codec=None))  # with lone surrogates


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers().map(lambda number: number**15),
    st.floats(allow_nan=False),
    TEXT,
    st.binary(),
    TEXT.map(Markup),
    st.uuids(),
    st.datetimes(timezones=st.none() | st.just(UTC) | OFFSETS.map(timezone)),
    st.datetimes().map(lambda value: value.replace(fold=1)),
    st.dates(),
    st.times(timezones=st.none() | st.just(UTC) | ODD_OFFSETS.map(timezone)),
    st.times().map(lambda value: value.replace(fold=1)),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.builds(Decimal, st.sampled_from(["NaN", "-NaN123", "-0.00", "1E+999999", "-Infinity"])),
)

KEYS = TEXT | st.sampled_from(
    [f"{space}{letter}" for space in ("", " ", "  ") for letter in " tszbmundfahpx"] + [""]
)


HASHABLE: st.SearchStrategy[Any] = st.deferred(
    lambda: (
        SCALARS | st.lists(HASHABLE, max_size=3).map(tuple) | st.frozensets(HASHABLE, max_size=3)
    )
)


VALUES = st.recursive(
    SCALARS | HASHABLE | st.sets(HASHABLE, max_size=3),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.dictionaries(KEYS, inner, min_size=1, max_size=1)
    ),
)


def exact(value: Any) -> Any:
    """The value with its type, all the way down, so that 1, 1.0 and True differ; and 0.0, -0.0."""
    match value:
        case list() | tuple():
            return type(value), [exact(item) for item in value]
        case dict():
            return dict, [(exact(key), exact(item)) for key, item in value.items()]
        case float():
            return float, value.hex()
        case set() | frozenset():
            return type(value), sorted(repr(exact(item)) for item in value)
        case datetime() | time():
            fold = value.fold if value.tzinfo is None else None
            return type(value), value.isoformat(), value.utcoffset(), fold
        case Decimal():
            return Decimal, value.as_tuple()
        case _:
            return type(value), value

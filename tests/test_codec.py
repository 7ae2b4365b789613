"""Values to bytes and back: equal in value and type, or refused."""

from __future__ import annotations

import ast
from collections import OrderedDict, defaultdict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

import quart_idle
from quart_idle.codec import IMMUTABLE, decode, encode

OFFSETS = st.integers(-82_800, 82_800).map(lambda seconds: timedelta(seconds=seconds))
TEXT = st.text(st.characters(codec=None))  # with lone surrogates
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**1000), 10**1000),
    st.floats(allow_nan=False),
    TEXT,
    st.binary(),
    TEXT.map(Markup),
    st.uuids(),
    st.datetimes(timezones=st.just(UTC) | OFFSETS.map(timezone)),
)
KEYS = TEXT | st.sampled_from([" t", " b", " m", " u", " d", "  t", " ", "  ", "t", "", " x"])
VALUES = st.recursive(
    SCALARS,
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
        case datetime():
            return datetime, value, value.utcoffset()
        case _:
            return type(value), value


@given(VALUES)
def test_a_value_comes_back_equal_in_value_and_type(value: Any) -> None:
    raw = encode("key", value)
    assert type(raw) is bytes
    assert exact(decode(raw)) == exact(value)


def test_an_offset_that_python_cannot_read_again_loses_no_moment() -> None:
    odd = datetime(2000, 1, 1, tzinfo=timezone(timedelta(hours=1, microseconds=1)))
    assert decode(encode("key", odd)) == odd


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


# What it does not hold.


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Real(float):
    pass


class Raw(bytes):
    pass


class Moment(datetime):
    pass


class Safe(Markup):
    pass


class Id(UUID):
    pass


class Pair(NamedTuple):
    one: int


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


def deep(kind: type, levels: int = 100_000) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value} if kind is dict else kind([value])
    return value


def around(kind: type) -> Any:
    """A value that contains itself."""
    inner: Any = {} if kind is dict else []
    if kind is dict:
        inner["a"] = inner
    else:
        inner.append((inner,) if kind is tuple else inner)
    return inner


REFUSED: dict[str, Any] = {
    **{
        f"a subclass: {type(value).__name__}": value
        for value in (
            *(Text("a"), Number(1), Real(1), Raw(b"a"), Safe("a"), Id(int=1), Pair(1)),
            *(Moment(2026, 1, 1, tzinfo=UTC), Colour.RED, Level.LOW, OrderedDict(a=1)),
            defaultdict(int, a=1),
        )
    },
    **{
        f"a type of its own: {type(value).__name__}": value
        for value in (
            *({1}, frozenset({1}), Decimal(1), Fraction(1), 1j, object(), bytearray(b"a")),
            *(memoryview(b"a"), range(1), iter([]), date(2026, 1, 1), time(1), timedelta(1)),
            *(Path(), int, len, Ellipsis, ValueError()),
        )
    },
    "a naive datetime": datetime(2026, 1, 1),
    **{f"a key: {key!r}": {key: 1} for key in (1, None, True, b"a", ("a",), 1.5, Text("a"))},
    "one wrong key of several": {"a": 1, 2: 2},
    **{f"a cycle of {kind.__name__}": around(kind) for kind in (list, dict, tuple)},
    **{f"a deep {kind.__name__}": deep(kind) for kind in (list, dict, tuple)},
    "an int of more digits than Python converts": 10**5000,
    "a negative one": -(10**5000),
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize(
    "inside", [lambda value: value, lambda value: {"a": [({" t": value},)]}], ids=["", "inside"]
)
def test_anything_else_is_a_type_error_that_names_the_key(value: Any, inside: Any) -> None:
    with pytest.raises(TypeError, match=r"^session\['the key'\] cannot hold .*a session holds str"):
        encode("the key", inside(value))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({1}, "a value of type set"),
        ({1: 2}, "a dict with a key of type int, not str"),
        (datetime(2026, 1, 1), "a datetime without a time zone"),
        (around(list), "nested too deeply, or containing itself"),
        (10**5000, "4300 digits"),
        ([Text("a")], "a value of type Text"),
    ],
    ids=["set", "key", "naive", "cycle", "digits", "subclass"],
)
def test_the_error_says_what_is_wrong(value: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        encode("key", value)


def test_a_value_nested_as_deeply_as_it_is_stored_comes_back() -> None:
    levels = 1
    while True:
        try:
            raw = encode("key", deep(tuple, levels))
        except TypeError:
            break
        decode(raw)
        levels *= 2
    assert levels > 100


@pytest.mark.parametrize("kind", [list, dict, set, tuple])
def test_what_can_change_in_place_is_not_called_immutable(kind: type) -> None:
    assert kind not in IMMUTABLE


def test_there_is_no_pickle_anywhere() -> None:
    package = Path(quart_idle.__file__).parent
    unsafe = {"pickle", "marshal", "shelve", "dill", "eval", "exec", "__reduce__", "loads"}
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = {
                *(
                    alias.name
                    for alias in getattr(node, "names", ())
                    if isinstance(alias, ast.alias)
                ),
                getattr(node, "id", None),
                getattr(node, "attr", None),
                getattr(node, "module", None),
            }
            assert not names & unsafe, f"{path.name}: {names & unsafe}"

"""Values to bytes and back: equal in value and type, or refused."""

from __future__ import annotations

import ast
from collections import Counter, OrderedDict, UserString, defaultdict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag, StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from markupsafe import Markup
from werkzeug.datastructures import CombinedMultiDict, MultiDict

import quart_idle
from quart_idle.codec import IMMUTABLE, decode, encode

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


# Kinds of what it holds.


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
    one: Any
    two: str = "b"


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Old(str, Enum):  # noqa: UP042  (its str() is another)
    RED = "red"


class Access(IntFlag):
    READ = 1
    WRITE = 2


class Loud(str):
    """One whose text is another than its value."""

    __slots__ = ()

    def __str__(self) -> str:
        return "other"


class UserInfo(dict[str, Any]):
    """As Authlib's: the values are attributes, too."""

    def __getattr__(self, key: str) -> Any:
        return self[key]


class Lazy:
    """As Flask-Babel's and Quart-Babel's: a text that is looked up when it is wanted."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __getattr__(self, name: str) -> Any:
        return getattr(self.text, name)

    def __html__(self) -> str:
        return self.text


class Template(str):
    """A str that is HTML, and not of MarkupSafe's."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


class Hashable(list[int]):
    def __hash__(self) -> int:  # type: ignore[override]
        return 1


class Many(dict[str, Any]):
    """As Werkzeug's MultiDict: it has more values than it gives."""

    def items(self) -> Any:
        return [(key, values[0]) for key, values in super().items()]


class Duration(timedelta):
    pass


class Day(date):
    pass


class Hour(time):
    pass


class Money(Decimal):
    def __str__(self) -> str:
        return f"{super().__str__()} EUR"


class Bag(set[Any]):
    pass


KINDS: list[tuple[Any, Any]] = [
    (Text("a"), "a"),
    (Loud("a"), "a"),
    (Colour.RED, "red"),
    (Old.RED, "red"),
    (Number(1), 1),
    (Level.LOW, 1),
    (Access.READ | Access.WRITE, 3),
    (Real(1.5), 1.5),
    (Raw(b"a"), b"a"),
    (Safe("<b>"), Markup("<b>")),
    (Lazy("<b>"), Markup("<b>")),
    (Template("<b>"), Markup("<b>")),
    (Id(int=1), UUID(int=1)),
    (Pair(1), (1, "b")),
    (Pair(Pair(1), Colour.RED), ((1, "b"), "red")),
    (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (defaultdict(int, a=1), {"a": 1}),
    (Counter("aab"), {"a": 2, "b": 1}),
    (UserInfo(sub="1", address=UserInfo(city="x")), {"sub": "1", "address": {"city": "x"}}),
    ({Colour.RED: 1}, {"red": 1}),
    ({Old.RED: 1, Text("a"): 2}, {"red": 1, "a": 2}),
    (Moment(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
    (Moment(2026, 1, 1), datetime(2026, 1, 1)),
    (Day(2026, 1, 1), date(2026, 1, 1)),
    (Hour(12), time(12)),
    (Duration(1), timedelta(1)),
    (Money("1.50"), Decimal("1.50")),
    (Bag({Colour.RED, Pair(1)}), {"red", (1, "b")}),
    (frozenset({Level.LOW}), frozenset({1})),
    ([True, Level.LOW], [True, 1]),
]


@pytest.mark.parametrize(("value", "held"), KINDS, ids=[repr(value)[:40] for value, _ in KINDS])
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: {"a": [(value,)]}])
def test_what_is_a_kind_of_something_comes_back_as_that(value: Any, held: Any, wrap: Any) -> None:
    assert exact(decode(encode("key", wrap(value)))) == exact(wrap(held))


class Part(str):
    __slots__ = ()


@given(VALUES)
def test_a_subclass_of_each_type_is_the_same_bytes_as_what_it_is_a_kind_of(value: Any) -> None:
    made: dict[type, type] = {}

    def disguised(value: Any) -> Any:
        kind = type(value)
        if kind in (bool, type(None)):
            return value
        own = made.setdefault(kind, type(f"Own{kind.__name__}", (kind,), {}))
        match value:
            case list() | tuple() | set() | frozenset():
                return own(disguised(item) for item in value)
            case dict():
                return own({Part(key): disguised(item) for key, item in value.items()})
            case UUID():
                return own(int=value.int)
            case datetime():
                moment = (*value.timetuple()[:6], value.microsecond, value.tzinfo)
                return own(*moment, fold=value.fold)
            case date():
                return own(value.year, value.month, value.day)
            case time():
                parts = (value.hour, value.minute, value.second, value.microsecond, value.tzinfo)
                return own(*parts, fold=value.fold)
            case timedelta():
                return own(value.days, value.seconds, value.microseconds)
            case _:
                return own(value)

    assert encode("key", disguised(value)) == encode("key", value)


@given(st.lists(HASHABLE, max_size=6), st.randoms())
def test_an_equal_set_is_the_same_bytes_in_whatever_order_it_was_filled(
    items: list[Any], random: Any
) -> None:
    shuffled = random.sample(items, len(items))
    kept = {repr(exact(item)) for item in set(items)}
    assume(kept == {repr(exact(item)) for item in set(shuffled)})  # 1 and True are one
    assert encode("key", set(items)) == encode("key", set(shuffled))


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{" d":"2026-01-01T00:00:00+00:00"}', datetime(2026, 1, 1, tzinfo=UTC)),
        (b'{" t":[1,{" b":"YQ=="}]}', (1, b"a")),
        (b'{"  n":"1"}', {" n": "1"}),
        (b'{" m":"<b>"}', Markup("<b>")),
        (b'{" u":"00000000000000000000000000000001"}', UUID(int=1)),
    ],
)
def test_what_was_stored_before_there_were_more_types_is_read_as_what_it_was(
    raw: bytes, value: Any
) -> None:
    assert exact(decode(raw)) == exact(value)


# What it does not hold.


class Shade(Enum):
    DARK = "dark"


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
        f"a type of its own: {type(value).__name__}": value
        for value in (
            *(Fraction(1), 1j, object(), bytearray(b"a"), memoryview(b"a"), range(1), iter([])),
            *(Path(), int, len, Ellipsis, ValueError(), Markup, UserString("a"), Shade.DARK),
        )
    },
    "a time in a zone that has no fixed offset": time(1, tzinfo=ZoneInfo("Europe/Vienna")),
    "a set of what is held as a list": {Hashable([1])},
    "a frozenset of what is held as a list, in a tuple": frozenset({(Hashable([1]),)}),
    "a dict that has more values than it gives": Many(a=[1, 2]),
    "a multidict of Werkzeug's": MultiDict({"a": 1}),
    "several of them": CombinedMultiDict([MultiDict({"a": 1})]),
    **{f"a key: {key!r}": {key: 1} for key in (1, None, True, b"a", ("a",), 1.5)},
    "one wrong key of several": {"a": 1, 2: 2},
    **{f"a cycle of {kind.__name__}": around(kind) for kind in (list, dict, tuple)},
    **{f"a deep {kind.__name__}": deep(kind) for kind in (list, dict, tuple)},
    "a deep frozenset": deep(frozenset, 2000),  # more, and Python itself cannot hash it
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
        (Fraction(1), "a value of type Fraction"),
        (Markup, "a value of type type"),
        ({1: 2}, "a dict with a key of type int, not str"),
        (time(1, tzinfo=ZoneInfo("Europe/Vienna")), "a time whose zone has no fixed offset"),
        ({Hashable([1])}, "a set of what comes back as what no set holds: Hashable"),
        (MultiDict({"a": 1}), "a value of type MultiDict, which is more than a dict"),
        (around(list), "nested too deeply, or containing itself"),
        (10**5000, "4300 digits"),
        ([1j], "a value of type complex"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_error_says_what_is_wrong(value: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        encode("key", value)


@pytest.mark.parametrize("kind", [list, dict, tuple, frozenset])
def test_a_value_nested_as_deeply_as_it_is_stored_comes_back(kind: type) -> None:
    levels = 1
    while True:
        try:
            raw = encode("key", deep(kind, levels))
        except TypeError:
            break
        decode(raw)
        levels *= 2
    assert levels > 100


@pytest.mark.parametrize("kind", [list, dict, set, tuple, frozenset])
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
                # (A variable may be of that name: whose function it is, an import tells.)
                *({getattr(node, "id", None)} - {"loads"}),
                getattr(node, "attr", None),
                getattr(node, "module", None),
            }
            assert not names & unsafe, f"{path.name}: {names & unsafe}"

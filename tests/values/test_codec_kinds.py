"""What is a kind of something comes back as that."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag, StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from markupsafe import Markup

from quart_idle.codec import decode, encode
from tests.helpers.any_values import HASHABLE, VALUES, exact


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

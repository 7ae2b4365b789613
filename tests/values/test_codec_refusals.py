"""What cannot be held is said with its key."""

from __future__ import annotations

import ast
from collections import UserString
from datetime import time
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from markupsafe import Markup
from werkzeug.datastructures import CombinedMultiDict, MultiDict

import quart_idle
from quart_idle.codec import IMMUTABLE, decode, encode


class Hashable(list[int]):
    def __hash__(self) -> int:  # type: ignore[override]
        return 1


class Many(dict[str, Any]):
    """As Werkzeug's MultiDict: it has more values than it gives."""

    def items(self) -> Any:
        return [(key, values[0]) for key, values in super().items()]


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

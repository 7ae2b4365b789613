"""Values to bytes and back: JSON, with a tag for what JSON does not know.

It holds ``str``, ``int``, ``float``, ``bool``, ``None``, ``list``, ``dict`` with ``str`` keys,
``tuple``, ``set``, ``frozenset``, ``bytes``, ``Markup``, ``UUID``, ``Decimal``, ``date``,
``time``, ``datetime`` and ``timedelta``, and gives them back equal in value and type. A subclass of
one of them is held as what it is a kind of, and what has ``__html__`` as ``Markup``. Decoding runs
no code.

A tagged value is an object of one key, a space and a letter. An object of the application's own
whose only key starts with a space gets one space more, so the two are never confused.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from markupsafe import Markup

_SCALARS = frozenset({str, int, float, bool, type(None)})

#: Types whose values cannot change in place. (A tuple can, by what it contains.)
IMMUTABLE = _SCALARS | {bytes, Markup, UUID, Decimal, date, time, datetime, timedelta}

#: What a session holds, in words.
HELD: Final = (
    "str, int, float, bool, None, list, dict with str keys, tuple, set, frozenset, bytes, Markup, "
    "UUID, Decimal, date, time, datetime and timedelta"
)

_MICROSECOND = timedelta(microseconds=1)


class _Unheld(Exception):
    """Why a value cannot be held."""


def plain_key(key: object) -> str | None:
    """A key as a ``str`` and nothing more; None where it is none."""
    return str.__str__(key) if isinstance(key, str) else None


# To JSON. Values may be of subclasses: what these override is not asked.


def _tagged(value: Any) -> Any:
    """The value in terms of JSON."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    tag = _TAG.get(kind)
    return _tag_other(value) if tag is None else tag(value)


def _tag_other(value: Any) -> Any:
    """What has a type of its own."""
    kind = type(value)
    is_html = hasattr(kind, "__html__")
    for base in () if is_html and issubclass(kind, str) else kind.__mro__:
        if base in _PLAIN:
            return _PLAIN[base](value)
        if base in _TAG:
            return _TAG[base](value)
    if is_html:
        return {" m": str(value.__html__())}
    raise _Unheld(f"a value of type {kind.__qualname__}")


def _tag_items(value: Iterable[Any]) -> list[Any]:
    return [_tagged(item) for item in value]


def _tag_dict(value: dict[Any, Any]) -> dict[str, Any]:
    plain = {}
    for key, item in value.items():
        name = key if type(key) is str else plain_key(key)
        if name is None:
            raise _Unheld(f"a dict with a key of type {type(key).__qualname__}, not str")
        plain[name] = item
    if type(value) is not dict and dict.__eq__(plain, value) is not True:
        # Such as Werkzeug's MultiDict: which of its values are meant?
        raise _Unheld(f"a value of type {type(value).__qualname__}, which is more than a dict")
    if len(plain) == 1:
        ((key, item),) = plain.items()
        return {" " + key if key.startswith(" ") else key: _tagged(item)}
    return {key: _tagged(item) for key, item in plain.items()}


def _tag_set(value: Iterable[Any]) -> list[Any]:
    """In an order that is the same on each worker: an equal set is no change."""
    found = {}
    for item in value:
        tagged = _tagged(item)
        text = _encode(tagged)
        try:
            hash(_decode(text)[0])
        except TypeError:  # a list of a kind that can be hashed, say
            kind = type(item).__qualname__
            raise _Unheld(f"a set of what comes back as what no set holds: {kind}") from None
        found[text] = tagged
    return [found[text] for text in sorted(found)]


def _tag_datetime(value: datetime) -> dict[str, str]:
    offset = _offset(value)
    if offset is not None and offset.microseconds:  # Python writes them, and does not read them
        value = datetime.astimezone(value, UTC)
    tag = " f" if offset is None and value.fold else " d"
    return {tag: datetime.isoformat(value)}


def _tag_time(value: time) -> dict[str, Any]:
    offset = _offset(value)
    text = time(value.hour, value.minute, value.second, value.microsecond).isoformat()
    return {" h": [text, value.fold, None if offset is None else offset // _MICROSECOND]}


def _offset(value: datetime | time) -> timedelta | None:
    offset = value.utcoffset()
    if offset is None and value.tzinfo is not None:  # as of a time in a zone, without a day
        raise _Unheld(f"a {type(value).__qualname__} whose zone has no fixed offset")
    return offset


# A subclass's value as the JSON of what it is a kind of.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
}

_TAG: dict[type, Callable[[Any], Any]] = {
    list: _tag_items,
    dict: _tag_dict,
    tuple: lambda value: {" t": _tag_items(value)},
    set: lambda value: {" s": _tag_set(value)},
    frozenset: lambda value: {" z": _tag_set(value)},
    bytes: lambda value: {" b": b64encode(value).decode("ascii")},
    Markup: lambda value: {" m": str.__str__(value)},
    UUID: lambda value: {" u": f"{value.int:032x}"},
    Decimal: lambda value: {" n": Decimal.__str__(value)},
    datetime: _tag_datetime,
    date: lambda value: {" a": date.isoformat(value)},
    time: _tag_time,
    timedelta: lambda value: {" p": [value.days, value.seconds, value.microseconds]},
}


# And back.


def _untag_time(parts: tuple[str, int, int | None]) -> time:
    text, fold, offset = parts
    zone = None if offset is None else timezone(timedelta(microseconds=offset))
    return time.fromisoformat(text).replace(fold=fold, tzinfo=zone)


_UNTAG: dict[str, Callable[[Any], Any]] = {
    " t": tuple,
    " s": set,
    " z": frozenset,
    " b": b64decode,
    " m": Markup,
    " u": UUID,
    " n": Decimal,
    " d": datetime.fromisoformat,
    " f": lambda text: datetime.fromisoformat(text).replace(fold=1),
    " a": date.fromisoformat,
    " h": _untag_time,
    " p": lambda parts: timedelta(*parts),
}


def _untag(value: dict[str, Any]) -> Any:
    if len(value) == 1:
        ((key, item),) = value.items()
        if key.startswith(" "):
            untag = _UNTAG.get(key)
            return {key[1:]: item} if untag is None else untag(item)
    return value


_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_decode = json.JSONDecoder(object_hook=_untag).raw_decode


def encode(key: str, value: Any) -> bytes:
    """The value as bytes.

    Raises:
        TypeError: the value, or one inside it, cannot be held; the message names ``key``.
    """
    try:
        if type(value) is int:  # the same as below, and quicker
            return b"%d" % value
        return _encode(value if type(value) in _SCALARS else _tagged(value)).encode("ascii")
    except _Unheld as error:
        why = str(error)
    except RecursionError:
        why = "a value nested too deeply, or containing itself"
    except (ValueError, OverflowError) as error:  # such as an int of too many digits
        why = f"a value that JSON cannot hold: {error}"
    del value  # a traceback may show the variables
    raise TypeError(f"session[{key!r}] cannot hold {why}; a session holds {HELD}")


def decode(raw: bytes) -> Any:
    """The value that `encode` was given."""
    return _decode(raw.decode("ascii"))[0]

"""Values to bytes and back: JSON, with a tag for what JSON does not know.

It holds ``str``, ``int``, ``float``, ``bool``, ``None``, ``list``, ``dict`` with ``str`` keys,
``tuple``, ``bytes``, ``Markup``, ``UUID`` and aware ``datetime``, and gives them back equal in
value and type. Subclasses are refused, since their type would be lost. Decoding runs no code.

A tagged value is an object of one key, a space and a letter. An object of the application's own
whose only key starts with a space gets one space more, so the two are never confused.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from markupsafe import Markup

_SCALARS = frozenset({str, int, float, bool, type(None)})

#: Types whose values cannot change in place. (A tuple can, by what it contains.)
IMMUTABLE = _SCALARS | {bytes, Markup, UUID, datetime}

_UNTAG: dict[str, Callable[[Any], Any]] = {
    " t": tuple,
    " b": b64decode,
    " m": Markup,
    " u": UUID,
    " d": datetime.fromisoformat,
}


def _tagged(value: Any) -> Any:
    """The value in terms of JSON."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is list:
        return [_tagged(item) for item in value]
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise TypeError(f"a dict with a key of type {type(key).__qualname__}, not str")
        if len(value) == 1:
            ((key, item),) = value.items()
            return {" " + key if key.startswith(" ") else key: _tagged(item)}
        return {key: _tagged(item) for key, item in value.items()}
    if kind is tuple:
        return {" t": [_tagged(item) for item in value]}
    if kind is bytes:
        return {" b": b64encode(value).decode("ascii")}
    if kind is Markup:
        return {" m": str(value)}
    if kind is UUID:
        return {" u": value.hex}
    if kind is datetime:
        offset = value.utcoffset()
        if offset is None:
            raise TypeError("a datetime without a time zone")
        if offset.microseconds:  # Python writes them, and does not read them again
            value = value.astimezone(UTC)
        return {" d": value.isoformat()}
    raise TypeError(f"a value of type {kind.__qualname__}")


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
    except TypeError as error:
        why = str(error)
    except RecursionError:
        why = "a value nested too deeply, or containing itself"
    except (ValueError, OverflowError) as error:  # such as an int of too many digits
        why = f"a value that JSON cannot hold: {error}"
    raise TypeError(
        f"session[{key!r}] cannot hold {why}; a session holds str, int, float, bool, None, list, "
        "dict with str keys, tuple, bytes, Markup, UUID and aware datetime"
    )


def decode(raw: bytes) -> Any:
    """The value that `encode` was given."""
    return _decode(raw.decode("ascii"))[0]

"""What is stored of a session, to bytes and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, isnan, nan
from struct import Struct
from typing import Final

from ...policy import Clocks
from ..base import Device, Fields, SignIn

# Created, active, seen, own timeout, when it began anew (not a number: there is none), and whether
# a page was ever open.
_CLOCKS: Final = Struct("<dddddB")
# When the user proved who they are, and how long the texts of their device are (-1: there is none).
_SIGN_IN: Final = Struct("<dii")
# How many fields there are; how long a key is, and its value.
_COUNT: Final = Struct("<I")
_LENGTHS: Final = Struct("<II")


def to_bytes(text: str) -> bytes:
    """A text as it is stored; half a surrogate pair is text, too."""
    return text.encode("utf-8", "surrogatepass")


def to_text(raw: bytes) -> str:
    """The text that `to_bytes` made this of."""
    return raw.decode("utf-8", "surrogatepass")


def pack_clocks(clocks: Clocks) -> bytes:
    created, active, seen, paged, timeout, began_anew = clocks
    return _CLOCKS.pack(
        created,
        active,
        seen,
        nan if timeout is None else timeout,
        nan if began_anew is None else began_anew,
        paged,
    )


def unpack_clocks(raw: bytes) -> Clocks:
    created, active, seen, timeout, began_anew, paged = _CLOCKS.unpack(raw)
    if not isfinite(created + active + seen):
        raise ValueError("these are no moments")
    return Clocks(
        created,
        active,
        seen,
        bool(paged),
        None if isnan(timeout) else timeout,
        None if isnan(began_anew) else began_anew,
    )


def pack_sign_in(sign_in: SignIn | None) -> bytes | None:
    if sign_in is None:
        return None
    texts = [None if text is None else to_bytes(text) for text in sign_in.device]
    lengths = (-1 if text is None else len(text) for text in texts)
    return _SIGN_IN.pack(sign_in.authenticated, *lengths) + b"".join(text or b"" for text in texts)


def unpack_sign_in(raw: bytes | None) -> SignIn | None:
    if raw is None:
        return None
    moment, address, user_agent = _SIGN_IN.unpack_from(raw)
    rest = _SIGN_IN.size + max(0, address)
    return SignIn(
        moment,
        Device(
            None if address < 0 else to_text(raw[_SIGN_IN.size : rest]),
            None if user_agent < 0 else to_text(raw[rest : rest + user_agent]),
        ),
    )


def pack_fields(fields: Mapping[str, bytes]) -> bytes:
    keys = [to_bytes(key) for key in fields]
    lengths = (
        _LENGTHS.pack(len(key), len(value))
        for key, value in zip(keys, fields.values(), strict=True)
    )
    return b"".join([_COUNT.pack(len(keys)), *lengths, *keys, *fields.values()])


def unpack_fields(raw: bytes) -> Fields[bytes]:
    fields: Fields[bytes] = Fields()
    (count,) = _COUNT.unpack_from(raw)
    at = _COUNT.size + count * _LENGTHS.size
    lengths = list(_LENGTHS.iter_unpack(raw[_COUNT.size : at]))
    value_at = at + sum(length for length, _ in lengths)
    for key_length, value_length in lengths:
        key = to_text(raw[at : at + key_length])
        fields[key] = raw[value_at : value_at + value_length]
        at += key_length
        value_at += value_length
    return fields

"""What is stored of a session, to bytes and back: its fields, its clocks, a change to it. Pure.

The names of fields that are not data are bytes that no text can have. `scripts.lua` has them as
constants, and packs clocks as this does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Any, Final

from ...policy import Clocks, Limits, SignOfLife, deadline
from ...reasons import UNKNOWN
from ..base import (
    NOW,
    REASON_KEPT,
    Change,
    Device,
    Ended,
    Fields,
    Record,
    SignIn,
    UntoldEnd,
)

#: The session's clocks, with how its user signed in; and its user.
CLOCKS: Final = b"\xff"
USER: Final = b"\xfe"
#: Of a session that is over: why, and when.
REASON: Final = b"\xfd"
ENDED_AT: Final = b"\xfc"
#: Of one whose token was changed: its new id; and that again, if its token alone was changed, so
#: that a save is passed on.
NEW_ID: Final = b"\xfb"
SAVES_TO: Final = b"\xf9"
#: The mark of the call that ended it, by which one that is sent again knows that it did.
ENDED_BY: Final = b"\xfa"
#: Of an id that was ended before there was a session: there will be none.
FENCED: Final = b"\xf8"

#: Of a hash tag's ends that are to be told: that others were dropped, for there were too many.
LOST: Final = b"\xf7"

#: Of a worker's open pages: its last report.
LAST: Final = b"\xf6"

#: No user's name.
NOBODY: Final = b"\xff"

#: What of a session a change leaves: all; all, but it is another session from now on; nothing.
SAME, ANEW, CLEAR = range(3)

# Created, active, seen, own timeout (0: none), whether a page was ever open; behind that when it
# began, if not when it was created, or there is more; and behind that how the user signed in.
# (What is added goes to the end, where it can be left out: while workers are replaced, those of one
# version meet sessions of another's. One that knows less drops the rest where it changes the user.)
_CLOCKS: Final = Struct("<ddddB")
_BEGAN: Final = Struct("<d")
_SIGN_IN: Final = _CLOCKS.size + _BEGAN.size
# When they proved it; then how long the device's texts are (-1: there is none), and those.
_MOMENT: Final = Struct("<d")
_LENGTHS: Final = Struct("<ii")

# An end that is to be told: how often it was taken, and when it was; and behind that texts, each
# with its length before it (-1: there is none): the reason, by whom, the user, and the clocks.
_UNTOLD: Final = Struct("<Bd")
_LENGTH: Final = Struct("<i")

# A sign of life: how long ago the session was seen and active (_NEVER: it was not), in seconds;
# whether a page is open; and which of the indexes that the script is given is the session's.
_SIGN: Final = Struct("<ddBH")
_NEVER: Final = -1.0


def to_bytes(text: str | bytes) -> bytes:
    """A text as Redis has it; half a surrogate pair is text, too."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def to_text(raw: bytes) -> str:
    """The text that `to_bytes` made this of."""
    return raw.decode("utf-8", "surrogatepass")


def unpack_clocks(raw: bytes) -> Clocks:
    """A session's clocks."""
    created, active, seen, own, paged = _CLOCKS.unpack_from(raw)
    began = _BEGAN.unpack_from(raw, _CLOCKS.size)[0] if len(raw) > _CLOCKS.size else created
    began_anew = None if began == created else began
    return Clocks(created, active, seen, bool(paged), own or None, began_anew)


def pack_clocks(clocks: Clocks, sign_in: SignIn | None) -> bytes:
    """What is stored of a session's clocks, and of how its user signed in."""
    raw = _CLOCKS.pack(
        clocks.created, clocks.active, clocks.seen, clocks.timeout or 0.0, clocks.paged
    )
    if clocks.began_anew is None and sign_in is None:
        return raw
    raw += _BEGAN.pack(clocks.began)
    if sign_in is None:
        return raw
    return raw + _MOMENT.pack(sign_in.authenticated) + _pack_device(sign_in.device)


def _pack_device(device: Device) -> bytes:
    texts = [None if text is None else to_bytes(text) for text in device]
    lengths = (-1 if text is None else len(text) for text in texts)
    return _LENGTHS.pack(*lengths) + b"".join(text or b"" for text in texts)


def unpack_sign_in(raw: bytes, clocks: Clocks) -> SignIn:
    """How the user of a session signed in, by what is stored of its clocks, and these.

    A worker of an earlier release knew only when the session became theirs.
    """
    at = _SIGN_IN + _MOMENT.size
    if len(raw) < at:
        return SignIn(clocks.began)
    (moment,) = _MOMENT.unpack_from(raw, _SIGN_IN)
    if len(raw) == at:
        return SignIn(moment)
    address, user_agent = _LENGTHS.unpack_from(raw, at)
    at += _LENGTHS.size
    rest = at + max(0, address)
    return SignIn(
        moment,
        Device(
            None if address < 0 else to_text(raw[at:rest]),
            None if user_agent < 0 else to_text(raw[rest : rest + user_agent]),
        ),
    )


def unpack_end(reason: bytes | None, at: bytes | float | None, now: float) -> Ended | None:
    """The end of a session, while it is told."""
    if reason is None or at is None:
        return None
    ago = now - float(at)
    return Ended(to_text(reason), ago) if ago < REASON_KEPT else None


def pack_untold(end: UntoldEnd) -> bytes:
    """What is stored of an end that is to be told."""
    record = end.session
    clocks = pack_clocks(record.clocks, record.sign_in)
    texts = [
        None if text is None else to_bytes(text)
        for text in (end.reason, end.by, record.user_id, clocks)
    ]
    return _UNTOLD.pack(end.tries, record.now) + b"".join(
        _LENGTH.pack(-1 if text is None else len(text)) + (text or b"") for text in texts
    )


def unpack_untold(id: str, raw: bytes) -> UntoldEnd:
    """An end that is to be told."""
    tries, ended = _UNTOLD.unpack_from(raw)
    at, found = _UNTOLD.size, []
    for _ in range(4):  # (A worker of a later release may have added to that.)
        (length,) = _LENGTH.unpack_from(raw, at)
        at += _LENGTH.size
        found.append(None if length < 0 else raw[at : at + length])
        at += max(0, length)
    reason, by, user_id = (None if one is None else to_text(one) for one in found[:3])
    packed = found[3] or b""
    clocks = unpack_clocks(packed)
    sign_in = None if user_id is None else unpack_sign_in(packed, clocks)
    session = Record(Fields(), user_id, clocks, ended, sign_in)
    return UntoldEnd(id, session, reason or UNKNOWN, by, tries)


def unpack_living(fields: dict[bytes, bytes], now: float) -> Record:
    """A session as it is stored, whatever its deadline.

    Args:
        fields: what there is of it; its clocks and user are taken out.
        now: Redis's clock when it was read, in seconds.
    """
    raw = fields.pop(CLOCKS)
    clocks = unpack_clocks(raw)
    user = fields.pop(USER, None)
    data = Fields((to_text(name), value) for name, value in fields.items())
    if user is None:
        return Record(data, None, clocks, now)
    return Record(data, to_text(user), clocks, now, unpack_sign_in(raw, clocks))


def unpack_session(
    found: dict[bytes, bytes] | list[bytes], now: float, limits: Limits
) -> Record | Ended | None:
    """What `Store.load` answers.

    Args:
        found: the hash, as Redis's protocol 3 has it, or names and values in turn, as protocol 2.
        now: Redis's clock when it was read, in seconds.
        limits: by which a session that nobody has swept yet is over.
    """
    if not found:
        return None
    fields = found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))
    raw = fields.pop(CLOCKS, None)
    if raw is None:
        return unpack_end(fields.get(REASON), fields.get(ENDED_AT), now)
    clocks = unpack_clocks(raw)
    end, why = deadline(clocks, limits)
    if end <= now:  # it is swept soon
        return unpack_end(why.encode(), end, now)
    user = fields.pop(USER, None)
    data = Fields((to_text(name), value) for name, value in fields.items())
    if user is None:
        return Record(data, None, clocks, now)
    return Record(data, to_text(user), clocks, now, unpack_sign_in(raw, clocks))


def change_arguments(change: Change) -> Iterable[Any]:
    """A change, as `apply` in `scripts.lua` takes it."""
    attributes = change.attributes
    own = attributes.get("timeout", b"")
    yield 0 if own is None else own if own == b"" else repr(own)
    kind = CLEAR if change.clear else ANEW if change.begins_anew else SAME
    user = attributes.get("user_id")
    if user is not None or "authenticated" in attributes:
        sign_in = _MOMENT.pack(attributes.get("authenticated", NOW))
        if user is not None:
            sign_in += _pack_device(attributes.get("device", Device()))
        yield b"%d%b" % (kind, sign_in)
    else:
        yield kind
    fields = {to_bytes(key): value for key, value in change.fields.items()}
    if "user_id" in attributes:
        fields[USER] = None if user is None else to_bytes(user)
    yield sum(value is not None for value in fields.values())
    for key, value in fields.items():
        if value is not None:
            yield key
            yield value
    yield from (key for key, value in fields.items() if value is None)


def pack_signs(signs: Sequence[SignOfLife], indexes: Sequence[bytes]) -> tuple[list[bytes], bytes]:
    """Signs of life, as the script `renew` takes them.

    Args:
        signs: a session's each.
        indexes: the index of each of these sessions.

    Returns:
        Each index once, and the signs, which name an index by its place among these.
    """
    places: dict[bytes, int] = {}
    packed = []
    for (seen, active, paged), index in zip(signs, indexes, strict=True):
        place = places.setdefault(index, len(places) + 1)  # Lua counts from 1
        packed.append(_SIGN.pack(seen, _NEVER if active is None else active, paged, place))
    return list(places), b"".join(packed)

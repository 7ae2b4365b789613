"""Where a thing that is moved stands in Redis, and what is written there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from ..base import DRAFT_KEPT, HASH_TAG_LENGTH, REASON_KEPT, Record
from ..changing import Over
from ..moving import (
    MARK_KEPT,
    Draft,
    DraftName,
    EndName,
    Name,
    SessionName,
    Thing,
    Unreadable,
    if_readable,
)
from .keys import Keys
from .packing import (
    CLOCKS,
    ENDED_AT,
    LOST,
    NEW_ID,
    REASON,
    SAVES_TO,
    USER,
    pack_clocks,
    to_bytes,
    to_text,
    unpack_living,
    unpack_untold,
)

Hash = dict[bytes, bytes]

# What the keys of drafts have behind their hash tags.
_DRAFT: Final = b":draft:"


class Spot(NamedTuple):
    """Where a thing is looked for.

    Attributes:
        marks: the marks of its hash tag.
        mark: what its own is called there.
        hashes: any of them may have it.
        field: of the hash, which has it whole; empty: it is the hash.
    """

    marks: bytes
    mark: bytes
    hashes: Sequence[bytes]
    field: bytes = b""


def as_hash(found: Any) -> Hash:
    """A hash, as Redis's protocol 3 has it, or names and values in turn, as protocol 2."""
    if isinstance(found, dict):
        return dict(found)
    return dict(zip(found[::2], found[1::2], strict=True))


def spot_of(name: Name, keys: Keys) -> Spot:
    """Where a thing is looked for."""
    if isinstance(name, DraftName):
        marks = keys.moved(name.box)
        mark = to_bytes(f"draft:{_rest(name.box)}:{name.name}")
        return Spot(marks, mark, keys.places(name.box))
    rest = to_bytes(_rest(name.id))
    if isinstance(name, EndName):
        return Spot(keys.moved(name.id), b"end:" + rest, keys.outbox(name.id)[:1], rest)
    return Spot(keys.moved(name.id), b"session:" + rest, [keys.session(name.id)])


def name_of(tag: str, mark: bytes) -> Name:
    """Whose mark it is."""
    kind, _, rest = to_text(mark).partition(":")
    if kind == "session":
        return SessionName(tag + rest)
    if kind == "end":
        return EndName(tag + rest)
    box, _, name = rest.partition(":")
    return DraftName(tag + box, name)


def things_of(
    key: bytes, found: Hash, keys: Keys, now: float
) -> Iterator[tuple[Name, Thing | Unreadable]]:
    """What a key has of what is moved. Names of ours are texts."""
    match = re.fullmatch(re.escape(keys.sessions) + rb"(..)}(.*)", key, re.DOTALL)
    if match is None or not found:
        return
    tag, rest = match[1], match[2]
    if rest == keys.untold_end:
        for name, raw in found.items():
            if name != LOST and raw:
                id = to_text(tag + name)
                yield EndName(id), if_readable(partial(unpack_untold, id, raw))
    elif rest.startswith(_DRAFT):
        box = rest.removeprefix(_DRAFT).rpartition(b":")[0]
        if (draft := if_readable(lambda: _draft(found))) is not None:
            text = if_readable(lambda: to_text(found[b"name"]))
            if isinstance(text, Unreadable):
                draft, text = text, repr(found[b"name"])
            yield DraftName(to_text(tag + box), text), draft
    elif not rest.startswith(b":"):
        session = if_readable(lambda: _session(found, now))
        if session is not None:
            yield SessionName(to_text(tag + rest)), session


class Seen(NamedTuple):
    """A thing that was looked for, and the hash that has it, or is to have it."""

    thing: Thing | Unreadable | None
    key: bytes
    #: By which it is known whether the hash, or its field, is still as it was.
    print: bytes
    #: When the draft was kept that another one would push out.
    displaced: float = 0.0


def seen(name: Name, spot: Spot, answer: Sequence[Any], now: float) -> Seen:
    """What `look` of ``moving.lua`` has seen of a thing.

    Args:
        name: the thing's.
        spot: where it was looked for.
        answer: of each hash what it has, and its fingerprint.
        now: the moment, in seconds.
    """
    if isinstance(name, EndName):
        raw = answer[0][0]
        end = if_readable(lambda: unpack_untold(name.id, raw)) if raw else None
        return Seen(end, spot.hashes[0], answer[1])
    hashes = [as_hash(found) for found in answer[::2]]
    if isinstance(name, SessionName):
        thing = if_readable(lambda: _session(hashes[0], now)) if hashes[0] else None
        return Seen(thing, spot.hashes[0], answer[1])
    drafts = [if_readable(partial(_draft, found)) for found in hashes]
    asked = to_bytes(name.name)
    for at, draft in enumerate(drafts):
        if draft is not None and hashes[at][b"name"] == asked:
            return Seen(draft, spot.hashes[at], answer[2 * at + 1])
    # In a full box, the place of the oldest.
    kept = [draft.at if isinstance(draft, Draft) else 0.0 for draft in drafts]
    at = kept.index(min(kept))
    return Seen(None, spot.hashes[at], answer[2 * at + 1], kept[at])


def fields_of(name: Name, thing: Record | Over | Draft | None) -> Iterator[bytes | str]:
    """What a hash is to have: names and values in turn."""
    if isinstance(thing, Record):
        yield from (CLOCKS, pack_clocks(thing.clocks, thing.sign_in))
        if thing.user_id is not None:
            yield from (USER, to_bytes(thing.user_id))
        for key, value in thing.data.items():
            yield from (to_bytes(key), value)
    elif isinstance(thing, Over):
        yield from (REASON, to_bytes(thing.reason), ENDED_AT, repr(thing.at))
        if thing.new_id is not None:
            yield from (NEW_ID, to_bytes(thing.new_id))
            if thing.passes_saves_on:
                yield from (SAVES_TO, to_bytes(thing.new_id))
    elif isinstance(thing, Draft) and isinstance(name, DraftName):
        yield from ("name", to_bytes(name.name), "at", repr(thing.at), "draft", thing.draft)


def thrown_away(thing: Record | Over | Draft | None, now: float) -> float:
    """When Redis itself throws a thing away, unless an application goes on with it.

    Whoever looks at a session knows the limits, and says when it can be.
    """
    if isinstance(thing, Over):
        return thing.at + REASON_KEPT
    return thing.at + DRAFT_KEPT if isinstance(thing, Draft) else now + MARK_KEPT


def _session(found: Hash, now: float) -> Record | Over | None:
    if CLOCKS in found:
        return unpack_living(found, now)
    reason, at = found.get(REASON), found.get(ENDED_AT)
    if reason is None or at is None or now - float(at) >= REASON_KEPT:
        return None
    new_id = found.get(NEW_ID)
    return Over(
        to_text(reason), float(at), None if new_id is None else to_text(new_id), SAVES_TO in found
    )


def _draft(found: Hash) -> Draft | None:
    if not found.keys() >= {b"name", b"at", b"draft"}:
        return None
    return Draft(found[b"draft"], float(found[b"at"]))


def _rest(id: str) -> str:
    """What an id has behind its hash tag."""
    return id[HASH_TAG_LENGTH:]

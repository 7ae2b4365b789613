"""What goes from one store to another, and what becomes of it there: pure.

A `Movable` is a store without an application: it knows no limits, ends nothing by itself and tells
nobody of ends. What it reads out is taken in by another, again and again, until the application
goes on there. Three things hold, however often that is done and wherever it stops:

- What has been changed in the target since it was taken in is not written over.
- What has ended there stays ended, and what is gone stays gone.
- What has ended in the source since ends in the target, too, with the same reason; by a clock only
  if nobody has come to the target meanwhile.

So the target keeps a `Mark` of each thing that it has taken in. That says from which store: what is
not in one source is not gone from another, nor from one that came back empty.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from struct import error as NotPacked  # noqa: N812
from struct import pack
from typing import Final, NamedTuple, Protocol, TypeVar

from ..policy import Clocks
from ..reasons import BY_TIME, UNKNOWN
from .base import DRAFT_KEPT, REASON_KEPT, Record, UntoldEnd
from .changing import Over

#: For how long a store remembers what it has taken in, in seconds.
MARK_KEPT: Final = 30 * 86_400.0

#: How many things a page has, about.
PAGE: Final = 500

_SIZE: Final = 8

_T = TypeVar("_T")

#: How many bytes the identity of a store has.
IDENTITY_SIZE: Final = 8


class Draft(NamedTuple):
    """A draft."""

    draft: bytes
    #: When it was kept.
    at: float

    def __repr__(self) -> str:
        return "<Draft>"


@dataclass(frozen=True, slots=True)
class SessionName:
    """A session, alive or over."""

    id: str


@dataclass(frozen=True, slots=True)
class EndName:
    """An end that is to be told, of a session."""

    id: str


@dataclass(frozen=True, slots=True)
class DraftName:
    """A draft in a box."""

    box: str
    name: str


Name = SessionName | EndName | DraftName
Thing = Record | Over | Draft | UntoldEnd


class Unreadable:
    """Something that a store has and cannot read: it stays as it is."""


UNREADABLE: Final = Unreadable()


def if_readable(unpack: Callable[[], _T]) -> _T | Unreadable:
    """What something is unpacked to."""
    try:
        return unpack()
    except (ValueError, TypeError, LookupError, ArithmeticError, NotPacked):
        return UNREADABLE


class Found(NamedTuple):
    """A thing as a store has it; None: it has none."""

    thing: Thing | Unreadable | None
    #: The store's clock when it was read, in seconds.
    now: float


class Mark(NamedTuple):
    """How a thing was when it was taken in: as the source had it, and as the target did then.

    `store` is the identity of the source. Of what is in the target, `used` says when somebody came,
    and `state` all else.
    """

    store: bytes
    source: bytes
    state: bytes
    used: bytes

    @classmethod
    def of(cls, store: bytes, there: Thing, here: Thing) -> Mark:
        """What is to be remembered, after a thing was taken in."""
        return cls(store, b"".join(prints(there)), *prints(here))

    @classmethod
    def unpack(cls, raw: bytes) -> Mark:
        store, raw = raw[:IDENTITY_SIZE], raw[IDENTITY_SIZE:]
        return cls(store, raw[: 2 * _SIZE], raw[2 * _SIZE : 3 * _SIZE], raw[3 * _SIZE :])

    def pack(self) -> bytes:
        return b"".join(self)


class Taken(NamedTuple):
    """What came of things that were to be taken in."""

    #: What was taken in, or ended, or forgotten.
    names: Sequence[Name]
    #: What the target has, and cannot read.
    unreadable: Sequence[Name] = ()


class Movable(Protocol):
    """A store whose sessions, drafts and untold ends can be moved.

    Every method fails with `StoreUnavailable`, where the store does not answer. One that is
    cancelled has done each thing whole or not at all; it can be asked again.
    """

    async def open(self) -> None:
        """Get ready.

        Raises:
            ConfigError: this is no store, or one that cannot be used.
            StoreUnavailable: it does not answer.
        """

    async def identity(self) -> bytes:
        """What tells this store from all others: random, and kept in it, as long as marks are.

        One that has lost all that it had, or of a cluster a node's part, gets another one. One that
        came back from a backup may have its former one: what it has lost is gone from it.
        """

    async def sources(self) -> Collection[bytes]:
        """The identities of the stores of which it has taken in something within `MARK_KEPT`."""

    async def forget_source(self, store: bytes) -> None:
        """Know nothing any more of what was taken in from the store of this identity."""

    def pages(self) -> AsyncIterator[Mapping[Name, Found]]:
        """All that there is, in pages.

        What is made, changed or gone meanwhile may be among it or not; a thing may come twice.
        """

    async def read(self, names: Collection[Name]) -> Mapping[Name, Found]:
        """These things, as they are now."""

    def taken(self) -> AsyncIterator[Collection[Name]]:
        """What was taken in within `MARK_KEPT`, in pages."""

    async def take_in(self, store: bytes, page: Mapping[Name, Found]) -> Taken:
        """Do with things of another store as `taken_in` says.

        `store` is the identity of the other. What somebody changes meanwhile is looked at again.
        """

    async def close(self) -> None:
        """Give back connections and the like."""


def prints(thing: Thing) -> tuple[bytes, bytes]:
    """Fingerprints of a thing: of all but when somebody came or kept it, and of that."""
    if isinstance(thing, Record):
        created, active, seen, paged, timeout, began_anew = thing.clocks
        clocks = created, timeout, began_anew
        return (
            _print((sorted(thing.data.items()), thing.user_id, thing.sign_in, clocks)),
            _print((active, seen, paged)),
        )
    if isinstance(thing, UntoldEnd):
        return _print((thing.id, thing.reason, thing.session.now)), _print(thing.tries)
    # (Those of moments are in their order.)
    return _print(tuple(thing)), pack(">d", thing.at)


def _print(value: object) -> bytes:
    return blake2b(repr(value).encode("utf-8", "backslashreplace"), digest_size=_SIZE).digest()


def shifted(thing: Thing, by: float) -> Thing:
    """A thing whose moments are on another clock: they are as long ago there."""
    if isinstance(thing, Record):
        return _shifted_record(thing, by)
    if isinstance(thing, UntoldEnd):
        return thing._replace(session=_shifted_record(thing.session, by), tries=0)
    return thing._replace(at=thing.at + by)


def _shifted_record(record: Record, by: float) -> Record:
    sign_in = record.sign_in
    if sign_in is not None:
        sign_in = sign_in._replace(authenticated=sign_in.authenticated + by)
    clocks = _shifted_clocks(record.clocks, by)
    return record._replace(clocks=clocks, now=record.now + by, sign_in=sign_in)


def _shifted_clocks(clocks: Clocks, by: float) -> Clocks:
    began_anew = None if clocks.began_anew is None else clocks.began_anew + by
    return clocks._replace(
        created=clocks.created + by,
        active=clocks.active + by,
        seen=clocks.seen + by,
        began_anew=began_anew,
    )


class Outcome(NamedTuple):
    """What becomes of a thing in the target."""

    #: None: there is to be none.
    thing: Thing | None
    mark: Mark | None


def taken_in(here: Found, mark: Mark | None, store: bytes, there: Found) -> Outcome | None:
    """What becomes of a thing in the target. None: it stays as it is.

    Args:
        here: the thing as the target has it.
        mark: how it was when it was taken in; None: it was not, lately.
        store: the identity of the source.
        there: the thing as the source has it.
    """
    if isinstance(here.thing, Unreadable) or isinstance(there.thing, Unreadable):
        return None
    if there.thing is None:
        return None if mark is None or mark.store != store else _without(here, mark)
    if mark is not None and mark.source == b"".join(prints(there.thing)):
        return None
    moved = shifted(there.thing, here.now - there.now)
    if here.thing is None:
        is_gone = mark is not None and not _is_kept_anew(there.thing, mark, store)
        if is_gone or _is_forgotten(moved, here.now):
            return None
        return Outcome(moved, Mark.of(store, there.thing, moved))
    became = _merged(here.thing, mark, moved)
    if became is None:
        return None
    # One that has been changed here stays so, and is not taken for untouched the next time.
    is_theirs = not isinstance(became, Record) or (mark is not None and _is_like(here.thing, mark))
    return Outcome(became, Mark.of(store, there.thing, became) if is_theirs else None)


def _merged(here: Thing, mark: Mark | None, moved: Thing) -> Thing | None:
    """What a thing that is in the target becomes; None: it stays as it is."""
    if isinstance(here, Record):
        if isinstance(moved, Over):
            untouched = mark is not None and _is_like(here, mark, unused=True)
            return None if moved.reason in BY_TIME and not untouched else moved
        if isinstance(moved, Record):
            is_like = mark is not None and _is_like(here, mark)
            merged = (moved if is_like else here)._replace(
                clocks=_merged_clocks(here.clocks, moved.clocks, is_like)
            )
            return None if merged == here else merged
    if isinstance(here, Draft) and isinstance(moved, Draft):
        return moved if moved.at > here.at else None
    return None  # an ended session stays ended


def _merged_clocks(here: Clocks, moved: Clocks, is_like: bool) -> Clocks:
    return (moved if is_like else here)._replace(
        active=max(here.active, moved.active),
        seen=max(here.seen, moved.seen),
        paged=here.paged or moved.paged,
    )


def _without(here: Found, mark: Mark) -> Outcome | None:
    """What becomes of a thing that the source does not have any more."""
    thing = here.thing
    if thing is None or isinstance(thing, Unreadable) or not _is_like(thing, mark, unused=True):
        return None
    if isinstance(thing, Record):
        over = Over(UNKNOWN, here.now)
        return Outcome(over, mark)
    return None if isinstance(thing, Over) else Outcome(None, mark)


def _is_like(thing: Thing, mark: Mark, *, unused: bool = False) -> bool:
    """Whether a thing is as it was taken in; `unused`: and nobody has come."""
    state, used = prints(thing)
    return state == mark.state and (not unused or used == mark.used)


def _is_kept_anew(thing: Thing, mark: Mark, store: bytes) -> bool:
    """Whether it is a draft that was kept in the source after the one that was taken in."""
    if not isinstance(thing, Draft) or mark.store != store:
        return False
    return prints(thing)[1] > mark.source[_SIZE:]


def _is_forgotten(thing: Thing, now: float) -> bool:
    if isinstance(thing, Over):
        return now - thing.at >= REASON_KEPT
    return isinstance(thing, Draft) and now - thing.at >= DRAFT_KEPT

"""Sessions go from one store to another, while the application runs on the first."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, TypeVar

from .exceptions import StoreUnavailable
from .stores.base import Record
from .stores.moving import DraftName, Found, Movable, Name, SessionName, Unreadable

#: How long a store that does not answer is asked again, in seconds: a failover takes that.
PATIENCE: Final = 30.0
_AGAIN: Final = 0.5

#: All; and what was changed meanwhile.
_ROUNDS: Final = 2

_T = TypeVar("_T")


class StoreLost(Exception):
    """A store has not answered for `PATIENCE`.

    Attributes:
        which: ``"source"`` or ``"target"``.
    """

    def __init__(self, which: str) -> None:
        super().__init__(which)
        self.which = which


class WrongWay(Exception):
    """Nothing good comes of moving from the one store to the other: how they belong together."""


@dataclass
class Progress:
    """What has been done so far.

    Attributes:
        round: of how many times that all is looked at.
        read: things that were read in this round.
        found: living sessions that the source had in this round.
        moved: what was taken in in this round, by what it is.
        unreadable: what could not be read and was left, in any round; and in which of the stores.
    """

    round: int = 0
    read: int = 0
    found: int = 0
    moved: Counter[str] = field(default_factory=Counter)
    unreadable: dict[Name, str] = field(default_factory=dict)


async def move(source: Movable, target: Movable, tell: Callable[[Progress], None]) -> Progress:
    """Have the target take in what the source has: all of it, then what was changed meanwhile.

    Whatever of it was done stays done, and it can be done again.

    Args:
        source: a store that is open.
        target: another one.
        tell: is told after each page.

    Returns:
        What the last round came to.

    Raises:
        StoreLost: one of them does not answer.
        WrongWay: they are one, or the target has what is older.
    """
    await _look_at_both(source, target)
    progress = Progress()
    for number in range(_ROUNDS):
        progress.round = number + 1
        met = await _round(source, target, progress, tell)
        if progress.found:  # if not, somebody has most likely emptied it
            await _patiently(
                lambda met=met: _end_what_is_gone(source, target, met, progress, tell),  # type: ignore[misc]
                "target",
            )
    return progress


async def _look_at_both(source: Movable, target: Movable) -> None:
    """See to it that something good can come of it."""
    its_own = await _patiently(target.identity, "target")
    if its_own == await _patiently(source.identity, "source"):
        raise WrongWay(
            "SOURCE and TARGET are the same store, or one is a copy of the other: begin with an "
            "empty target"
        )
    if its_own in await _patiently(source.sources, "source"):
        async for page in _pages(target, set(), "target"):
            if any(isinstance(found.thing, Record) for found in page.values()):
                raise WrongWay(
                    "TARGET was moved to SOURCE before, and has sessions from then, which would "
                    "stay as they were: empty it first"
                )
        # What it gets now is not from then, when this is done again.
        await _patiently(lambda: source.forget_source(its_own), "source")


async def _round(
    source: Movable, target: Movable, progress: Progress, tell: Callable[[Progress], None]
) -> set[Name]:
    """Have the target take in all that the source has; the names of that."""
    progress.read = progress.found = 0
    progress.moved.clear()
    met: set[Name] = set()
    store = await _patiently(source.identity, "source")
    async for page in _pages(source, met):
        progress.read += len(page)
        progress.found += sum(isinstance(found.thing, Record) for found in page.values())
        await _take_in(target, store, page, progress)
        met.update(page)
        tell(progress)
    return met


async def _pages(
    store: Movable, met: set[Name], which: str = "source"
) -> AsyncIterator[Mapping[Name, Found]]:
    """All pages, without what was met; where the store is lost meanwhile, from the start."""
    give_up = monotonic() + PATIENCE
    while True:
        try:
            async for page in store.pages():
                yield {name: found for name, found in page.items() if name not in met}
                give_up = monotonic() + PATIENCE
        except StoreUnavailable as error:
            if monotonic() > give_up:
                raise StoreLost(which) from error
            await asyncio.sleep(_AGAIN)
        else:
            return


async def _end_what_is_gone(
    source: Movable,
    target: Movable,
    met: Collection[Name],
    progress: Progress,
    tell: Callable[[Progress], None],
) -> None:
    """Have the target end, or forget, what an earlier round took in and the source has no more."""
    async for names in target.taken():
        if gone := [name for name in names if name not in met]:
            page = await _patiently(lambda gone=gone: source.read(gone), "source")  # type: ignore[misc]
            # Asked now: if the source has lost all meanwhile, it has another one.
            store = await _patiently(source.identity, "source")
            await _take_in(target, store, page, progress)
            tell(progress)


async def _take_in(
    target: Movable, store: bytes, page: Mapping[Name, Found], progress: Progress
) -> None:
    there = {n: found for n, found in page.items() if not isinstance(found.thing, Unreadable)}
    taken = await _patiently(lambda: target.take_in(store, there), "target")
    for name in taken.names:
        progress.moved[_kind(name, page[name])] += 1
    progress.unreadable |= dict.fromkeys(page.keys() - there.keys(), "source")
    progress.unreadable |= dict.fromkeys(taken.unreadable, "target")


def _kind(name: Name, found: Found) -> str:
    if isinstance(name, SessionName):
        return "sessions" if isinstance(found.thing, Record) else "ended"
    return "drafts" if isinstance(name, DraftName) else "ends"


async def _patiently(call: Callable[[], Awaitable[_T]], which: str) -> _T:
    give_up = monotonic() + PATIENCE
    while True:
        try:
            return await call()
        except StoreUnavailable as error:
            if monotonic() > give_up:
                raise StoreLost(which) from error
            await asyncio.sleep(_AGAIN)

"""What a store is.

A store keeps sessions by id and owns the clock that counts. It is small on purpose: it knows no
cookie, no page and no value, only bytes under keys, three moments in time and a reason.

The contract, held by ``tests/store_contract.py``:

- An ended session stays ended. `Store.save`, `Store.regenerate` and `Store.renew` change a session
  that is alive or do nothing; only `Store.create` makes one.
- A session ends at its deadline (`quart_idle.policy.deadline`, on the store's own clock): from then
  on it is not loaded, saved or renewed, its data is gone, and the reason is the clock's name.
- The reason of an end is told for `REASON_KEPT` seconds, then forgotten.
- `Store.save` writes the fields it is given and no others, so concurrent saves of different fields
  all last; also where the token alone was changed in the meantime.
- When its user last proved who they are, and where they signed in, is written with the user, and
  goes with them. A change of token, a save or a renewal leaves both.
- A session exists only as long as it holds data: one that a change leaves with nothing ends.
- A call that is cancelled happened whole or not at all. A call that is made twice does no harm.
- Every call fails with an exception or returns; a failure is never told as a missing session.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, runtime_checkable

from ..policy import Clocks, Limits, SignOfLife
from .attendance import (
    MOST_REPORTED,
    Counts,
    OpenPages,
    Report,
    Reported,
    Times,
)
from .records import (
    APPLICATION_KEPT,
    DRAFT_KEPT,
    HASH_TAG_LENGTH,
    MOST_DRAFTS,
    MOST_ENDS,
    NOW,
    PERMANENT,
    REASON_KEPT,
    Attributes,
    Change,
    Changed,
    Device,
    Ended,
    EndedSome,
    Fields,
    Listed,
    Live,
    Record,
    SessionLimit,
    SignIn,
    Stretch,
    TakenEnds,
    UntoldEnd,
    hidden_for,
    reason_of,
)

# What a store is written with is had from here, too.
__all__ = [
    "APPLICATION_KEPT",
    "DRAFT_KEPT",
    "HASH_TAG_LENGTH",
    "MOST_DRAFTS",
    "MOST_ENDS",
    "MOST_REPORTED",
    "NOW",
    "PERMANENT",
    "REASON_KEPT",
    "Attributes",
    "Change",
    "Changed",
    "Counts",
    "Device",
    "DraftStore",
    "Ended",
    "EndedSome",
    "EventStore",
    "Fields",
    "Listed",
    "Listener",
    "Live",
    "OpenPages",
    "PresenceStore",
    "Record",
    "Report",
    "Reported",
    "SessionLimit",
    "SharedStore",
    "SignIn",
    "Store",
    "Stretch",
    "TakenEnds",
    "Times",
    "UntoldEnd",
    "UserStore",
    "hidden_for",
    "reason_of",
]

#: Told of a session that has ended, or gone on under another id (reason `REGENERATED`), or that was
#: renewed when its pages may have been warned.
Listener = Callable[[str, Live | Ended], None]


@runtime_checkable
class Store(Protocol):
    """Sessions by id. See the module's text for the contract that every method keeps."""

    #: Whether calls fail by themselves when their time is up: a timer less for each.
    timely: bool

    def bind(
        self, limits: Limits, listener: Listener, prefix: str = "quart-idle", timeout: float = 1.0
    ) -> None:
        """Learn what an application wants; called before all else, and not in a loop.

        A store that is shared by several applications is bound once by each, with equal limits.

        Args:
            limits: the clocks that count.
            listener: whom to tell of what happens to sessions that have a page open: it is quick,
                raises nothing and is called in the event loop that uses the store.
            prefix: the namespace, where there is more than sessions.
            timeout: how long a caller waits for any other method, in seconds. What would happen
                after that is better not done.
        """

    async def open(self) -> None:
        """Get ready, where an application starts before its first request; it may not."""

    def hears(self, since: float) -> bool:
        """Whether the listener was told of all that happened after a moment.

        Args:
            since: when something was last learned by a call, by this process's monotonic clock.
        """

    async def load(self, id: str) -> Record | Ended | None:
        """The session; why it is over; or None for an id that was never one, or is forgotten."""

    async def create(self, id: str, change: Change) -> Clocks:
        """Make a session: created, active and seen now.

        Ids are not made twice: one that is over stays so, since a call may be sent again.

        Raises:
            TooManySessions: `Change.limit` refuses it; there is none, and nothing has changed.
        """

    async def save(self, id: str, change: Change) -> Changed | None:
        """Change a living session's data, and of its clocks what `Change.begins_anew` says.

        An id that was regenerated without `Change.begins_anew` passes the change on to the id that
        the session has now. A session that the change leaves with nothing (`Change.may_empty`)
        ends, with the reason `SIGNED_OUT`. None: there is no session.
        """

    async def regenerate(self, id: str, new_id: str, change: Change) -> Changed | None:
        """Change a living session as `save` does, and give it a new id.

        The old id has ended, with the reason `REGENERATED`. Asked again for the same two ids, as
        after an answer that was lost, it answers the same and does nothing. The new id begins with
        the same two characters, which a store that is spread over nodes places a session by.

        Raises:
            TooManySessions: `Change.limit` refuses it; nothing has changed.
        """

    async def end(
        self, id: str, reason: str, by: str | None = None, user_id: str | None = None
    ) -> str | None:
        """End a session. None: there is none.

        Args:
            id: the session's.
            reason: why.
            by: the id of the session whose request ends it, if any (`UntoldEnd.by`).
            user_id: whose it must be as it ends; None: anybody's. Another's is left alone.

        An id that was regenerated passes the end on to the id that the session has now, so that a
        sign-out is not lost to a concurrent change of token; the answer is the id that ended.
        """

    async def renew(self, signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        """Merge signs of life into the sessions' clocks, in one call; the answer is by id.

        A sign's age is reckoned from the moment at which the store handles the call. Where a
        part of the store fails, the answer is without the ids of that part.
        """

    async def close(self) -> None:
        """Give back connections and the like. Sessions that outlive the process stay."""


@runtime_checkable
class UserStore(Protocol):
    """Sessions by user: what a `Store` is too, to list and end all sessions of one.

    A session is listed exactly while it lives as this user's. Nobody is told of one that is over,
    or another's by now, also where a worker was killed in the middle of a write.

    `Store.create` and `Store.regenerate` keep to `Change.limit`, however many are called at once:
    others of the user's end for it (the reason is `LIMIT`), or it is refused. The session itself,
    under its former id, is none of them.
    """

    async def sessions_of(self, user_id: str, after: float, limit: int) -> Sequence[Listed]:
        """A user's living sessions that stand behind a place, in order; so many at most.

        That there are fewer than `limit` means that there are no more.
        """

    async def end_some(
        self,
        user_id: str,
        reason: str,
        keep: str | None = None,
        rest: Stretch | None = None,
        by: str | None = None,
    ) -> EndedSome:
        """Begin to end all sessions of a user but for one to keep, or go on with it.

        Each call ends as many as it can in the time that it has. Once nothing is left it is final:
        whatever was the user's session at the first call is over, and a sign-in that was under way
        has been ended too, or began after it. The session to keep is kept also where its token is
        changed meanwhile.
        """


@runtime_checkable
class EventStore(Protocol):
    """Ends that are to be told: what a `Store` is too, for ``session_ended``.

    An end is kept by the write that ends the session, whoever does that, a clock too; a change of
    token is none. It is kept until it has been told, about `MOST_ENDS` of them at most. Whoever
    takes it has it alone for a time (`hidden_for`); if it was not told by then, another may.
    """

    def keep_ends(self, wanted: Callable[[], bool]) -> None:
        """Keep ends from now on, as long as they are wanted; called after `Store.bind`.

        It is asked often. A store on which several applications are bound keeps those that any of
        them wants.
        """

    async def take_ends(self, limit: int) -> TakenEnds:
        """Some ends that nobody tells now; so many at most.

        Where others take some at the moment, there may be none.
        """

    async def ends_told(self, ids: Collection[str]) -> None:
        """Forget ends, by the ids of their sessions: they have been told, or are given up."""


@runtime_checkable
class PresenceStore(Protocol):
    """Which pages are open on all workers: what a `Store` is too, for `idle.presence`.

    Workers report what changes of their pages, and that they are there: a worker's pages count for
    the length of a lease after its last report. A user is online while they have a page open, and
    for a grace after the last is gone (or after the lease is over, of a worker that is). After
    a while in which no worker can have reported nobody is told of as gone until they have.
    """

    async def report_pages(self, report: Report) -> Reported | None:
        """Take in a report of a worker's; None: it is not what comes next, and nothing was done.

        That is so where the worker's lease is over, or a part of what it reported is lost: none of
        it counts then, and it begins anew, under another name, with all of its pages. A report that
        has the number of the last one is that, sent again: it is done once, and answered the same.
        """

    async def forget_pages(self, worker: str) -> bool:
        """A worker stops: its pages do not count any more. Whether some do still: ask again."""

    async def pages_of(self, ids: Collection[str]) -> Mapping[str, int]:
        """How many pages sessions have open, by their ids; those that have any."""

    async def online(self, user_ids: Collection[str], grace: float) -> Collection[str]:
        """Those of these users who are online."""

    async def count_pages(self, grace: float) -> Counts:
        """How many there are."""


@runtime_checkable
class DraftStore(Protocol):
    """Drafts in boxes, one under a name: what a `Store` is too, to be one for `QUART_IDLE_DRAFTS`.

    A store can read none of it. A box's name is hexadecimal, and its first two characters are those
    that a store which is spread over nodes places it by.

    A draft is gone when it is `DRAFT_KEPT` seconds old, each by itself, by the store's own clock.
    Sessions come and go without them.
    """

    async def keep_draft(self, box: str, name: str, draft: bytes) -> None:
        """Keep a draft in the place of one of this name; in a full box, of the oldest."""

    async def drafts(self, box: str) -> Mapping[str, tuple[bytes, float]]:
        """A box's drafts by name, each with its age in seconds."""

    async def drop_draft(self, box: str, name: str) -> None:
        """Forget a draft, if there is one."""


@runtime_checkable
class SharedStore(Protocol):
    """Who else keeps sessions here: what a `Store` is too, where applications may meet."""

    async def meet(self, application: str) -> Collection[str]:
        """Note that an application has started; the names of others that did under this prefix.

        Each is remembered for `APPLICATION_KEPT` seconds.
        """

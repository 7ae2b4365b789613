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
from math import inf
from typing import Final, NamedTuple, Protocol, TypedDict, TypeVar, runtime_checkable

from ..policy import Clocks, Limits, SignOfLife
from ..reasons import REGENERATED, UNKNOWN

#: How long the reason of an end is told, in seconds.
REASON_KEPT: Final = 3600.0

#: The field of Flask's `permanent`: how long the cookie lasts, and no data to have a session for.
PERMANENT: Final = "_permanent"

#: How many characters of its id a session keeps when its token changes: a store that is spread over
#: nodes finds its place by them, as Redis does by a hash tag.
HASH_TAG_LENGTH: Final = 2

#: How long a draft is kept, in seconds.
DRAFT_KEPT: Final = 86_400.0

#: How many drafts a box holds.
MOST_DRAFTS: Final = 20

#: How many ends a store keeps that are not told yet, about; of more it drops some.
MOST_ENDS: Final = 100_000

#: For how long it is remembered that an application uses a store, in seconds.
APPLICATION_KEPT: Final = 7 * 86_400.0

#: The moment of what happens as the store writes it. (None that a store keeps is later than that.)
NOW: Final = inf

# How long a token that was changed is taken for one that is under way, in seconds.
_GRACE: Final = 10.0

# How long nobody else is given an end that somebody tells, in seconds: the first time.
_HIDDEN: Final = 30.0

_V = TypeVar("_V")


class Ended(NamedTuple):
    """A session that is over."""

    reason: str
    #: How long ago, in seconds.
    ago: float = 0.0

    @property
    def superseded(self) -> bool:
        """Whether the token was changed so lately that its client may not know the new one yet."""
        return self.reason == REGENERATED and self.ago < _GRACE


def reason_of(ended: Ended | None) -> str:
    """Why a session is over; None: the store does not know (any more)."""
    return UNKNOWN if ended is None else ended.reason


class Live(NamedTuple):
    """A session that is alive."""

    clocks: Clocks
    #: The store's clock when this was read, in seconds.
    now: float


class Fields(dict[str, _V]):
    """Encoded values by key. Its `repr`, which a traceback may show, has none of them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} fields>"


class Device(NamedTuple):
    """Where somebody signed in: texts that a store keeps, and nothing more."""

    address: str | None = None
    user_agent: str | None = None


class SignIn(NamedTuple):
    """How the user of a session signed in."""

    #: When they last proved who they are, by the store's clock: then, or later once more.
    authenticated: float
    device: Device = Device()


class Record(NamedTuple):
    """A session as it is stored."""

    #: Encoded values by key; not to be changed by whoever gets it.
    data: Mapping[str, bytes]
    user_id: str | None
    clocks: Clocks
    #: The store's clock when this was read, in seconds.
    now: float
    #: None: nobody is signed in.
    sign_in: SignIn | None = None

    def __repr__(self) -> str:
        return f"<Record of {len(self.data)} fields>"


class Attributes(TypedDict, total=False):
    """What a session has beside its data; a key that is missing stays as it is."""

    user_id: str | None
    #: The session's own idle timeout in seconds; None: the application's.
    timeout: float | None
    #: When the user proved who they are, by the store's clock; `NOW`: as it is written. One who is
    #: named here does so now, if nothing is said. (Where nobody is signed in, it is nothing.)
    authenticated: float
    #: Where the user signs in who is named here; if nothing is said, nothing is known of it.
    device: Device


class SessionLimit(NamedTuple):
    """How many sessions a user may have."""

    sessions: int
    #: Whether one more is refused; else the one with the oldest activity ends for it.
    refuses: bool = False


class Change(NamedTuple):
    """What a write does to a session."""

    #: Encoded values to set by key; None deletes the key.
    fields: Mapping[str, bytes | None]
    attributes: Attributes
    #: Whether every other field is deleted.
    clear: bool = False
    #: How many sessions the user may have whom it names; where the session becomes theirs only.
    limit: SessionLimit | None = None

    def __repr__(self) -> str:
        return f"<Change of {len(self.fields)} fields>"

    @property
    def begins_anew(self) -> bool:
        """Whether the session is another one after it: another user's, or filled anew.

        Its lifetime begins again, and who read it before does not write to it any more.
        """
        return self.clear or "user_id" in self.attributes

    @property
    def without_proof(self) -> Change:
        """The same, but that the user has not proved who they are."""
        attributes = self.attributes.copy()
        attributes.pop("authenticated", None)
        return self._replace(attributes=attributes)

    @property
    def may_empty(self) -> bool:
        """Whether it may leave a session with nothing: no field but `PERMANENT`, and no user."""
        return (
            self.clear or None in self.fields.values() or self.attributes.get("user_id", "") is None
        )


class Changed(NamedTuple):
    """A session that was changed."""

    #: The id that it has: another one than was named, if its token was changed in the meantime.
    id: str
    #: Whether it was left with nothing, and ended.
    ended: bool = False


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


class Listed(NamedTuple):
    """A session in the list of its user."""

    id: str
    clocks: Clocks
    #: Where it stands in the list: those that joined later stand behind it. It keeps its place when
    #: its token alone is changed.
    place: float
    #: The store's clock when this was read, in seconds.
    now: float
    sign_in: SignIn


class Stretch(NamedTuple):
    """What of a list is to be ended still."""

    after: float
    last: float
    #: The place of the session that is kept.
    kept: float | None


class EndedSome(NamedTuple):
    """Some of a user's sessions that were ended."""

    ids: Collection[str]
    #: What is left to end; None: that was all.
    rest: Stretch | None


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


class UntoldEnd(NamedTuple):
    """An end of a session that is to be told."""

    id: str
    #: The session as it was, without its data. Its `now` is the moment at which it ended.
    session: Record
    reason: str
    #: The id of the session whose request ended it; None: none did.
    by: str | None = None
    #: How often it has been taken, this time included.
    tries: int = 0


class TakenEnds(NamedTuple):
    """Ends that are to be told by whoever has taken them."""

    ends: Sequence[UntoldEnd]
    #: Whether there were too many, so that some were dropped that nobody was told of.
    lost: bool = False


def hidden_for(tries: int) -> float:
    """How long nobody else is given an end that has been taken so often, in seconds."""
    return float(_HIDDEN * 2.0 ** (tries - 1))


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

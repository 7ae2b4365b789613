"""What a store is told and what it answers: a session as it is stored, changes of it, its end.

Values, and nothing that is done. Times are seconds on the store's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import Final, NamedTuple, TypedDict, TypeVar

from ..policy import Clocks
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

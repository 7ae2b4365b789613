"""The mapping that handlers see: what a session holds, and what a request changed in it.

Nothing here talks to a store. The session interface fills a `Session`, asks it for its changes and
writes them; the names that begin with an underscore are between the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol, Self
from uuid import UUID

from flask.sessions import SessionMixin

from .codec import IMMUTABLE, decode, encode, plain_key
from .cookies import Token, id_of
from .policy import Activity, Clocks, Limits, deadline, renewed, seconds
from .stores.base import PERMANENT, SIGNED_OUT, Change, Fields

# Quart's key for flashed messages: the page that shows them takes them out.
_FLASHES: Final = "_flashes"


class Keeper(Protocol):
    """Who reads and writes sessions."""

    limits: Limits
    #: The key whose value names the user, if there is one.
    user_key: str | None
    #: Whether the application has a notion of users.
    knows_users: bool

    async def save(self, session: Session) -> None: ...

    async def reload(self, session: Session) -> None: ...


class Move(NamedTuple):
    """A change of token that the store was asked for, and has not answered yet."""

    id: str
    token: Token
    change: Change
    base: Mapping[str, bytes]

    @property
    def new_id(self) -> str:
        return id_of(self.token)

    def __repr__(self) -> str:
        return f"<Move from {self.id} to {self.new_id}>"

    @property
    def undo(self) -> Change | None:
        """What takes it back; None where the old token is to have nothing any more."""
        if self.change.anew:
            return None
        # As it was, and not only where it was: no more is to be had with the old token.
        return Change({key: self.base.get(key) for key in self.change.fields}, {})


class Session(SessionMixin):
    """A user's session: a mapping of ``str`` keys to values.

    It holds ``str``, ``int``, ``float``, ``bool``, ``None``, ``list``, ``dict`` with ``str`` keys,
    ``tuple``, ``set``, ``frozenset``, ``bytes``, ``Markup``, ``UUID``, ``Decimal``, ``date``,
    ``time``, ``datetime`` and ``timedelta``. A subclass of one of them is held as what it is a
    kind of: the next request finds a ``dict`` where an ``OrderedDict`` was set. What has
    ``__html__``, as lazy translations have, is held as ``Markup``, as it reads now. A change
    inside a value is noticed and stored.

    Anything else is a ``TypeError`` that names the key and the type: when it is set, or, put into
    a value that is there already, when the session is saved.
    """

    _accessed = False

    # The stored session, as it was read; `_id` is None where there is none. `_base` is another
    # object after whatever makes it so that earlier changes are not to be kept.
    _new = True
    _id: str | None = None
    _base: Mapping[str, bytes] = Fields()
    _base_user_id: str | None = None
    _clocks: Clocks | None = None
    # The store's clock less this process's monotonic clock.
    _offset = 0.0
    # What the cookies bring, by id; why the session that they name is over; and whether the client
    # has a newer cookie, or is about to get one, which only a sign-in may replace.
    _named: Mapping[str, Token] = {}
    _ended: str | None = None
    _superseded = False

    # What was done to it since. `_dirty` has the keys that were set or deleted (None).
    _lent = False  # whether a value that can change in place was given out
    _user_id: str | None = None
    _own_timeout: float | None = None
    _timeout_set = False
    _marked_modified = False
    _cleared = False
    _token_wanted = False
    # Whether the user is one whom a key names that named nobody when it was set.
    _adopts = False
    _over: tuple[str, str] | None = None  # the id that `end` was called for, and its reason

    # A change of token that may have happened: asked for again, it is the same one.
    _move: Move | None = None

    # What the response is to carry: a new token, or that there is none any more.
    _token: Token | None = None
    _forget_cookie = False

    # Whether a new token can still reach the client: not from a WebSocket, nor after the response.
    _answerable = True
    _secure = False
    # Whether the request counts as activity, to be asked once it is routed; and when it came, by
    # this process's monotonic clock.
    _is_activity: Callable[[], bool] | None = None
    _arrived = 0.0
    # To be called when it is routed.
    _routed: Callable[[], None] | None = None
    _lock: asyncio.Lock | None = None
    # Why the session cannot be looked at, and whether the application knows.
    _fault: Exception | None = None
    _told = False
    # Whether saving failed for good, so that the error's own response does not try again.
    _spoiled = False

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._values: dict[str, Any] = {}
        self._dirty: dict[str, bytes | None] = {}

    # The mapping.

    def _touch(self) -> None:
        self._accessed = True
        if self._fault is not None:
            self._told = True
            raise self._fault

    def __getitem__(self, key: str) -> Any:
        self._touch()
        values = self._values
        if key not in values:
            if key in self._dirty:
                raise KeyError(key)
            value = values[key] = decode(self._base[key])
            if type(value) not in IMMUTABLE:
                self._lent = True
            return value
        return values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._touch()
        if type(key) is not str:
            key = self._plain_key(key)
        try:
            raw = encode(key, value)
        except TypeError:
            del value  # a traceback may show the variables
            raise
        if key == self._keeper.user_key:
            self._user_id = _user_in(key, raw)
        self._dirty[key] = raw
        self._values[key] = value
        if type(value) not in IMMUTABLE:
            self._lent = True

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        if type(key) is not str:
            key = self._plain_key(key)
        if key == self._keeper.user_key:
            self._user_id = None
        self._values.pop(key, None)
        self._dirty[key] = None

    @staticmethod
    def _plain_key(key: object) -> str:
        plain = plain_key(key)
        if plain is None:
            raise TypeError(f"session[{key!r}]: the keys of a session are str")
        return plain

    def __contains__(self, key: object) -> bool:
        self._touch()
        return key in self._values or (key in self._base and key not in self._dirty)

    def __iter__(self) -> Iterator[str]:
        self._touch()
        return iter(self._keys())

    def __len__(self) -> int:
        self._touch()
        return len(self._keys())

    def _keys(self) -> list[str]:
        base, values, dirty = self._base, self._values, self._dirty
        kept = [key for key in base if key in values or key not in dirty]
        return kept + [key for key in values if key not in base]

    def copy(self) -> dict[str, Any]:
        """What the session holds, as a dict: what is set there is not set in the session."""
        return dict(self)

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**self, **other} if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**other, **self} if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Self:
        self.update(other)
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._id or 'without an id'}>"  # no values: logs are read

    def clear(self) -> None:
        """Forget everything, the user included.

        Nothing more ends the session; new data after it goes on under a new token. Where there was
        a user and is none after it, the session ends, and the new data goes into another one.
        """
        self._touch()
        self._forget()
        self._cleared = self._id is not None

    def _forget(self) -> None:
        self._base = Fields()
        self._values = {}
        self._dirty = {}
        self._user_id = None
        self._set_own_timeout(None)

    def _set_own_timeout(self, own: float | None) -> None:
        self._own_timeout = own
        if self._clocks is not None:
            self._clocks = self._clocks._replace(timeout=own)

    # What Quart users know.

    @property
    def accessed(self) -> bool:
        """Whether the application looked at the session: the response varies with the cookie.

        Setting it does nothing: Quart may set it whenever it hands the session out, to itself too,
        and every response would vary.
        """
        return self._accessed

    @accessed.setter
    def accessed(self, value: bool) -> None:
        pass

    @property
    def new(self) -> bool:  # type: ignore[override]
        """Whether the request came without a live session."""
        self._touch()
        return self._new

    @property
    def modified(self) -> bool:
        """Whether there is anything to save. Setting it is allowed, and not needed."""
        self._touch()
        return self._marked_modified or (
            self._may_have_changed()
            and (self._attributes_changed() or self._over is not None or bool(self._changes()))
        )

    @modified.setter
    def modified(self, value: bool) -> None:
        self._marked_modified = value

    @property
    def permanent(self) -> bool:
        """Whether the cookie outlives the browser: it then lasts as long as the session can."""
        return bool(self.get(PERMANENT, False))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        if self.permanent is not bool(value):  # often set at every request: no reason to write
            self[PERMANENT] = bool(value)

    # What is more.

    @property
    def id(self) -> str | None:
        """The id, safe to log; None before the session exists."""
        self._touch()
        return self._id

    @property
    def user_id(self) -> str | None:
        """Whose session this is.

        Setting another value binds the session to that user, and changes the token.

        Raises:
            TypeError: it is set to something that is neither a str of one character or more
                nor None.
            RuntimeError: it is set to another one, and ``QUART_IDLE_USER_KEY`` names the key that
                says who the user is.
        """
        self._touch()
        return self._user_id

    @user_id.setter
    def user_id(self, value: str | None) -> None:
        self._touch()
        if value is not None and (type(value) is not str or not value):
            raise TypeError(f"session.user_id is {value!r}; allowed: a str that is not empty, None")
        key = self._keeper.user_key
        if key is not None and value != self._user_id:
            raise RuntimeError(
                f"QUART_IDLE_USER_KEY is {key!r}: session[{key!r}] says who the user is; set that, "
                "and not session.user_id"
            )
        self._user_id = value
        self._keeper.knows_users |= value is not None

    @property
    def timeout(self) -> timedelta:
        """This session's idle timeout. It can be set, to a timedelta or seconds; None: the default.

        Raises:
            ValueError: it is set to something else, or to nothing or less.
        """
        self._touch()
        own = self._own_timeout
        return timedelta(seconds=self._keeper.limits.timeout if own is None else own)

    @timeout.setter
    def timeout(self, value: timedelta | float | None) -> None:
        self._touch()
        own = None if value is None else seconds(value)
        if own is None and value is not None:
            raise ValueError(
                f"session.timeout is {value!r}; "
                "allowed: a timedelta or seconds, more than 0 and at most a century, or None"
            )
        self._timeout_set = True
        self._set_own_timeout(own)

    @property
    def created_at(self) -> datetime | None:
        """When the session was made, by the store's clock; None before it exists."""
        self._touch()
        return None if self._clocks is None else datetime.fromtimestamp(self._clocks.created, UTC)

    @property
    def expires_at(self) -> datetime | None:
        """When the session ends if nothing more happens, by the store's clock.

        None before the session exists. In a request that is activity it is reckoned from there.
        """
        self._touch()
        end = self._deadline()
        return None if end is None else datetime.fromtimestamp(end, UTC)

    @property
    def remaining(self) -> timedelta | None:
        """How long until `expires_at`; None before the session exists."""
        self._touch()
        end = self._deadline()
        if end is None:
            return None
        return timedelta(seconds=max(0.0, end - self._offset - monotonic()))

    def _deadline(self) -> float | None:
        """When the session ends, on the store's clock; the request that came counts."""
        clocks = self._clocks
        if clocks is None:
            return None
        if self._is_activity is not None:
            activity = Activity(0.0, 0.0 if self._is_activity() else None)
            clocks = renewed(clocks, activity, self._offset + self._arrived)
        return deadline(clocks, self._keeper.limits)[0]

    @property
    def ended(self) -> str | None:
        """Why the session that this request's cookie names is over.

        ``"idle"``, ``"lifetime"``, ``"closed"``, ``"regenerated"`` or the reason given to `end`,
        for an hour after; ``"unknown"`` for what is not known (any more); None when the cookie
        names none, or a live one.
        """
        self._touch()
        return self._ended

    def regenerate(self) -> None:
        """Change the token, with this response: same session, same data."""
        self._touch()
        self._token_wanted = self._id is not None

    def end(self, reason: str = SIGNED_OUT) -> None:
        """End the session, with this response: everywhere, and for good.

        What is set after it goes into a new session.

        Args:
            reason: what `ended` tells for an hour after, and open pages show.

        Raises:
            TypeError: the reason is not a str of one character or more.
        """
        self._touch()
        if type(reason) is not str or not reason:
            raise TypeError(f"the reason is {reason!r}; allowed: a str that is not empty")
        if self._id is not None:
            self._over = self._id, reason
            self._ended = reason
        self._detach()

    async def save(self) -> None:
        """Write the changes now: for WebSocket handlers, streaming bodies and background tasks.

        Raises:
            SessionEnded: the session ended, or its token changed, in the meantime.
            SessionTooLarge: the data is larger than ``QUART_IDLE_MAX_SIZE``.
            StoreUnavailable: the store did not answer.
            TypeError: a value was changed into one that a session cannot hold.
            RuntimeError: the change needs a new token, and no response can carry it any more.
        """
        self._touch()
        await self._keeper.save(self)

    async def reload(self) -> None:
        """Read the session again now, and drop changes that were not saved.

        If it is over, this session is empty from then on, and `ended` says why.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        self._accessed = True
        await self._keeper.reload(self)

    # For the session interface, and what writes.

    @property
    def _save_lock(self) -> asyncio.Lock:
        """One save at a time: a background task has the same session as its request."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock

    def _attach(
        self, id: str, data: Mapping[str, bytes], user_id: str | None, clocks: Clocks, now: float
    ) -> None:
        """Take on what is stored."""
        self._id = id
        self._base = Fields(data)
        self._user_id = self._base_user_id = user_id
        if user_id is None and (key := self._keeper.user_key) in data:
            # From before the key was configured: the token that the client has may stay.
            with suppress(TypeError):
                self._user_id = self._base_user_id = _user_in(key or "", data[key or ""])
                self._adopts = self._user_id is not None
        self._keeper.knows_users |= user_id is not None
        self._clocks = clocks
        self._own_timeout = clocks.timeout
        self._offset = now - monotonic()
        self._ended = None
        self._new = False

    def _detach(self) -> None:
        """Have nothing stored from now on; changes are dropped."""
        self._id = self._clocks = self._base_user_id = None
        self._forget()
        self._cleared = self._token_wanted = self._timeout_set = self._marked_modified = False
        self._adopts = False

    def _begin_anew(self, ended: str) -> None:
        """Have nothing stored from now on; what is set goes into a session of its own."""
        self._id = self._clocks = self._base_user_id = None
        self._ended = ended
        self._base = {}
        self._dirty = {key: raw for key, raw in self._dirty.items() if raw is not None}
        self._values = {key: value for key, value in self._values.items() if key in self._dirty}
        self._cleared = self._token_wanted = self._marked_modified = self._adopts = False

    def _attributes_changed(self) -> bool:
        return (
            self._cleared
            or self._token_wanted
            or self._timeout_set
            or self._adopts
            or self._user_id != self._base_user_id
        )

    def _may_have_changed(self) -> bool:
        """Whether saving may come to anything: cheap, since most requests only read."""
        return bool(
            self._dirty
            or self._lent
            or self._over is not None
            or self._attributes_changed()
            or self._move is not None
        )

    def _changes(self) -> dict[str, bytes | None]:
        """The fields to write, encoded; None: to delete.

        Raises:
            TypeError: a value was changed into one that a session cannot hold.
        """
        changes = Fields(
            (key, raw) for key, raw in self._dirty.items() if raw is not None or key in self._base
        )
        for key in self._values:
            if type(self._values[key]) not in IMMUTABLE:
                raw = encode(key, self._values[key])
                if key in self._dirty or raw != self._base[key]:
                    changes[key] = self._dirty[key] = raw
        return changes

    def _written(self, change: Change, base: Mapping[str, bytes]) -> None:
        """This is in the store; what was changed since it was taken is not.

        Args:
            change: what was written.
            base: `_base` when it was taken.
        """
        if self._base is not base:
            return  # all of it was cleared or ended since
        attributes = change.attributes
        if "user_id" in attributes:
            self._base_user_id = attributes["user_id"]
            self._adopts = False
        if "timeout" in attributes and attributes["timeout"] == self._own_timeout:
            self._timeout_set = False
        self._cleared = self._marked_modified = False
        written = Fields(base)
        for key, raw in change.fields.items():
            if raw is None:
                written.pop(key, None)
            else:
                written[key] = raw
            if key in self._dirty and self._dirty[key] == raw:
                del self._dirty[key]
        self._base = written

    def _is_live(self) -> bool:
        """Whether there is a session now, or will be with this response.

        Where the application knows that there is no telling, this is its page about that.
        """
        if self._fault is not None and self._told:
            return False
        self._touch()
        if self._user_id is not None:
            return True
        # Messages that this page shows are no reason to watch it.
        holds_data = any(key not in (PERMANENT, _FLASHES) for key in self._keys())
        return holds_data and not (self._id is None and self._superseded)

    def _holds_data(self) -> bool:
        return self._user_id is not None or any(key != PERMANENT for key in self._keys())

    def _has_signed_out(self) -> bool:
        """Whether all was cleared, and no user is there in place of the one that was."""
        return self._cleared and (
            not self._holds_data() or (self._base_user_id is not None and self._user_id is None)
        )

    def _token_again(self, change: Change) -> Token | None:
        """The token to send again with a change, since the cookie is to last longer, or less."""
        if PERMANENT not in change.fields or self._id is None:
            return None
        raws = self._base.get(PERMANENT), change.fields[PERMANENT]
        before, after = (raw is not None and bool(decode(raw)) for raw in raws)
        return self._named.get(self._id) if before is not after else None

    def _size(self, changes: Mapping[str, bytes | None]) -> int:
        """What the session's data takes after these changes, in bytes."""
        data = {**self._base, **changes}
        size = sum(len(raw) for raw in data.values() if raw is not None)
        return size + len("".join((self._user_id or "", *data)).encode("utf-8", "surrogatepass"))


def _user_in(key: str, raw: bytes) -> str | None:
    """The user whom an encoded value names; None: nobody.

    Raises:
        TypeError: it is no value to tell users by.
    """
    value = decode(raw)
    if value is None or value == "":
        return None
    if type(value) is int or isinstance(value, str | UUID):
        return str(value)
    raise TypeError(
        f"session[{key!r}] says who the user is (QUART_IDLE_USER_KEY), and is of type "
        f"{type(value).__name__}; allowed: str, int, UUID, None"
    )

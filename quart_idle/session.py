"""The mapping that handlers see.

Nothing here talks to a store. What a session holds is in `Contents`, in which state it is in
`Life`; the session interface reads it and `SessionWriter` writes it. The names that begin with an
underscore are between these.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple, Protocol, Self

from flask.sessions import SessionMixin

from .config_values import seconds
from .contents import Contents
from .cookies import Token
from .life import Life
from .policy import Arrival, Clocks, Limits, MergedSigns, SignOfLife, deadline, renewed, since_proof
from .reasons import SIGNED_OUT, SIGNED_OUT_EVERYWHERE, check_reason
from .regeneration import PendingRegeneration
from .states import TO_WRITE, Sight, State
from .stores.base import PERMANENT, Change, Device, Fields, Record


class SessionBackend(Protocol):
    """Who reads and writes sessions."""

    limits: Limits
    #: The key whose value names the user, if there is one.
    user_key: str | None
    #: Whether the application has a notion of users.
    knows_users: bool

    async def save(self, session: Session) -> None: ...

    async def reload(self, session: Session) -> None: ...

    async def end_others(self, session: Session, reason: str) -> int: ...

    async def ended_wait(self, session: Session) -> str: ...

    def renewed(self, session: Session, clocks: Clocks, now: float) -> Clocks:
        """The clocks with what the store had not been told yet, and has not now."""
        ...


class SetCookie(NamedTuple):
    """What a response tells the client of its cookie."""

    #: The token that it is to have; None: none any more.
    token: Token | None


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
    # Whether the request came without a live session.
    _new = True
    # The clocks as the store has them, but for the session's own timeout; and the store's clock
    # less this process's monotonic clock.
    _clocks: Clocks | None = None
    _clock_offset = 0.0

    # The tokens that the cookies bring, by id.
    _cookie_tokens: Mapping[str, Token] = {}
    # What the response is to tell the client, and whether one can still do so: not of a WebSocket,
    # nor when it is gone.
    _cookie: SetCookie | None = None
    _can_set_cookie = True
    # Whether the response's save failed for good, so that the error's own does not try again.
    _save_failed = False
    _lock: asyncio.Lock | None = None

    _secure = False
    # The request, as a sign of life of the session that its cookie names; and which others of it
    # were not written yet when it was read.
    _arrival: Arrival | None = None
    _unwritten: tuple[MergedSigns | None, ...] = ()
    # Where whoever has this request is, for a sign-in.
    _device: Callable[[], Device] = Device

    def __init__(self, backend: SessionBackend) -> None:
        self._backend = backend
        self._life: Life[PendingRegeneration] = Life()
        self._contents = Contents(backend.user_key)

    # The mapping.

    def _touch(self) -> None:
        self._accessed = True
        if self._life.sight is not Sight.OPEN:
            self._life.look()

    def __getitem__(self, key: str) -> Any:
        self._touch()
        return self._contents[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._touch()
        try:
            self._contents[key] = value
        except TypeError:
            del value  # a traceback may show the variables
            raise

    def __delitem__(self, key: str) -> None:
        self._touch()
        del self._contents[key]

    def __contains__(self, key: object) -> bool:
        self._touch()
        return key in self._contents

    def __iter__(self) -> Iterator[str]:
        self._touch()
        return iter(self._contents)

    def __len__(self) -> int:
        self._touch()
        return len(self._contents)

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
        # No values: logs are read.
        return f"<{type(self).__name__} {self._life.id or 'without an id'}>"

    def clear(self) -> None:
        """Forget everything, the user included.

        Nothing more ends the session; new data after it goes on under a new token. Where there was
        a user and is none after it, the session ends, and the new data goes into another one.
        """
        self._touch()
        self._contents.clear()
        self._life.clear()

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
        return (
            self._contents.marked
            or self._life.state in TO_WRITE
            or (self._contents.may_have_changed() and self._contents.has_changed())
        )

    @modified.setter
    def modified(self, value: bool) -> None:
        self._contents.marked = value

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
        return self._life.id

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
        return self._contents.user_id

    @user_id.setter
    def user_id(self, value: str | None) -> None:
        self._touch()
        if value is not None and (type(value) is not str or not value):
            raise TypeError(f"session.user_id is {value!r}; allowed: a str that is not empty, None")
        key = self._backend.user_key
        if key is not None and value != self._contents.user_id:
            raise RuntimeError(
                f"QUART_IDLE_USER_KEY is {key!r}: session[{key!r}] says who the user is; set that, "
                "and not session.user_id"
            )
        self._contents.user_id = value
        self._backend.knows_users |= value is not None

    @property
    def authenticated_at(self) -> datetime | None:
        """When the user last proved who they are, by the store's clock: by a sign-in, or later.

        None where nobody is signed in, or the session does not exist yet.
        """
        moment = self._proved_at()
        if moment is None or self._clocks is None:
            return None
        return datetime.fromtimestamp(moment, UTC)

    def authenticated(self) -> None:
        """The user has just proved once more who they are, by a password or a passkey.

        It is the same session, with the same data. Its token changes with this response, so that
        nobody gains by it who has a copy of the old cookie. Whoever sets the same user again calls
        it, too: that alone is no proof. If another request has changed the token by then, there is
        no proof, and the user is asked again.

        Raises:
            RuntimeError: nobody is signed in: set `user_id`.
        """
        self._touch()
        if self._contents.user_id is None:
            raise RuntimeError(
                "nobody is signed in whom session.authenticated() could be of; signing in, by "
                "session.user_id, is a proof already"
            )
        self._contents.prove()
        self._life.regenerate()

    @property
    def timeout(self) -> timedelta:
        """This session's idle timeout. It can be set, to a timedelta or seconds; None: the default.

        Raises:
            ValueError: it is set to something else, or to nothing or less.
        """
        self._touch()
        own = self._contents.timeout
        return timedelta(seconds=self._backend.limits.timeout if own is None else own)

    @timeout.setter
    def timeout(self, value: timedelta | float | None) -> None:
        self._touch()
        own = None if value is None else seconds(value)
        if own is None and value is not None:
            raise ValueError(
                f"session.timeout is {value!r}; "
                "allowed: a timedelta or seconds, more than 0 and at most a century, or None"
            )
        self._contents.set_timeout(own)

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
        return timedelta(seconds=max(0.0, end - self._store_time()))

    def _deadline(self) -> float | None:
        """When the session ends, on the store's clock; the request that came counts."""
        if self._clocks is None:
            return None
        clocks = self._clocks._replace(timeout=self._contents.timeout)
        now = self._store_time()
        clocks = self._backend.renewed(self, clocks, now)
        if (arrival := self._arrival) is not None:
            sign = SignOfLife(0.0, 0.0 if arrival.is_activity() else None)
            clocks = renewed(clocks, sign, self._clock_offset + arrival.moment)
        return deadline(clocks, self._backend.limits)[0]

    @property
    def ended(self) -> str | None:
        """Why the session that this request's cookie names is over.

        ``"idle"``, ``"lifetime"``, ``"closed"``, ``"regenerated"`` or the reason given to `end`,
        for an hour after; ``"unknown"`` for what is not known (any more); None when the cookie
        names none, or a live one.
        """
        self._touch()
        return self._life.ended

    def regenerate(self) -> None:
        """Change the token, with this response: same session, same data."""
        self._touch()
        self._life.regenerate()

    def end(self, reason: str = SIGNED_OUT) -> None:
        """End the session, with this response: everywhere, and for good.

        What is set after it goes into a new session.

        Args:
            reason: what `ended` tells for an hour after, and open pages show.

        Raises:
            TypeError: the reason is not a str of one character or more.
            ValueError: it is ``"regenerated"``.
        """
        self._touch()
        check_reason(reason)
        self._life.end(reason)
        self._drop()

    async def save(self) -> None:
        """Write the changes now: for WebSocket handlers, streaming bodies and background tasks.

        Raises:
            SessionEnded: the session ended, or its token changed, in the meantime.
            SessionTooLarge: the data is larger than ``QUART_IDLE_MAX_SIZE``.
            StoreUnavailable: the store did not answer.
            TooManySessions: the user may have no more sessions; `reload` drops the signing in.
            TypeError: a value was changed into one that a session cannot hold.
            RuntimeError: the change needs a new token, and no response can carry it any more.
        """
        self._touch()
        await self._backend.save(self)

    async def reload(self) -> None:
        """Read the session again now, and drop changes that were not saved.

        If it is over, this session is empty from then on, and `ended` says why.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        self._accessed = True
        await self._backend.reload(self)

    async def end_others(self, reason: str = SIGNED_OUT_EVERYWHERE) -> int:
        """End all other sessions of this user, with their pages; how many there were.

        Changes are saved first, so that it can follow a new password, or signing in.

        Args:
            reason: what `ended` tells for an hour after, and open pages show.

        Raises:
            TypeError: the reason is not a str of one character or more.
            ValueError: it is ``"regenerated"``.
            RuntimeError: nobody is signed in; or what `save` raises it for.
            SessionEnded: this session is over itself: none was ended.
            StoreUnavailable: the store did not answer: some may have ended; ask again.
        """
        self._touch()
        check_reason(reason)
        return await self._backend.end_others(self, reason)

    async def ended_wait(self) -> str:
        """Wait until this session is over: for a task of one's own. Why it is, as `ended` tells.

        It goes on through a change of token, and is over with a change of user (``"regenerated"``).
        If the session is over, or there is none, it returns at once; while the store is down
        nothing is over. What is not saved is not waited for.

        Raises:
            StoreUnavailable: the store did not answer when the session was to be read.
        """
        self._touch()
        return await self._backend.ended_wait(self)

    # For the session interface, and what writes.

    @property
    def _save_lock(self) -> asyncio.Lock:
        """One save at a time: a background task has the same session as its request."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock

    def _store_time(self) -> float:
        """The store's clock, in seconds, where it has been read."""
        return self._clock_offset + monotonic()

    def _proved_at(self) -> float | None:
        """When the user proved who they are, by `_store_time`; None: nobody is signed in."""
        self._touch()
        if self._contents.user_id is None:
            return None
        stored = self._contents.stored_proof
        return self._store_time() if stored is None else stored

    def _is_fresh(self, within: float) -> bool:
        """Whether the user has proved who they are lately.

        Args:
            within: for how long that is to be enough, in seconds.
        """
        moment = self._proved_at()
        since = None if moment is None else since_proof(moment, self._store_time())
        return since is not None and since < within

    def _is_written(self, change: Change, epoch: int) -> None:
        self._contents.is_written(change, epoch, self._store_time())

    def _found(self, id: str, record: Record) -> None:
        """Take on what is stored."""
        self._life.found(id)
        self._contents.read(record)
        if record.user_id is not None:
            self._backend.knows_users = True
        self._clocks = record.clocks
        self._clock_offset = record.now - monotonic()
        self._new = False

    def _created(self, id: str, token: Token, clocks: Clocks) -> None:
        self._life.created(id)
        self._cookie = SetCookie(token)
        self._clocks = clocks
        self._clock_offset = clocks.created - monotonic()

    def _as_of_now(self, user_id: str) -> Record:
        """What is stored, as far as is known here, if it is this user's from now on."""
        now = self._clock_offset + monotonic()
        clocks = self._clocks or Clocks(now, now, now)
        return Record(Fields(), user_id, clocks._replace(began_anew=now), now)

    def _is_ended(self, reason: str) -> None:
        """It was ended in the store by this very request."""
        self._drop()
        self._life.over(reason, elsewhere=False)
        self._cookie = SetCookie(None)

    def _drop(self) -> None:
        """Have nothing stored from now on; changes are dropped."""
        self._contents.drop()
        self._clocks = None
        self._unwritten = ()

    def _forget_stored(self) -> None:
        """Have nothing stored from now on; what was set goes into a session of its own."""
        self._contents.forget_stored()
        self._clocks = None
        self._unwritten = ()

    def _may_have_changed(self) -> bool:
        """Whether saving may come to anything: cheap, since most requests only read."""
        return self._contents.may_have_changed() or self._life.state in TO_WRITE

    def _has_signed_out(self) -> bool:
        """Whether all was cleared, and no user is there in place of the one that was."""
        return self._life.state is State.CLEARED and (
            not self._contents.holds_data() or self._contents.has_lost_its_user()
        )

    def _is_live(self) -> bool:
        """Whether there is a session now, or will be with this response.

        Where the application knows that there is no telling, this is its page about that.
        """
        if self._life.sight is Sight.FAULT_RAISED:
            return False
        self._touch()
        return self._contents.user_id is not None or (
            self._life.state is not State.SUPERSEDED and self._contents.is_worth_watching()
        )

    def _token_again(self, change: Change) -> Token | None:
        """The token to send again with a change, since the cookie is to last longer, or less."""
        id = self._life.id
        if id is None or not self._contents.changes_permanent(change.fields):
            return None
        return self._cookie_tokens.get(id)

"""What a request has of its session: what it holds, in which state it is, its clocks, the cookie.

The session interface reads it, `SessionWriter` writes it, and `Session` is the mapping that
handlers see of it. The names that begin with an underscore are between these.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import NamedTuple, Protocol

from .contents import Contents
from .cookies import Token
from .life import Life
from .policy import Arrival, Clocks, Limits, MergedSigns, SignOfLife, deadline, renewed, since_proof
from .regeneration import PendingRegeneration
from .states import TO_WRITE, Sight, State
from .stores.base import Change, Device, Fields, Record


class SessionBackend(Protocol):
    """Who reads and writes sessions."""

    limits: Limits
    #: The key whose value names the user, if there is one.
    user_key: str | None
    #: Whether the application has a notion of users.
    knows_users: bool

    async def save(self, session: RequestSession) -> None: ...

    async def reload(self, session: RequestSession) -> None: ...

    async def end_others(self, session: RequestSession, reason: str) -> int: ...

    async def ended_wait(self, session: RequestSession) -> str: ...

    def renewed(self, session: RequestSession, clocks: Clocks, now: float) -> Clocks:
        """The clocks with what the store had not been told yet, and has not now."""
        ...


class SetCookie(NamedTuple):
    """What a response tells the client of its cookie."""

    #: The token that it is to have; None: none any more.
    token: Token | None


class RequestSession:
    """A session in a request, with its changes on their way to the store."""

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

    def _touch(self) -> None:
        self._accessed = True
        if self._life.sight is not Sight.OPEN:
            self._life.look()

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

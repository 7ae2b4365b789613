"""The session that handlers see: its names, and their errors.

Nothing here talks to a store: that is done by `RequestSession`'s backend.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .config_values import seconds
from .reasons import SIGNED_OUT, SIGNED_OUT_EVERYWHERE, check_reason
from .session_mapping import SessionMapping


class Session(SessionMapping):
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

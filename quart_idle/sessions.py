"""`idle.sessions`: the sessions of users, seen and ended from outside a request."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf
from typing import Final

from .browsers import browser_of
from .config import Settings
from .exceptions import ConfigError
from .policy import deadline
from .reasons import ENDED_FROM_ELSEWHERE, SIGNED_OUT_EVERYWHERE, check_reason
from .renewals import Renewals
from .reports import Reports
from .stores.asking import ask
from .stores.base import Device, Listed, Record, UserStore

_ID: Final = re.compile(r"[0-9a-f]{64}")
# How many sessions the store is asked for at a time.
_MOST_AT_ONCE: Final = 500


@dataclass(frozen=True)
class SessionInfo:
    """What is known of a session, without its data. Times are aware, by the store's clock."""

    id: str
    user_id: str | None
    created_at: datetime
    #: When the user last proved who they are; None: nobody is signed in.
    authenticated_at: datetime | None
    #: The last activity, as the store and this worker know it: within an eighth of the timeout.
    active_at: datetime
    expires_at: datetime
    #: Of the sign-in; None: not known, or nobody is signed in.
    address: str | None
    #: Of the sign-in, its first 256 characters.
    user_agent: str | None
    #: Open, on all workers; on this one, where the store is no `PresenceStore`. Of one that has
    #: ended: 0.
    pages: int
    # Where it stands in its user's list; None: it was not read from there.
    _place: float | None = field(default=None, repr=False, compare=False)

    @property
    def browser(self) -> str | None:
        """The user agent in plain words, as "Firefox on Windows"; None: it says nothing known.

        It needs ua-parser (``pip install 'quart-idle[devices]'``); None without it. Finding it out
        takes about a millisecond, and half a second for the first of a worker.
        """
        return None if self.user_agent is None else browser_of(self.user_agent)


class Sessions:
    """The sessions of users, as all workers have them.

    Args:
        settings: the application's settings, with the store.
        renewals: knows activity that is not written yet.
        reports: knows the open pages of all workers.
        acting: the id of the session whose request is under way; None: there is none.
    """

    def __init__(
        self,
        settings: Settings,
        renewals: Renewals,
        reports: Reports,
        acting: Callable[[], str | None],
    ) -> None:
        self._store = settings.store
        self._patience = settings.patience
        self._limits = settings.limits
        self._renewals = renewals
        self._reports = reports
        self._tells_devices = settings.devices
        self._acting = acting

    async def of(
        self, user_id: str, *, limit: int | None = None, after: SessionInfo | None = None
    ) -> list[SessionInfo]:
        """A user's living sessions, the latest activity first.

        With a limit, a page of them, in the order in which the user signed in; no page has one
        that another has.

        Args:
            user_id: the user.
            limit: how many at most, 1 or more; None: all.
            after: the last one of the page before, as `of` gave it; it may be over by now.

        Raises:
            TypeError: the user is not a str of one character or more, or an argument is of another
                type.
            ValueError: the limit is less than 1, or `after` is none that `of` gave.
            StoreUnavailable: the store did not answer.
        """
        if limit is not None and type(limit) is not int:
            raise TypeError(f"limit is {limit!r}; allowed: an int, None")
        if after is not None and not isinstance(after, SessionInfo):
            raise TypeError(f"after is {after!r}; allowed: what `of` gave, None")
        if limit is not None and limit < 1:
            raise ValueError(f"limit is {limit!r}; allowed: 1 or more, None")
        place = 0.0 if after is None else after._place
        if place is None:
            raise ValueError("after is not from a user's list; allowed: what `of` gave, None")
        found = await self.part(user_id, place, inf if limit is None else limit)
        if limit is None:
            found.sort(key=lambda info: info.active_at, reverse=True)
        return found

    async def part(self, user_id: str, place: float, limit: float) -> list[SessionInfo]:
        """What stands behind a place in a user's list, in order; so many at most."""
        store = self._lists(user_id)
        found: list[Listed] = []
        while limit > 0:
            many = int(min(limit, _MOST_AT_ONCE))
            some = await ask(store.sessions_of(user_id, place, many), self._patience)
            found += some
            if len(some) < many:
                break
            place, limit = some[-1].place, limit - len(some)
        pages = await self._reports.pages_of([it.id for it in found]) if found else {}
        return [self._info(it.id, user_id, it, pages.get(it.id, 0), it.place) for it in found]

    async def get(self, id: str) -> SessionInfo | None:
        """A living session; None: there is none.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        if not is_id(id):
            return None
        found = await ask(self._store.load(id), self._patience)
        if not isinstance(found, Record):
            return None
        return await self.with_pages(self.info(id, found))

    async def end(self, id: str, reason: str = ENDED_FROM_ELSEWHERE) -> bool:
        """End a session, whoever's it is; with its pages, on all workers. Whether there was one.

        Args:
            id: the session's.
            reason: what its `ended` tells for an hour after, and open pages show.

        Raises:
            TypeError: the reason is not a str of one character or more.
            ValueError: it is ``"regenerated"``.
            StoreUnavailable: the store did not answer.
        """
        check_reason(reason)
        return is_id(id) and await self._end(id, reason) is not None

    async def end_of(self, user_id: str, id: str, reason: str = ENDED_FROM_ELSEWHERE) -> bool:
        """End a session of a user's, with its pages on all workers; whether there was one.

        It is ended also where its token has changed since, and it has another id by now. One that
        is another user's by then is left alone.

        Args:
            user_id: the user.
            id: the session's.
            reason: what its `ended` tells for an hour after, and open pages show.

        Raises:
            TypeError: the user or the reason is not a str of one character or more.
            StoreUnavailable: the store did not answer.
        """
        check_user(user_id)
        check_reason(reason)
        return is_id(id) and await self._end(id, reason, user_id) is not None

    async def _end(self, id: str, reason: str, user_id: str | None = None) -> str | None:
        """End a session under whatever id it has: that id. A user: whose it must be as it ends."""
        return await ask(self._store.end(id, reason, self._acting(), user_id), self._patience)

    async def end_all(
        self, user_id: str, *, keep: str | None = None, reason: str = SIGNED_OUT_EVERYWHERE
    ) -> int:
        """End all sessions of a user, with their pages; how many there were.

        It is final: a sign-in that was being saved is ended too, or is saved after it.

        Args:
            user_id: the user.
            keep: the id of a session that goes on, also where its token is changed meanwhile.
            reason: what `ended` tells for an hour after, and open pages show.

        Raises:
            TypeError: the user or the reason is not a str of one character or more.
            ValueError: what is to be kept is no id.
            StoreUnavailable: the store did not answer: some may have ended; ask again.
        """
        store = self._lists(user_id)
        check_reason(reason)
        if keep is not None and not is_id(keep):
            raise ValueError("keep is not a session's id; allowed: an id, None")
        by, rest, many = self._acting(), None, 0
        while True:
            ending = store.end_some(user_id, reason, keep, rest, by)
            ended, rest = await ask(ending, self._patience)
            many += len(ended)
            if rest is None:
                return many

    def info(self, id: str, session: Record) -> SessionInfo:
        """What is known of a session that was read, but for its pages."""
        return self._info(id, session.user_id, session, 0)

    async def with_pages(self, info: SessionInfo) -> SessionInfo:
        """The same, with the pages that it has open.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        pages = (await self._reports.pages_of([info.id])).get(info.id, 0)
        return replace(info, pages=pages) if pages else info

    def _lists(self, user_id: str) -> UserStore:
        check_user(user_id)
        if not isinstance(self._store, UserStore):
            raise ConfigError(
                f"the store, a {type(self._store).__qualname__}, does not list users' sessions"
            )
        return self._store

    def _info(
        self,
        id: str,
        user_id: str | None,
        found: Record | Listed,
        pages: int,
        place: float | None = None,
    ) -> SessionInfo:
        clocks = self._renewals.renewed(id, found.clocks, found.now)
        moments = clocks.created, clocks.active, deadline(clocks, self._limits)[0]
        created, active, end = (datetime.fromtimestamp(at, UTC) for at in moments)
        authenticated, device = None, Device()
        if found.sign_in is not None:
            authenticated = datetime.fromtimestamp(found.sign_in.authenticated, UTC)
            if self._tells_devices:
                device = found.sign_in.device
        times = created, authenticated, active, end
        return SessionInfo(id, user_id, *times, *device, pages, place)


def check_user(user_id: object) -> None:
    """See that it names a user.

    Raises:
        TypeError: it is not a str of one character or more.
    """
    if type(user_id) is not str or not user_id:
        raise TypeError(f"the user is {user_id!r}; allowed: a str that is not empty")


def is_id(id: object) -> bool:
    """Whether it looks like a session's id."""
    return type(id) is str and _ID.fullmatch(id) is not None

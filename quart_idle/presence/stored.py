"""Sessions as the store has them: which one a request names, and what it has left."""

from __future__ import annotations

from hypercorn.typing import WWWScope

from ..config import Settings
from ..cookies import first_living, tokens_in
from ..policy import Left, time_left
from ..renewals import Renewals
from ..stores.asking import ask
from ..stores.base import Ended, Live, Record


class StoredSessions:
    """Asks the store, for pages and for the routes beside them. Nothing here renews.

    Args:
        settings: the application's settings, with the store.
        renewals: has what the store does not know yet.
        cookie_name: the session cookie's.
    """

    def __init__(self, settings: Settings, renewals: Renewals, cookie_name: str) -> None:
        self._settings = settings
        self._renewals = renewals
        self._cookie_name = cookie_name

    async def id_in_cookies(self, scope: WWWScope) -> str | None:
        """The id that counts of those that a request's cookies name; None where they name none.

        Raises:
            StoreUnavailable: there are several, and the store did not answer.
        """
        ids = tokens_in(scope, self._cookie_name)
        if len(ids) < 2:
            return next(iter(ids), None)
        return (await first_living(ids, self.load_session))[0]

    async def load_session(self, id: str) -> Record | Ended | None:
        """The session; why it is over; or None for an id that was never one, or is forgotten.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        return await ask(self._settings.store.load(id), self._settings.patience)

    def left(self, id: str, live: Live | Record) -> Left:
        """What a session has left, by what the store says and what it does not know yet."""
        clocks = self._renewals.renewed(id, live.clocks, live.now)
        return time_left(clocks, self._settings.limits, live.now)

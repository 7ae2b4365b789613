"""`idle.presence`: who has a page open, on all workers."""

from __future__ import annotations

from collections.abc import Iterable

from .config import Settings
from .exceptions import ConfigError
from .reports import Reports
from .sessions import check_user
from .stores.asking import ask
from .stores.base import Counts, PresenceStore, Times


class Online:
    """Who has a page open, on all workers.

    What happened on other workers within the last second may be missing. Pages of a worker that was
    killed count for half a minute more.

    Args:
        settings: the application's settings, with the store.
        times: how long what counts.
        reports: what this worker reports.
    """

    def __init__(self, settings: Settings, times: Times, reports: Reports) -> None:
        self._store = settings.store
        self._patience = settings.patience
        self._grace = times.grace
        self._reports = reports

    async def online(self, user_ids: Iterable[str]) -> set[str]:
        """Those of these users who are online: with a page open, or who had one 45 s ago or less.

        Raises:
            TypeError: one of them is not a str of one character or more, or they are one str.
            ConfigError: the store does not know the pages of all workers.
            StoreUnavailable: the store did not answer.
        """
        if isinstance(user_ids, str):
            raise TypeError(f"user_ids is {user_ids!r}; allowed: several users")
        users = list(dict.fromkeys(user_ids))
        for user in users:
            check_user(user)
        store = self._present()
        if not users:
            return set()
        await self._reports.flush()
        return set(await ask(store.online(users, self._grace), self._patience))

    async def count(self) -> Counts:
        """How many users are online, how many sessions have a page open, and how many pages are.

        Raises:
            ConfigError: the store does not know the pages of all workers.
            StoreUnavailable: the store did not answer.
        """
        store = self._present()
        await self._reports.flush()
        return await ask(store.count_pages(self._grace), self._patience)

    def _present(self) -> PresenceStore:
        if not isinstance(self._store, PresenceStore):
            raise ConfigError(
                f"the store, a {type(self._store).__qualname__}, does not know the pages of all "
                "workers"
            )
        return self._store

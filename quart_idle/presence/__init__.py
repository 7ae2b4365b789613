"""This worker's open pages: pinged, warned and sent away; and what else ends with a session.

A page's socket is an ASGI callable in front of Quart's own handling of connections, so no hook of
the application's stands in its way, and an open page costs one coroutine. Nobody else waits for
it: pings go out from a wheel that turns once in a ping interval, signs of life go to `Renewals`,
and what needs an answer from the store gets a task of its own.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from ..config import Settings
from ..events import Events
from ..exceptions import StoreUnavailable
from ..policy import SignOfLife
from ..renewals import Renewals
from ..stores.base import Ended, Live
from .activity import ACTIVE_NOW, sign_of_life
from .connection import AppRequest, AppSocket, Connection, Handle, Named
from .open_session import Bond
from .pages import Pages
from .socket import PageSocket
from .stored import StoredSessions

__all__ = [
    "ACTIVE_NOW",
    "AppRequest",
    "AppSocket",
    "Connection",
    "Named",
    "Presence",
    "sign_of_life",
]

# How long to wait after the store has failed, in seconds.
_RETRY: Final = 1.0


class Presence:
    """The open pages of one worker.

    Args:
        settings: the application's settings, with the store.
        renewals: where signs of life go.
        cookie_name: the session cookie's.
        events: is told of pages that come and go.

    Attributes:
        stored: sessions as the store has them.
        socket: answers a page's socket, as an ASGI callable.
    """

    def __init__(
        self, settings: Settings, renewals: Renewals, cookie_name: str, events: Events
    ) -> None:
        self.stored = StoredSessions(settings, renewals, cookie_name)
        self._pages = Pages(settings, renewals, self.stored)
        self.socket = PageSocket(settings, self.stored, self._pages, events)

    async def renew(self, id: str, sign: SignOfLife) -> Live | Ended | None:
        """Renew a session at once, and tell its pages.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        return await self._pages.renew(id, sign)

    def tell(self, id: str, outcome: Live | Ended | None) -> None:
        """Take in what the store said of a session; if it is over, its pages are sent away."""
        self._pages.tell(id, outcome)

    def app_socket(self, handle: Handle, scope: Any) -> AppSocket:
        """A WebSocket of the application's own, which can be bound to a session."""
        return AppSocket(handle, scope, self._pages.bonds, self._pages.tasks)

    def app_request(self, handle: Handle, scope: Any) -> AppRequest:
        """A request of the application's, whose response can be bound to a session."""
        return AppRequest(handle, scope, self._pages.bonds, self._pages.tasks)

    async def ended_wait(self, id: str) -> str:
        """Wait until a session is over; why it is. While the store is down nothing is over."""
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def end(_: int, reason: str) -> None:
            if not ended.done():
                ended.set_result(reason)

        bond = Bond(end, may_stay=True)
        try:
            joined = False
            while not joined:
                with suppress(StoreUnavailable):
                    await self._pages.bonds.join(bond, id)
                    joined = True
                if not joined:
                    await asyncio.sleep(_RETRY)
            return await ended
        finally:
            self._pages.bonds.leave(bond)

    def close(self) -> None:
        """The worker stops: send its pages away, to come back to another."""
        self._pages.close_all()

"""This worker's open pages: pinged, warned and sent away; and what else ends with a session.

A page's socket is an ASGI callable in front of Quart's own handling of connections, so no hook of
the application's stands in its way, and an open page costs one coroutine. Nobody else waits for
it: pings go out from a wheel that turns once in a ping interval, signs of life go to `Renewals`,
and what needs an answer from the store gets a task of its own.
"""

from __future__ import annotations

from typing import Any

from ..config import Settings
from ..events import Events
from ..policy import SignOfLife
from ..renewals import Renewals
from ..reports import Reports
from ..stores.base import Ended, Live
from .activity import ACTIVE_NOW, sign_of_life
from .connection import AppSocket, Connection, Handle, Named
from .pages import Pages
from .socket import PageSocket
from .stored import StoredSessions
from .streaming import AppRequest

__all__ = [
    "ACTIVE_NOW",
    "AppRequest",
    "AppSocket",
    "Connection",
    "Named",
    "Presence",
    "sign_of_life",
]


class Presence:
    """The open pages of one worker.

    Args:
        settings: the application's settings, with the store.
        renewals: where signs of life go.
        cookie_name: the session cookie's.
        events: is told of pages that come and go.
        reports: is told, for all workers to know.

    Attributes:
        stored: sessions as the store has them.
        socket: answers a page's socket, as an ASGI callable.
    """

    def __init__(
        self,
        settings: Settings,
        renewals: Renewals,
        cookie_name: str,
        events: Events,
        reports: Reports,
    ) -> None:
        self.stored = StoredSessions(settings, renewals, cookie_name)
        self._pages = Pages(settings, renewals, self.stored, reports)
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
        return await self._pages.bonds.ended_wait(id)

    def close(self) -> None:
        """The worker stops: send its pages away, to come back to another."""
        self._pages.close_all()

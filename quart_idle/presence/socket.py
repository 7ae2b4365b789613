"""One page's socket, from the handshake to the goodbye."""

from __future__ import annotations

import logging
from typing import Final

from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    WebsocketReceiveEvent,
    WebsocketScope,
)

from .. import protocol
from ..config import Settings
from ..events import Events
from ..exceptions import FrameError, StoreUnavailable
from ..origins import from_own_page, user_mismatch
from ..reasons import UNKNOWN
from ..stores.base import Record
from .activity import ACTIVE_NOW, SEEN_NOW, sign_of_life
from .open_session import OpenSession, Page
from .pages import Pages
from .sending import is_shared, read_away
from .stored import StoredSessions

# Frames that a page may send between two pings.
_MOST_FRAMES: Final = 100

_log = logging.getLogger("quart_idle")
_STORE_DOWN: Final = (protocol.TRY_AGAIN, "the session store is not available")


class PageSocket:
    """Answers pages' sockets: a coroutine for each, in which nothing waits but for the page.

    Args:
        settings: the application's settings, with the store.
        stored: asks the store.
        pages: where a page is while its socket is open.
        events: is told of pages that come and go.
    """

    def __init__(
        self, settings: Settings, stored: StoredSessions, pages: Pages, events: Events
    ) -> None:
        self._events = events
        self._settings = settings
        self._stored = stored
        self._pages = pages

    async def __call__(
        self, scope: WebsocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer a page's socket."""
        if not from_own_page(scope, self._settings):
            # Before it is accepted, a socket that is closed is refused with 403.
            await send({"type": "websocket.close", "code": protocol.POLICY_VIOLATION, "reason": ""})
            return
        page = await self._join(scope, send)
        try:
            async with page.close_timeout:
                found = await self._read_session(page, scope) if page.goodbye is None else None
                await page.accept()
                if page.goodbye is None:
                    self._greet(page)
                    if found is not None:
                        self._pages.opened(page, found.user_id)
                        self._events.page_opened(page, page.session.id, found)
                # To the end, also after a goodbye: hypercorn sees the other side's close frame only
                # when what came before it has been read.
                while (message := await receive())["type"] != "websocket.disconnect":
                    if message["type"] == "websocket.receive" and page.goodbye is None:
                        self._take_frame(page, message)
            if page.goodbye is None and not page.unanswered:
                # The page was there until now.
                self._pages.note(page.session, SEEN_NOW)
        except TimeoutError:
            # Hypercorn tells a socket's end to the queue that was read here, and waits until it
            # takes it: one that a flood has filled is to be read until then.
            self._pages.tasks.start(read_away(receive))
        finally:
            self._pages.leave(page)
            page.stop()
            reason = None if page.goodbye is None else page.goodbye[1]
            self._events.page_closed(page, page.session.clocks, reason)

    # The handshake.

    async def _join(self, scope: WebsocketScope, send: ASGISendCallable) -> Page:
        """The page, which counts from now on; or one that is to be told why it does not."""
        id, refusal = None, (protocol.ENDED, UNKNOWN)
        try:
            id = await self._stored.id_in_cookies(scope)
        except StoreUnavailable:
            refusal = _STORE_DOWN
        if id is None:
            page = Page(OpenSession(""), send, set())
            page.close(*refusal)
        else:
            page = self._pages.join(id, send)
        page.connection_shared = is_shared(scope)
        return page

    async def _read_session(self, page: Page, scope: WebsocketScope) -> Record | None:
        """The page's session. The page has joined: it hears of an end in the meantime."""
        try:
            found = await self._stored.load_session(page.session.id)
        except StoreUnavailable:
            self._pages.close(page, *_STORE_DOWN)
            return None
        if not isinstance(found, Record):
            self._pages.close_as(page, found)
        elif (reason := user_mismatch(scope, found.user_id, self._settings)) is not None:
            self._pages.close(page, protocol.ENDED, reason)
        elif page.goodbye is None:
            self._pages.tell(page.session.id, found)
            return found
        return None

    def _greet(self, page: Page) -> None:
        session = page.session
        self._pages.note(session, SEEN_NOW)
        page.push(self._pages.state(session))
        if session.warned:
            page.push(protocol.warn(session.left(self._settings.limits)))

    # What the page says.

    def _take_frame(self, page: Page, message: WebsocketReceiveEvent) -> None:
        """Take in a frame from a page. Nothing here waits."""
        page.frames += 1
        if page.frames > _MOST_FRAMES:
            self._pages.close(page, protocol.POLICY_VIOLATION, "too many frames")
            return
        try:
            frame = protocol.parse(
                message.get("bytes") if message.get("text") is None else message["text"]
            )
        except FrameError as error:
            _log.debug("a page sent %s", error)
            self._pages.close(page, error.code, error.why)
            return
        if isinstance(frame, protocol.Pong):
            page.unanswered = 0
            self._pages.note(page.session, sign_of_life(frame, self._settings.keepalive))
        else:
            if page.wants is None or isinstance(frame, protocol.Extend):
                page.wants = frame
            if not page.answering:
                page.answering = True
                self._pages.tasks.start(self._answer(page))

    async def _answer(self, page: Page) -> None:
        """Answer what the page wants; what it wants in the meantime is answered together."""
        session = page.session
        try:
            while page.wants is not None and page.goodbye is None:
                wants, page.wants = page.wants, None
                warned = session.warned
                if isinstance(wants, protocol.Extend):
                    await self._pages.renew(session.id, ACTIVE_NOW)
                else:
                    self._pages.tell(session.id, await self._stored.load_session(session.id))
                all_told = warned and not session.warned
                if page.goodbye is None and not all_told:
                    page.push(self._pages.state(session))
        except StoreUnavailable:
            self._pages.close(page, *_STORE_DOWN)
        finally:
            page.answering = False

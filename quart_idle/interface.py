"""Quart's session interface: from the cookie to a session, and back."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from time import monotonic
from typing import Final

import quart
from quart import Quart, Response, Websocket, has_request_context, has_websocket_context
from quart.sessions import SessionInterface, SessionMixin
from quart.wrappers import BaseRequestWebsocket
from werkzeug.wrappers import Response as WerkzeugResponse

from .answering import answer_cookie, answer_error, cookie_attributes, streams, vary_by_cookie
from .checks import check_cookie, check_path
from .config import Settings
from .cookies import Token, first_living, tokens_in
from .devices import device_of
from .events import Events
from .exceptions import SessionEnded, StoreUnavailable, TooManySessions
from .files import StaticFiles
from .log import log_event
from .policy import Clocks, SignOfLife, deadline
from .quarts import current
from .reasons import REGENERATED, UNKNOWN
from .renewals import Renewals
from .request_activity import is_activity
from .request_session import RequestSession
from .session import Session
from .sessions import Sessions
from .states import Sight
from .stores.asking import ask
from .stores.base import Change, Ended, Record, reason_of
from .writing import SessionWriter

# How long a request takes for its end to be worth another note, in seconds.
_SLOW: Final = 1.0

_log = logging.getLogger("quart_idle")


class QuartIdleSessionInterface(SessionInterface):
    """Reads a request's session before the view and writes what changed after it.

    Args:
        settings: the application's settings, with the store.
        renewals: where activity goes.
        cookie_name: the cookie's name, read once as all parts must have the same.
        sessions: the sessions of users.
        events: is told of what happens to sessions.
        ended_wait: waits until a session is over; gives the reason.
    """

    def __init__(
        self,
        settings: Settings,
        renewals: Renewals,
        cookie_name: str,
        sessions: Sessions,
        events: Events,
        ended_wait: Callable[[str], Awaitable[str]],
    ) -> None:
        self.limits = settings.limits
        self.user_key = settings.user_key
        self.sign_in_url = settings.sign_in_url
        self.knows_users = settings.user_key is not None
        self._settings = settings
        self._store = settings.store
        self._patience = settings.patience
        self._renewals = renewals
        self._cookie_name = cookie_name
        self._files: StaticFiles | None = None
        # Where the application was mounted when that was looked at last.
        self._checked_root: str | None = None
        self._writer = SessionWriter(settings, events)
        self._sessions = sessions
        self._ended_wait = ended_wait

    def get_cookie_name(self, app: Quart) -> str:  # noqa: ARG002
        return self._cookie_name

    # Reading.

    async def open_session(self, app: Quart, request: BaseRequestWebsocket) -> Session:
        if request.root_path != self._checked_root:
            self._checked_root = request.root_path
            check_path(self.get_cookie_path(app), self._settings, request)
        session = Session(self)
        session._secure = request.is_secure
        session._can_set_cookie = not isinstance(request, Websocket)
        if self._settings.devices and session._can_set_cookie:
            # (Not a `partial`, whose `repr` in a traceback would show the cookie.)
            session._device = lambda: device_of(request.scope)
        session._cookie_tokens = tokens_in(request.scope, self._cookie_name)
        if not session._cookie_tokens:
            session._life.none_named()
            return session
        if self._files is None:
            self._files = StaticFiles(app, partial(self._read_after_all, app))
        if not self._files.include(request):
            await self._read(app, request, session)
        return session

    async def _read(
        self, app: Quart, request: BaseRequestWebsocket, session: RequestSession
    ) -> None:
        try:
            id, found = await first_living(session._cookie_tokens, self._load)
        except StoreUnavailable as error:
            # Raised when the session is touched: raised here, it would pass by the application's
            # error handlers, and fail requests that need no session.
            session._life.read_failed(error)
        else:
            self._fill(session, id, found)
            if isinstance(found, Record):
                # Now, and not when it is done: a slow view is within the time that it renewed.
                counts = partial(is_activity, app, request, self._files)
                left = deadline(found.clocks, self.limits)[0] - found.now
                session._arrival = self._renewals.note_arrival(id, counts, left)

    def _load(self, id: str) -> Awaitable[Record | Ended | None]:
        return ask(self._store.load(id), self._patience)

    async def reload(self, session: RequestSession) -> None:
        async with session._save_lock:
            await self._writer.take_back(session)
            id = session._life.stored_id
            ids = session._cookie_tokens if id is None else (id,)
            read = await first_living(ids, self._load) if ids else None
            session._drop()
            if read is None:
                session._life.none_named()
            else:
                self._fill(session, *read)

    def _fill(self, session: RequestSession, id: str, found: Record | Ended | None) -> None:
        """Fill a session that has nothing in it."""
        if isinstance(found, Record):
            session._found(id, found)
            session._unwritten = self._renewals.unwritten(id)
        else:
            superseded = found is not None and found.superseded
            if found is not None and found.reason != REGENERATED:
                log_event("session_use_after_expire", None, id)
            session._life.found_over(reason_of(found), superseded=superseded)

    async def _read_after_all(self, app: Quart) -> None:
        """The session of a static file's request, which is answered by an error page."""
        session = current(quart.session)
        if type(session) is Session:
            async with session._save_lock:  # a task may be reading it, too
                if session._life.was_not_tried:
                    await self._read(app, current(quart.request), session)

    async def save(self, session: RequestSession) -> None:
        await self._writer.save(session)

    async def end_others(self, session: RequestSession, reason: str) -> int:
        if session._may_have_changed():
            await self.save(session)
        id, user_id = session._life.id, session._contents.user_id
        if id is None or user_id is None:
            raise RuntimeError("nobody is signed in: there are no others of this user's")
        if not isinstance(await self._load(id), Record):
            # A change of nothing is answered by whatever id the session has by now, as this user's.
            # (A full Redis takes no change at all: it is asked for only here.)
            own = await ask(self._store.save(id, Change({}, {})), self._patience)
            if own is None:
                raise SessionEnded(f"the session {id} was over before it could end others")
            id = own.id
        return await self._sessions.end_all(user_id, keep=id, reason=reason)

    async def ended_wait(self, session: RequestSession) -> str:
        ended, id = session._life.ended, session._life.stored_id
        # An end that is to be saved yet is not waited for: whoever waits may be in its way.
        return await self._ended_wait(id) if ended is None and id is not None else ended or UNKNOWN

    def renewed(self, session: RequestSession, clocks: Clocks, now: float) -> Clocks:
        id = session._life.stored_id or ""
        return self._renewals.renewed(id, clocks, now, session._unwritten)

    def close(self) -> None:
        self._writer.close()

    # Answering.

    async def save_session(
        self, app: Quart, session: SessionMixin, response: Response | WerkzeugResponse | None
    ) -> None:
        if type(session) is not Session:
            return
        saved_before = session._cookie
        arrival = session._arrival
        if arrival is not None:
            self._renewals.judge(arrival)
        life = session._life
        if life.sight is Sight.OPEN and not session._save_failed and session._may_have_changed():
            try:
                await self.save(session)
            except SessionEnded as error:
                _log.info("changes were dropped: %s", error)
                session._cookie = None
            except StoreUnavailable as error:
                life.write_failed(error)
                if response is not None:
                    await answer_error(app, response, error)
            except Exception as error:
                if isinstance(error, TooManySessions):
                    try:
                        await self.reload(session)  # nobody is signed in by this
                    except StoreUnavailable as fault:
                        life.write_failed(fault)
                        error = fault
                session._save_failed = True
                if response is None:
                    raise
                await answer_error(app, response, error)
        if response is None:
            return
        if arrival is not None and life.id is not None:
            slow = monotonic() - arrival.moment > _SLOW
            if slow or life.id != arrival.id:
                # Whoever waited for this was there until now; and it counts for a new id, too.
                sign = SignOfLife(0.0, 0.0 if arrival.is_activity() else None)
                self._renewals.note(life.id, sign, left=0.0 if slow else inf)
        if session.accessed or streams(response):
            vary_by_cookie(response)
            if isinstance(life.fault, StoreUnavailable) and response.status_code == 503:
                response.headers.setdefault("Retry-After", str(life.fault.RETRY_AFTER))
        if session._can_set_cookie and session._cookie is not None:
            if session._cookie == saved_before:
                await self._look_at_cookie(session, session._cookie.token)
            if session._cookie is not None:
                token, attributes = session._cookie.token, cookie_attributes(self, app, session)
                check_cookie(self._cookie_name, attributes, self._settings)
                answer_cookie(response, self._cookie_name, token, attributes, session, self.limits)
        session._can_set_cookie = False

    async def _look_at_cookie(self, session: RequestSession, token: Token | None) -> None:
        """Send the client's own token again only if it has no newer one by now."""
        if token not in session._cookie_tokens.values():
            return
        try:
            found = await self._load(session._life.id or "")
        except StoreUnavailable:
            found = None
        if not isinstance(found, Record):
            session._cookie = None


def acting_session() -> str | None:
    """The id of the session whose request is under way; None: there is no such request."""
    if has_request_context() or has_websocket_context():
        session = current(quart.session)
        if type(session) is Session:
            return session._life.stored_id
    return None

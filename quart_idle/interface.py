"""Quart's session interface: from the cookie to a session, and back."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from inspect import isawaitable
from math import ceil
from time import monotonic
from typing import Any, Final

from quart import Quart, Response, Websocket
from quart.sessions import SessionInterface, SessionMixin
from quart.wrappers import BaseRequestWebsocket
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

from .config import Settings
from .exceptions import SessionEnded, SessionTooLarge, StoreUnavailable
from .policy import Activity, deadline, lifetime_end
from .renewals import Renewals
from .session import Session, id_of, named_in, new_token
from .stores.base import Attributes, Change, Ended, Record, ask

#: The attribute by which a view says that its requests are not activity.
PASSIVE: Final = "quart_idle_passive"

# The longest that browsers keep a cookie, in seconds (RFC 6265bis, section 5.6.2).
_LONGEST_COOKIE: Final = 400 * 86_400

# How long a request takes for its end to be worth another note, in seconds.
_SLOW: Final = 1.0

_log = logging.getLogger("quart_idle")


def _is_static(endpoint: str) -> bool:
    """Whether this is Quart's endpoint for files, the application's or a blueprint's."""
    return endpoint.rpartition(".")[2] == "static"


class QuartIdleSessionInterface(SessionInterface):
    """Reads a request's session before the view and writes what changed after it.

    Args:
        settings: the application's settings, with the store.
        renewals: where activity goes.
    """

    def __init__(self, settings: Settings, renewals: Renewals) -> None:
        self.limits = settings.limits
        self._settings = settings
        self._store = settings.store
        self._timeout = settings.store_timeout
        self._renewals = renewals
        self._static_paths: tuple[str, ...] | None = None

    # Reading.

    async def open_session(self, app: Quart, request: BaseRequestWebsocket) -> Session:
        session = Session(self)
        session._secure = request.is_secure
        session._answerable = not isinstance(request, Websocket)
        session._named = named_in(request.scope, self.get_cookie_name(app))
        if session._named is None:
            return session
        if self._is_plain_static(app, request):
            session._fault = RuntimeError(
                "the session is not read for static files; await session.reload() reads it"
            )
            return session
        try:
            found = await ask(self._store.load(session._named), self._timeout)
        except StoreUnavailable as error:
            # Raised when the session is touched: raised here, it would pass by the application's
            # error handlers, and fail requests that need no session.
            session._fault = error
        else:
            self._take(session, session._named, found)
            if session._clocks is not None:
                # Now, and not when it is done: a slow view is within the time that it renewed.
                session._is_activity = partial(self._is_activity, app, request)
                left = deadline(session._clocks, self.limits)[0] - session._offset - monotonic()
                session._arrived = self._renewals.note_arrival(
                    session._named, session._is_activity, left
                )
        return session

    async def reload(self, session: Session) -> None:
        id = session._id or session._named
        found = None if id is None else await ask(self._store.load(id), self._timeout)
        session._fault = None
        session._detach()
        if id is not None:
            self._take(session, id, found)

    def _take(self, session: Session, id: str, found: Record | Ended | None) -> None:
        """Fill a session that has nothing in it."""
        if isinstance(found, Record):
            session._attach(id, found.data, found.user_id, found.clocks, found.now)
        elif found is not None:
            session._ended = found.reason
            session._superseded = found.superseded
        else:
            session._ended = "unknown"

    def _is_plain_static(self, app: Quart, request: BaseRequestWebsocket) -> bool:
        """Whether this is for a static file, and nothing of the application looks on.

        The route is not matched yet when a session is opened, so paths that look like it are
        matched here.
        """
        if self._static_paths is None:
            self._static_paths = tuple(
                rule.rule.partition("<")[0]
                for rule in app.url_map.iter_rules()
                if _is_static(rule.endpoint)
            )
        if not request.path.startswith(self._static_paths):
            return False
        if any(app.before_request_funcs.values()) or any(app.after_request_funcs.values()):
            return False
        adapter = app.create_url_adapter(request)
        try:
            endpoint, _ = adapter.match() if adapter is not None else ("", None)
        except HTTPException:
            return False
        return _is_static(endpoint)

    @staticmethod
    def _is_activity(app: Quart, request: BaseRequestWebsocket) -> bool:
        endpoint = request.endpoint or ""
        view = app.view_functions.get(endpoint)
        return view is not None and not _is_static(endpoint) and not getattr(view, PASSIVE, False)

    # Writing.

    async def save(self, session: Session) -> None:
        if session._saving is None:
            session._saving = asyncio.Lock()
        async with session._saving:
            await self._save(session)

    async def _save(self, session: Session) -> None:
        if session._over is not None:
            await self._end(session, *session._over)
        if session._id is None:
            if session._holds_data() and not (session._superseded and session._user_id is None):
                await self._create(session)
        elif session._cleared and not session._holds_data():
            session.end()
            await self._save(session)
        else:
            await self._change(session, session._id)

    async def _end(self, session: Session, id: str, reason: str) -> None:
        ended = await ask(self._store.end(id, reason), self._timeout)
        session._over = session._token = None
        # If it was over before, or has another token, a newer cookie may be on its way.
        session._forget_cookie = ended == id
        session._superseded = ended != id

    async def _create(self, session: Session) -> None:
        change = self._change_of(session)
        token = self._new_token(session)
        id = id_of(token)
        clocks = await ask(self._store.create(id, change), self._timeout)
        session._written(change.fields)
        session._id, session._token = id, token
        session._clocks = clocks
        session._offset = clocks.created - monotonic()
        session._ended = None

    async def _change(self, session: Session, id: str) -> None:
        change = self._change_of(session)
        if session._token_wanted or session._cleared or "user_id" in change.attributes:
            token = self._new_token(session)
            new_id = id_of(token)
            if not await ask(self._store.regenerate(id, new_id, change), self._timeout):
                raise SessionEnded(f"the session {id} was over before its token could be changed")
            session._id, session._token = new_id, token
        elif change.fields or change.attributes:
            if not await ask(self._store.save(id, change), self._timeout):
                raise SessionEnded(f"the session {id} was over before it could be saved")
        else:
            return
        session._written(change.fields)

    def _change_of(self, session: Session) -> Change:
        attributes: Attributes = {}
        if session._user_id != session._base_user_id or session._cleared:
            attributes["user_id"] = session._user_id
        if session._timeout_set or session._cleared:
            attributes["timeout"] = session._own_timeout
        fields = session._changes()
        if (fields or attributes) and (size := session._size(fields)) > self._settings.max_size:
            raise SessionTooLarge(
                f"the session's data takes {size} bytes; "
                f"QUART_IDLE_MAX_SIZE allows {self._settings.max_size}"
            )
        return Change(fields, attributes, session._cleared)

    def _new_token(self, session: Session) -> str:
        if not session._answerable:
            raise RuntimeError(
                "this change of the session needs a new cookie, and there is no response (any "
                "more) that could carry it; make it in an HTTP request, before the response"
            )
        return new_token()

    # Answering.

    async def save_session(
        self, app: Quart, session: SessionMixin, response: Response | WerkzeugResponse | None
    ) -> None:
        if type(session) is not Session:
            return
        if session._fault is None and not session._spoiled and session._may_have_changed():
            try:
                await self.save(session)
            except SessionEnded as error:
                _log.info("changes were dropped: %s", error)
                session._token, session._forget_cookie = None, False
            except StoreUnavailable as error:
                session._fault = error
                if response is not None:
                    await self._answer_unavailable(app, response, error)
            except Exception:
                session._spoiled = True
                raise
        if response is None:
            return
        is_activity, took = session._is_activity, monotonic() - session._arrived
        if is_activity is not None and session._id is not None and took > _SLOW:
            # Whoever waited for this was there until now.
            self._renewals.note(
                session._id, Activity(0.0, 0.0 if is_activity() else None), left=0.0
            )
        if session.accessed:
            if "Vary" in response.headers:
                response.vary.add("Cookie")
            else:  # the same, and quicker
                response.headers.add("Vary", "Cookie")
            if isinstance(session._fault, StoreUnavailable) and response.status_code == 503:
                response.headers.setdefault("Retry-After", str(session._fault.RETRY_AFTER))
        if session._fault is None and not session._spoiled and session._answerable:
            self._answer_cookie(app, session, response)
        session._answerable = False

    async def _answer_unavailable(
        self, app: Quart, response: Response | WerkzeugResponse, error: StoreUnavailable
    ) -> None:
        """Make the response what the application answers to a 503.

        Raising the error here would pass by the application's handlers.
        """
        answer = await app.make_response(await app.handle_user_exception(error))
        data = answer.get_data()
        response.status_code = answer.status_code
        response.headers.clear()
        response.headers.extend(answer.headers)
        response.set_data(await data if isawaitable(data) else data)

    def _answer_cookie(
        self, app: Quart, session: Session, response: Response | WerkzeugResponse
    ) -> None:
        if session._token is None and not session._forget_cookie:
            return
        attributes: dict[str, Any] = {
            "domain": self.get_cookie_domain(app),
            "path": self.get_cookie_path(app),
            "httponly": self.get_cookie_httponly(app),
            "samesite": self.get_cookie_samesite(app) or "Lax",
            "secure": self.get_cookie_secure(app) or session._secure,
            "partitioned": self.get_cookie_partitioned(app),
        }
        if session._token is None:
            response.delete_cookie(self.get_cookie_name(app), **attributes)
        else:
            if session.permanent and session._clocks is not None:
                end = lifetime_end(session._clocks, self.limits)
                now = session._offset + monotonic()
                left = _LONGEST_COOKIE if end is None else ceil(end - now)
                attributes["max_age"] = max(1, min(left, _LONGEST_COOKIE))
            response.set_cookie(self.get_cookie_name(app), session._token, **attributes)
        response.headers["Cache-Control"] = "no-store"

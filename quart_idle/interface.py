"""Quart's session interface: from the cookie to a session, and back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from math import ceil
from time import monotonic
from typing import Any, Final

import quart
from quart import Quart, Response, Websocket
from quart.sessions import SessionInterface, SessionMixin
from quart.wrappers import BaseRequestWebsocket
from werkzeug.wrappers import Response as WerkzeugResponse

from .checks import check_cookie, check_path
from .config import Settings
from .cookies import first_living, id_of, named_in, new_token
from .exceptions import SessionEnded, SessionTooLarge, StoreUnavailable
from .files import StaticFiles
from .policy import Activity, deadline, lifetime_end
from .quarts import current, handle_error
from .renewals import Renewals
from .session import Move, Session
from .stores.base import SIGNED_OUT, Attributes, Change, Changed, Ended, Record, ask

#: The attribute by which a view says that its requests are not activity.
PASSIVE: Final = "quart_idle_passive"

# The longest that browsers keep a cookie, in seconds (RFC 6265bis, section 5.6.2).
_LONGEST_COOKIE: Final = 400 * 86_400

# How long a request takes for its end to be worth another note, in seconds.
_SLOW: Final = 1.0

# How often a session is asked back to the token that its client has, once a second.
_RETURNS: Final = 60

_log = logging.getLogger("quart_idle")


class QuartIdleSessionInterface(SessionInterface):
    """Reads a request's session before the view and writes what changed after it.

    Args:
        settings: the application's settings, with the store.
        renewals: where activity goes.
        cookie_name: the cookie's name, read once as all parts must have the same.
    """

    def __init__(self, settings: Settings, renewals: Renewals, cookie_name: str) -> None:
        self.limits = settings.limits
        self.user_key = settings.user_key
        self.knows_users = settings.user_key is not None
        self._missed_users = False
        self._settings = settings
        self._store = settings.store
        self._patience = settings.patience
        self._renewals = renewals
        self._cookie_name = cookie_name
        self._files: StaticFiles | None = None
        # Strong references: a loop has only weak ones.
        self._returns: set[asyncio.Task[None]] = set()

    def miss_users(self) -> None:
        """Say once what an application misses that has no notion of users."""
        if not self._missed_users:
            self._missed_users = True
            _log.warning(
                "the client goes into the page of a session without a user, as no session has had "
                "one yet: without users, visitors who never signed in are warned, and nobody can "
                "sign in again in place or keep drafts; set session.user_id where a user signs in, "
                "or QUART_IDLE_USER_KEY to the key of the session that names the user"
            )

    def get_cookie_name(self, app: Quart) -> str:  # noqa: ARG002
        return self._cookie_name

    # Reading.

    async def open_session(self, app: Quart, request: BaseRequestWebsocket) -> Session:
        check_path(self.get_cookie_path(app), self._settings, request)
        session = Session(self)
        session._secure = request.is_secure
        session._answerable = not isinstance(request, Websocket)
        session._named = named_in(request.scope, self._cookie_name)
        if not session._named:
            return session
        if self._files is None:
            self._files = StaticFiles(app, partial(self._read_after_all, app))
        if self._files.include(request):
            session._fault = RuntimeError(
                "the session is not read for static files; await session.reload() reads it"
            )
        else:
            await self._read(app, request, session)
        return session

    async def _read(self, app: Quart, request: BaseRequestWebsocket, session: Session) -> None:
        try:
            id, found = await first_living(session._named, self._load)
        except StoreUnavailable as error:
            # Raised when the session is touched: raised here, it would pass by the application's
            # error handlers, and fail requests that need no session.
            session._fault = error
        else:
            session._fault = None
            self._take(session, id, found)
            if session._clocks is not None:
                # Now, and not when it is done: a slow view is within the time that it renewed.
                session._is_activity = partial(self._is_activity, app, request)
                left = deadline(session._clocks, self.limits)[0] - session._offset - monotonic()
                arrival = self._renewals.note_arrival(id, session._is_activity, left)
                session._arrived = arrival.moment
                session._routed = partial(self._renewals.judge, arrival)

    async def _load(self, id: str) -> Record | Ended | None:
        return await ask(self._store.load(id), self._patience)

    async def reload(self, session: Session) -> None:
        async with self._alone(session):
            if session._move is not None:
                await self._take_back(session._move)
                session._move = None
            id = session._over[0] if session._over is not None else session._id
            ids = session._named if id is None else (id,)
            read = await first_living(ids, self._load) if ids else None
            session._fault = session._over = None
            session._detach()
            if read is not None:
                self._take(session, *read)

    def _take(self, session: Session, id: str, found: Record | Ended | None) -> None:
        """Fill a session that has nothing in it."""
        if isinstance(found, Record):
            clocks = self._renewals.renewed(id, found.clocks, found.now)
            session._attach(id, found.data, found.user_id, clocks, found.now)
        elif found is not None:
            session._ended = found.reason
            session._superseded = found.superseded
        else:
            session._ended = "unknown"

    async def _read_after_all(self, app: Quart) -> None:
        """The session of a static file's request, which is answered by an error page."""
        session = current(quart.session)
        if type(session) is Session and isinstance(session._fault, RuntimeError):
            await self._read(app, current(quart.request), session)

    def _is_activity(self, app: Quart, request: BaseRequestWebsocket) -> bool:
        endpoint = request.endpoint or ""
        view = app.view_functions.get(endpoint)
        return (
            view is not None
            and (self._files is None or endpoint not in self._files.endpoints)
            and not getattr(view, PASSIVE, False)
        )

    # Writing.

    async def save(self, session: Session) -> None:
        async with self._alone(session):
            await self._save(session)

    @staticmethod
    def _alone(session: Session) -> asyncio.Lock:
        if session._saving is None:
            session._saving = asyncio.Lock()
        return session._saving

    async def _save(self, session: Session) -> None:
        """Write what there is to write.

        Every wait is one in which the session can be changed, cleared or ended by others that
        have it: `Session._written` keeps what is newer than what was written.
        """
        if session._over is not None:
            await self._end(session, *session._over)
        if session._id is None:
            if session._holds_data() and not (session._superseded and session._user_id is None):
                await self._create(session)
        elif session._move is not None:
            self._need_answer(session)
            # The very same again, since it may have happened; then what was changed since.
            await self._regenerate(session, session._move)
            await self._save(session)
        elif session._has_signed_out():
            if session._holds_data():  # which is a new session's
                self._need_answer(session)
            session._over = session._id, SIGNED_OUT
            session._begin_anew(SIGNED_OUT)
            await self._save(session)
        else:
            await self._change(session, session._id)

    async def _end(self, session: Session, id: str, reason: str) -> None:
        ended = await ask(self._store.end(id, reason), self._patience)
        own = {id} if session._move is None else {id, session._move.new_id}
        session._over = session._token = session._move = None
        # If it was over before, or has another token, a newer cookie may be on its way.
        session._forget_cookie = ended in own
        session._superseded = ended not in own

    async def _create(self, session: Session) -> None:
        base, change = session._base, self._change_of(session)
        self._need_answer(session)
        token = new_token()
        id = id_of(token)
        clocks = await ask(self._store.create(id, change), self._patience)
        if session._base is not base:  # it was over before it began
            await ask(self._store.end(id, SIGNED_OUT), self._patience)
            return
        session._id, session._token = id, token
        session._clocks = clocks._replace(timeout=session._own_timeout)
        session._offset = clocks.created - monotonic()
        session._ended = None
        session._written(change, base)

    async def _change(self, session: Session, id: str) -> None:
        another = session._cleared or session._user_id != session._base_user_id
        base, change = session._base, self._change_of(session)
        if session._token_wanted or another:
            if session._holds_data():
                self._need_answer(session)
            await self._regenerate(session, Move(id, new_token(id), change, base))
        elif change.fields or change.attributes:
            changed = await ask(self._store.save(id, change), self._patience)
            self._settle(session, id, changed, change, base)

    @staticmethod
    def _settle(
        session: Session,
        id: str,
        changed: Changed | None,
        change: Change,
        base: Mapping[str, bytes],
    ) -> None:
        """Take in what became of a change, and of the session that had this id.

        Where it has another by now, a newer cookie is on its way, and none is sent.
        """
        if changed is None:
            raise SessionEnded(f"the session {id} was over before it could be changed")
        token = session._token or session._token_again(change)
        session._written(change, base)
        if changed.ended:
            session._begin_anew(SIGNED_OUT)
            session._over = session._token = None
            session._forget_cookie = changed.id == id
            session._superseded = changed.id != id
        elif session._id == id:
            session._id, session._token = changed.id, token if changed.id == id else None

    async def _regenerate(self, session: Session, move: Move) -> None:
        again, session._move = session._move is move, move
        try:
            call = self._store.regenerate(move.id, move.new_id, move.change)
            changed = await ask(call, self._patience)
        except BaseException:
            # Whoever is not told whether the token has changed is not told the new one: the client
            # is answered 503, or has gone.
            if not again and move.undo is not None:
                task = asyncio.get_running_loop().create_task(self._return(session, move))
                self._returns.add(task)
                task.add_done_callback(self._returns.discard)
            raise
        session._move = None
        if changed is None and not move.change.anew:
            # Another request may have changed the token alone: what is written belongs to the same
            # session still.
            changed = await ask(self._store.save(move.id, move.change), self._patience)
        if changed is None or changed.id != move.new_id:
            self._settle(session, move.id, changed, move.change, move.base)
            session._token_wanted = False
        elif session._over is not None:
            session._over = move.new_id, session._over[1]
        else:
            session._id, session._token = move.new_id, move.token
            session._token_wanted = False
            session._written(move.change, move.base)

    async def _return(self, session: Session, move: Move) -> None:
        """Have a session go back to the token that its client has, lest it be signed out."""
        await asyncio.sleep(0)  # who asked may ask again: that goes first, as long as it is quick
        for _ in range(_RETURNS):
            async with self._alone(session):
                if session._move is not move:  # it was asked for again, and answered
                    return
                # That it has not moved is no end: a slow store may get to that only now.
                with suppress(StoreUnavailable):
                    if await self._take_back(move):
                        session._move = None
                        return
            await asyncio.sleep(1.0)

    async def _take_back(self, move: Move) -> bool:
        undo = move.undo
        if undo is None:
            return False
        call = self._store.regenerate(move.new_id, move.id, undo)
        return await ask(call, self._patience) is not None

    def close(self) -> None:
        for task in self._returns:
            task.cancel()

    def _change_of(self, session: Session) -> Change:
        attributes: Attributes = {}
        if session._adopts or session._cleared or session._user_id != session._base_user_id:
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

    @staticmethod
    def _need_answer(session: Session) -> None:
        if not session._answerable:
            raise RuntimeError(
                "this change of the session needs a new cookie, and there is no response (any "
                "more) that could carry it; make it in an HTTP request, before the response"
            )

    # Answering.

    async def save_session(
        self, app: Quart, session: SessionMixin, response: Response | WerkzeugResponse | None
    ) -> None:
        if type(session) is not Session:
            return
        saved_before = session._token
        if session._routed is not None:
            session._routed()
            session._routed = None
        if session._fault is None and not session._spoiled and session._may_have_changed():
            try:
                await self.save(session)
            except SessionEnded as error:
                _log.info("changes were dropped: %s", error)
                session._token, session._forget_cookie = None, False
            except StoreUnavailable as error:
                session._fault, session._told = error, True
                if response is not None:
                    await self._answer_error(app, response, error)
            except Exception as error:
                session._spoiled = True
                if response is None:
                    raise
                await self._answer_error(app, response, error)
        if response is None:
            return
        is_activity, took = session._is_activity, monotonic() - session._arrived
        if is_activity is not None and session._id is not None and took > _SLOW:
            # Whoever waited for this was there until now.
            self._renewals.note(
                session._id, Activity(0.0, 0.0 if is_activity() else None), left=0.0
            )
        # A body that is still to be made may look at the session when the headers are gone.
        streams = isinstance(response, Response) and isinstance(
            response.response, response.iterable_body_class
        )
        if session.accessed or streams:
            if "Vary" in response.headers:
                response.vary.add("Cookie")
            else:  # the same, and quicker
                response.headers.add("Vary", "Cookie")
            if isinstance(session._fault, StoreUnavailable) and response.status_code == 503:
                response.headers.setdefault("Retry-After", str(session._fault.RETRY_AFTER))
        if session._answerable:
            if saved_before in session._named.values() and session._token == saved_before:
                await self._look_at_token(session)
            self._answer_cookie(app, session, response)
        session._answerable = False

    async def _look_at_token(self, session: Session) -> None:
        """Send the client's own token again only if it has no newer one by now."""
        try:
            found = await self._load(session._id or "")
        except StoreUnavailable:
            found = None
        if not isinstance(found, Record):
            session._token = None

    async def _answer_error(
        self, app: Quart, response: Response | WerkzeugResponse, error: Exception
    ) -> None:
        """Make the response what the application answers to an error; raise what it does not.

        Raising the error here at once would pass by the application's handlers.
        """
        answer = await app.make_response(await handle_error(app, error))
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
        check_cookie(self._cookie_name, attributes, self._settings)
        if session._token is None:
            response.delete_cookie(self._cookie_name, **attributes)
        else:
            if session.permanent and session._clocks is not None:
                end = lifetime_end(session._clocks, self.limits)
                now = session._offset + monotonic()
                left = _LONGEST_COOKIE if end is None else ceil(end - now)
                attributes["max_age"] = max(1, min(left, _LONGEST_COOKIE))
            response.set_cookie(self._cookie_name, session._token, **attributes)
        response.headers["Cache-Control"] = "no-store"

"""`QuartIdle`: puts the parts together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, Unpack, overload
from weakref import WeakKeyDictionary

from quart import Quart, current_app

from .bound import bind, check_order
from .checks import check_place, check_sharing, check_start
from .config import Options, read
from .draft_view import add_draft_view
from .events import Events
from .exceptions import ConfigError, StoreUnavailable
from .fresh import duration, require_proof
from .front import stand_in_front
from .interface import QuartIdleSessionInterface, acting_session
from .online import Online
from .policy import SignOfLife
from .presence import Presence
from .quarts import current
from .renewals import Renewals
from .reports import Reports
from .request_activity import PASSIVE
from .routes import Routes
from .session_view import add_session_view
from .sessions import Sessions
from .siblings import warn_of_siblings
from .stores.asking import Patience, ask
from .stores.base import Ended, Live, Times, UserStore
from .stores.memory import MemoryStore
from .templates import add_to_templates

_NAME = "quart_idle"

#: How long what counts for `QuartIdle.presence`.
TIMES = Times()

_View = TypeVar("_View", bound=Callable[..., Any])
_T = TypeVar("_T")


class QuartIdle:
    """Server-side sessions that end when nobody is there any more, and never while somebody is.

    Args:
        app: the application; without it, call `init_app` later.
        **options: the configuration's keys, lower-case and without ``QUART_IDLE_``; they go before
            the application's configuration. Durations are a `timedelta` or seconds.

    Raises:
        ConfigError: a setting is unknown or wrong.
    """

    def __init__(self, app: Quart | None = None, **options: Unpack[Options]) -> None:
        self._options = options
        # Views that are bound: an application that has none is called as ever.
        self._bound: list[Callable[..., Any]] = []
        self._fresh: list[Callable[..., Any]] = []
        self._sessions: WeakKeyDictionary[Quart, Sessions] = WeakKeyDictionary()
        self._online: WeakKeyDictionary[Quart, Online] = WeakKeyDictionary()
        del options  # a traceback may show the variables: the store's URL can hold a password
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Give an application its sessions. Its configuration is read here, once.

        Raises:
            ConfigError: a setting is unknown or wrong, or the application has the extension.
        """
        if _NAME in app.extensions:
            raise ConfigError("this application has its QuartIdle already")
        try:
            settings = read(app.config, self._options, Path(app.instance_path))
        except ConfigError as error:
            # Not from where it happened: the variables there are what the application configured.
            raise error.with_traceback(None) from None

        async def renew(
            signs: Mapping[str, SignOfLife],
        ) -> Mapping[str, Live | Ended | None]:
            return await ask(settings.store.renew(signs), settings.patience)

        renewals = Renewals(renew, lambda id, outcome: presence.tell(id, outcome))
        cookie_name = app.config["SESSION_COOKIE_NAME"]
        reports = Reports(
            settings, TIMES, lambda: events.wants_users(), lambda it: events.users_changed(it)
        )
        sessions = self._sessions[app] = Sessions(settings, renewals, reports, acting_session)
        self._online[app] = Online(settings, TIMES, reports)
        events = Events(app, settings, sessions)
        presence = Presence(settings, renewals, cookie_name, events, reports)
        interface = QuartIdleSessionInterface(
            settings, renewals, cookie_name, sessions, events, presence.ended_wait
        )
        settings.store.bind(
            settings.limits, presence.tell, settings.key_prefix, settings.store_timeout
        )
        events.bind()

        check_place(app)
        app.session_interface = interface  # type: ignore[assignment]
        app.extensions[_NAME] = self
        add_to_templates(app.jinja_env, settings, interface, lambda: bool(self._fresh))
        routes = Routes(settings, presence)
        answering = stand_in_front(app, settings, presence, routes, lambda: bool(self._bound))
        if settings.drafts is not None:
            add_draft_view(app, settings, settings.drafts, presence)
        if isinstance(settings.store, UserStore):
            add_session_view(app, settings, sessions)

        # Neither of these two is told how long it may take.
        patient = Patience(settings.store_timeout, settings.outage)

        @app.before_serving
        async def open() -> None:
            check_order(app, "bound", self._bound)
            check_order(app, "fresh", self._fresh)
            check_start(app, settings, interface, answering)
            if isinstance(settings.store, MemoryStore):
                warn_of_siblings(app)
            try:
                await ask(settings.store.open(), patient)
                await check_sharing(app, settings)
            except StoreUnavailable as error:  # the log has it; it may come back
                if isinstance(error.__cause__, ConfigError):
                    raise error.__cause__ from None
            events.open()
            reports.open()

        @app.after_serving
        async def close() -> None:
            interface.close()
            presence.close()
            with suppress(StoreUnavailable):  # the log has it
                await renewals.flush()
            await reports.close()
            await events.close()
            with suppress(StoreUnavailable):
                await ask(settings.store.close(), patient)

    @property
    def sessions(self) -> Sessions:
        """The sessions of users: list them, and end them.

        Raises:
            RuntimeError: there is no application yet; or there are several, and none of them is the
                current one.
        """
        return _of_application(self._sessions, "sessions")

    @property
    def presence(self) -> Online:
        """Who has a page open, on all workers.

        Raises:
            RuntimeError: there is no application yet; or there are several, and none of them is the
                current one.
        """
        return _of_application(self._online, "presence")

    @staticmethod
    def passive(view: _View) -> _View:
        """Mark a view whose requests are not activity, such as one that a page polls.

        It works above or below the decorator that routes it, on an application or a blueprint.
        """
        setattr(view, PASSIVE, True)
        return view

    @overload
    def bound(self, view: _View) -> _View: ...

    @overload
    def bound(self, *, activity: bool = False) -> Callable[[_View], _View]: ...

    def bound(self, view: _View | None = None, *, activity: bool = False) -> Any:
        """Have a WebSocket view, or a view that streams its response, end with the session.

        It stands below the decorator that routes the view, and below one that wants a user. To the
        view an end is what it is when its client leaves. The socket is closed with 4401 and the
        reason, within a second, on every worker; a stream is cut. A changed token ends neither,
        another user both (the socket with 4409: reconnect). Where no session is, the view of a
        socket is not called; a stream is answered 401. Other responses of the view are as ever.

        Args:
            view: the view.
            activity: whether each message that comes on the socket is activity.
        """
        if view is None:
            return partial(self.bound, activity=activity)
        bound = bind(view, activity=activity)
        self._bound.append(bound)
        return bound

    def fresh(self, within: timedelta | float) -> Callable[[_View], _View]:
        """Have a view called only for a user who proved lately who they are.

        A sign-in does that, and ``session.authenticated()``; setting the same user again does not.
        Else `ReauthenticationRequired` is raised, before the view is called; nobody is signed out
        by it. It stands below the decorator that routes the view. The handshake of a WebSocket is
        refused.

        Args:
            within: for how long a proof is enough; a timedelta or seconds.

        Raises:
            ValueError: it is something else, or nothing or less.
        """
        limit = duration(within)

        def decorate(view: _View) -> _View:
            fresh = require_proof(view, limit)
            self._fresh.append(fresh)
            return fresh

        return decorate


def _of_application(parts: Mapping[Quart, _T], name: str) -> _T:
    """The current application's, or the only one's."""
    if current_app and (found := parts.get(current(current_app))) is not None:
        return found
    if len(parts) == 1:
        return next(iter(parts.values()))
    raise RuntimeError(
        f"idle.{name} is of one application: give QuartIdle its application first, and where it "
        "has several, use this in a request or in `async with app.app_context():`"
    )

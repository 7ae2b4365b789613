"""quart-auth's users in the session.

What is touched of quart-auth beside the methods that its guides name:
`QuartAuth._template_context`, its list of extensions, ``app.extensions["QUART_AUTH"]``, and what
they have there: `singleton`, `mode`, `cookie_name`.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, cast

import quart
from quart import (
    Quart,
    Response,
    current_app,
    g,
    has_request_context,
    has_websocket_context,
    request,
    websocket,
)
from quart.typing import TestClientProtocol
from quart_auth import Action, AuthUser, QuartAuth
from werkzeug.local import LocalProxy

from ...exceptions import ConfigError
from ...files import sessionless
from ...interface import QuartIdleSessionInterface
from ...quarts import current, handle_error
from ...session import Session
from ...states import Sight
from .settings import EXTENSIONS, OWN_SETTINGS, TOKENS, check_alone, check_setting

# Where quart-auth keeps its user, if nothing else is said.
_OLD_COOKIE: Final = "QUART_AUTH"


class _Held(NamedTuple):
    """The user of a request."""

    user: AuthUser
    #: Whose the session was then; or that it does not matter, as the user is this request's only.
    owner: str | None
    detached: bool
    #: What has been done of the user's `action`.
    done: Action
    #: The request: one context of the application may have several, as a test's has.
    request: object


class IdleAuth(QuartAuth):
    """quart-auth with its user in quart-idle's session: `session.user_id` is the user's `auth_id`.

    There is no cookie but the session's: who is signed in is whose session lives.

    - ``login_user(user)`` signs the session in, under a new token. What a visitor's session holds
      is kept; of another user's nothing is. For who is signed in already it is a proof of who they
      are (``session.authenticated()``).
    - ``remember=True`` and ``renew_login()`` have the cookie outlive the browser
      (``session.permanent``). ``renew_login()`` proves nothing: the token stays.
    - ``logout_user()`` ends the session, with all that it holds.

    Args:
        app: the application; without it, call `init_app` later. It has a `QuartIdle`, which may be
            made before this or after it.
        attribute_name: where the request's user is kept, on `quart.g`.
        singleton: whether quart-auth's own functions and templates mean this one.
        user_class: the class of users.

    Raises:
        ConfigError: a setting is of quart-auth's own cookie or tokens, of which there are none.
    """

    def __init__(
        self,
        app: Quart | None = None,
        *,
        attribute_name: str | None = None,
        singleton: bool = True,
        user_class: type[AuthUser] | None = None,
        **others: Any,
    ) -> None:
        for name, value in others.items():
            check_setting(name, f"{name}={value!r}", value)
        super().__init__(
            attribute_name=attribute_name,  # type: ignore[arg-type]
            singleton=singleton,
            user_class=user_class,
            **others,
        )
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Give an application its users.

        Raises:
            ConfigError: a setting is of quart-auth's own cookie or tokens; or the application has
                another IdleAuth, or another QuartAuth that quart-auth's functions would mean.
        """
        for name in ("mode", *OWN_SETTINGS):
            key = f"{EXTENSIONS}_{name.upper()}"
            check_setting(name, f"{key} is {app.config.get(key)!r}", app.config.get(key))
        if any(isinstance(other, IdleAuth) for other in app.extensions.get(EXTENSIONS, ())):
            raise ConfigError(
                "this application has its IdleAuth already: a session has one user; tell kinds of "
                "users apart by a user_class"
            )
        check_alone(app, self)
        super().init_app(app)

        @app.before_serving
        async def check() -> None:
            check_alone(app)
            interface = app.session_interface
            if not isinstance(interface, QuartIdleSessionInterface):
                raise ConfigError(f"IdleAuth needs QuartIdle(app); sessions are of {interface!r}")
            if interface.user_key is not None:
                raise ConfigError(
                    f"QUART_IDLE_USER_KEY is {interface.user_key!r}, and with IdleAuth login_user "
                    "says who the user is; remove the setting"
                )

    def load_cookie(self) -> str | None:
        """Whose session the request's cookie names."""
        return _session().user_id

    def dump_token(self, auth_id: str, app: Quart | None = None) -> str:  # noqa: ARG002
        raise RuntimeError(f"IdleAuth has no tokens: {TOKENS}")

    def load_token(self, token: str, app: Quart | None = None) -> str | None:  # noqa: ARG002
        raise RuntimeError(f"IdleAuth has no tokens: {TOKENS}")

    # The request's user.

    def load_user(self) -> AuthUser:
        """The request's user: the session's; one without an `auth_id` where there is none.

        Raises:
            StoreUnavailable: the store did not answer when the session was to be read.
        """
        if not (has_request_context() or has_websocket_context()):
            return self.user_class(None)
        held = self._held()
        if held is None or not (held.detached or held.owner == _session().user_id):
            held = self._hold(self.resolve_user(), Action.PASS)
        return held.user

    def _held(self) -> _Held | None:
        held: _Held | None = getattr(g, self.attribute_name, None)
        return held if held is not None and held.request is _request() else None

    def _hold(self, user: AuthUser, done: Action, *, detached: bool = False) -> _Held:
        owner = None if detached else _session().user_id
        held = _Held(user, owner, detached, done, _request())
        setattr(g, self.attribute_name, held)
        return held

    def _template_context(self) -> dict[str, AuthUser]:
        # Found when a template asks: a page that does not varies with no cookie.
        user: Any = LocalProxy(self._user_to_show)
        return {"current_user": user}

    def _user_to_show(self) -> AuthUser:
        held = self._held()
        if held is not None and held.detached:
            return held.user
        if (
            has_request_context() or has_websocket_context()
        ) and _session()._life.sight is Sight.FAULT_RAISED:
            return self.user_class(None)  # the application's page about that
        return self.load_user()

    # Signing in and out.

    def login_user(self, user: AuthUser) -> None:
        """Sign a user in, or, if the user's `action` is ``PASS``, have one for this request only.

        Raises:
            RuntimeError: this is no request.
            TypeError: the `auth_id` is not a str of one character or more.
        """
        _check_request("sign in")
        if user.action is Action.PASS:
            self._hold(user, user.action, detached=True)
        else:
            self._act(user)
            self._hold(user, user.action)

    def logout_user(self) -> None:
        """End the session, with all that it holds.

        Raises:
            RuntimeError: this is no request.
        """
        _check_request("sign out")
        user = self.user_class(None)
        user.action = Action.DELETE
        self.login_user(user)

    def _act(self, user: AuthUser) -> None:
        session = _session()
        if user.action is Action.DELETE:
            session.end()
            return
        if type(user.auth_id) is not str or not user.auth_id:
            raise TypeError(
                f"the auth_id of {type(user).__name__} is {user.auth_id!r}; allowed: a str that is "
                "not empty, as str(number)"
            )
        if session.user_id == user.auth_id:
            session.authenticated()
        else:
            if session.user_id is not None:
                session.clear()
            session.user_id = user.auth_id
        session.permanent = user.action is Action.WRITE_PERMANENT

    @sessionless
    async def after_request(self, response: Response) -> Response:
        """Do what the `action` of the request's user asks for, if that was set by hand."""
        held = self._held()
        if held is None:
            return response
        try:
            has_acted = self._act_by_hand(held) or held.done is not Action.PASS
        except Exception as error:  # raised here, it would pass by the application's handlers
            answer = await handle_error(current(current_app), error)
            return cast("Response", await current_app.make_response(answer))
        if has_acted and self._has_old_cookie():
            response.delete_cookie(_OLD_COOKIE, httponly=True, samesite="Lax")
        return response

    def _act_by_hand(self, held: _Held) -> bool:
        """Whether somebody signs in or out by it."""
        user = held.user
        if user.action is held.done or user.action is Action.PASS:
            return False
        if user.action is Action.DELETE or (held.detached and user.auth_id is not None):
            self._act(user)
            return True
        session = _session()
        if held.owner is not None and held.owner == session.user_id:
            session.permanent = user.action is Action.WRITE_PERMANENT
        return False

    def _has_old_cookie(self) -> bool:
        """Whether the browser has a cookie still from when a QuartAuth was here."""
        return _OLD_COOKIE in request.cookies and not any(
            other is not self and other.mode == "cookie" and other.cookie_name == _OLD_COOKIE
            for other in current_app.extensions[EXTENSIONS]
        )

    async def after_websocket(self, response: Response | None) -> Response | None:
        """Tell that what the `action` of the user asks for cannot be done on a WebSocket."""
        held = self._held()
        if held is not None and held.user.action is not held.done:
            warnings.warn(
                "nobody signs in or out, or is renewed, on a WebSocket: it can set no cookie",
                stacklevel=2,
            )
        return response

    # Testing.

    @asynccontextmanager
    async def authenticated_client(
        self, client: TestClientProtocol, auth_id: str
    ) -> AsyncGenerator[None, None]:
        """Have a test client's session signed in; it ends with this."""
        async with client.session_transaction() as session:
            session.user_id = auth_id  # type: ignore[attr-defined]
        try:
            yield
        finally:
            async with client.session_transaction() as session:
                session.end()  # type: ignore[attr-defined]


def _session() -> Session:
    session = current(quart.session)
    if type(session) is not Session:
        kind = f"{type(session).__module__}.{type(session).__qualname__}"
        raise ConfigError(f"IdleAuth needs QuartIdle(app); the session is a {kind}")
    return session


def _request() -> object:
    """The request or WebSocket under way; None: there is none."""
    if has_request_context():
        return current(request)
    return current(websocket) if has_websocket_context() else None


def _check_request(doing: str) -> None:
    if not has_request_context():
        raise RuntimeError(f"it takes a request to {doing}: a WebSocket can set no cookie")

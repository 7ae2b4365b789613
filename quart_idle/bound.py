"""Views that end with the session: of WebSockets, and those that stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from typing import Any, Final, TypeVar, cast

import quart
from quart import Response, current_app, has_websocket_context
from quart.wrappers import BaseRequestWebsocket
from werkzeug.wrappers import Response as WerkzeugResponse

from . import protocol
from .exceptions import ConfigError
from .presence import AppRequest, AppSocket, Connection, Named
from .quarts import current
from .reasons import UNKNOWN
from .session import Session
from .states import State

#: Where a connection's scope has what can end it.
CONNECTION: Final = "quart_idle.connection"

_View = TypeVar("_View", bound=Callable[..., Any])


def bind(view: _View, *, activity: bool) -> _View:
    """A view whose socket, or streamed response, ends with the session of its request."""

    @wraps(view)
    async def bound(*args: Any, **kwargs: Any) -> Any:
        call = current_app.ensure_async(view)
        session = current(quart.session)
        if has_websocket_context():
            socket = _connection(current(quart.websocket), AppSocket)
            if await socket.bind(partial(_named, session), activity=activity):
                return await call(*args, **kwargs)
            return None
        response = await current_app.make_response(await call(*args, **kwargs))
        if _streams(response):
            request = _connection(current(quart.request), AppRequest)
            request.bind_stream(partial(_named, session))
        return response

    return cast("_View", bound)


_Kind = TypeVar("_Kind", bound=Connection)


def _connection(request: BaseRequestWebsocket, kind: type[_Kind]) -> _Kind:
    found = cast("Any", request.scope).get(CONNECTION)
    if found is None:
        raise RuntimeError(
            "a bound view is called without a connection that could end: call it by a server, or "
            "by app.test_client()"
        )
    if not isinstance(found, kind):
        raise RuntimeError(  # noqa: TRY004  (it is no argument)
            "a view that is bound by one QuartIdle is of an application that has another: use "
            "`bound` of the application's own"
        )
    return found


def check_order(app: quart.Quart, name: str, decorated: Iterable[Callable[..., Any]]) -> None:
    """See whether a decorator stands above the one that routes a view, where it does nothing.

    Args:
        app: the application.
        name: the decorator's, on the extension.
        decorated: what it made.

    Raises:
        ConfigError: one is.
    """
    routed = {id(call) for view in app.view_functions.values() for call in _calls(view)}
    for call in decorated:
        view, *rest = _calls(call)
        if id(view) not in routed and any(id(inner) in routed for inner in rest):
            raise ConfigError(
                f"@idle.{name} stands above the decorator that routes {call.__qualname__}, where "
                "it does nothing; put it below"
            )


def _calls(view: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """A function, and what it wraps."""
    while view is not None:
        yield view
        view = getattr(view, "__wrapped__", None)  # type: ignore[assignment]


def _named(session: Any) -> Named:
    """The session of a request, as it is stored.

    Raises:
        StoreUnavailable: the store did not answer when it was to be read.
    """
    if type(session) is not Session:
        return Named(None, protocol.ENDED, UNKNOWN)
    ended = session.ended
    superseded = session._life.state is State.SUPERSEDED
    code = protocol.TOKEN_CHANGED if superseded else protocol.ENDED
    return Named(session._life.stored_id if ended is None else None, code, ended or UNKNOWN)


def _streams(response: Response | WerkzeugResponse) -> bool:
    """Whether the body is sent bit by bit."""
    if isinstance(response, Response):
        return not isinstance(response.response, response.data_body_class)
    return response.is_streamed
